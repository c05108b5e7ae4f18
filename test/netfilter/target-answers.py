"""What the kernel makes of packets: targets that change headers, and what REJECT and LOG say. Run as root; writes target-answers.txt.

    change 4 RULE: IN > OUT     a frame that a host sends, and what leaves by e1; the rule is in mangle POSTROUTING
    reject 4 RULE: IN > OUT     and what comes back by e0; the rule is in filter INPUT ("-" = nothing)
"""
import os
import socket
import struct
import subprocess
import sys
import time

from scapy.all import AH, GRE, ICMP, IP, SCTP, TCP, UDP, Ether, ICMPv6EchoRequest, ICMPv6DestUnreach, IPv6, Raw

HERE = os.path.dirname(os.path.abspath(__file__))
NS = f'sluice-target-{os.getpid()}'
R0, R1, H0, H1 = '02:00:00:00:0b:00', '02:00:00:00:0b:01', '02:00:00:00:10:09', '02:00:00:00:11:09'


def eth(payload, dst=R0):
    frame = bytes(Ether(src=H0, dst=dst) / payload)
    return frame + bytes(max(0, 60 - len(frame)))


def through(**k):
    return IP(**{**dict(src='10.0.0.9', dst='10.0.1.9', id=77), **k})


def through6(**k):
    return IPv6(**{**dict(src='2001:db8::9', dst='2001:db8:1::9'), **k})


def to(**k):
    return IP(**{**dict(src='10.0.0.9', dst='10.0.0.1', id=77), **k})


def to6(**k):
    return IPv6(**{**dict(src='2001:db8::9', dst='2001:db8::1'), **k})


SYN = TCP(sport=1500, dport=80, flags='S', options=[('MSS', 1460), ('NOP', None), ('WScale', 7)])
ODD = TCP(sport=1500, dport=80, flags='S', options=[('NOP', None), ('MSS', 1460), ('NOP', None), ('SAckOK', '')])
BARE = TCP(sport=1500, dport=80, flags='S')
DATA = TCP(sport=1500, dport=80, flags='PAE', options=[('Timestamp', (1, 2)), ('NOP', None), ('NOP', None)]) / b'data!'

CHANGES = [
    (4, rule, eth(through(tos=t) / p))
    for rule, t, p in [
        ('-j TTL --ttl-set 20', 0, UDP(sport=1, dport=2) / b'x'),
        ('-j TTL --ttl-inc 250', 0, UDP(sport=1, dport=2) / b'x'),
        ('-j TTL --ttl-dec 70', 0, UDP(sport=1, dport=2) / b'x'),
        ('-j TOS --set-tos 0x10/0xff', 0xb9, DATA),
        ('-j TOS --xor-tos 0x0f', 0xb9, DATA),
        ('-j DSCP --set-dscp 10', 0xb9, DATA),
        ('-p tcp -j ECN --ecn-tcp-remove', 0x3, DATA),
        ('-p tcp -j TCPMSS --set-mss 1000', 0, SYN),
        ('-p tcp -j TCPMSS --set-mss 2000', 0, SYN),
        ('-p tcp -j TCPMSS --set-mss 1000', 0, BARE),
        ('-p tcp -j TCPMSS --set-mss 400', 0, BARE),
        ('-p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu', 0, SYN),
        ('-p tcp -j TCPMSS --set-mss 100', 0, DATA),
        ('-p tcp -j TCPOPTSTRIP --strip-options timestamp', 0, DATA),
        ('-p tcp -j TCPOPTSTRIP --strip-options mss,wscale', 0, SYN),
        ('-p tcp -j TCPOPTSTRIP --strip-options mss,sack-permitted', 0, ODD),
    ]
] + [
    (6, rule, eth(through6(tc=t) / p))
    for rule, t, p in [
        ('-j HL --hl-set 20', 0, UDP(sport=1, dport=2) / b'x'),
        ('-j HL --hl-dec 1', 0, UDP(sport=1, dport=2) / b'x'),
        ('-j TOS --set-tos 0x10/0xff', 0xb9, DATA),
        ('-j DSCP --set-dscp 10', 0xb9, DATA),
        ('-p tcp -j TCPMSS --set-mss 1000', 0, SYN),
        ('-p tcp -j TCPMSS --set-mss 1300', 0, BARE),
        ('-p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu', 0, SYN),
        ('-p tcp -j TCPOPTSTRIP --strip-options timestamp', 0, DATA),
        ('-j SNPT --src-pfx 2001:db8::/64 --dst-pfx 2001:db8:5555::/64', 0, UDP(sport=1, dport=2) / b'x'),
        ('-j SNPT --src-pfx 2001:db8::/48 --dst-pfx 2001:db8:5555::/48', 0, UDP(sport=1, dport=2) / b'x'),
    ]
]

