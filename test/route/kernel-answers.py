#!/usr/bin/env python3
"""Asks a Linux kernel what it answers to packets, for kernel-answers.txt: three namespaces of this script's own,

    host A  10.0.0.9, 2001:db8:0::9 ── e0  router  e1 ── host B  10.0.1.9, 2001:db8:1::9

A and B are packet sockets; every frame that goes in and every frame that comes out is written down. Rate limits are off
in the router but for those of routes. Run as root: kernel-answers.py > kernel-answers.txt
"""
import ctypes
import os
import select
import socket
import subprocess
import time

from scapy.all import (Ether, ICMP, ICMPv6EchoRequest, ICMPv6DestUnreach, ICMPv6PacketTooBig, IP, IPOption_NOP,
                       IPOption_RR, IPOption_Timestamp, IPOption_Router_Alert, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
                       IPv6ExtHdrRouting, HBHOptUnknown, PadN, Raw, TCP, UDP, fragment, fragment6)

A, R, B = (f'icmp{os.getpid()}{x}' for x in 'arb')
R0, R1, H0, H1 = '02:00:00:00:0b:00', '02:00:00:00:0b:01', '02:00:00:00:10:09', '02:00:00:00:11:09'


setns = ctypes.CDLL(None, use_errno=True).setns


def run(command):
    subprocess.run(command, shell=True, check=True)


def set_up():
    for ns in (A, R, B):
        run(f'ip netns add {ns}')
    run(f'ip link add e0 netns {R} address {R0} type veth peer name e0 netns {A} address {H0}')
    run(f'ip link add e1 netns {R} address {R1} type veth peer name e1 netns {B} address {H1}')
    for link in ('e0', 'e1'):
        run(f'ip netns exec {R} ethtool -K {link} gro off gso off tso off tx off >/dev/null 2>&1 || true')
    for ns, link in ((A, 'e0'), (B, 'e1')):
        run(f'ip netns exec {ns} sysctl -qw net.ipv6.conf.all.disable_ipv6=1')
        run(f'ip -n {ns} link set {link} up')
        run(f'ip netns exec {ns} ethtool -K {link} tx off rx off tso off gso off gro off >/dev/null 2>&1 || true')
    for setting in ('net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1', 'net.ipv4.icmp_ratelimit=0',
                    'net.ipv4.icmp_ratemask=0', 'net.ipv6.icmp.ratelimit=0', 'net.ipv6.icmp.ratemask=',
                    'net.ipv4.conf.all.rp_filter=0', 'net.ipv4.conf.default.rp_filter=0', 'net.ipv4.conf.e0.rp_filter=0', 'net.ipv4.conf.e1.rp_filter=0',
                    'net.ipv4.icmp_msgs_per_sec=100000', 'net.ipv4.icmp_msgs_burst=100000'):
        run(f'ip netns exec {R} sysctl -qw "{setting}"')
    for i, link, host in ((0, 'e0', H0), (1, 'e1', H1)):
        run(f'ip -n {R} link set {link} addrgenmode none up')
        run(f'ip -n {R} addr add 10.0.{i}.1/24 dev {link}')
        run(f'ip -n {R} addr add 2001:db8:{i}::1/64 dev {link} nodad')
        run(f'ip -n {R} addr add fe80::b:{i}/64 dev {link} nodad')
        for last in (9, 10, 11, 12, 77):
            run(f'ip -n {R} neigh add 10.0.{i}.{last} lladdr {host} nud permanent dev {link}')
            run(f'ip -n {R} neigh add 2001:db8:{i}::{last:x} lladdr {host} nud permanent dev {link}')
        run(f'ip -n {R} neigh add fe80::{i + 1}:9 lladdr {host} nud permanent dev {link}')
    run(f'ip -n {R} link set lo up')
    run(f'ip -n {R} link set e1 mtu 1280')
    for kind, net in (('unreachable', 16), ('prohibit', 17), ('blackhole', 18)):
        run(f'ip -n {R} route add {kind} 172.{net}.0.0/16')
        run(f'ip -n {R} route add {kind} 2001:db8:{net}::/48')
    # Until the reports of its groups are out.
    time.sleep(4)


def clean_up():
    for ns in (A, R, B):
        subprocess.run(['ip', 'netns', 'del', ns], check=False)


