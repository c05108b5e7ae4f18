#!/usr/bin/python3
"""Asks a Linux kernel what its NAT makes of packets, for nat-answers.txt: a router of this script's own,

    10.0.0.9-12, 2001:db8:0::9-12 ── e0  router  e1 ── 10.0.1.9-12, 2001:db8:1::9-12

Both ends are packet sockets. Of each case: the rules, IP packets that are sent (`>` from e0's side, `<` from e1's), what comes out on
the other side (`A` on e0's, `B` on e1's), and at last the flows that there are (`=`). Only what has one possible outcome is asked, so no two packets of a case may come to share a port by chance.
Run as root: nat-answers.py > nat-answers.txt
"""
import ctypes
import os
import re
import select
import socket
import subprocess

from scapy.all import (GRE, ICMP, IP, SCTP, TCP, UDP, Ether, ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPOption_NOP, IPv6, IPv6ExtHdrDestOpt, Raw)
from scapy.layers.sctp import SCTPChunkInit

A, R, B = (f'nat{os.getpid()}{x}' for x in 'arb')
R0, R1, H0, H1 = '02:00:00:00:0b:00', '02:00:00:00:0b:01', '02:00:00:00:10:09', '02:00:00:00:11:09'
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
        run(f'ip netns exec {ns} ethtool -K {link} tx off rx off tso off gso off gro off >/dev/null 2>&1 || true')
    for setting in ('net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1', 'net.ipv4.conf.all.rp_filter=0', 'net.ipv4.conf.default.rp_filter=0'):
        run(f'ip netns exec {R} sysctl -qw {setting}')
    for i, link, host in ((0, 'e0', H0), (1, 'e1', H1)):
        run(f'ip netns exec {R} ethtool -K {link} tx off tso off gso off gro off >/dev/null 2>&1 || true')
        run(f'ip netns exec {R} sysctl -qw net.ipv4.conf.{link}.rp_filter=0')
        run(f'ip -n {R} link set {link} addrgenmode none up')
        run(f'ip -n {R} addr add 10.0.{i}.1/24 dev {link}')
        run(f'ip -n {R} addr add 2001:db8:{i}::1/64 dev {link} nodad')
        for last in (9, 10, 11, 12):
            run(f'ip -n {R} neigh add 10.0.{i}.{last} lladdr {host} nud permanent dev {link}')
            run(f'ip -n {R} neigh add 2001:db8:{i}::{last:x} lladdr {host} nud permanent dev {link}')
    run(f'ip -n {R} addr add 10.0.1.2/24 dev e1')
    run(f'ip -n {R} addr add 172.16.9.1/24 dev e1')
    run(f'ip -n {R} route add 172.20.0.0/16 via 172.16.9.9 dev e1')
    run(f'ip -n {R} neigh add 172.16.9.9 lladdr {H1} nud permanent dev e1')


def open_in(ns, link):
    own = os.open('/proc/self/ns/net', os.O_RDONLY)
    there = os.open(f'/run/netns/{ns}', os.O_RDONLY)
    setns(there, 0)
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.bind((link, 3))
    setns(own, 0)
    return s


def flows():
    lines = []
    for family in ('ipv4', 'ipv6'):
        out = subprocess.run(['ip', 'netns', 'exec', R, 'conntrack', '-L', '-f', family], capture_output=True, text=True).stdout
        for line in out.splitlines():
            tuples = []
            for key, value in re.findall(r'(src|dst|sport|dport|type|code|id|srckey|dstkey)=(\S+)', line):
                if key == 'src':
                    tuples.append([])
                tuples[-1].append(value)
            lines.append(' '.join([line.split()[0], *(','.join(t) for t in tuples)]))
    return sorted(lines)


def u(x=b'data'):
    return Raw(x)


def a(last=9):
    return f'10.0.0.{last}'


def b(last=9):
    return f'10.0.1.{last}'


def a6(last=9):
    return f'2001:db8::{last:x}'


def b6(last=9):
    return f'2001:db8:1::{last:x}'


def udp(sport, dport=53, src=None, dst=None, data=b'data', **more):
    return IP(src=src or a(), dst=dst or b()) / UDP(sport=sport, dport=dport, **more) / Raw(data)


def syn(sport, dport=80, src=None, dst=None, **more):
    return IP(src=src or a(), dst=dst or b()) / TCP(sport=sport, dport=dport, flags='S', seq=1000, options=[('MSS', 1460), ('SAckOK', b'')], **more)