UDP4 = UDP(sport=1000, dport=7) / bytes(range(30))
BAD = UDP(sport=1000, dport=7, chksum=0x1234) / b'bad'

REJECTS = [(4, f'-j REJECT --reject-with {kind}', eth(to() / UDP4)) for kind in (
    'icmp-net-unreachable', 'icmp-host-unreachable', 'icmp-port-unreachable', 'icmp-proto-unreachable',
    'icmp-net-prohibited', 'icmp-host-prohibited', 'icmp-admin-prohibited')] + [
    (4, '-p tcp -j REJECT --reject-with tcp-reset', frame) for frame in (
        eth(to() / TCP(sport=1000, dport=80, flags='S', seq=5000)),
        eth(to() / TCP(sport=1000, dport=80, flags='SF', seq=0xffffffff) / b'abc'),
        eth(to(tos=0x13) / TCP(sport=1000, dport=80, flags='A', seq=5000, ack=70000) / b'abc'),
        eth(to() / TCP(sport=1000, dport=80, flags='', seq=5000) / b'abc'),
        eth(to() / TCP(sport=1000, dport=80, flags='R', seq=5000)),
        eth(to() / TCP(sport=1000, dport=80, flags='S', seq=5000, chksum=0x1111)),
        eth(to(dst='10.0.0.255') / TCP(sport=1000, dport=80, flags='S'), dst='ff:ff:ff:ff:ff:ff'),
    )] + [
    (4, '-j REJECT', frame) for frame in (
        eth(to() / BAD),
        eth(to() / UDP(sport=1000, dport=7, chksum=0) / b'none'),
        eth(to() / ICMP(type=8, id=1, seq=2) / b'echo'),
        eth(to() / ICMP(type=3, code=1) / IP(src='10.0.0.1', dst='10.0.0.9') / UDP(sport=1, dport=2)),
        eth(to(dst='10.0.0.255') / UDP4, dst='ff:ff:ff:ff:ff:ff'),
        eth(to(dst='224.0.0.1') / UDP4, dst='01:00:5e:00:00:01'),
        eth(to(proto=253) / Raw(b'some protocol')),
        eth(to(proto=253) / Raw(bytes.fromhex('ff00 00ff'))),
        eth(to(proto=47) / Raw(bytes([0, 0, 8, 0]) + bytes(20))),
        eth(to(proto=132) / Raw(bytes(16))),
        eth(to() / TCP(sport=1000, dport=80, flags='S')),
        eth(to() / UDP(sport=1000, dport=7) / bytes(800)),
    )] + [(6, f'-j REJECT --reject-with {kind}', eth(to6() / UDP4)) for kind in (
        'icmp6-no-route', 'icmp6-adm-prohibited', 'icmp6-addr-unreachable', 'icmp6-port-unreachable',
        'icmp6-policy-fail', 'icmp6-reject-route')] + [
    (6, '-p tcp -j REJECT --reject-with tcp-reset', frame) for frame in (
        eth(to6() / TCP(sport=1000, dport=80, flags='S', seq=5000)),
        eth(to6(tc=0x13) / TCP(sport=1000, dport=80, flags='A', seq=5000, ack=70000) / b'abc'),
        eth(to6() / TCP(sport=1000, dport=80, flags='R', seq=5000)),
        eth(to6() / TCP(sport=1000, dport=80, flags='S', seq=5000, chksum=0x1111)),
    )] + [
    (6, '-j REJECT', frame) for frame in (
        eth(to6() / BAD),
        eth(to6() / ICMPv6EchoRequest(id=1, seq=2)),
        eth(to6() / ICMPv6DestUnreach(code=4) / IPv6(src='2001:db8::1', dst='2001:db8::9') / UDP(sport=1, dport=2)),
        eth(to6(nh=253) / Raw(b'some protocol')),
        eth(to6() / UDP(sport=1000, dport=7) / bytes(1400)),
    )]


