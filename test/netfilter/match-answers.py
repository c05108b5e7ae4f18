"""What the kernel says: which rules hold which packets. Run as root with scapy, iptables and ip; writes match-answers.txt beside itself.

Each rule stands alone in mangle PREROUTING and has no target, so that every packet is asked about by all. After each frame the
counters are read: the rules that counted it are its answer. Lines:

    rule 4 -m ttl --ttl-lt 5        family and rule; rules of each family are numbered from 0
    frame 4 HEX: 0 3 7              family, frame, the rules that hold it
"""
import os
import re
import socket
import struct
import subprocess
import sys
import time

from scapy.all import (AH, ESP, GRE, ICMP, IP, SCTP, TCP, UDP, Ether, ICMPerror, ICMPv6EchoRequest, IPv6,
                       IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN, Raw,
                       ICMPv6DestUnreach, RouterAlert, HBHOptUnknown)

HERE = os.path.dirname(os.path.abspath(__file__))
NS = f'sluice-match-{os.getpid()}'
SRC_MAC, DST_MAC = '02:00:00:00:10:09', '02:00:00:00:0b:00'

RULES4 = r'''
-m ttl --ttl-eq 64
-m ttl ! --ttl-eq 64
-m ttl --ttl-lt 5
-m ttl --ttl-gt 200
-m length --length 40
-m length --length 100:1500
-m length ! --length 0:60
-m tos --tos 0x10/0xff
-m tos ! --tos 0x10/0x1e
-m dscp --dscp 0x2e
-m dscp ! --dscp 0x2e
-p tcp -m tcp --tcp-flags SYN,RST,ACK,FIN SYN
-p tcp -m tcp ! --syn
-p tcp -m tcp --tcp-flags ALL NONE
-p tcp -m tcp --tcp-flags FIN,PSH,URG FIN,PSH,URG
-p tcp -m tcp --tcp-option 2
-p tcp -m tcp --tcp-option 8
-p tcp -m tcp ! --tcp-option 2
-p tcp -m tcpmss --mss 1000:1500
-p tcp -m tcpmss ! --mss 1000:1500
-p tcp -m tcpmss --mss 1
-p tcp -m tcp --sport 1000:2000
-p tcp -m tcp ! --dport 80
-p udp -m udp --dport 53
-p udp -m udp --sport :1023
-p tcp -m multiport --dports 22,80,443
-p tcp -m multiport ! --dports 22,80,443
-p udp -m multiport --sports 53,1000:2000
-p udp -m multiport --ports 53,67:68
-p udp -m multiport ! --ports 53,67:68
-p icmp -m icmp --icmp-type any
-p icmp -m icmp --icmp-type echo-request
-p icmp -m icmp --icmp-type 3
-p icmp -m icmp --icmp-type 3/4
-p icmp -m icmp ! --icmp-type 8
-m iprange --src-range 10.0.0.5-10.0.0.10
-m iprange ! --src-range 10.0.0.5-10.0.0.10
-m iprange --dst-range 10.0.1.0-10.0.1.255
-m iprange --src-range 10.0.0.0-10.0.0.9 ! --dst-range 10.0.0.1-10.0.0.1
-m mac --mac-source 02:00:00:00:10:09
-m mac ! --mac-source 02:00:00:00:10:09
-m pkttype --pkt-type unicast
-m pkttype --pkt-type broadcast
-m pkttype --pkt-type multicast
-m pkttype ! --pkt-type unicast
-m addrtype --src-type LOCAL
-m addrtype --dst-type LOCAL
-m addrtype ! --dst-type LOCAL
-m addrtype --dst-type BROADCAST
-m addrtype --dst-type MULTICAST
-m addrtype --dst-type UNICAST
-m addrtype --src-type UNICAST --dst-type LOCAL
-m addrtype --dst-type LOCAL --limit-iface-in
-m addrtype --dst-type UNICAST --limit-iface-in
-m addrtype --dst-type BLACKHOLE
-m addrtype --dst-type UNREACHABLE
-m addrtype --dst-type PROHIBIT
-m addrtype --dst-type ANYCAST
-m ecn --ecn-ip-ect 0
-m ecn --ecn-ip-ect 3
-m ecn ! --ecn-ip-ect 0
-p tcp -m ecn --ecn-tcp-cwr
-p tcp -m ecn --ecn-tcp-ece
-p tcp -m ecn ! --ecn-tcp-ece
-p esp -m esp --espspi 100:200
-p esp -m esp ! --espspi 100:200
-p ah -m ah --ahspi 500
-p ah -m ah ! --ahspi 500
-p sctp -m sctp --dport 7
-p sctp -m sctp --chunk-types any INIT,DATA
-p sctp -m sctp --chunk-types all INIT,DATA
-p sctp -m sctp --chunk-types only DATA
-p sctp -m sctp --chunk-types any DATA:Be
-p sctp -m sctp ! --chunk-types any INIT
-p dccp -m dccp --dccp-types REQUEST
-p dccp -m dccp ! --dccp-types REQUEST,DATA
-p dccp -m dccp --dccp-option 32
-m string --string "needle" --algo bm
-m string --string "needle" --algo kmp
-m string ! --string "needle" --algo bm
-m string --string "NEEDLE" --algo bm --icase
-m string --string "NEEDLE" --algo kmp
-m string --hex-string "|00010203|" --algo kmp
-m string --string "needle" --algo bm --from 28
-m string --string "needle" --algo bm --from 29
-m string --string "needle" --algo bm --from 40
-m string --string "needle" --algo kmp --to 34
-m string --string "needle" --algo kmp --to 33
-m string --string "needle" --algo kmp --to 35
-m string --string "needle" --algo kmp --from 20 --to 100
-m u32 --u32 "0x0>>0x1c=0x4"
-m u32 --u32 "0x6&0xff=0x11"
-m u32 --u32 "0x6&0xff=0x6&&0x0>>0x16&0x3c@0xc>>0x1a&0x3c@0x0=0x6e656564"
-m u32 --u32 "0x0>>0x16&0x3c@0x0>>0x10=0x35,0x3e8:0x7d0"
-m u32 --u32 "0x1000=0x0:0xffffffff"
-m u32 ! --u32 "0x6&0xff=0x11"
-m u32 --u32 "0x8&0xff<<0x18=0x11000000"
-m bpf --bytecode "4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0"
-m bpf --bytecode "7,48 0 0 9,21 0 4 17,177 0 0 0,72 0 0 2,21 0 1 53,6 0 0 1,6 0 0 0"
-m bpf --bytecode "4,128 0 0 0,37 0 1 60,6 0 0 1,6 0 0 0"
-m bpf --bytecode "5,32 0 0 12,84 0 0 255,116 0 0 3,6 0 0 0,22 0 0 0"
-m rpfilter
-m rpfilter --loose
-m rpfilter --invert
-m rpfilter --accept-local
-m mark --mark 0x0
-m mark ! --mark 0x1/0x1
-m devgroup --src-group 0x0
-m cpu --cpu 99
-m time --datestart 2000-01-01 --datestop 2037-01-01
-m time --datestop 2001-01-01
-f
! -f
-p tcp
-p ipcomp -m ipcomp --ipcompspi 0x10:0x20
-m statistic --mode random --probability 0
-m statistic --mode random --probability 1
'''

