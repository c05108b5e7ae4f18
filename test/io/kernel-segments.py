# Lets the kernel cut superframes: writes each line "VNET FRAME" (hexadecimal) to a packet socket on one end of a veth
# without offloads, and prints what arrives at the other end as one line of frames. Run inside a fresh network namespace.
import socket
import struct
import subprocess
import sys

SOL_PACKET, PACKET_VNET_HDR, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 263, 15, 8, 23
TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID, TP_STATUS_CSUMNOTREADY = 0x10, 0x40, 0x08
MARKER = bytes.fromhex("020000000002020000000001") + b"\x88\xb5" + bytes(46)


def run(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def open_socket(device, timeout):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUFFORCE if hasattr(socket, "SO_RCVBUFFORCE") else 33, 64 << 20)
    s.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    s.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    s.settimeout(timeout)
    s.bind((device, 3))
    return s


def receive(s):
    data, extra, _, _ = s.recvmsg(100000, 1000)
    for level, kind, value in extra:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", value[:20])
            if status & TP_STATUS_CSUMNOTREADY:
                sys.exit("the kernel left a checksum unfinished")
            if status & TP_STATUS_VLAN_VALID:
                tpid = tpid if status & TP_STATUS_VLAN_TPID_VALID else 0x8100
                data = data[:12] + struct.pack("!HH", tpid, tci) + data[12:]
    return data


run("ip", "link", "add", "va", "mtu", "65535", "type", "veth", "peer", "name", "vb", "mtu", "65535")
for device in ("va", "vb"):
    with open(f"/proc/sys/net/ipv6/conf/{device}/disable_ipv6", "w") as f:
        f.write("1")
    run("ethtool", "-K", device, "tx", "off", "tso", "off", "gso", "off", "gro", "off", "sg", "off")
    run("ip", "link", "set", device, "up")
sender, receiver = open_socket("va", 2), open_socket("vb", 2)
sender.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
for line in sys.stdin:
    vnet, frame = line.split()
    try:
        sender.send(bytes.fromhex(vnet) + bytes.fromhex(frame))
    except OSError as error:
        print(f"!{error.errno}", flush=True)
        continue
    sender.send(bytes(10) + MARKER)
    frames = []
    while (data := receive(receiver)) != MARKER:
        frames.append(data.hex())
    print(" ".join(frames), flush=True)