def packet_socket(ns, link):
    """A socket in another namespace: entered for a moment."""
    home = os.open('/proc/self/ns/net', os.O_RDONLY)
    there = os.open(f'/run/netns/{ns}', os.O_RDONLY)
    setns(there, 0)
    try:
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        made.bind((link, 0))
    finally:
        setns(home, 0)
        os.close(home)
        os.close(there)
    return made


def drain(sockets, seconds):
    got = {name: [] for name in sockets}
    end = time.monotonic() + seconds
    while True:
        left = end - time.monotonic()
        if left <= 0:
            return got
        ready, _, _ = select.select(list(sockets.values()), [], [], left)
        for name, made in sockets.items():
            if made in ready:
                frame, address = made.recvfrom(70000)
                if address[2] != 4 and not is_noise(frame):  # PACKET_OUTGOING
                    got[name].append(frame.hex())


def data(length, first=0):
    return Raw(bytes((first + i) & 0xff for i in range(length)))


def e(to=R0, frm=H0):
    return Ether(dst=to, src=frm)


def p4(dst='10.0.0.1', src='10.0.0.9', **more):
    return e() / IP(src=src, dst=dst, id=more.pop('id', 0x1234), **more)


def p6(dst='2001:db8:0::1', src='2001:db8:0::9', **more):
    return e() / IPv6(src=src, dst=dst, **more)


def spoiled(packet, at, value=None):
    frame = bytearray(bytes(packet))
    frame[at] = frame[at] ^ 0x55 if value is None else value
    return bytes(frame)


def with_options(options, packet):
    """Scapy would take them apart."""
    frame = bytes(packet)
    options = bytes.fromhex(options)
    options += bytes(-len(options) % 4)
    header = bytearray(frame[14:34])
    header[0] += len(options) // 4
    header[2:4] = (len(frame) - 14 + len(options)).to_bytes(2, 'big')
    header[10:12] = bytes(2)
    total = sum(int.from_bytes((header + options)[i:i + 2], 'big') for i in range(0, 20 + len(options), 2))
    header[10:12] = (0xffff - (total % 0xffff or 0xffff)).to_bytes(2, 'big')
    return frame[:14] + bytes(header) + options + frame[34:]


def parts4(packet, size):
    return [e() / part for part in fragment(packet[IP], fragsize=size)]


def parts6(packet, size):
    return [e() / IPv6(bytes(part)) for part in fragment6(packet[IPv6], size)]


def frag6(offset, more, payload, ident=77, nh=58, **kw):
    return p6(**kw) / IPv6ExtHdrFragment(nh=nh, offset=offset, m=more, id=ident) / Raw(payload)


def icmp6_bytes(length, first=0, src='2001:db8:0::9', dst='2001:db8:0::1'):
    whole = IPv6(bytes(IPv6(src=src, dst=dst) / ICMPv6EchoRequest(id=5, seq=6, data=bytes((first + i) & 0xff for i in range(length)))))
    return bytes(whole)[40:]


# Pieces of an echo request of 208 bytes: (from, end, more).
PIECES = {
    'in order': [(0, 80, 1), (80, 160, 1), (160, 208, 0)],
    'backwards': [(160, 208, 0), (80, 160, 1), (0, 80, 1)],
    'with the first twice': [(0, 80, 1), (0, 80, 1), (80, 208, 0)],
    'with the last twice': [(80, 208, 0), (80, 208, 0), (0, 80, 1)],
    'with a part of the first again': [(0, 80, 1), (8, 72, 1), (80, 208, 0)],
    'with a part across two that follow each other': [(0, 80, 1), (80, 160, 1), (40, 120, 1), (160, 208, 0)],
    'with a part across two that came the other way round': [(80, 160, 1), (0, 80, 1), (40, 120, 1), (160, 208, 0)],
    'with all of two that came the other way round': [(80, 160, 1), (0, 80, 1), (0, 160, 1), (160, 208, 0)],
    'with one that overlaps the next': [(80, 160, 1), (0, 88, 1), (160, 208, 0)],
    'with one that overlaps the one before': [(0, 80, 1), (72, 160, 1), (160, 208, 0)],
    'with one that contains another': [(80, 88, 1), (72, 160, 1), (0, 72, 1), (160, 208, 0)],
    'with one around the last': [(160, 208, 0), (152, 216, 1), (0, 160, 1)],
    'with two ends': [(160, 208, 0), (160, 200, 0), (0, 160, 1)],
    'with two ends, the greater last': [(160, 200, 0), (160, 208, 0), (0, 160, 1)],
    'with something behind the end': [(80, 160, 0), (160, 208, 1), (0, 80, 1)],
    'with an end before what has come': [(160, 200, 1), (80, 160, 0), (0, 80, 1)],
    'with an empty one': [(0, 80, 1), (80, 80, 1), (80, 208, 0)],
    'with an empty last one': [(0, 208, 1), (208, 208, 0)],
    'with an overlap, and then all again': [(0, 80, 1), (72, 160, 1), (0, 80, 1), (80, 160, 1), (160, 208, 0)],
    'with an overlap at the end of it all': [(0, 80, 1), (80, 160, 1), (152, 208, 0)],
    'with gaps that are filled': [(0, 40, 1), (80, 120, 1), (160, 208, 0), (40, 80, 1), (120, 160, 1)],
    'with a gap filled by too much': [(0, 40, 1), (80, 120, 1), (160, 208, 0), (40, 88, 1), (120, 160, 1)],
}


