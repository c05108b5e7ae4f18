#!/usr/bin/python3
"""Asks a Linux kernel what its connection tracking makes of packets, for kernel-answers.txt: a router of this script's own,

    client 10.0.0.9, fd00::9 ── e0  router  e1 ── server 10.0.1.9, fd01::9

Client and server are packet sockets. Each line of a case is a packet (its IP packet in hex, from the client `>` or the server `<`), what it was
to its flow (as rules see it), and the flows after it as conntrack -L prints them, sorted, timeouts as they were set. `~ 2.5`: that many seconds pass.
Run as root: kernel-answers.py > kernel-answers.txt
"""
import ctypes
import os
import random
import re
import select
import socket
import struct
import subprocess
import time

from scapy.all import (GRE, ICMP, IP, TCP, UDP, Ether, ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest,
                       ICMPv6NIQueryIPv6, ICMPv6PacketTooBig, ICMPv6Unknown, IPv6, IPv6ExtHdrDestOpt, Raw)

A, R, B = (f'cta{os.getpid()}{x}' for x in 'arb')
R0, R1, H0, H1 = '02:00:00:00:0b:00', '02:00:00:00:0b:01', '02:00:00:00:10:09', '02:00:00:00:11:09'
TIMEOUTS = {'udp_timeout': 41, 'udp_timeout_stream': 151, 'icmp_timeout': 51, 'icmpv6_timeout': 61, 'gre_timeout': 71, 'gre_timeout_stream': 191,
            'generic_timeout': 601, 'sctp_timeout_closed': 11, 'sctp_timeout_cookie_wait': 21, 'sctp_timeout_cookie_echoed': 31,
            'sctp_timeout_established': 211, 'sctp_timeout_shutdown_sent': 81, 'sctp_timeout_shutdown_recd': 91,
            'sctp_timeout_shutdown_ack_sent': 101, 'sctp_timeout_heartbeat_sent': 111, 'tcp_timeout_syn_sent': 121}
WHAT = {4: 'INVALID', 8: 'NEW', 12: 'ESTABLISHED', 16: 'RELATED', 20: 'UNTRACKED'}
setns = ctypes.CDLL(None, use_errno=True).setns


def run(command):
    return subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout


def set_up():
    for ns in (A, R, B):
        run(f'ip netns add {ns}')
    run(f'ip link add e0 netns {R} address {R0} type veth peer name e0 netns {A} address {H0}')
    run(f'ip link add e1 netns {R} address {R1} type veth peer name e1 netns {B} address {H1}')
    for ns, link in ((A, 'e0'), (B, 'e1')):
        run(f'ip netns exec {ns} sysctl -qw net.ipv6.conf.all.disable_ipv6=1')
        run(f'ip -n {ns} link set {link} up')
    run(f'ip netns exec {R} sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.all.accept_dad=0 '
        'net.ipv6.conf.default.accept_dad=0')
    for i, link, host in ((0, 'e0', H0), (1, 'e1', H1)):
        run(f'ip -n {R} link set {link} up')
        run(f'ip -n {R} addr add 10.0.{i}.1/24 dev {link}')
        run(f'ip -n {R} addr add fd0{i}::1/64 dev {link} nodad')
        run(f'ip -n {R} neigh add 10.0.{i}.9 lladdr {host} nud permanent dev {link}')
        run(f'ip -n {R} neigh add fd0{i}::9 lladdr {host} nud permanent dev {link}')
    for name, seconds in TIMEOUTS.items():
        run(f'ip netns exec {R} sysctl -qw net.netfilter.nf_conntrack_{name}={seconds}')
    run(f'ip netns exec {R} sysctl -qw net.netfilter.nf_conntrack_acct=1')
    for tos, state in WHAT.items():
        for tool in ('iptables', 'ip6tables'):
            run(f'ip netns exec {R} {tool} -t mangle -A POSTROUTING -m conntrack --ctstate {state} -j TOS --set-tos {tos}')


def open_in(ns, link):
    own = os.open('/proc/self/ns/net', os.O_RDONLY)
    there = os.open(f'/run/netns/{ns}', os.O_RDONLY)
    setns(there, 0)
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.bind((link, 3))
    setns(own, 0)
    return s


def receive(s, packet):
    end = time.time() + 0.4
    addresses = packet[12:20] if packet[0] >> 4 == 4 else packet[8:40]
    while time.time() < end:
        if not select.select([s], [], [], 0.1)[0]:
            continue
        data, address = s.recvfrom(4000)
        ip = data[14:]
        if address[2] != 4 and addresses == (ip[12:20] if ip[0] >> 4 == 4 else ip[8:40]):
            return ip
    return None


