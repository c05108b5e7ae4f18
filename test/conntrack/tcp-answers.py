#!/usr/bin/python3
"""Asks a Linux kernel what its connection tracking makes of TCP segments, for tcp-answers.txt: a router of this script's own,

    client 10.0.0.9 ── e0  router  e1 ── server 10.0.1.9

Client and server are packet sockets. Each line of a case is one segment, what it was to the flow (as rules see it), and
the flow's state, timeout and status after it; `-`: there is no such flow. Timeouts are set so that each has a length of its own.
Run as root: tcp-answers.py > tcp-answers.txt
"""
import ctypes
import os
import random
import re
import select
import socket
import subprocess
import sys

from scapy.all import IP, TCP, Ether, Raw

A, R, B = (f'tcp{os.getpid()}{x}' for x in 'arb')
R0, R1, H0, H1 = '02:00:00:00:0b:00', '02:00:00:00:0b:01', '02:00:00:00:10:09', '02:00:00:00:11:09'
TIMEOUTS = {'syn_sent': 101, 'syn_recv': 61, 'established': 4000, 'fin_wait': 111, 'close_wait': 71, 'last_ack': 31,
            'time_wait': 121, 'close': 11, 'max_retrans': 301, 'unacknowledged': 201}
SYN_SENT2 = 120  # nothing sets it
WHAT = {4: 'INVALID', 8: 'NEW', 12: 'ESTABLISHED', 16: 'RELATED'}
setns = ctypes.CDLL(None, use_errno=True).setns


def run(command):
    subprocess.run(command, shell=True, check=True)


def set_up():
    for ns in (A, R, B):
        run(f'ip netns add {ns}')
    run(f'ip link add e0 netns {R} address {R0} type veth peer name e0 netns {A} address {H0}')
    run(f'ip link add e1 netns {R} address {R1} type veth peer name e1 netns {B} address {H1}')
    for ns, link in ((A, 'e0'), (B, 'e1')):
        run(f'ip netns exec {ns} sysctl -qw net.ipv6.conf.all.disable_ipv6=1')
        run(f'ip -n {ns} link set {link} up')
    run(f'ip netns exec {R} sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.disable_ipv6=1')
    for i, link, host in ((0, 'e0', H0), (1, 'e1', H1)):
        run(f'ip -n {R} link set {link} up')
        run(f'ip -n {R} addr add 10.0.{i}.1/24 dev {link}')
        run(f'ip -n {R} neigh add 10.0.{i}.9 lladdr {host} nud permanent dev {link}')
    for name, seconds in TIMEOUTS.items():
        run(f'ip netns exec {R} sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_{name}={seconds}')
    for tos, state in WHAT.items():
        run(f'ip netns exec {R} iptables -t mangle -A POSTROUTING -m conntrack --ctstate {state} -j TOS --set-tos {tos}')


def open_in(ns, link):
    own = os.open('/proc/self/ns/net', os.O_RDONLY)
    there = os.open(f'/run/netns/{ns}', os.O_RDONLY)
    setns(there, 0)
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    s.bind((link, 0x0800))
    setns(own, 0)
    return s


def receive(s):
    while True:
        if not select.select([s], [], [], 0.5)[0]:
            return None
        data, address = s.recvfrom(4000)
        if address[2] != 4:
            return data


