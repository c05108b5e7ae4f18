"""
Raw sockets in kernel namespaces, for tests: JSON lines in, JSON lines out.

It shares no code with Sluice, so that what it sees on a device is a second opinion: a VLAN tag that the kernel took out of
a frame is put back from the packet's auxiliary data, and frames that the device itself sends are not seen.

  {"op": "open", "name": N, "netns": NAME, "dev": DEV}       -> {}
  {"op": "send", "name": N, "frames": [HEX, ...]}            -> {"errors": [[index, errno], ...]}
  {"op": "take", "name": N, "count": n, "timeout": seconds}  -> {"frames": [HEX, ...]}   n or more frames, or what came in time
  {"op": "drain", "names": [N, ...], "silence": seconds}     -> {"each": [[HEX, ...], ...]}   until nothing came for so long
  {"op": "tun", "name": N, "netns": NAME, "dev": DEV}        -> {}   makes a TAP and holds it, as QEMU does; then as a socket
  {"op": "close", "name": N}                                 -> {}
"""
import ctypes
import errno
import fcntl
import json
import os
import select
import socket
import struct
import sys
import time

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_IGNORE_OUTGOING = 23
SO_RCVBUFFORCE = 33
TP_STATUS_VLAN_VALID = 1 << 4
TP_STATUS_VLAN_TPID_VALID = 1 << 6
TUNSETIFF = 0x400454CA
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000
LARGEST = 70000

libc = ctypes.CDLL(None, use_errno=True)
home = os.open("/proc/self/ns/net", os.O_RDONLY)
opened = {}


def enter(namespace):
    if libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def inside(netns, body):
    namespace = os.open("/run/netns/" + netns, os.O_RDONLY)
    try:
        enter(namespace)
        return body()
    finally:
        enter(home)
        os.close(namespace)


def open_packet(dev):
    # Protocol 0 until bind: nothing of another device gets in.
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
    sock.bind((dev, ETH_P_ALL))
    sock.setblocking(False)
    return sock


def open_tun(dev):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", dev.encode(), IFF_TAP | IFF_NO_PI))
    return fd


def with_tag(frame, ancillary):
    for level, kind, data in ancillary:
        if level != SOL_PACKET or kind != PACKET_AUXDATA:
            continue
        status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", data[:20])
        if status & TP_STATUS_VLAN_VALID:
            tpid = tpid if status & TP_STATUS_VLAN_TPID_VALID else 0x8100
            return frame[:12] + struct.pack("!HH", tpid, tci) + frame[12:]
    return frame


def read_one(source):
    if isinstance(source, int):
        return os.read(source, LARGEST)
    frame, ancillary, _, _ = source.recvmsg(LARGEST, 256)
    return with_tag(frame, ancillary)


def write_one(target, frame):
    if isinstance(target, int):
        os.write(target, frame)
    else:
        target.send(frame)


def patiently(target, frame):
    """A full queue is waited for; any other error is the answer."""
    while True:
        try:
            write_one(target, frame)
            return 0
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ENOBUFS):
                return error.errno
            select.select([], [target], [], 0.1)


def send(target, frames):
    errors = [[i, patiently(target, bytes.fromhex(frame))] for i, frame in enumerate(frames)]
    return {"errors": [pair for pair in errors if pair[1] != 0]}


def take(source, count, timeout):
    frames = []
    end = time.monotonic() + timeout
    while True:
        try:
            frames.append(read_one(source).hex())
            continue
        except BlockingIOError:
            pass
        except OSError as error:
            # The device went down since the last call; what it had received is still to be read.
            if error.errno != errno.ENETDOWN:
                raise
        left = end - time.monotonic()
        if len(frames) >= count or left <= 0:
            return {"frames": frames}
        select.select([source], [], [], left)


def drain(sources, silence):
    each = [[] for _ in sources]
    while True:
        for frames, source in zip(each, sources):
            frames += take(source, 0, 0)["frames"]
        if not select.select(sources, [], [], silence)[0]:
            return {"each": each}


def answer(request):
    op = request["op"]
    if op == "drain":
        return drain([opened[name] for name in request["names"]], request["silence"])
    name = request["name"]
    if op in ("open", "tun"):
        opener = open_packet if op == "open" else open_tun
        opened[name] = inside(request["netns"], lambda: opener(request["dev"]))
        return {}
    if op == "close":
        source = opened.pop(name)
        os.close(source) if isinstance(source, int) else source.close()
        return {}
    if op == "send":
        return send(opened[name], request["frames"])
    return take(opened[name], request["count"], request["timeout"])


for line in sys.stdin:
    try:
        reply = answer(json.loads(line))
    except Exception as error:  # noqa: BLE001: the test is to fail, with the reason
        reply = {"failure": repr(error)}
    print(json.dumps(reply), flush=True)