def full(match):
    left = int(match[2])
    return match[1] + str(min(TIMEOUTS.values(), key=lambda t: t - left if t >= left else 1e9))


def flows():
    lines = []
    for family in ('ipv4', 'ipv6'):
        out = run(f'ip netns exec {R} conntrack -L -f {family} 2>/dev/null')
        for line in out.splitlines():
            line = re.sub(r'^(\w+\s+\d+ )(\d+)', full, line.strip())
            lines.append(re.sub(r'\s+', ' ', re.sub(r' mark=0 use=\d+', '', line)))
    return ' | '.join(sorted(lines)) or '-'


class Kernel:
    def __init__(self):
        self.sockets = (open_in(A, 'e0'), open_in(B, 'e1'))

    def ask(self, direction, packet):
        raw = bytes(packet)
        macs = (H0, R0) if direction == 0 else (H1, R1)
        kind = 0x0800 if raw[0] >> 4 == 4 else 0x86dd
        self.sockets[direction].send(bytes(Ether(src=macs[0], dst=macs[1], type=kind)) + raw)
        got = receive(self.sockets[1 - direction], raw)
        what = 'DROPPED'
        if got is not None:
            tos = got[1] if got[0] >> 4 == 4 else ((got[0] << 4) | (got[1] >> 4)) & 0xff
            what = WHAT.get(tos & 0xfc, 'NONE')
        return f'{"><"[direction]} {raw.hex()} = {what} {flows()}'

    def case(self, name, steps):
        run(f'ip netns exec {R} conntrack -F 2>&1')
        print(f'\n{name}')
        for step in steps:
            if isinstance(step, float):
                print(f'  ~ {step}')
                time.sleep(step)
            else:
                print('  ' + self.ask(*step), flush=True)


def c4(payload, **o):
    return (0, IP(src='10.0.0.9', dst='10.0.1.9', **o) / payload)


def s4(payload, **o):
    return (1, IP(src='10.0.1.9', dst='10.0.0.9', **o) / payload)


def c6(payload):
    return (0, IPv6(src='fd00::9', dst='fd01::9') / payload)


def s6(payload):
    return (1, IPv6(src='fd01::9', dst='fd00::9') / payload)


def built(packet):
    """The packet with its checksums."""
    return packet.__class__(bytes(packet))


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82f63b78 if crc & 1 else 0)
    return struct.pack('<I', crc ^ 0xffffffff)


def chunk(kind, body=b'', flags=0):
    data = struct.pack('!BBH', kind, flags, 4 + len(body)) + body
    return data + b'\0' * (-len(data) % 4)


def sctp(ports, tag, *chunks):
    head = struct.pack('!HHI', *ports, tag)
    data = b''.join(chunks)
    return head + crc32c(head + b'\0\0\0\0' + data) + data


def init(kind, tag):
    return chunk(kind, struct.pack('!IIHHI', tag, 1000, 1, 1, 1))


CLIENT, SERVER = (1000, 2000), (2000, 1000)


def cs(tag, *chunks):
    return c4(Raw(sctp(CLIENT, tag, *chunks)), proto=132)


def ss(tag, *chunks):
    return s4(Raw(sctp(SERVER, tag, *chunks)), proto=132)


def opened():
    return [cs(0, init(1, 77)), ss(77, init(2, 88)), cs(88, chunk(10, b'cook')), ss(77, chunk(11))]


def random_sctp(rng):
    kinds = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14]
    steps = [] if rng.random() < 0.3 else opened()[:rng.randint(1, 4)]
    for _ in range(rng.randint(3, 8)):
        direction = rng.randint(0, 1)
        right = 88 if direction == 0 else 77
        tag = rng.choice([right, right, right, right, 165 - right, 0, 99])
        chunks = []
        for _ in range(1 if rng.random() < 0.8 else 2):
            kind = rng.choice(kinds)
            if kind in (1, 2):
                if kind == 1 and rng.random() < 0.8:
                    tag = 0
                chunks.append(init(kind, rng.choice([77, 88, 99])))
            else:
                chunks.append(chunk(kind, b'abcd' if kind in (0, 10) else b'', rng.choice([0, 0, 1])))
        steps.append((cs if direction == 0 else ss)(tag, *chunks))
    return steps


def gre(version, call, protocol=0x880b):
    return Raw(struct.pack('!HHHH', 0x2000 | version, protocol, 4, call) + b'\0\0\0\1abcd')