class Kernel:
    def __init__(self):
        self.sockets = (open_in(A, 'e0'), open_in(B, 'e1'))
        self.port = 20000

    def segment(self, direction, flags, seq, ack, win, length, options=''):
        ports = (self.port, 80) if direction == 0 else (80, self.port)
        ips = ('10.0.0.9', '10.0.1.9') if direction == 0 else ('10.0.1.9', '10.0.0.9')
        macs = (H0, R0) if direction == 0 else (H1, R1)
        raw = bytes.fromhex(options)
        tcp = TCP(sport=ports[0], dport=ports[1], seq=seq & 0xffffffff, ack=ack & 0xffffffff, window=win, flags=flags, dataofs=5 + len(raw) // 4)
        packet = IP(bytes(IP(src=ips[0], dst=ips[1]) / tcp / Raw(raw + b'x' * length)))
        del packet[TCP].chksum
        self.sockets[direction].send(bytes(Ether(src=macs[0], dst=macs[1]) / packet))
        got = receive(self.sockets[1 - direction])
        what = 'DROPPED' if got is None else WHAT[got[15] & 0xfc]
        return f'{what} {self.entry()}'

    def entry(self):
        out = subprocess.run(['ip', 'netns', 'exec', R, 'conntrack', '-L', '-p', 'tcp', '--orig-port-src', str(self.port)],
                             capture_output=True, text=True).stdout
        m = re.search(r'tcp\s+6 (\d+) (\w+) ', out)
        if not m:
            return '-'
        left = int(m[1])
        lengths = [*TIMEOUTS.values(), SYN_SENT2] if m[2] == 'SYN_SENT2' else TIMEOUTS.values()
        full = min(lengths, key=lambda t: abs(t - left - 0.5) if t >= left else 1e9)
        status = ('ASSURED' if '[ASSURED]' in out else 'UNREPLIED' if '[UNREPLIED]' in out else 'REPLIED')
        return f'{m[2]} {full} {status}'


def sysctl(name, value):
    run(f'ip netns exec {R} sysctl -qw net.netfilter.nf_conntrack_tcp_{name}={value}')


SYN_OPTIONS = '020405b40402080a0000000100000000010303' + '07'
NO_SACK = '020405b4' + '01030308'
TIMESTAMP = '0101080a0000000200000001'


def sack(left, right):
    return '0101050a' + (left & 0xffffffff).to_bytes(4, 'big').hex() + (right & 0xffffffff).to_bytes(4, 'big').hex()


def opened(c=1000, s=5000, options=SYN_OPTIONS, win=64240):
    return [(0, 'S', c, 0, win, 0, options), (1, 'SA', s, c + 1, win, 0, options), (0, 'A', c + 1, s + 1, 502, 0)]


def cases():
    o = opened()
    yield 'open, data, close', o + [(0, 'PA', 1001, 5001, 502, 100), (1, 'A', 5001, 1101, 502, 0), (1, 'PA', 5001, 1101, 502, 50),
                                   (0, 'A', 1101, 5051, 502, 0), (0, 'FA', 1101, 5051, 502, 0), (1, 'A', 5051, 1102, 502, 0),
                                   (1, 'FA', 5051, 1102, 502, 0), (0, 'A', 1102, 5052, 502, 0), (0, 'A', 1102, 5052, 502, 0)]
    yield 'closed by the server, both at once', o + [(1, 'FA', 5001, 1001, 502, 0), (0, 'FA', 1001, 5001, 502, 0), (0, 'A', 1002, 5002, 502, 0), (1, 'A', 5002, 1002, 502, 0)]
    yield 'SYN again and again', [(0, 'S', 1000, 0, 64240, 0, SYN_OPTIONS)] * 3 + [(1, 'SA', 5000, 1001, 64240, 0, SYN_OPTIONS)] * 2
    yield 'SYN of another sequence', [(0, 'S', 1000, 0, 64240, 0, SYN_OPTIONS), (0, 'S', 99000, 0, 64240, 0, SYN_OPTIONS), (1, 'SA', 5000, 99001, 64240, 0, SYN_OPTIONS), (0, 'A', 99001, 5001, 502, 0)]
    yield 'SYN refused', [(0, 'S', 1000, 0, 64240, 0, SYN_OPTIONS), (1, 'RA', 0, 1001, 0, 0), (0, 'S', 2000, 0, 64240, 0, SYN_OPTIONS)]
    yield 'SYN taken back', [(0, 'S', 1000, 0, 64240, 0, SYN_OPTIONS), (0, 'R', 1001, 0, 0, 0)]
    yield 'simultaneous open', [(0, 'S', 1000, 0, 64240, 0, SYN_OPTIONS), (1, 'S', 5000, 0, 64240, 0, SYN_OPTIONS), (0, 'SA', 1000, 5001, 64240, 0, SYN_OPTIONS), (1, 'SA', 5000, 1001, 64240, 0, SYN_OPTIONS), (0, 'A', 1001, 5001, 502, 0), (1, 'A', 5001, 1001, 502, 0)]
    yield 'simultaneous open, ACK of the server', [(0, 'S', 1000, 0, 64240, 0, SYN_OPTIONS), (1, 'S', 5000, 0, 64240, 0, SYN_OPTIONS), (0, 'SA', 1000, 5001, 64240, 0, SYN_OPTIONS), (1, 'A', 5001, 1001, 502, 0)]
    yield 'ACK of the server to a SYN, then its RST', [(0, 'S', 1000, 0, 64240, 0, SYN_OPTIONS), (1, 'A', 7000, 900, 502, 0), (0, 'R', 900, 0, 0, 0), (0, 'S', 1000, 0, 64240, 0, SYN_OPTIONS)]
    yield 'SYN within a flow, challenge ACK', o + [(0, 'S', 900000, 0, 64240, 0, SYN_OPTIONS), (1, 'A', 5001, 1001, 502, 0), (0, 'R', 1001, 0, 0, 0)]
    yield 'SYN within a flow, answered by SYN/ACK', o + [(0, 'S', 900000, 0, 64240, 0, SYN_OPTIONS), (1, 'SA', 70000, 900001, 64240, 0, SYN_OPTIONS), (0, 'A', 900001, 70001, 502, 0), (0, 'PA', 900001, 70001, 502, 10), (1, 'A', 70001, 900011, 502, 0)]
    yield 'SYN within a flow, answered by RST', o + [(0, 'S', 900000, 0, 64240, 0, SYN_OPTIONS), (1, 'RA', 0, 900001, 0, 0)]
    yield 'SYN in LAST_ACK, challenge ACK', o + [(0, 'FA', 1001, 5001, 502, 0), (1, 'FA', 5001, 1002, 502, 0), (0, 'S', 900000, 0, 64240, 0, SYN_OPTIONS), (1, 'A', 5002, 1002, 502, 0), (1, 'A', 5002, 1002, 502, 0)]
    closed = o + [(0, 'FA', 1001, 5001, 502, 0), (1, 'FA', 5001, 1002, 502, 0), (0, 'A', 1002, 5002, 502, 0)]
    yield 'reopened from TIME_WAIT', closed + [(0, 'S', 8000, 0, 64240, 0, SYN_OPTIONS), (1, 'SA', 9000, 8001, 64240, 0, SYN_OPTIONS), (0, 'A', 8001, 9001, 502, 0)]
    yield 'SYN of the server in TIME_WAIT', closed + [(1, 'S', 8000, 0, 64240, 0, SYN_OPTIONS), (0, 'SA', 9000, 8001, 64240, 0, SYN_OPTIONS)]
    yield 'reset', o + [(1, 'RA', 5001, 1001, 0, 0), (0, 'S', 8000, 0, 64240, 0, SYN_OPTIONS)]
    yield 'reset by the client, reopened by it', o + [(0, 'RA', 1001, 5001, 0, 0), (0, 'S', 8000, 0, 64240, 0, SYN_OPTIONS), (1, 'SA', 9000, 8001, 64240, 0, SYN_OPTIONS), (0, 'A', 8001, 9001, 502, 0)]
    for what, seq in (('below', 4000), ('exact', 5001), ('above, in window', 6001), ('far above', 500000000)):
        yield f'RST {what}', o + [(1, 'R', seq, 0, 0, 0), (1, 'PA', 5001, 1001, 502, 10), (0, 'A', 1001, 5011, 502, 0)]
    yield 'RST at the end of a train', o + [(1, 'PA', 5001, 1001, 502, 19), (1, 'R', 5020, 1001, 0, 0)]
    yield 'RST behind data not yet acknowledged', o + [(1, 'PA', 5001, 1001, 502, 19), (0, 'A', 1001, 5001, 502, 0), (1, 'R', 5020, 1001, 0, 0), (0, 'A', 1001, 5001, 502, 0)]
    yield 'RST of sequence 0', [(0, 'S', 1000, 0, 64240, 0, SYN_OPTIONS), (1, 'SA', 5000, 1001, 64240, 0, SYN_OPTIONS), (1, 'RA', 0, 1001, 0, 0)]
    yield 'data beyond the window', o + [(1, 'A', 5001, 1001, 1, 0), (0, 'PA', 1001 + 8300000, 5001, 502, 100), (0, 'PA', 1001, 5001, 502, 100), (1, 'A', 5001, 1101, 502, 0)]
    nowin = opened(options='020405b4')
    yield 'data a little beyond a small window', nowin + [(1, 'PA', 5001, 1001, 64240, 10), (0, 'A', 1001, 5011, 64240, 0), (0, 'PA', 1001 + 64240, 5011, 502, 100), (0, 'PA', 1001 + 64242, 5011, 502, 1000), (1, 'A', 5011, 1001 + 65242, 64240, 0)]
    yield 'old data', nowin + [(0, 'PA', 1001, 5001, 64240, 1000), (1, 'A', 5001, 2001, 64240, 0), (0, 'PA', 1001 - 70000, 5001, 64240, 10), (0, 'PA', 1001 - 60000, 5001, 64240, 10)]
    yield 'ACK of what was never sent', o + [(0, 'A', 1001, 6000, 502, 0), (0, 'A', 1001, 5001, 502, 0)]
    yield 'ACK of long ago', o + [(0, 'A', 1001, 5001 - 65000, 502, 0), (0, 'A', 1001, 5001 - 80000, 502, 0)]
    yield 'FIN and RST out of window', o + [(0, 'FA', 1001 + 500000000, 5001, 502, 0), (1, 'FA', 5001 + 500000000, 1001, 502, 0), (1, 'R', 5001 + 500000000, 1001, 502, 0), (0, 'PA', 1001, 5001, 502, 10)]
    yield 'FIN out of window, RST from the other', o + [(0, 'FA', 1001 + 500000000, 5001, 502, 0), (1, 'RA', 5001 + 500000000, 1001, 502, 0)]
    yield 'retransmitted', o + [(0, 'PA', 1001, 5001, 502, 100)] * 6 + [(1, 'A', 5001, 1101, 502, 0)]
    yield 'zero window', o + [(0, 'PA', 1001, 5001, 502, 100), (1, 'A', 5001, 1101, 0, 0), (0, 'A', 1100, 5001, 502, 0), (1, 'A', 5001, 1101, 0, 0), (1, 'A', 5001, 1101, 502, 0)]
    yield 'SACK', o + [(0, 'PA', 1001, 5001, 502, 100), (0, 'PA', 1101, 5001, 502, 100), (1, 'A', 5001, 1001, 502, 0, sack(1101, 1201)), (1, 'A', 5001, 1001, 502, 0, sack(1301, 1401)), (1, 'A', 5001, 1201, 502, 0, TIMESTAMP)]
    yield 'SACK not agreed', opened(options=NO_SACK) + [(0, 'PA', 1001, 5001, 502, 100), (1, 'A', 5001, 1001, 502, 0, sack(1301, 1401))]
    yield 'scale of one side only', [(0, 'S', 1000, 0, 64240, 0, SYN_OPTIONS), (1, 'SA', 5000, 1001, 1000, 0, '020405b4'), (0, 'A', 1001, 5001, 502, 0), (0, 'PA', 1001, 5001, 502, 900), (0, 'PA', 1901, 5001, 502, 900), (1, 'A', 5001, 1901, 1000, 0)]
    yield 'scale of 15 counts as 14', opened(options='020405b40103030f') + [(0, 'PA', 1001, 5001, 502, 1000), (1, 'PA', 5001, 2001, 502, 1000)]
    yield 'picked up by data', [(0, 'PA', 1001, 5001, 502, 100), (0, 'PA', 1101, 5001, 502, 100), (1, 'A', 5001, 1201, 502, 0), (0, 'PA', 1201, 5001, 502, 100), (1, 'A', 5001, 1301, 502, 0)]
    yield 'picked up, out of any window', [(0, 'A', 1001, 5001, 502, 0), (1, 'PA', 700000000, 1001, 502, 100), (0, 'PA', 900000000, 5001, 502, 100)]
    yield 'picked up by SYN/ACK', [(0, 'SA', 1000, 5001, 502, 0), (0, 'FA', 1000, 5001, 502, 0), (0, 'R', 1000, 5001, 502, 0)]
    yield 'picked up, reset', [(0, 'A', 1001, 5001, 502, 0), (1, 'R', 5001, 0, 0, 0)]
    for flags in ('', 'P', 'U', 'F', 'SF', 'SR', 'FR', 'FRA', 'SFA', 'SRA', 'SU', 'SAU', 'AU', 'FAU', 'RU', 'RAP', 'SEC', 'SP', 'FSRPAU'):
        yield f'flags {flags or "none"} first', [(0, flags, 1000, 5000, 64240, 0)]
        yield f'flags {flags or "none"} within', o + [(0, flags, 1001, 5001, 502, 0)]
    yield 'SYN with data', [(0, 'S', 1000, 0, 64240, 50, SYN_OPTIONS), (1, 'SA', 5000, 1051, 64240, 20, SYN_OPTIONS), (0, 'A', 1051, 5021, 502, 0)]
    yield 'SYN/ACK of another sequence', [(0, 'S', 1000, 0, 64240, 0, SYN_OPTIONS), (1, 'SA', 5000, 1001, 64240, 0, SYN_OPTIONS), (1, 'SA', 6000, 1001, 64240, 0, SYN_OPTIONS), (0, 'A', 1001, 6001, 502, 0)]
    yield 'SYN/ACK that acknowledges nothing sent', [(0, 'S', 1000, 0, 64240, 0, SYN_OPTIONS), (1, 'SA', 5000, 7001, 64240, 0, SYN_OPTIONS), (0, 'R', 7001, 0, 0, 0)]
    yield 'wrapping sequences', opened(c=0xfffffff0, s=0xffffff00) + [(0, 'PA', 0xfffffff1, 0xffffff01, 502, 100), (1, 'PA', 0xffffff01, 0x55, 502, 1000), (0, 'A', 0x55, 0xffffff01 + 1000, 502, 0)]
    yield 'keep-alive', o + [(0, 'A', 1000, 5001, 502, 0), (1, 'A', 5001, 1001, 502, 0), (1, 'A', 5000, 1001, 502, 1)]
    yield 'half-closed, data of the other', o + [(0, 'FA', 1001, 5001, 502, 0), (1, 'A', 5001, 1002, 502, 0), (1, 'PA', 5001, 1002, 502, 400), (0, 'A', 1002, 5401, 502, 0), (1, 'FA', 5401, 1002, 502, 0), (0, 'A', 1002, 5402, 502, 0), (0, 'R', 1002, 0, 0, 0)]


def wild(seed):
    """A conversation with segments lost, repeated, late, early and made up."""
    rng = random.Random(seed)
    options = rng.choice([SYN_OPTIONS, NO_SACK, '020405b4', '020405b401030300'])
    start = [rng.choice([1000, 0xfffff000, rng.getrandbits(32)]) for _ in range(2)]
    steps = opened(start[0], start[1], options)[: rng.choice([1, 2, 3, 3, 3, 3])]
    if rng.random() < 0.1:
        steps = []
    sent = [start[0] + 1, start[1] + 1]
    for _ in range(rng.randrange(8, 16)):
        d = rng.randrange(2)
        length = rng.choice([0, 0, 1, 100, 1400])
        jump = rng.choice([0] * 8 + [-1, 1, -100, 100, 3000, -3000, 66000, -66000, 70000, 500000000, -500000000])
        jump_ack = rng.choice([0] * 8 + [-1, 1, -100, 100, -66000, -70000, 5000, 1000000])
        flags = rng.choice(['A', 'A', 'A', 'PA', 'PA', 'FA', 'R', 'RA', 'S', 'SA'])
        if 'R' in flags and rng.random() < 0.5:
            flags = 'A'
        seq, ack = sent[d] + jump, (0 if flags == 'S' else sent[1 - d] + jump_ack)
        extra = options if 'S' in flags else rng.choice(['', '', TIMESTAMP, sack(ack + 100, ack + rng.choice([200, 1500]))])
        steps.append((d, flags, seq, ack, rng.choice([0, 1, 502, 502, 502, 64240]), length, extra))
        if rng.random() < 0.8 and jump == 0:
            sent[d] += length + ('S' in flags) + ('F' in flags)
        elif rng.random() < 0.3:
            sent[d] += length
    return steps


def ask(kernel, name, steps):
    print(f'\n{name}')
    kernel.port += 1
    for step in steps:
        d, flags, seq, ack, win, length, options = (*step, '')[:7]
        answer = kernel.segment(*step)
        print(f"  {'><'[d]} {flags or '.'} {seq & 0xffffffff} {ack & 0xffffffff} {win} {length} {options or '-'} = {answer}", flush=True)


def main():
    set_up()
    kernel = Kernel()
    print('Linux', os.uname().release.split('-')[0])
    print('Timeouts', ' '.join(f'{k}={v}' for k, v in TIMEOUTS.items()))
    wildest = int(sys.argv[1]) if len(sys.argv) > 1 else 120
    for setting, count in (('', wildest), ('be_liberal', wildest // 3), ('loose=0', wildest // 6), ('ignore_invalid_rst', wildest // 3)):
        print(f'\n[{setting or "as it is"}]')
        name, _, value = setting.partition('=')
        if name:
            sysctl(name, value or 1)
        for title, steps in cases():
            ask(kernel, title, steps)
        for seed in range(count):
            ask(kernel, f'wild {seed}', wild(f'{setting}{seed}'))
        if name:
            sysctl(name, 1 if value == '0' else 0)


if __name__ == '__main__':
    try:
        main()
    finally:
        for ns in (A, R, B):
            subprocess.run(['ip', 'netns', 'del', ns], stderr=subprocess.DEVNULL)