class ToInner:
    """An ICMP error about the packet that came out last: made when it is known."""

    def __init__(self, make):
        self.make = make


def error4(type, code, cut=None, src=None, dst=None, spoil=False, **more):
    def make(last):
        inner = bytes(last)[:cut] if cut else bytes(last)
        if spoil:
            inner = inner[:-1] + bytes([inner[-1] ^ 0x55])
        return IP(src=src or b(), dst=dst or last[IP].src) / ICMP(type=type, code=code, **more) / Raw(inner)
    return ToInner(make)


def error6(kind, cut=None, src=None):
    def make(last):
        inner = bytes(last)[:cut] if cut else bytes(last)
        return IPv6(src=src or b6(), dst=last[IPv6].src) / kind / Raw(inner)
    return ToInner(make)


SNAT = 'iptables -t nat -A POSTROUTING -o e1 -j SNAT --to-source 10.0.1.1'
DNAT = 'iptables -t nat -A PREROUTING -i e0 -j DNAT --to-destination 10.0.1.10'
MASQ = 'iptables -t nat -A POSTROUTING -o e1 -j MASQUERADE'


def cases():
    answer = IP(src=b(), dst='10.0.1.1')
    yield 'UDP, SNAT', [SNAT], [('>', udp(5000)), ('<', answer / UDP(sport=53, dport=5000) / u()), ('>', udp(5000))]
    yield 'UDP without checksum', [SNAT], [('>', udp(5000, chksum=0)), ('<', answer / UDP(sport=53, dport=5000, chksum=0) / u())]
    yield 'UDP of odd length', [SNAT], [('>', udp(5000, data=b'odd'))]
    yield 'UDP whose checksum becomes zero', [SNAT], [('>', udp(5000, data=bytes.fromhex('%04x' % word))) for word in zero_words()]
    yield 'TCP, SNAT to another port', [SNAT.replace('-j', '-p tcp -j') + ':7777'], [('>', syn(1000)), ('<', answer / TCP(sport=80, dport=7777, flags='SA', seq=5, ack=1001)), ('>', IP(src=a(), dst=b()) / TCP(sport=1000, dport=80, flags='PA', seq=1001, ack=6) / u())]
    yield 'TCP, DNAT', [DNAT], [('>', syn(1000)), ('<', IP(src=b(10), dst=a()) / TCP(sport=80, dport=1000, flags='SA', seq=5, ack=1001))]
    yield 'TCP, DNAT to another port', ['iptables -t nat -A PREROUTING -i e0 -p tcp -j DNAT --to-destination 10.0.1.10:8080'], [('>', syn(1000)), ('<', IP(src=b(10), dst=a()) / TCP(sport=8080, dport=1000, flags='SA', seq=5, ack=1001))]
    yield 'both ways', [SNAT, DNAT], [('>', syn(1000)), ('<', IP(src=b(10), dst='10.0.1.1') / TCP(sport=80, dport=1000, flags='SA', seq=5, ack=1001)), ('>', udp(5000))]
    yield 'hairpin', ['iptables -t nat -A PREROUTING -d 10.0.1.1 -j DNAT --to-destination 10.0.0.10', 'iptables -t nat -A POSTROUTING -o e0 -j SNAT --to-source 10.0.0.1'], [('>', syn(1000, dst='10.0.1.1'))]
    yield 'MASQUERADE', [MASQ], [('>', udp(5000)), ('>', syn(1000, src=a(10))), ('<', answer / UDP(sport=53, dport=5000) / u())]
    yield 'MASQUERADE by way of a gateway', [MASQ], [('>', udp(5000, dst='172.20.1.1'))]
    yield 'two sources, one port', [MASQ + ' -p udp --to-ports 6000-6001'], [('>', udp(6000)), ('>', udp(6000, src=a(10))), ('>', udp(6000, src=a(11))), ('<', answer / UDP(sport=53, dport=6001) / u())]
    yield 'one port, and it is taken', ['iptables -t nat -A POSTROUTING -o e1 -p udp -j SNAT --to-source 10.0.1.1:6000'], [('>', udp(6000)), ('>', udp(6000, src=a(10))), ('>', udp(6000, src=a(10), dst=b(10)))]
    yield 'the same source elsewhere', ['iptables -t nat -A POSTROUTING -o e1 -p udp -j SNAT --to-source 10.0.1.1:6000-6001'], [('>', udp(6000)), ('>', udp(6000, src=a(10))), ('>', udp(6000, src=a(10), dst=b(10))), ('>', udp(6000, src=a(11), dst=b(11))), ('>', udp(6000, src=a(10), dport=54))]
    yield 'DNAT of two to one', ['iptables -t nat -A PREROUTING -d 10.0.1.11 -p udp -j DNAT --to-destination 10.0.1.9', 'iptables -t nat -A POSTROUTING -d 10.0.1.99 -j SNAT --to-source 10.0.1.1'], [('>', udp(600)), ]
    yield 'pool', ['iptables -t nat -A POSTROUTING -o e1 -j SNAT --to-source 10.0.1.100-10.0.1.163'], [('>', udp(5000, src=a(last), dst=b(to))) for last in (9, 10, 11, 12) for to in (9, 10, 11, 12)]
    yield 'pool, persistent', ['iptables -t nat -A POSTROUTING -o e1 -j SNAT --to-source 10.0.1.100-10.0.1.163 --persistent'], [('>', udp(5000 + last, src=a(last), dst=b(to))) for last in (9, 10, 11, 12) for to in (9, 10)]
    yield 'pool of destinations', ['iptables -t nat -A PREROUTING -i e0 -j DNAT --to-destination 10.0.1.9-10.0.1.12'], [('>', syn(1000 + to, src=a(last), dst=f'10.0.9.{to}')) for last in (9, 10, 11, 12) for to in (9, 10)]
    yield 'large pool', ['iptables -t nat -A POSTROUTING -o e1 -j SNAT --to-source 10.9.0.0-11.200.3.7'], [('>', udp(5000, src=a(last), dst=b(to))) for last in (9, 10, 11, 12) for to in (9, 10)]
    yield 'ports by offset', ['iptables -t nat -A PREROUTING -i e0 -p tcp -j DNAT --to-destination 10.0.1.10:5000-5100/2000'], [('>', syn(1000, dport=2000)), ('>', syn(1000, dport=2050)), ('>', syn(1000, dport=2101)), ('>', syn(1000, dport=1999))]
    yield 'NETMAP of sources', ['iptables -t nat -A POSTROUTING -o e1 -j NETMAP --to 192.168.7.0/24'], [('>', udp(5000)), ('>', udp(5000, src=a(12))), ('<', IP(src=b(), dst='192.168.7.12') / UDP(sport=53, dport=5000) / u())]
    yield 'NETMAP of destinations', ['iptables -t nat -A PREROUTING -i e0 -d 192.168.7.0/24 -j NETMAP --to 10.0.1.0/24'], [('>', udp(5000, dst='192.168.7.11'))]
    yield 'REDIRECT', ['iptables -t nat -A PREROUTING -i e0 -p udp -j REDIRECT --to-ports 9', 'iptables -A OUTPUT -j DROP'], [('>', udp(5000)), ('>', udp(5000, src=a(10)))]
    yield 'port of class 1', [MASQ + ' -p udp --to-ports 511'], [('>', udp(511))]
    yield 'echo', [SNAT], [('>', IP(src=a(), dst=b()) / ICMP(id=77, seq=1) / u()), ('<', answer / ICMP(type=0, id=77, seq=1) / u())]
    yield 'echo of two with one id', [SNAT.replace('-j SNAT', '-p icmp -j SNAT')], [('>', IP(src=a(), dst=b()) / ICMP(id=77, seq=1) / u()), ('>', IP(src=a(10), dst=b(10)) / ICMP(id=77, seq=1) / u())]
    yield 'timestamp request', [SNAT], [('>', IP(src=a(), dst=b()) / ICMP(type=13, id=78, seq=1)), ('<', answer / ICMP(type=14, id=78, seq=1))]
    yield 'GRE', [SNAT], [('>', IP(src=a(), dst=b()) / GRE(proto=0x800) / Raw(b'inner packet'))]
    yield 'an unknown protocol', [SNAT], [('>', IP(src=a(), dst=b(), proto=253) / Raw(b'something')), ('<', IP(src=b(), dst='10.0.1.1', proto=253) / Raw(b'something'))]
    yield 'SCTP', [SNAT], [('>', IP(src=a(), dst=b()) / SCTP(sport=2000, dport=3000) / SCTPChunkInit(init_tag=5, a_rwnd=5000, n_out_streams=1, n_in_streams=1))]
    yield 'IP options', [SNAT], [('>', IP(src=a(), dst=b(), options=[IPOption_NOP()] * 4) / UDP(sport=5000, dport=53) / u())]
    for name, rules in (('SNAT', [SNAT]), ('DNAT', [DNAT]), ('both', [SNAT, DNAT])):
        source = b(10) if name != 'SNAT' else b()
        for what, packet in (('UDP', udp(5000)), ('UDP without checksum', udp(5000, chksum=0)), ('TCP', syn(1000)), ('echo', IP(src=a(), dst=b()) / ICMP(id=77, seq=1) / u())):
            yield f'port unreachable about {what}, {name}', rules, [('>', packet), ('<', error4(3, 3, src=source)), ('<', error4(11, 0, cut=28, src='10.0.1.12')), ('<', error4(3, 4, cut=40, src='10.0.1.12', nexthopmtu=1200))]
        yield f'an error about an answer, {name}', rules, [('>', udp(5000)), ('<', IP(src=source, dst='10.0.1.1' if name != 'DNAT' else a()) / UDP(sport=53, dport=5000) / u()), ('>', error4(3, 3, src=a(), dst=b()))]
    yield 'an error with a spoilt quotation', [SNAT], [('>', udp(5000)), ('<', error4(3, 3, spoil=True))]
    yield 'redirect', [SNAT], [('>', udp(5000)), ('<', error4(5, 1, gw='10.0.1.3'))]
    yield 'IPv6 UDP, TCP, echo', ['ip6tables -t nat -A POSTROUTING -o e1 -j SNAT --to-source 2001:db8:1::1'], [
        ('>', IPv6(src=a6(), dst=b6()) / UDP(sport=5000, dport=53) / u()), ('<', IPv6(src=b6(), dst=b6(1)) / UDP(sport=53, dport=5000) / u()),
        ('>', IPv6(src=a6(), dst=b6()) / TCP(sport=1000, dport=80, flags='S', seq=1)), ('<', IPv6(src=b6(), dst=b6(1)) / TCP(sport=80, dport=1000, flags='SA', seq=1, ack=2)),
        ('>', IPv6(src=a6(), dst=b6()) / ICMPv6EchoRequest(id=77, seq=1, data=b'abc')), ('<', IPv6(src=b6(), dst=b6(1)) / ICMPv6EchoReply(id=77, seq=1, data=b'abc'))]
    yield 'IPv6 DNAT to a port', ['ip6tables -t nat -A PREROUTING -i e0 -p tcp -j DNAT --to-destination [2001:db8:1::a]:8080'], [('>', IPv6(src=a6(), dst=b6()) / TCP(sport=1000, dport=80, flags='S', seq=1)), ('<', IPv6(src=b6(10), dst=a6()) / TCP(sport=8080, dport=1000, flags='SA', seq=1, ack=2))]
    yield 'IPv6 MASQUERADE', ['ip6tables -t nat -A POSTROUTING -o e1 -j MASQUERADE'], [('>', IPv6(src=a6(), dst=b6()) / UDP(sport=5000, dport=53) / u()), ('>', IPv6(src=a6(), dst=b6()) / IPv6ExtHdrDestOpt() / UDP(sport=5001, dport=53) / u())]
    yield 'IPv6 pool', ['ip6tables -t nat -A POSTROUTING -o e1 -j SNAT --to-source 2001:db8:1::100-2001:db8:1::4ff'], [('>', IPv6(src=a6(last), dst=b6(to)) / UDP(sport=5000, dport=53) / u()) for last in (9, 10, 11, 12) for to in (9, 10)]
    yield 'IPv6 NETMAP', ['ip6tables -t nat -A POSTROUTING -o e1 -j NETMAP --to fd00:1::/64'], [('>', IPv6(src=a6(), dst=b6()) / UDP(sport=5000, dport=53) / u())]
    for what, packet in (('UDP', UDP(sport=5000, dport=53) / u()), ('TCP', TCP(sport=1000, dport=80, flags='S', seq=1)), ('echo', ICMPv6EchoRequest(id=77, seq=1, data=b'abc'))):
        yield f'IPv6 errors about {what}', ['ip6tables -t nat -A POSTROUTING -o e1 -j SNAT --to-source 2001:db8:1::1'], [
            ('>', IPv6(src=a6(), dst=b6()) / packet), ('<', error6(ICMPv6DestUnreach(code=4))), ('<', error6(ICMPv6TimeExceeded(), cut=48, src=b6(12))), ('<', error6(ICMPv6PacketTooBig(mtu=1280), src=b6(12)))]


