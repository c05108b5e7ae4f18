"""
Bulk data from one host to another, with a digest over it, for tests.

  transfer.py receive tcp|udp ADDRESS PORT [SEGMENT]   prints "listening", then JSON {"bytes": n, "sha256": ...}
  transfer.py send tcp ADDRESS PORT BYTES              prints the same of what it sent
  transfer.py send udp ADDRESS PORT BYTES SEGMENT      one sendmsg a superframe: the kernel is told to cut it (UDP_SEGMENT)

The data is a stream that repeats only after 2^32 blocks of 4 KiB, so a piece that is missing, doubled or out of place changes the
digest. UDP datagrams are counted by content, in any order, and the sender ends with a short one that says so.
"""
import hashlib
import json
import socket
import struct
import sys

UDP_SEGMENT = 103
BLOCK = 4096
LAST = b"last"


def block(number):
    return struct.pack("!I", number) * (BLOCK // 4)


def data(total):
    for number in range((total + BLOCK - 1) // BLOCK):
        yield block(number)[: min(BLOCK, total - number * BLOCK)]


def report(total, digest):
    print(json.dumps({"bytes": total, "sha256": digest}), flush=True)


def send_tcp(address, total):
    digest = hashlib.sha256()
    pending = []
    with socket.create_connection(address, timeout=30) as sock:
        for piece in data(total):
            digest.update(piece)
            pending.append(piece)
            if len(pending) == 64:
                sock.sendall(b"".join(pending))
                pending = []
        sock.sendall(b"".join(pending))
    report(total, digest.hexdigest())


def receive_tcp(server):
    server.listen(1)
    print("listening", flush=True)
    server.settimeout(30)
    sock, _ = server.accept()
    sock.settimeout(30)
    digest = hashlib.sha256()
    total = 0
    while piece := sock.recv(1 << 20):
        digest.update(piece)
        total += len(piece)
    report(total, digest.hexdigest())


def unordered(datagrams):
    """A digest that does not depend on the order."""
    return hashlib.sha256(b"".join(sorted(hashlib.sha256(one).digest() for one in datagrams))).hexdigest()


def send_udp(address, total, segment):
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.connect(address)
    whole = b"".join(data(total))
    # As many whole segments as one superframe takes: 64 at most, and less than 64 KiB.
    step = min(64, 65000 // segment) * segment
    for at in range(0, total, step):
        sock.sendmsg([whole[at : at + step]], [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("H", segment))])
        # One answer a superframe keeps the receiver's buffer from overflowing: a loss is then a fault.
        sock.settimeout(10)
        sock.recv(16)
    sock.send(LAST)
    report(total, unordered([whole[at : at + segment] for at in range(0, total, segment)]))


def receive_udp(sock, segment):
    print("listening", flush=True)
    sock.settimeout(30)
    step = min(64, 65000 // segment) * segment
    datagrams = []
    since = 0
    while True:
        piece, sender = sock.recvfrom(70000)
        if piece == LAST:
            break
        datagrams.append(piece)
        since += len(piece)
        # The whole superframe is here, or its last piece, which is short.
        if since == step or len(piece) < segment:
            sock.sendto(b"go on", sender)
            since = 0
    report(sum(map(len, datagrams)), unordered(datagrams))


def bound(protocol, address):
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(address)
    return sock


verb, protocol, host, port, *numbers = sys.argv[1:]
address = (host, int(port))
if verb == "receive" and protocol == "tcp":
    receive_tcp(bound(protocol, address))
elif verb == "receive":
    receive_udp(bound(protocol, address), int(numbers[0]))
elif protocol == "tcp":
    send_tcp(address, int(numbers[0]))
else:
    send_udp(address, int(numbers[0]), int(numbers[1]))