def cases4():
    echo = ICMP(type=8, id=0x55, seq=3)
    yield 'echo', p4() / echo / data(56)
    yield 'echo without data', p4() / echo
    yield 'echo of odd length', p4() / echo / data(33)
    yield 'echo with all bits of its type of service', p4(tos=0xff) / echo / data(8)
    yield 'echo with DF and TTL 1', p4(ttl=1, flags='DF') / echo / data(8)
    yield 'echo with a code', p4() / ICMP(type=8, code=7, id=1, seq=1) / data(8)
    yield 'echo, padded', bytes(p4() / echo / data(1)) + b'padpadpad'
    yield 'echo of a full MTU', p4() / echo / data(1472)
    yield 'echo to the other address', p4(dst='10.0.1.1') / echo / data(8)
    yield 'echo from another network', p4(src='10.0.1.77') / echo / data(8)
    yield 'echo with a wrong checksum', spoiled(p4() / echo / data(56), 40)
    yield 'echo cut short', p4(proto=1) / Raw(bytes.fromhex('0800f7ff'))
    yield 'echo in fragments', parts4(p4() / echo / data(3000), 1024)
    yield 'echo in fragments, last first', parts4(p4() / echo / data(3000), 1024)[::-1]
    yield 'echo in fragments with DF', [e() / IP(bytes(x[IP])).__class__(src='10.0.0.9', dst='10.0.0.1', id=9, flags=x[IP].flags | 2, frag=x[IP].frag, proto=1) / x[IP].payload for x in parts4(p4() / echo / data(100), 64)]
    whole = bytes((p4() / ICMP(type=8, id=5, seq=6) / data(200))[ICMP])
    for i, (name, pieces) in enumerate(PIECES.items()):
        yield f'fragments {name}', [p4(id=3000 + i, proto=1, flags=more, frag=first >> 3) / Raw(whole[first:end]) for first, end, more in pieces]
    for i, bits in enumerate(((0, 1), (1, 2), (2, 3), (3, 1), (3, 3), (0, 3), (2, 0))):
        yield f'fragments with congestion bits {bits}', [p4(id=3100 + i, tos=0x40 | bits[0], proto=1, flags=1) / Raw(whole[:80]), p4(id=3100 + i, tos=0x20 | bits[1], proto=1, frag=10) / Raw(whole[80:])]
    yield 'fragments of which the first has options', [p4(id=3200, proto=1, flags=1, options=[IPOption_NOP()] * 4) / Raw(whole[:80]), p4(id=3200, proto=1, frag=10) / Raw(whole[80:])]
    yield 'fragments of which the first has a length that is no multiple of 8', [p4(id=3201, proto=1, flags=1) / Raw(whole[:83]), p4(id=3201, proto=1, frag=10) / Raw(whole[80:])]
    yield 'echo to a broadcast address', e('ff:ff:ff:ff:ff:ff') / IP(src='10.0.0.9', dst='10.0.0.255') / echo / data(8)
    yield 'echo to the limited broadcast address', e('ff:ff:ff:ff:ff:ff') / IP(src='10.0.0.9', dst='255.255.255.255') / echo
    yield 'echo to all hosts', e('01:00:5e:00:00:01') / IP(src='10.0.0.9', dst='224.0.0.1') / echo
    yield 'echo with no-operations', p4(options=[IPOption_NOP()] * 4) / echo / data(8)
    for name, option in (('room for three', '070f04' + '00' * 12), ('room for two', '070f080a000009' + '00' * 8), ('room for one', '070b080a000009' + '00' * 4), ('no room', '070b0c0a0000090a000009'), ('room for half', '070d0c0a0000090a0000090000')):
        yield f'echo with a route recorded, {name}', with_options(option, p4() / echo / data(8))
    yield 'echo with no-operations and a route recorded', with_options('01070704' + '00' * 4, p4() / echo / data(8))
    for name, option in (('no room', '440c0d0000000001000000' + '02'), ('no room any more', '440c0df000000001000000' + '02'), ('no room, and addresses', '440c0d010a00000900000005'), ('prespecified for others', '440c05030a0000090000' + '0000')):
        yield f'echo with timestamps, {name}', with_options(option, p4() / echo / data(8))
    yield 'echo with an option that nobody knows', with_options('1e060102030400' + '00', p4() / echo / data(8))
    yield 'UDP to a closed port with a route recorded', with_options('070f04' + '00' * 12, p4() / UDP(dport=7) / data(8))
    yield 'TCP with a route recorded', with_options('070f04' + '00' * 12, p4() / TCP(dport=7, flags='S'))
    yield 'timestamp reply that nobody asked for', p4() / ICMP(type=14, id=1, seq=1) / data(12)
    for kind in (0, 9, 10, 15, 17, 18, 19, 40):
        yield f'ICMP type {kind}', p4() / ICMP(type=kind) / data(12)
    for tos in (0, 0x03, 0x10, 0xb8, 0xff):
        yield f'UDP to a closed port, type of service {tos}', p4(tos=tos) / UDP(sport=1000, dport=7) / data(20)
    yield 'UDP without a checksum', p4() / UDP(sport=1000, dport=7, chksum=0) / data(20)
    yield 'UDP with a wrong checksum', p4() / UDP(sport=1000, dport=7, chksum=1) / data(20)
    yield 'UDP shorter than its packet', p4() / UDP(sport=1000, dport=7, len=18, chksum=0) / data(20)
    yield 'UDP longer than its packet', p4() / UDP(sport=1000, dport=7, len=40, chksum=0) / data(20)
    yield 'UDP of length 7', p4() / UDP(sport=1000, dport=7, len=7, chksum=0) / data(20)
    yield 'UDP of 1,400 bytes', p4() / UDP(sport=1000, dport=7) / data(1372)
    yield 'UDP to the other address', p4(dst='10.0.1.1') / UDP(sport=1000, dport=7) / data(20)
    yield 'UDP with no-operations', p4(options=[IPOption_NOP()] * 4) / UDP(sport=1, dport=7) / data(4)
    yield 'UDP in fragments', parts4(p4() / UDP(sport=1000, dport=7) / data(2000), 800)
    yield 'UDP to a broadcast address', e('ff:ff:ff:ff:ff:ff') / IP(src='10.0.0.9', dst='10.0.0.255') / UDP(dport=7)
    yield 'UDP to one address, but to all stations', e('ff:ff:ff:ff:ff:ff') / IP(src='10.0.0.9', dst='10.0.0.1') / UDP(dport=7)
    for flags in ('S', 'A', 'SA', 'F', 'FA', 'PA', 'R', 'RA', 'FSRPAU', 'FSPU', ''):
        yield f'TCP {flags or "without flags"}', p4() / TCP(sport=1000, dport=7, seq=0xfffffffe, ack=77, flags=flags, window=10) / data(5)
    yield 'TCP with options and type of service', p4(tos=0x6e) / TCP(sport=1, dport=2, flags='S', options=[('MSS', 1460), ('WScale', 7)])
    yield 'TCP with a wrong checksum', p4() / TCP(sport=1, dport=2, flags='S', chksum=9)
    yield 'TCP with a short header', p4() / TCP(sport=1, dport=2, flags='S', dataofs=4)
    yield 'TCP with a header beyond its end', p4() / TCP(sport=1, dport=2, flags='S', dataofs=15)
    yield 'TCP from a port to itself, in fragments', parts4(p4() / TCP(sport=1, dport=2, flags='A', ack=5) / data(100), 64)
    for protocol in (2, 3, 4, 50, 132, 253, 255):
        yield f'protocol {protocol}', p4(proto=protocol) / data(30)
    yield 'protocol 253 in a short packet', p4(proto=253)
    # --- forwarded
    on = '10.0.1.9'
    yield 'UDP whose time is over', p4(dst=on, ttl=1) / UDP(sport=1, dport=2) / data(8)
    yield 'UDP of 1,200 bytes whose time is over', p4(dst=on, ttl=1, tos=0x2e) / UDP(sport=1, dport=2) / data(1172)
    yield 'UDP with no-operations whose time is over', p4(dst=on, ttl=1, options=[IPOption_NOP()] * 8) / UDP(sport=1, dport=2) / data(1172)
    yield 'echo whose time is over', p4(dst=on, ttl=1) / echo
    yield 'a router advertisement whose time is over', p4(dst=on, ttl=1) / ICMP(type=9) / data(4)
    for kind in (1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 42):
        yield f'ICMP type {kind} whose time is over', p4(dst=on, ttl=1) / ICMP(type=kind) / data(28)
    yield 'an empty ICMP packet whose time is over', p4(dst=on, ttl=1, proto=1)
    yield 'a first fragment whose time is over', p4(dst=on, ttl=1, flags='MF') / UDP(sport=1, dport=2, len=90, chksum=5) / data(8)
    yield 'a second fragment whose time is over', p4(dst=on, ttl=1, frag=5, proto=17) / data(16)
    yield 'to all stations, and its time is over', e('ff:ff:ff:ff:ff:ff') / IP(src='10.0.0.9', dst=on, ttl=1) / UDP()
    yield 'from nobody, and its time is over', p4(src='0.0.0.0', dst=on, ttl=1) / UDP()
    yield 'from a reserved address, and its time is over', p4(src='240.0.0.1', dst=on, ttl=1) / UDP()
    yield 'padded, and its time is over', bytes(p4(dst=on, ttl=1) / UDP() / data(3)) + b'padding'
    yield 'too big', p4(dst=on, flags='DF', tos=0x10) / UDP(sport=1, dport=2) / data(1372)
    yield 'too big and a fragment', p4(dst=on, flags='DF+MF') / UDP(sport=1, dport=2, len=3000, chksum=1) / data(1368)
    yield 'too big and a second fragment', p4(dst=on, flags='DF', frag=3, proto=17) / data(1376)
    yield 'too big by one', p4(dst=on, flags='DF') / UDP(sport=1, dport=2) / data(1253)
    yield 'as big as fits', p4(dst=on, flags='DF') / UDP(sport=1, dport=2) / data(1252)
    yield 'cut in two', p4(dst=on) / UDP(sport=1, dport=2) / data(1372)
    yield 'cut in two, by one byte', p4(dst=on) / UDP(sport=1, dport=2) / data(1253)
    yield 'cut in two with options', p4(dst=on, options=[IPOption_NOP(), IPOption_Router_Alert(), IPOption_NOP(), IPOption_NOP(), IPOption_NOP()]) / UDP(sport=1, dport=2) / data(1372)
    yield 'cut in two with options that are not copied', p4(dst=on, options=[IPOption_RR(length=11, pointer=12, routers=['1.1.1.1', '2.2.2.2']), IPOption_Router_Alert()]) / UDP(sport=1, dport=2) / data(1372)
    yield 'a fragment cut in two', p4(dst=on, flags='MF', frag=100, proto=17) / data(1400)
    yield 'a last fragment cut in two', p4(dst=on, frag=100, proto=17) / data(1399)
    yield 'a first fragment with options cut in two', p4(dst=on, flags='MF', proto=17, options=[IPOption_RR(length=7, pointer=8, routers=['1.1.1.1']), IPOption_NOP()]) / data(1400)
    yield 'no route', p4(dst='198.51.100.1') / UDP(sport=1, dport=2) / data(8)
    yield 'an unreachable route', p4(src='10.0.0.10', dst='172.16.0.1') / UDP(sport=1, dport=2) / data(8)
    yield 'a prohibited route', p4(src='10.0.0.11', dst='172.17.0.1', tos=0x1c) / UDP(sport=1, dport=2) / data(8)
    yield 'a blackhole', p4(src='10.0.0.11', dst='172.18.0.1') / UDP(sport=1, dport=2) / data(8)
    yield 'an ICMP error without a route', p4(src='10.0.0.11', dst='198.51.100.1') / ICMP(type=3, code=3) / data(28)
    yield 'back to where it came from', p4(src='10.0.0.12', dst='10.0.0.77') / UDP(sport=1, dport=2) / data(40)