FTP = 'iptables -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp'
FTP6 = 'ip6tables -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp'
TFTP = 'iptables -t raw -A PREROUTING -p udp --dport 69 -j CT --helper tftp'


class Talk:
    """A TCP conversation: what each side sends, as it sees the addresses and the numbers."""

    def __init__(self, client, server, client_seen, server_seen, ip=IP):
        self.ends = ((client, server_seen), (server, client_seen))
        self.ports = (4000, 21)
        self.next = [1000, 9000]
        #: What is added to a side's numbers on their way to the other.
        self.shift = [0, 0]
        self.ip = ip

    def say(self, side, text=b'', flags='PA', options=()):
        source, destination = self.ends[side]
        sport, dport = self.ports[side], self.ports[1 - side]
        packet = self.ip(src=source, dst=destination) / TCP(sport=sport, dport=dport, flags=flags, seq=self.next[side], options=list(options),
                                                           ack=0 if flags == 'S' else self.next[1 - side] + self.shift[1 - side])
        self.next[side] += len(text) + ('S' in flags)
        return '><'[side], packet / Raw(text) if text else packet

    def open(self):
        mss = [('MSS', 1460), ('SAckOK', b'')]
        yield self.say(0, flags='S', options=mss)
        yield self.say(1, flags='SA', options=mss)
        yield self.say(0, flags='A')
        yield self.say(1, b'220 ready\r\n')
        yield self.say(0, b'USER me\r\n')
        yield self.say(1, b'230 go on\r\n')