# What counts packets: the frames come quickly one after the other, and what fills with time fills in hours.
RULES_COUNTED = r'''
-m statistic --mode nth --every 3 --packet 0
-m statistic --mode nth --every 3 --packet 2
-m statistic --mode nth ! --every 2 --packet 1
-m limit --limit 1/hour --limit-burst 3
-m limit --limit 1/day
-m quota --quota 100
-m quota ! --quota 100
-m recent --name a --rcheck
-m recent --name a --rcheck --hitcount 3
-m recent --name a --set
-m recent --name a --rcheck --hitcount 3
-m recent --name a ! --rcheck
-m recent --name b --update --hitcount 2
-m recent --name b --set --rdest
-m recent --name c --remove
-m recent --name c --set --mask 255.255.255.0
-m recent --name c --update --seconds 3600 --hitcount 4
-m recent --name d --set
-m recent --name d --update --rttl --hitcount 2
-m recent --name d --rcheck --seconds 3600 --reap
-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-name h1
-m hashlimit --hashlimit-above 1/hour --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-name h2
-m hashlimit --hashlimit-upto 1/day --hashlimit-burst 1 --hashlimit-mode srcip,dstport --hashlimit-name h3
-m hashlimit --hashlimit-upto 1/day --hashlimit-burst 3 --hashlimit-name h4
-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-srcmask 24 --hashlimit-name h5
-m hashlimit --hashlimit-upto 1/day --hashlimit-burst 1 --hashlimit-mode dstip,srcport --hashlimit-htable-max 3 --hashlimit-htable-size 1 --hashlimit-name h6
-m hashlimit --hashlimit-above 4/sec --hashlimit-burst 5 --hashlimit-mode srcip --hashlimit-rate-match --hashlimit-rate-interval 3600 --hashlimit-name h8
-m hashlimit --hashlimit-above 100b/s --hashlimit-mode srcip --hashlimit-rate-match --hashlimit-rate-interval 3600 --hashlimit-name h9
'''