def cases6():
    echo = ICMPv6EchoRequest(id=0x55, seq=3, data=bytes(range(56)))
    yield 'echo', p6() / echo
    yield 'echo without data', p6() / ICMPv6EchoRequest(id=1, seq=2)
    yield 'echo with traffic class and flow label', p6(tc=0xff, fl=0x12345) / echo
    yield 'echo with hop limit 1', p6(hlim=1) / echo
    yield 'echo with a code', p6() / ICMPv6EchoRequest(id=1, seq=2, code=9, data=b'abc')
    yield 'echo to the other address', p6(dst='2001:db8:1::1') / echo
    yield 'echo to the link-local address', p6(dst='fe80::b:0', src='fe80::1:9') / echo
    yield 'echo from a link-local address', p6(src='fe80::1:9') / echo
    yield 'echo to all nodes', e('33:33:00:00:00:01') / IPv6(src='2001:db8:0::9', dst='ff02::1') / echo
    yield 'echo to all nodes from a link-local address', e('33:33:00:00:00:01') / IPv6(src='fe80::1:9', dst='ff02::1') / echo
    yield 'echo to all routers', e('33:33:00:00:00:02') / IPv6(src='fe80::1:9', dst='ff02::2') / echo
    yield 'echo with a wrong checksum', spoiled(p6() / echo, 60)
    yield 'echo of a full MTU', p6() / ICMPv6EchoRequest(id=1, seq=2, data=bytes(1452))
    yield 'echo with hop-by-hop options', p6() / IPv6ExtHdrHopByHop(options=[PadN(optdata=b'\0' * 4)]) / echo
    yield 'echo with destination options', p6() / IPv6ExtHdrDestOpt(options=[PadN(optdata=b'\0' * 4)]) / echo
    yield 'echo with an atomic fragment', p6() / IPv6ExtHdrFragment(id=5, nh=58) / echo
    yield 'echo in fragments', parts6(p6() / IPv6ExtHdrFragment(id=88) / ICMPv6EchoRequest(id=1, seq=2, data=bytes(range(256)) * 12), 1280)
    yield 'echo in fragments, last first', parts6(p6() / IPv6ExtHdrFragment(id=89) / ICMPv6EchoRequest(id=1, seq=2, data=bytes(range(256)) * 12), 1280)[::-1]
    yield 'echo in fragments of fragments with options', [
        p6() / IPv6ExtHdrDestOpt(options=[PadN(optdata=b'\0' * 4)]) / IPv6ExtHdrFragment(nh=58, offset=0, m=1, id=90) / Raw(icmp6_bytes(64)[:32]),
        p6() / IPv6ExtHdrDestOpt(options=[PadN(optdata=b'\0' * 4)]) / IPv6ExtHdrFragment(nh=58, offset=4, m=0, id=90) / Raw(icmp6_bytes(64)[32:])]
    whole = icmp6_bytes(200)
    for i, (name, pieces) in enumerate(PIECES.items()):
        yield f'fragments {name}', [frag6(first >> 3, more, whole[first:end], ident=3000 + i) for first, end, more in pieces]
    for i, bits in enumerate(((0, 1), (1, 2), (2, 3), (3, 1), (3, 3), (0, 3), (2, 0))):
        yield f'fragments with congestion bits {bits}', [frag6(0, 1, whole[:80], ident=3100 + i, tc=0x40 | bits[0]), frag6(10, 0, whole[80:], ident=3100 + i, tc=0x20 | bits[1])]
    yield 'a fragment whose length is no multiple of 8', frag6(0, 1, icmp6_bytes(64)[:33])
    yield 'a fragment beyond 65,535 bytes', frag6(8190, 0, bytes(100))
    yield 'a first fragment without all its headers', frag6(0, 1, bytes(8), nh=60) 
    yield 'a first fragment without a transport header', frag6(0, 1, bytes(8), nh=6)
    yield 'a fragment header cut short', p6(nh=44) / Raw(bytes(4))
    yield 'UDP to a closed port', p6() / UDP(sport=1000, dport=7) / data(20)
    yield 'UDP to a closed port, traffic class and flow label', p6(tc=0xff, fl=0x54321) / UDP(sport=1000, dport=7) / data(20)
    yield 'UDP to a closed port of 1,400 bytes', p6() / UDP(sport=1000, dport=7) / data(1352)
    yield 'UDP to a closed port of the link-local address', p6(dst='fe80::b:0', src='fe80::1:9') / UDP(sport=1000, dport=7) / data(20)
    yield 'UDP without a checksum', p6() / UDP(sport=1000, dport=7, chksum=0) / data(20)
    yield 'UDP with a wrong checksum', p6() / UDP(sport=1000, dport=7, chksum=1) / data(20)
    yield 'UDP to all nodes', e('33:33:00:00:00:01') / IPv6(src='fe80::1:9', dst='ff02::1') / UDP(sport=1, dport=7) / data(4)
    yield 'UDP to one address, but to all stations', e('ff:ff:ff:ff:ff:ff') / IPv6(src='2001:db8:0::9', dst='2001:db8:0::1') / UDP(dport=7)
    for flags in ('S', 'A', 'R', 'FA', 'PA'):
        yield f'TCP {flags}', p6(tc=0x6d, fl=0x777) / TCP(sport=1000, dport=7, seq=0xfffffffe, ack=77, flags=flags, window=10) / data(5)
    yield 'TCP with a wrong checksum', p6() / TCP(sport=1, dport=2, flags='S', chksum=9)
    yield 'TCP to the link-local address', p6(dst='fe80::b:0', src='fe80::1:9') / TCP(sport=1, dport=2, flags='S')
    for protocol in (0, 2, 4, 41, 50, 51, 59, 132, 253):
        yield f'protocol {protocol}', p6(nh=60) / IPv6ExtHdrDestOpt(nh=protocol, options=[PadN(optdata=b'\0' * 4)]) / data(30)
    yield 'protocol 253 at once', p6(nh=253) / data(30)
    yield 'protocol 253 to all nodes', e('33:33:00:00:00:01') / IPv6(src='fe80::1:9', dst='ff02::1', nh=253) / data(30)
    for option in (0x1e, 0x5e, 0x9e, 0xde):
        yield f'destination option {option:#x}', p6() / IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=option, optdata=b'1234')]) / echo
        yield f'destination option {option:#x} to all nodes', e('33:33:00:00:00:01') / IPv6(src='fe80::1:9', dst='ff02::1') / IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=option, optdata=b'1234')]) / echo
        yield f'hop-by-hop option {option:#x}', p6() / IPv6ExtHdrHopByHop(options=[HBHOptUnknown(otype=option, optdata=b'1234')]) / echo
    yield 'padding of eight bytes', p6() / IPv6ExtHdrDestOpt(options=[PadN(optdata=b'\0' * 6), HBHOptUnknown(otype=0x1e, optdata=b'12')]) / echo
    yield 'padding that is not zero', p6() / IPv6ExtHdrDestOpt(options=[PadN(optdata=b'abcd')]) / echo
    yield 'routing header with nothing left', p6() / IPv6ExtHdrRouting(type=0, segleft=0, addresses=['2001:db8::5']) / echo
    yield 'routing header with something left', p6() / IPv6ExtHdrRouting(type=0, segleft=1, addresses=['2001:db8::5']) / echo
    yield 'routing header of type 9 with something left', p6() / IPv6ExtHdrRouting(type=9, segleft=1, addresses=['2001:db8::5']) / echo
    yield 'segment routing header with nothing left', p6() / IPv6ExtHdrRouting(type=4, segleft=0, addresses=['2001:db8::5']) / echo
    on = '2001:db8:1::9'
    yield 'UDP whose time is over', p6(dst=on, hlim=1, tc=0x2e, fl=5) / UDP(sport=1, dport=2) / data(8)
    yield 'UDP of 1,400 bytes whose time is over', p6(dst=on, hlim=1) / UDP(sport=1, dport=2) / data(1352)
    yield 'an ICMPv6 error whose time is over', p6(dst=on, hlim=1) / ICMPv6DestUnreach() / data(48)
    yield 'an echo whose time is over', p6(dst=on, hlim=1) / echo
    yield 'an ICMPv6 error with options whose time is over', p6(dst=on, hlim=1) / IPv6ExtHdrDestOpt(options=[PadN(optdata=b'\0' * 4)]) / ICMPv6DestUnreach() / data(48)
    yield 'an empty ICMPv6 packet whose time is over', p6(dst=on, hlim=1, nh=58)
    yield 'a second fragment whose time is over', p6(dst=on, hlim=1) / IPv6ExtHdrFragment(nh=58, offset=10, id=3) / Raw(bytes(24))
    yield 'an empty fragment of ICMPv6 whose time is over', p6(dst=on, hlim=1) / IPv6ExtHdrFragment(nh=58, offset=0, m=1, id=3)
    yield 'from nobody, and its time is over', p6(src='::', dst=on, hlim=1) / UDP(sport=1, dport=2) / data(8)
    yield 'too big', p6(dst=on) / UDP(sport=1, dport=2) / data(1352)
    yield 'too big by one', p6(dst=on) / UDP(sport=1, dport=2) / data(1233)
    yield 'too big, an ICMPv6 error', p6(dst=on) / ICMPv6DestUnreach() / data(1352)
    yield 'as big as fits', p6(dst=on) / UDP(sport=1, dport=2) / data(1232)
    yield 'no route', p6(dst='2001:db8:99::1') / UDP(sport=1, dport=2) / data(8)
    yield 'an unreachable route', p6(dst='2001:db8:16::1') / UDP(sport=1, dport=2) / data(8)
    yield 'a prohibited route', p6(dst='2001:db8:17::1') / UDP(sport=1, dport=2) / data(8)
    yield 'a blackhole', p6(dst='2001:db8:18::1') / UDP(sport=1, dport=2) / data(8)
    yield 'a link-local source that would leave its link', p6(src='fe80::1:9', dst=on) / UDP(sport=1, dport=2) / data(8)
    yield 'back to where it came from', p6(src='2001:db8:0::a', dst='2001:db8:0::4d') / UDP(sport=1, dport=2) / data(41)