def active(snat, command, shift, data_port=5001):
    talk = Talk(a(), b(), '10.0.1.1' if snat else a(), b())
    yield from talk.open()
    again = talk.say(0, command)
    yield again
    talk.shift[0] = shift
    yield again
    yield talk.say(1, b'200 fine\r\n')
    yield '<', IP(src=b(), dst='10.0.1.1' if snat else a()) / TCP(sport=20, dport=data_port, flags='S', seq=1)
    yield '>', IP(src=a(), dst=b()) / TCP(sport=data_port, dport=20, flags='SA', seq=1, ack=2)
    yield talk.say(0, b'NOOP\r\n')
    lost = talk.next[0] + shift
    yield talk.say(1, flags='A', options=[('SAck', (lost - 4, lost))])
    yield talk.say(0, flags='FA')


def passive(reply, dnat, client_port=4001):
    talk = Talk(a(), b(10) if dnat else b(), a(), b())
    yield from talk.open()
    yield talk.say(0, b'PASV\r\n')
    yield talk.say(1, reply)


def ftp_cases():
    for name, rules in (('as it is', []), ('SNAT', [SNAT])):
        yield f'FTP, PORT, {name}', [FTP, *rules], list(active(rules, b'PORT 10,0,0,9,19,137\r\n', -1 if rules else 0))
        yield f'FTP, EPRT, {name}', [FTP, *rules], list(active(rules, b'EPRT |1|10.0.0.9|5001|\r\n', 0))
        yield f'FTP, PORT of another, {name}', [FTP, *rules], list(active(rules, b'PORT 10,0,0,10,19,137\r\n', 0))[:8]
    yield 'FTP, PORT cut short', [FTP, SNAT], list(active(True, b'PORT 10,0,0,9,', 0))[:7]
    yield 'FTP, PORT in lower case', [FTP, SNAT], list(active(True, b'port 10,0,0,9,19,137\r\n', 0))[:7]
    yield 'FTP, PORT in the middle of a line', [FTP, SNAT], list(active(True, b'NOOP PORT 10,0,0,9,19,137\r\n', 0))[:7]
    yield 'FTP, PASV, as it is', [FTP], [*passive(b'227 Entering (10,0,1,9,19,137)\r\n', False), ('>', IP(src=a(), dst=b()) / TCP(sport=4001, dport=5001, flags='S', seq=1))]
    yield 'FTP, PASV without parentheses', [FTP], [*passive(b'227 Entering 10,0,1,9,19,137 now\r\n', False)]
    yield 'FTP, PASV, DNAT', [FTP, DNAT], [*passive(b'227 Entering (10,0,1,10,19,137)\r\n', True), ('>', IP(src=a(), dst=b()) / TCP(sport=4001, dport=5001, flags='S', seq=1)), ('<', IP(src=b(10), dst=a()) / TCP(sport=5001, dport=4001, flags='SA', seq=1, ack=2))]
    yield 'FTP, EPSV, DNAT', [FTP, DNAT], [*passive(b'229 Entering (|||5001|)\r\n', True), ('>', IP(src=a(), dst=b()) / TCP(sport=4001, dport=5001, flags='S', seq=1))]
    talk = Talk(a6(), b6(), b6(1), b6(), IPv6)
    yield 'FTP over IPv6, EPRT, SNAT', [FTP6, 'ip6tables -t nat -A POSTROUTING -o e1 -j SNAT --to-source 2001:db8:1::1'], [
        *talk.open(), talk.say(0, b'EPRT |2|2001:db8::9|5001|\r\n'), ('<', IPv6(src=b6(), dst=b6(1)) / TCP(sport=20, dport=5001, flags='S', seq=1))]
    request = Raw(b'\0\1file\0octet\0')
    for name, rules, server in (('as it is', [], b()), ('SNAT', [SNAT], b()), ('both', [SNAT, DNAT.replace('-i e0', '-i e0 -p udp')], b(10))):
        back = '10.0.1.1' if rules else a()
        yield f'TFTP, {name}', [TFTP, *rules], [('>', IP(src=a(), dst=b()) / UDP(sport=4000, dport=69) / request), ('<', IP(src=server, dst=back) / UDP(sport=3333, dport=4000) / Raw(b'\0\3\0\1data')),
                                                ('>', IP(src=a(), dst=b()) / UDP(sport=4000, dport=3333) / Raw(b'\0\4\0\1'))]