RULES6 = r'''
-m hl --hl-eq 64
-m hl --hl-lt 3
-m hl ! --hl-eq 64
-m length --length 48
-m length --length 60:1500
-m tos --tos 0x10/0xff
-m dscp --dscp 0x2e
-p tcp -m tcp --syn
-p tcp -m tcp --dport 80
-p tcp -m tcpmss --mss 1000:1500
-p udp -m udp --dport 53
-p udp -m multiport --ports 53,1000:2000
-p ipv6-icmp -m icmp6 --icmpv6-type 128
-p ipv6-icmp -m icmp6 --icmpv6-type 1
-p ipv6-icmp -m icmp6 --icmpv6-type 1/4
-p ipv6-icmp -m icmp6 ! --icmpv6-type 128
-m iprange --src-range 2001:db8::5-2001:db8::10
-m iprange ! --dst-range 2001:db8::1-2001:db8::1
-m mac --mac-source 02:00:00:00:10:09
-m pkttype --pkt-type unicast
-m pkttype --pkt-type multicast
-m addrtype --dst-type LOCAL
-m addrtype --src-type LOCAL
-m addrtype --dst-type UNICAST
-m addrtype --dst-type MULTICAST
-m addrtype --dst-type UNREACHABLE
-m addrtype --dst-type LOCAL --limit-iface-in
-m addrtype ! --dst-type LOCAL
-m addrtype --src-type UNSPEC
-m addrtype --dst-type ANYCAST
-m ecn --ecn-ip-ect 1
-p esp -m esp --espspi 100:200
-m ah --ahspi 500
-m ah ! --ahspi 500
-m ah --ahlen 24
-m ah --ahres
-m frag --fragid 7
-m frag --fragfirst
-m frag --fragmore
-m frag --fraglast
-m ipv6header --header hop-by-hop --soft
-m ipv6header --header dst --soft
-m ipv6header --header hop-by-hop,prot
-m ipv6header --header prot
-m ipv6header ! --header prot
-m ipv6header ! --header hop-by-hop --soft
-m rt --rt-type 0
-m rt ! --rt-type 0
-m rt --rt-type 0 --rt-segsleft 1
-m rt --rt-type 0 --rt-len 24
-m rt --rt-type 0 --rt-0-addrs 2001:db8::77 --rt-0-not-strict
-m rt --rt-type 0 --rt-0-addrs 2001:db8::77
-m hbh
-m hbh --hbh-len 8
-m hbh --hbh-opts 5:2
-m hbh --hbh-opts 1:4
-m dst
-m dst --dst-opts 1:4
-m dst ! --dst-len 8
-m eui64
-p 135 -m mh --mh-type 1
-m string --string "needle" --algo kmp
-m u32 --u32 "0x6>>0x18&0xff=0x11"
-m u32 --u32 "0x28>>0x10=0x3e8"
-m bpf --bytecode "4,48 0 0 6,21 0 1 6,6 0 0 1,6 0 0 0"
-m rpfilter
-m rpfilter --loose
-m rpfilter --invert
'''