def udp_cases(kernel):
    q, a = UDP(sport=5000, dport=53) / b'question', UDP(sport=53, dport=5000) / b'answer'
    kernel.case('udp, question and answer', [c4(q), c4(q), s4(a), c4(q), s4(a)])
    kernel.case('udp, a stream', [c4(q), s4(a), 2.3, c4(q), s4(a)])
    kernel.case('udp, a stream from one side', [c4(q), 2.3, c4(q), s4(a), s4(a)])
    kernel.case('udp, bad checksum', [c4(UDP(sport=5000, dport=53, chksum=0x1234) / b'question')])
    kernel.case('udp, no checksum', [c4(UDP(sport=5000, dport=53, chksum=0) / b'question')])
    kernel.case('udp, length too long', [c4(UDP(sport=5000, dport=53, len=100) / b'question')])
    kernel.case('udp, length too short', [c4(UDP(sport=5000, dport=53, len=7) / b'question')])
    short = built(IP(src='10.0.0.9', dst='10.0.1.9') / UDP(sport=5000, dport=53, len=12, chksum=0) / b'question')
    kernel.case('udp, shorter than the packet', [(0, short)])
    kernel.case('udp, cut short', [c4(Raw(b'\x13\x88\0\x35\0\x08'), proto=17)])
    kernel.case('udp, ports cut short', [c4(Raw(b'\x13\x88'), proto=17)])
    kernel.case('udp6', [c6(q), s6(a), 2.3, c6(q)])
    kernel.case('udp6 behind options', [c6(IPv6ExtHdrDestOpt() / q), s6(a)])
    kernel.case('udp6, no checksum', [c6(UDP(sport=5000, dport=53, chksum=0) / b'question')])
    lite = built(IP(src='10.0.0.9', dst='10.0.1.9', proto=136) / Raw(b'\x13\x88\0\x35\0\0\0\0abcd'))
    kernel.case('udplite, no checksum', [(0, lite)])
    # The kernel's idea of UDP-Lite's checksum is wrong.
    run(f'ip netns exec {R} sysctl -w net.netfilter.nf_conntrack_checksum=0')
    for coverage in (0, 8, 12, 4, 100):
        kernel.case(f'udplite, coverage {coverage}', [(0, udplite(coverage)), (1, udplite(coverage, True)), (0, udplite(coverage))])
    run(f'ip netns exec {R} sysctl -w net.netfilter.nf_conntrack_checksum=1')


def udplite(coverage, is_answer=False):
    ports = (53, 5000) if is_answer else (5000, 53)
    data = struct.pack('!HHHH', *ports, coverage, 0) + b'abcd'
    covered = data[:coverage] if coverage else data
    pseudo = socket.inet_aton('10.0.0.9') + socket.inet_aton('10.0.1.9') + struct.pack('!BBH', 0, 136, len(data))
    total = sum(struct.unpack(f'!{len(pseudo + covered) // 2}H', pseudo + covered))
    total = (total >> 16) + (total & 0xffff)
    data = data[:6] + struct.pack('!H', ~(total + (total >> 16)) & 0xffff) + data[8:]
    source, destination = ('10.0.1.9', '10.0.0.9') if is_answer else ('10.0.0.9', '10.0.1.9')
    return IP(src=source, dst=destination, proto=136) / Raw(data)