def zero_words():
    """Two bytes of data with which the checksum, after SNAT to 10.0.1.1, would be zero; and their neighbours."""
    probe = IP(src='10.0.1.1', dst=b()) / UDP(sport=5000, dport=53) / Raw(b'\0\0')
    checksum = IP(bytes(probe))[UDP].chksum
    return [checksum, (checksum + 1) & 0xffff, (checksum - 1) & 0xffff]


class Kernel:
    def __init__(self):
        self.sockets = (open_in(A, 'e0'), open_in(B, 'e1'))

    def send(self, side, packet):
        macs = (H0, R0) if side == 0 else (H1, R1)
        self.sockets[side].send(bytes(Ether(src=macs[0], dst=macs[1]) / packet))
        got = []
        while True:
            ready = select.select(self.sockets, [], [], 0.15)[0]
            if not ready:
                return got
            for s in ready:
                data, address = s.recvfrom(4000)
                if address[2] != 4 and data[12:14] in (b'\x08\x00', b'\x86\xdd') and not is_discovery(data):
                    got.append(('AB'[self.sockets.index(s)], data[14:]))


def is_discovery(frame):
    return frame[12:14] == b'\x86\xdd' and frame[20] in (0, 58) and (frame[20] == 0 or frame[54] in range(133, 138))