def eth(payload, dst=DST_MAC, src=SRC_MAC):
    return bytes(Ether(src=src, dst=dst) / payload)


def ip(**k):
    return IP(**{**dict(src='10.0.0.9', dst='10.0.0.1', id=77), **k})


def ip6(**k):
    return IPv6(**{**dict(src='2001:db8::9', dst='2001:db8::1'), **k})


def dccp(kind, x=1, options=b''):
    fixed = 16 + {0: 4, 1: 8, 2: 0, 3: 8, 4: 8, 5: 8, 6: 8, 7: 12, 8: 8, 9: 8}[kind]
    options += b'\0' * (-len(options) % 4)
    return struct.pack('>HHBBHBBHI', 1000, 7, (fixed + len(options)) // 4, 0, 0, (kind << 1) | x, 0, 0, 5) \
        + bytes(fixed - 16) + options


def sctp(*chunks):
    out = struct.pack('>HHII', 1000, 7, 1, 0)
    for kind, flags, data in chunks:
        out += struct.pack('>BBH', kind, flags, 4 + len(data)) + data + bytes(-len(data) % 4)
    return out


FRAMES4 = [
    eth(ip() / TCP(sport=1500, dport=80, flags='S', options=[('MSS', 1460), ('NOP', None), ('WScale', 7)])),
    eth(ip() / TCP(sport=1500, dport=80, flags='S', options=[('NOP', None), ('MSS', 536), ('NOP', None)])),
    eth(ip() / TCP(sport=1500, dport=443, flags='SA', options=[('Timestamp', (1, 2)), ('MSS', 1300)])),
    eth(ip(ttl=3) / TCP(sport=3000, dport=8080, flags='A') / b'x needle y'),
    eth(ip(tos=0x10) / TCP(sport=1000, dport=22, flags='PA') / b'NeeDle\x00\x01\x02\x03'),
    eth(ip() / TCP(sport=1000, dport=22, flags='PA') / b'needle in front'),
    eth(ip(ttl=255) / TCP(sport=2000, dport=80, flags='')),
    eth(ip() / TCP(sport=2000, dport=80, flags='FPU')),
    eth(ip() / TCP(sport=2000, dport=80, flags='SEC')),
    eth(ip() / TCP(sport=2000, dport=80, flags='AE')),
    eth(ip() / TCP(sport=2000, dport=80, flags='AC')),
    eth(ip(tos=1) / TCP(sport=2000, dport=80, flags='R')),
    eth(ip(tos=3) / UDP(sport=53, dport=53) / b'needle'),
    eth(ip(tos=0xb8) / UDP(sport=1000, dport=67) / b'....needle....'),
    eth(ip(options=[]) / UDP(sport=1000, dport=5000) / bytes(500)),
    eth(ip(src='10.0.0.10') / UDP(sport=5353, dport=68)),
    eth(ip(src='10.0.0.11', dst='10.0.1.9') / UDP(sport=5353, dport=5353) / bytes([0, 1, 2, 3])),
    eth(ip(src='10.0.0.4', dst='10.0.1.1') / UDP(sport=1, dport=2)),
    eth(ip(src='172.31.0.1') / UDP(sport=1, dport=2)),
    eth(ip(src='10.0.1.9') / UDP(sport=1, dport=2)),
    eth(ip(src='10.0.0.1') / UDP(sport=1, dport=2)),
    eth(ip(dst='10.0.0.255') / UDP(sport=1, dport=2), dst='ff:ff:ff:ff:ff:ff'),
    eth(ip(dst='255.255.255.255', src='0.0.0.0') / UDP(sport=68, dport=67), dst='ff:ff:ff:ff:ff:ff'),
    eth(ip(dst='224.0.0.5') / UDP(sport=1, dport=2), dst='01:00:5e:00:00:05'),
    eth(ip(dst='172.16.0.1') / UDP(sport=1, dport=2)),
    eth(ip(dst='172.17.0.1') / UDP(sport=1, dport=2)),
    eth(ip(dst='172.18.0.1') / UDP(sport=1, dport=2)),
    eth(ip(dst='8.8.8.8') / UDP(sport=1, dport=2)),
    eth(ip(dst='127.0.0.1') / UDP(sport=1, dport=2)),
    eth(ip() / ICMP(type=8, id=1, seq=1) / b'needle'),
    eth(ip() / ICMP(type=0, id=1, seq=1)),
    eth(ip() / ICMP(type=3, code=4, nexthopmtu=1000) / IP(src='10.0.0.1', dst='10.0.1.9') / UDP(sport=1, dport=2)),
    eth(ip() / ICMP(type=3, code=1) / IP(src='10.0.0.1', dst='10.0.1.9') / UDP(sport=1, dport=2)),
    eth(ip(proto=50) / Raw(struct.pack('>II', 150, 1))),
    eth(ip(proto=50) / Raw(struct.pack('>II', 0xffffffff, 1))),
    eth(ip(proto=51) / Raw(struct.pack('>BBHIII', 17, 4, 0, 500, 1, 0) + bytes(20))),
    eth(ip(proto=51) / Raw(struct.pack('>BBHIII', 17, 4, 0, 501, 1, 0) + bytes(20))),
    eth(ip(proto=132) / Raw(sctp((1, 0, bytes(16))))),
    eth(ip(proto=132) / Raw(sctp((0, 3, bytes(13)), (3, 0, bytes(12))))),
    eth(ip(proto=132) / Raw(sctp((0, 2, bytes(13))))),
    eth(ip(proto=132) / Raw(sctp((1, 0, bytes(16)), (0, 3, bytes(13))))),
    eth(ip(proto=33) / Raw(dccp(0))),
    eth(ip(proto=33) / Raw(dccp(2, options=bytes([32, 3, 1])))),
    eth(ip(proto=33) / Raw(dccp(4, options=bytes([0, 1, 32, 2])))),
    eth(ip(proto=47) / Raw(bytes([0, 0, 8, 0]) + bytes(20))),
    eth(ip(proto=108) / Raw(struct.pack('>BBH', 6, 0, 0x18))),
    eth(ip(proto=253) / Raw(b'needle')),
    eth(ip(flags='MF', proto=17) / Raw(bytes(UDP(sport=53, dport=53, len=48, chksum=0)) + bytes(32))),
    eth(ip(frag=5, proto=17) / Raw(b'needle' + bytes(2))),
    eth(ip(ihl=None, options=[b'\x94\x04\x00\x00']) / UDP(sport=53, dport=1) / b'needle'),
]

FRAMES6 = [
    eth(ip6() / TCP(sport=1500, dport=80, flags='S', options=[('MSS', 1440)])),
    eth(ip6(hlim=2) / TCP(sport=1500, dport=80, flags='A') / b'needle'),
    eth(ip6(tc=0x10) / UDP(sport=1000, dport=53)),
    eth(ip6(tc=0xb9) / UDP(sport=1000, dport=5000) / bytes(100)),
    eth(ip6() / ICMPv6EchoRequest(id=1, seq=1)),
    eth(ip6() / ICMPv6DestUnreach(code=4) / IPv6(src='2001:db8::1', dst='2001:db8:1::9') / UDP(sport=1, dport=2)),
    eth(ip6(src='2001:db8::11', dst='2001:db8:1::9') / UDP(sport=1, dport=2)),
    eth(ip6(src='2001:db8:1::9') / UDP(sport=1, dport=2)),
    eth(ip6(src='2001:db8::1') / UDP(sport=1, dport=2)),
    eth(ip6(src='2001:db8::ff:fe00:1009') / UDP(sport=1, dport=2)),
    eth(ip6(src='2001:db8::ff:fe00:1009'.replace('::', ':0:0:0:')) / UDP(sport=1, dport=2)),
    eth(ip6(src='fe80::ff:fe00:1009') / UDP(sport=1, dport=2)),
    eth(ip6(src='fe80::9', dst='fe80::b:0') / UDP(sport=1, dport=2)),
    eth(ip6(dst='ff02::1') / UDP(sport=1, dport=2), dst='33:33:00:00:00:01'),
    eth(ip6(dst='2001:db8:16::1') / UDP(sport=1, dport=2)),
    eth(ip6(dst='2001:db8:77::1') / UDP(sport=1, dport=2)),
    eth(ip6(dst='2001:db8::') / UDP(sport=1, dport=2)),
    eth(ip6(src='::', dst='ff02::1:ff00:1') / UDP(sport=1, dport=2), dst='33:33:ff:00:00:01'),
    eth(ip6(nh=50) / Raw(struct.pack('>II', 150, 1))),
    eth(ip6(nh=51) / Raw(struct.pack('>BBHIII', 17, 4, 0, 500, 1, 0) + bytes(8) + bytes(UDP(sport=98, dport=99)))),
    eth(ip6(nh=51) / Raw(struct.pack('>BBHIII', 17, 3, 9, 501, 1, 0) + bytes(4) + bytes(UDP(sport=98, dport=99)))),
    eth(ip6() / IPv6ExtHdrFragment(id=7, offset=0, m=1, nh=17) / Raw(bytes(UDP(sport=1000, dport=53, len=40)) + bytes(32))),
    eth(ip6() / IPv6ExtHdrFragment(id=8, offset=5, m=0, nh=17) / Raw(bytes(16))),
    eth(ip6() / IPv6ExtHdrFragment(id=9, offset=0, m=0, nh=17) / UDP(sport=1000, dport=53)),
    eth(ip6() / IPv6ExtHdrHopByHop(options=[RouterAlert(), PadN(optdata=b'')]) / UDP(sport=1000, dport=53)),
    eth(ip6() / IPv6ExtHdrHopByHop(options=[PadN(optdata=bytes(4))]) / UDP(sport=1, dport=2)),
    eth(ip6() / IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))]) / TCP(sport=1, dport=80, flags='S')),
    eth(ip6() / IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(12))]) / UDP(sport=1, dport=2) / b'needle'),
    eth(ip6() / IPv6ExtHdrRouting(type=0, segleft=1, addresses=['2001:db8::77']) / UDP(sport=1000, dport=53)),
    eth(ip6() / IPv6ExtHdrRouting(type=0, segleft=0, addresses=['2001:db8::78', '2001:db8::77']) / UDP(sport=1, dport=2)),
    eth(ip6() / IPv6ExtHdrRouting(type=2, segleft=0, addresses=['2001:db8::77']) / UDP(sport=1, dport=2)),
    eth(ip6(nh=135) / Raw(bytes([59, 1, 1, 0, 0, 0, 0, 0]) + bytes(8))),
    eth(ip6(nh=59)),
]


