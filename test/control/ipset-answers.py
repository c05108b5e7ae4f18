#!/usr/bin/env python3
"""Asks the real ipset, in a network namespace of its own, what ipset-commands.txt holds, and writes what it answers:

    ./ipset-answers.py ipset-commands.txt > ipset-answers.txt

A line is the words of one call; one that begins with "<" is text for the call's standard input.
"""
import os, shlex, subprocess, sys

NAMESPACE = 'ipset-answers-%d' % os.getpid()


def ask(words, text):
    done = subprocess.run(['ip', 'netns', 'exec', NAMESPACE, 'ipset', *words], input=text, capture_output=True, text=True)
    return done.stdout, done.stderr, done.returncode


def show(words, text, answer):
    out, err, status = answer
    print('$ ' + ' '.join(f'"{word}"' if ' ' in word or word == '' else word for word in words))
    for line in text.splitlines():
        print('< ' + line)
    for line in out.splitlines():
        print('> ' + line)
    for line in err.splitlines():
        print('! ' + line)
    print(f'= {status}')


def main():
    subprocess.run(['ip', 'netns', 'add', NAMESPACE], check=True)
    try:
        calls = []
        for line in open(sys.argv[1]):
            line = line.rstrip('\n')
            if line.startswith('#') or line == '':
                continue
            if line.startswith('<'):
                calls[-1][1] += line[2:] + '\n'
            else:
                calls.append([shlex.split(line), ''])
        for words, text in calls:
            show(words, text, ask(words, text))
    finally:
        subprocess.run(['ip', 'netns', 'del', NAMESPACE], check=True)


main()