def expiring():
    """Fragments that stay alone: (name, frames)."""
    yield 'first of two', parts4(p4() / ICMP(type=8, id=0x55, seq=3) / data(3000), 1024)[:1]
    yield 'second of two', parts4(p4(id=2) / ICMP(type=8, id=0x55, seq=3) / data(1500), 1024)[1:]
    yield 'first of two, IPv6', parts6(p6() / IPv6ExtHdrFragment(id=888) / ICMPv6EchoRequest(id=1, seq=2, data=bytes(range(256)) * 12), 1280)[:1]
    yield 'second of two, IPv6', parts6(p6() / IPv6ExtHdrFragment(id=889) / ICMPv6EchoRequest(id=1, seq=2, data=bytes(range(256)) * 12), 1280)[1:2]


def is_noise(frame):
    """The router's own multicast listener reports and neighbour solicitations."""
    return frame[12:14] == b'\x86\xdd' and (frame[20] == 0 or (frame[20] == 58 and frame[54] == 135))


def ask(sockets, name, frames, seconds):
    frames = frames if isinstance(frames, list) else [frames]
    drain(sockets, 0.002)
    raw = [bytes(frame) for frame in frames]
    for frame in raw:
        sockets['A'].send(frame)
    got = drain(sockets, seconds)
    return {'name': name, 'sent': [frame.hex() for frame in raw], 'A': got['A'], 'B': got['B']}


def write(parts):
    """A line for each frame: > went in, A and B came out there."""
    print('Linux ' + os.uname().release.split('-')[0])
    for family, cases in parts.items():
        print(f'\n[{family}]')
        for case in cases:
            print('\n' + case['name'])
            for mark, frames in (('>', case['sent']), ('A', case['A']), ('B', case['B'])):
                for frame in frames:
                    print(f'  {mark} {frame}')


def main():
    set_up()
    try:
        sockets = {'A': packet_socket(A, 'e0'), 'B': packet_socket(B, 'e1')}
        parts = {
            'ipv4': [ask(sockets, name, frames, 0.03) for name, frames in cases4()],
            'ipv6': [ask(sockets, name, frames, 0.03) for name, frames in cases6()],
        }
        run(f'ip netns exec {R} sysctl -qw net.ipv4.ipfrag_time=1 net.ipv6.ip6frag_time=1')
        parts['expiry'] = [ask(sockets, name, frames, 2.5) for name, frames in expiring()]
        write(parts)
    finally:
        clean_up()


main()