FRAMES_COUNTED = [
    eth(ip(src=f'10.0.0.{last}', ttl=ttl) / UDP(sport=1000 + last, dport=port) / bytes(size))
    for last, ttl, port, size in [
        (9, 64, 53, 0), (9, 64, 53, 0), (10, 64, 53, 40), (9, 64, 80, 10), (9, 63, 53, 0), (10, 64, 53, 0),
        (9, 64, 53, 300), (10, 64, 80, 0), (9, 64, 53, 0), (11, 64, 53, 0), (10, 64, 53, 0), (9, 64, 53, 0)]]


def sh(*words, text=None):
    return subprocess.run(words, input=text, text=True, check=True, capture_output=True).stdout


def inside(*words, text=None):
    return sh('ip', 'netns', 'exec', NS, *words, text=text)


def set_up():
    sh('ip', 'netns', 'add', NS)
    sh('ip', '-n', NS, 'link', 'set', 'lo', 'up')
    sh('ip', '-n', NS, 'link', 'add', 'e0', 'address', DST_MAC, 'type', 'veth', 'peer', 'name', 'a0', 'address', SRC_MAC)
    sh('ip', '-n', NS, 'link', 'add', 'e1', 'address', '02:00:00:00:0b:01', 'type', 'veth', 'peer', 'name', 'a1')
    for key in ('all', 'default', 'e0', 'e1', 'a0'):
        inside('sysctl', '-qw', f'net.ipv4.conf.{key}.rp_filter=0', f'net.ipv4.conf.{key}.forwarding=1',
               f'net.ipv6.conf.{key}.accept_dad=0', f'net.ipv6.conf.{key}.accept_source_route=1',
               f'net.ipv6.conf.{key}.addr_gen_mode=1', f'net.ipv6.conf.{key}.forwarding=1')
    inside('sysctl', '-qw', 'net.ipv6.conf.a0.disable_ipv6=1', 'net.ipv4.conf.e0.route_localnet=0')
    for i in (0, 1):
        sh('ip', '-n', NS, 'link', 'set', f'e{i}', 'up')
        sh('ip', '-n', NS, 'address', 'add', f'10.0.{i}.1/24', 'broadcast', '+', 'dev', f'e{i}')
        sh('ip', '-n', NS, 'address', 'add', f'2001:db8:{i}::1/64' if i else '2001:db8::1/64', 'dev', f'e{i}', 'nodad')
        sh('ip', '-n', NS, 'address', 'add', f'fe80::b:{i}/64', 'dev', f'e{i}', 'nodad')
    sh('ip', '-n', NS, 'link', 'set', 'a0', 'up')
    sh('ip', '-n', NS, 'link', 'set', 'a1', 'up')
    for kind, net in (('unreachable', 16), ('prohibit', 17), ('blackhole', 18)):
        sh('ip', '-n', NS, 'route', 'add', kind, f'172.{net}.0.0/16')
        sh('ip', '-n', NS, 'route', 'add', kind, f'2001:db8:{net}::/48')