def icmp_cases(kernel):
    ping, pong = ICMP(type=8, id=7, seq=1) / b'abcdefgh', ICMP(type=0, id=7, seq=1) / b'abcdefgh'
    kernel.case('icmp, echo', [c4(ping), s4(pong), c4(ping)])
    kernel.case('icmp, reply alone', [s4(pong)])
    kernel.case('icmp, ids differ', [c4(ping), s4(ICMP(type=0, id=8) / b'abcdefgh')])
    for kind in (1, 2, 5, 9, 10, 13, 14, 15, 16, 17, 18, 19, 40):
        kernel.case(f'icmp, type {kind}', [c4(ICMP(type=kind, id=7) / b"abcdefgh")])
    kernel.case('icmp, codes', [c4(ICMP(type=8, code=3, id=7)), s4(ICMP(type=0, code=3, id=7)), s4(ICMP(type=0, code=0, id=7))])
    kernel.case('icmp, timestamp', [c4(ICMP(type=13, id=9)), s4(ICMP(type=14, id=9))])
    kernel.case('icmp, bad checksum', [c4(ICMP(type=8, id=7, chksum=0x1234))])
    kernel.case('icmp, cut short', [c4(Raw(bytes(ICMP(type=8, id=7))[:6]), proto=1)])
    q, a = UDP(sport=5000, dport=53) / b'question', UDP(sport=53, dport=5000) / b'answer'
    inner = bytes(built(IP(src='10.0.0.9', dst='10.0.1.9') / q))
    answer = bytes(built(IP(src='10.0.1.9', dst='10.0.0.9') / a))
    for name, kind, code in (('unreachable', 3, 3), ('too big', 3, 4), ('time exceeded', 11, 0), ('quench', 4, 0), ('redirect', 5, 1), ('problem', 12, 0)):
        kernel.case(f'icmp error, {name}', [c4(q), s4(ICMP(type=kind, code=code) / Raw(inner))])
    kernel.case('icmp error, of nobody', [s4(ICMP(type=3, code=3) / Raw(inner))])
    kernel.case('icmp error, from somebody else', [c4(q), (1, IP(src='10.0.1.77', dst='10.0.0.9') / ICMP(type=11) / Raw(inner))])
    kernel.case('icmp error, to somebody else', [c4(q), (0, IP(src='10.0.0.77', dst='10.0.1.8') / ICMP(type=3, code=3) / Raw(inner))])
    kernel.case('icmp error, in the same direction', [c4(q), c4(ICMP(type=3, code=3) / Raw(inner))])
    kernel.case('icmp error, of a reply', [c4(q), s4(a), c4(ICMP(type=3, code=3) / Raw(answer))])
    kernel.case('icmp error, quoting 8 bytes', [c4(q), s4(ICMP(type=3, code=3) / Raw(inner[:28]))])
    kernel.case('icmp error, quoting 4 bytes', [c4(q), s4(ICMP(type=3, code=3) / Raw(inner[:24]))])
    kernel.case('icmp error, quoting 3 bytes', [c4(q), s4(ICMP(type=3, code=3) / Raw(inner[:23]))])
    kernel.case('icmp error, quoting too little', [c4(q), s4(ICMP(type=3, code=3) / Raw(inner[:19]))])
    later = bytearray(inner)
    later[6:8] = b'\0\5'
    kernel.case('icmp error, quoting a later fragment', [c4(q), s4(ICMP(type=3, code=3) / Raw(bytes(later)))])
    first = bytearray(inner)
    first[6:8] = b'\x20\0'
    kernel.case('icmp error, quoting a first fragment', [c4(q), s4(ICMP(type=3, code=3) / Raw(bytes(first)))])
    quoted = bytes(built(IP(src='10.0.0.9', dst='10.0.1.9') / ping))
    kernel.case('icmp error, of an echo', [c4(ping), s4(ICMP(type=3, code=1) / Raw(quoted))])
    error = bytes(built(IP(src='10.0.0.9', dst='10.0.1.9') / ICMP(type=3, code=3) / Raw(answer)))
    kernel.case('icmp error, of an error', [c4(q), s4(a), c4(ICMP(type=3, code=3) / Raw(answer)), s4(ICMP(type=3, code=3) / Raw(error))])


def icmp6_cases(kernel):
    ping, pong = ICMPv6EchoRequest(id=7, data=b'abcd'), ICMPv6EchoReply(id=7, data=b'abcd')
    kernel.case('icmp6, echo', [c6(ping), s6(pong), c6(ping)])
    kernel.case('icmp6, reply alone', [s6(pong)])
    kernel.case('icmp6, bad checksum', [c6(ICMPv6EchoRequest(id=7, cksum=0x1234))])
    kernel.case('icmp6, node information', [c6(ICMPv6NIQueryIPv6(data='fd01::9'))])
    for kind in (100, 127, 130, 131, 132, 133, 134, 135, 136, 137, 138, 139, 140, 141, 142, 143, 144, 200):
        kernel.case(f'icmp6, type {kind}', [c6(ICMPv6Unknown(type=kind, msgbody=b'\0' * 28))])
    q, a = UDP(sport=5000, dport=53) / b'question', UDP(sport=53, dport=5000) / b'answer'
    inner = bytes(built(IPv6(src='fd00::9', dst='fd01::9') / q))
    behind = bytes(built(IPv6(src='fd00::9', dst='fd01::9') / IPv6ExtHdrDestOpt() / q))
    for name, error in (('unreachable', ICMPv6DestUnreach(code=4)), ('too big', ICMPv6PacketTooBig(mtu=1280)), ('type 100', ICMPv6Unknown(type=100, msgbody=b'\0' * 4))):
        kernel.case(f'icmp6 error, {name}', [c6(q), s6(error / Raw(inner))])
    kernel.case('icmp6 error, quoting options', [c6(q), s6(ICMPv6DestUnreach(code=4) / Raw(behind))])
    kernel.case('icmp6 error, of nobody', [s6(ICMPv6DestUnreach(code=4) / Raw(inner))])
    kernel.case('icmp6 error, to somebody else', [c6(q), (1, IPv6(src='fd01::9', dst='fd00::9') / ICMPv6DestUnreach() / Raw(bytes(built(IPv6(src='fd00::8', dst='fd01::9') / q))))])