def sh(*words, text=None):
    return subprocess.run(words, input=text, text=True, check=True, capture_output=True).stdout


def inside(*words, text=None):
    return sh('ip', 'netns', 'exec', NS, *words, text=text)


def set_up():
    sh('ip', 'netns', 'add', NS)
    sh('ip', '-n', NS, 'link', 'set', 'lo', 'up')
    for i, (ours, theirs) in enumerate(((R0, H0), (R1, H1))):
        sh('ip', '-n', NS, 'link', 'add', f'e{i}', 'address', ours, 'type', 'veth', 'peer', 'name', f'a{i}', 'address',
           theirs)
        inside('sysctl', '-qw', f'net.ipv6.conf.a{i}.disable_ipv6=1', f'net.ipv6.conf.e{i}.addr_gen_mode=1',
               f'net.ipv4.conf.a{i}.arp_ignore=8', f'net.ipv6.conf.e{i}.accept_dad=0')
        sh('ip', '-n', NS, 'link', 'set', f'e{i}', 'up', 'mtu', '1280' if i else '1500')
        sh('ip', '-n', NS, 'link', 'set', f'a{i}', 'up')
        sh('ip', '-n', NS, 'address', 'add', f'10.0.{i}.1/24', 'broadcast', '+', 'dev', f'e{i}')
        sh('ip', '-n', NS, 'address', 'add', f'2001:db8:{i}::1/64' if i else '2001:db8::1/64', 'dev', f'e{i}', 'nodad')
        sh('ip', '-n', NS, 'neigh', 'add', f'10.0.{i}.9', 'lladdr', theirs, 'dev', f'e{i}')
        sh('ip', '-n', NS, 'neigh', 'add', f'2001:db8:{i}::9' if i else '2001:db8::9', 'lladdr', theirs, 'dev', f'e{i}')
    inside('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1', 'net.ipv4.icmp_ratelimit=0',
           'net.ipv4.icmp_ratemask=0', 'net.ipv6.icmp.ratelimit=0', 'net.ipv4.icmp_msgs_per_sec=100000')


SENDER = r'''
import socket, sys, time
out = sys.argv[2]
seen = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
seen.bind((out, 0))
seen.settimeout(0.15)
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('a0', 0))
sent = bytes.fromhex(sys.argv[1])
s.send(sent)
end = time.time() + 0.2
while time.time() < end:
    try:
        frame, where = seen.recvfrom(4000)
    except TimeoutError:
        break
    if frame != sent and where[2] != socket.PACKET_OUTGOING and frame[6:7] == b'\x02' and frame[12:14] != b'\x08\x06':
        # Neighbour discovery and the like are nobody's answer.
        if frame[12:14] == b'\x86\xdd' and frame[20] == 58 and frame[54] >= 130:
            continue
        print(frame.hex())
        break
else:
    pass
'''


def main():
    lines = []
    try:
        set_up()
        time.sleep(1)
        for kind, cases, table, chain, out in (('change', CHANGES, 'mangle', 'POSTROUTING', 'a1'),
                                               ('reject', REJECTS, 'filter', 'INPUT', 'a0')):
            for family, rule, frame in cases:
                tool = 'iptables' if family == 4 else 'ip6tables'
                match = '-o e1' if kind == 'change' else '-i e0'
                inside(f'{tool}-restore', text=f'*{table}\n-A {chain} {match} {rule}\nCOMMIT\n')
                answer = inside('python3', '-c', SENDER, frame.hex(), out).strip()
                lines.append(f'{kind} {family} {rule}: {frame.hex()} > {answer or "-"}')
                inside(tool, '-t', table, '-F')
    finally:
        subprocess.run(['ip', 'netns', 'del', NS])
    with open(os.path.join(HERE, 'target-answers.txt'), 'w') as file:
        file.write('\n'.join(lines) + '\n')


main()