def load(tool, rules):
    kept = []
    # What this kernel or tool does not have is left out.
    for rule in rules:
        try:
            inside(f'{tool}-restore', text=f'*mangle\n-A PREROUTING {rule}\nCOMMIT\n')
            kept.append(rule)
        except subprocess.CalledProcessError as error:
            print('left out:', rule, error.stderr.strip().split('\n')[0], file=sys.stderr)
    inside(f'{tool}-restore', text='*mangle\n' + ''.join(f'-A PREROUTING {rule}\n' for rule in kept) + 'COMMIT\n')
    return kept


def counters(tool):
    out = inside(f'{tool}-save', '-c', '-t', 'mangle')
    return [int(m) for m in re.findall(r'^\[(\d+):\d+\] -A PREROUTING', out, re.M)]


SENDER = r'''
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('a0', 0))
s.send(bytes.fromhex(sys.argv[1]))
'''


def main():
    lines = []
    try:
        set_up()
        for family, tool, text, frames in ((4, 'iptables', RULES4, FRAMES4), (6, 'ip6tables', RULES6, FRAMES6),
                                                ('counted', 'iptables', RULES_COUNTED, FRAMES_COUNTED)):
            rules = load(tool, [f'-i e0 {line}' for line in text.split('\n') if line])
            lines += [f'rule {family} {rule}' for rule in rules]
            for frame in frames:
                frame = frame + bytes(max(0, 60 - len(frame)))
                before = counters(tool)
                inside('python3', '-c', SENDER, frame.hex())
                time.sleep(0.01)
                after = counters(tool)
                held = [str(i) for i in range(len(rules)) if after[i] != before[i]]
                lines.append(f'frame {family} {frame.hex()}: {" ".join(held)}')
    finally:
        sh('ip', 'netns', 'del', NS)
    with open(os.path.join(HERE, 'match-answers.txt'), 'w') as out:
        out.write('\n'.join(lines) + '\n')


main()