def ask(kernel, name, rules, steps):
    for tool in ('iptables', 'ip6tables'):
        run(f'ip netns exec {R} {tool} -t nat -F; ip netns exec {R} {tool} -t raw -F; ip netns exec {R} {tool} -F')
    run(f'ip netns exec {R} conntrack -F 2>/dev/null')
    for rule in rules:
        run(f'ip netns exec {R} {rule}')
    print(f'\n{name}')
    for rule in rules:
        print(f'  : {rule}')
    last = None
    for arrow, packet in steps:
        is_error = isinstance(packet, ToInner)
        if is_error:
            packet = packet.make(last)
        packet = packet.__class__(bytes(packet))
        print(f'  {arrow} {bytes(packet).hex()}')
        for side, data in kernel.send('><'.index(arrow), packet):
            print(f'  {side} {data.hex()}')
            last = last if is_error else packet.__class__(data)
    for line in flows():
        print(f'  = {line}')


def main():
    set_up()
    kernel = Kernel()
    print('Linux', os.uname().release.split('-')[0])
    for case in (*cases(), *ftp_cases()):
        ask(kernel, *case)


if __name__ == '__main__':
    try:
        main()
    finally:
        for ns in (A, R, B):
            subprocess.run(['ip', 'netns', 'del', ns], stderr=subprocess.DEVNULL)