def other_cases(kernel):
    kernel.case('gre', [c4(GRE(proto=0x0800) / IP()), s4(GRE(proto=0x0800) / IP()), c4(GRE(proto=0x0800) / IP())])
    kernel.case('gre of pptp', [c4(gre(1, 5), proto=47), s4(gre(1, 6), proto=47), c4(gre(1, 5), proto=47), c4(gre(1, 7), proto=47)])
    kernel.case('gre of pptp, without ppp', [c4(gre(1, 5, 0x0800), proto=47)])
    kernel.case('gre, cut short', [c4(Raw(b'\0\0'), proto=47)])
    kernel.case('other protocols', [c4(Raw(b'abcd'), proto=253), s4(Raw(b'abcd'), proto=253), c4(Raw(b'abcd'), proto=253), c4(Raw(b''), proto=254)])
    kernel.case('ospf6', [c6(Raw(b'abcdefgh')), s6(Raw(b'abcdefgh'))])
    kernel.case('dccp', [c4(Raw(struct.pack('!HHBBHBBHI', 1000, 2000, 4, 0, 0, 1, 0, 0, 1) + b'\0' * 8), proto=33)])
    kernel.case('icmp6 in ipv4', [c4(Raw(bytes(ICMP(type=8, id=7))), proto=58), c4(Raw(b'\x80\0\0\0\0\7\0\1'), proto=58)])
    kernel.case('icmp in ipv6', [(0, IPv6(src='fd00::9', dst='fd01::9', nh=1) / Raw(bytes(ICMP(type=8, id=7))))])
    kernel.case('tcp syn', [c4(TCP(sport=1, dport=2, flags='S'))])


def sctp_cases(kernel):
    close = [cs(88, chunk(7, b'\0\0\0\1')), ss(77, chunk(8)), cs(88, chunk(14))]
    kernel.case('sctp, open, data, close', [*opened(), cs(88, chunk(0, b'data')), ss(77, chunk(3, b'sack')), *close])
    kernel.case('sctp, closed by the server', [*opened(), ss(77, chunk(7, b'\0\0\0\1')), cs(88, chunk(8)), ss(77, chunk(14))])
    kernel.case('sctp, bad checksum', [c4(Raw(sctp(CLIENT, 0, init(1, 77))[:-1] + b'x'), proto=132)])
    kernel.case('sctp, out of the blue', [cs(5, chunk(0, b'data')), cs(5, chunk(6)), cs(5, chunk(8)), ss(5, chunk(14))])
    kernel.case('sctp, heartbeat first', [cs(5, chunk(4)), ss(6, chunk(5)), cs(5, chunk(0, b'data')), ss(6, chunk(0, b'data'))])
    kernel.case('sctp, wrong tags', [*opened(), cs(99, chunk(0, b'data')), cs(99, chunk(4)), ss(98, chunk(5)), cs(99, chunk(0, b'data'))])
    kernel.case('sctp, init again', [cs(0, init(1, 77)), cs(0, init(1, 78)), ss(78, init(2, 88)), cs(88, chunk(10, b'cook'))])
    kernel.case('sctp, both at once', [cs(0, init(1, 77)), ss(0, init(1, 88)), cs(88, init(2, 77)), ss(77, init(2, 88)), cs(88, chunk(10, b'c')), ss(77, chunk(11))])
    kernel.case('sctp, bundled', [*opened(), cs(88, chunk(10, b'cook'), chunk(0, b'data')), cs(88, chunk(0, b'data'), chunk(7, b'\0\0\0\1')), cs(88, chunk(0, b'd'), chunk(11))])
    rng = random.Random(20261122)
    for i in range(80):
        kernel.case(f'sctp, random {i}', random_sctp(rng))


def main():
    set_up()
    try:
        kernel = Kernel()
        print('Linux ' + os.uname().release.split('-')[0])
        print('Timeouts ' + ' '.join(f'{name}={seconds}' for name, seconds in TIMEOUTS.items()))
        for cases in (udp_cases, icmp_cases, icmp6_cases, other_cases, sctp_cases):
            cases(kernel)
    finally:
        for ns in (A, R, B):
            subprocess.run(['ip', 'netns', 'del', ns])


main()
