// The C++ twin of Sluice's I/O loop: the same system calls on the same devices, opened the same way, and almost
// nothing between them. What it forwards is the ceiling for Sluice on this machine.
//
//   twin tap    NAME NAME       creates two TAPs as the shim does (vnet header of 10 bytes, all offloads)
//   twin packet DEVICE DEVICE   two AF_PACKET sockets as the shim opens them
//   twin ring   DEVICE DEVICE   the same, but received through a ring that is mapped (PACKET_RX_RING)
//
// Per port and burst, up to 64 frames: in by readv, recvmmsg or the ring (virtio header, head, tail), through a direct-mapped
// table of MACs, out by writev or sendmmsg. With nothing to do it looks again for 50 µs, then blocks in poll. Prints
// "ready" when the ports are there; ends by a signal.
#include "packet.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>

static const int kBurst = 64;
static const int kHead = 2048;  // as an arena head slot holds
static const int kTail = 67584;
static const int kVnet = 10;
static const unsigned kRingFrame = 2048;
static const unsigned kRingFrames = 4096;
static const int64_t kSpin = 50000;  // ns

struct Slot {
  alignas(64) uint8_t vnet[16];
  alignas(64) uint8_t room[4];  // a VLAN tag that is put back moves the addresses here
  uint8_t head[kHead];
  uint8_t tail[kTail];
  uint8_t* start;
  int length;
};

struct Port {
  int fd;
  int (*receive)(Port&);
  void (*send)(Port&, Slot*, int);
  Slot* slots;
  uint8_t* ring;
  int at;  // next frame of the ring
};

/** A station's port, found under its hash; a collision overwrites, the loser is flooded: with two ports, the same. */
static uint64_t table[1 << 16];

static uint64_t mac(const uint8_t* at) {
  uint64_t m = 0;
  memcpy(&m, at, 6);
  return m;
}

static uint64_t& entry(uint64_t mac) { return table[(mac * 0x9e3779b97f4a7c15ULL) >> 48]; }

/** Learns the source; false if the destination lives where the frame came from. */
static bool forward(const uint8_t* frame, uint64_t in) {
  const uint64_t source = mac(frame + 6), destination = mac(frame);
  entry(source) = source | in << 48;
  return entry(destination) != (destination | in << 48);
}

/** The frame's parts as vectors; returns how many. */
static int vectors(Slot& s, iovec* v) {
  const int inHead = s.head + kHead - s.start;
  v[0] = {s.vnet, kVnet};
  v[1] = {s.start, size_t(s.length < inHead ? s.length : inHead)};
  v[2] = {s.tail, size_t(s.length - v[1].iov_len)};
  return s.length > inHead ? 3 : 2;
}

// --- TAP -----------------------------------------------------------------------------------------

static int tapReceive(Port& p) {
  int n = 0;
  while (n < kBurst) {
    Slot& s = p.slots[n];
    iovec v[3] = {{s.vnet, kVnet}, {s.head, kHead}, {s.tail, kTail}};
    const ssize_t got = readv(p.fd, v, 3);
    if (got < kVnet + ETH_HLEN) break;
    s.start = s.head;
    s.length = got - kVnet;
    n++;
  }
  return n;
}

static void tapSend(Port& p, Slot* slots, int n) {
  iovec v[3];
  for (int i = 0; i < n; i++) {
    const int parts = vectors(slots[i], v);
    if (writev(p.fd, v, parts) < 0 && errno == EBADFD) die("write to", "a TAP");
  }
}

static int openTap(const char* name) {
  const int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  ifreq r = {};
  r.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  strncpy(r.ifr_name, name, IFNAMSIZ - 1);
  int header = kVnet;
  if (fd < 0 || ioctl(fd, TUNSETIFF, &r) || ioctl(fd, TUNSETVNETHDRSZ, &header)) die("make TAP", name);
  const unsigned offload = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  const unsigned uso = 0x20 | 0x40;  // TUN_F_USO4, TUN_F_USO6: Linux 6.2
  if (ioctl(fd, TUNSETOFFLOAD, offload | uso) && ioctl(fd, TUNSETOFFLOAD, offload)) die("set offloads of", name);
  return fd;
}

// --- AF_PACKET -----------------------------------------------------------------------------------

struct Batch {
  mmsghdr messages[kBurst];
  iovec vectors[kBurst][3];
  alignas(8) uint8_t control[kBurst][CMSG_SPACE(sizeof(tpacket_auxdata))];
};
static Batch batch;

/** The kernel strips a VLAN tag; puts it back between the addresses and the type. */
static void putTagBack(Slot& s, uint32_t status, uint16_t tci, uint16_t tpid) {
  if (!(status & TP_STATUS_VLAN_VALID)) return;
  s.start = s.head - 4;
  memmove(s.start, s.head, 12);
  const uint16_t tag[2] = {htons(status & TP_STATUS_VLAN_TPID_VALID ? tpid : ETH_P_8021Q), htons(tci)};
  memcpy(s.start + 12, tag, 4);
  s.length += 4;
  // virtio_net_hdr (whose C header is no C++): flags in byte 0, bit 0 NEEDS_CSUM; csum_start in bytes 6 and 7.
  uint16_t start;
  memcpy(&start, s.vnet + 6, 2);
  start += s.vnet[0] & 1 ? 4 : 0;
  memcpy(s.vnet + 6, &start, 2);
}

/** Where recvmmsg and recvmsg are to put a frame. */
static void prepare(Slot& s, int i) {
  iovec* v = batch.vectors[i];
  v[0] = {s.vnet, kVnet};
  v[1] = {s.head, kHead};
  v[2] = {s.tail, kTail};
  batch.messages[i].msg_hdr = {nullptr, 0, v, 3, batch.control[i], sizeof batch.control[i], 0};
}

static void accept(Slot& s, msghdr& m, int length) {
  s.start = s.head;
  s.length = length - kVnet;
  cmsghdr* c = CMSG_FIRSTHDR(&m);
  if (!c || c->cmsg_type != PACKET_AUXDATA) return;
  tpacket_auxdata a;
  memcpy(&a, CMSG_DATA(c), sizeof a);
  putTagBack(s, a.tp_status, a.tp_vlan_tci, a.tp_vlan_tpid);
}

static int packetReceive(Port& p) {
  for (int i = 0; i < kBurst; i++) prepare(p.slots[i], i);
  const int n = recvmmsg(p.fd, batch.messages, kBurst, MSG_DONTWAIT, nullptr);
  for (int i = 0; i < n; i++) accept(p.slots[i], batch.messages[i].msg_hdr, batch.messages[i].msg_len);
  return n < 0 ? 0 : n;
}

/** A frame that fits lies in the ring; one that does not waits whole in the socket's queue (PACKET_COPY_THRESH). */
static int ringReceive(Port& p) {
  int n = 0;
  for (; n < kBurst; n++) {
    uint8_t* at = p.ring + size_t(p.at) * kRingFrame;
    auto* h = reinterpret_cast<tpacket2_hdr*>(at);
    const uint32_t status = __atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE);
    if (!(status & TP_STATUS_USER)) break;
    Slot& s = p.slots[n];
    if (status & TP_STATUS_COPY) {
      prepare(s, 0);
      const ssize_t got = recvmsg(p.fd, &batch.messages[0].msg_hdr, MSG_DONTWAIT);
      accept(s, batch.messages[0].msg_hdr, got < 0 ? kVnet : got);
    } else {
      memcpy(s.vnet, at + h->tp_mac - kVnet, kVnet);
      memcpy(s.head, at + h->tp_mac, h->tp_snaplen);
      s.start = s.head;
      s.length = h->tp_snaplen;
      putTagBack(s, status, h->tp_vlan_tci, h->tp_vlan_tpid);
    }
    __atomic_store_n(&h->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    p.at = (p.at + 1) % kRingFrames;
  }
  return n;
}

static uint8_t* mapRing(int fd) {
  set(fd, SOL_PACKET, PACKET_VERSION, TPACKET_V2, "PACKET_VERSION");
  set(fd, SOL_PACKET, PACKET_COPY_THRESH, 1, "PACKET_COPY_THRESH");
  tpacket_req ring = {1 << 16, kRingFrames * kRingFrame >> 16, kRingFrame, kRingFrames};
  if (setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring)) die("make", "a receive ring");
  void* at = mmap(nullptr, size_t(kRingFrames) * kRingFrame, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (at == MAP_FAILED) die("map", "a receive ring");
  return static_cast<uint8_t*>(at);
}

static void packetSend(Port& p, Slot* slots, int n) {
  for (int i = 0; i < n; i++) {
    msghdr& m = batch.messages[i].msg_hdr;
    m = {};
    m.msg_iov = batch.vectors[i];
    m.msg_iovlen = vectors(slots[i], batch.vectors[i]);
  }
  for (int at = 0; at < n;) {
    const int sent = sendmmsg(p.fd, batch.messages + at, n - at, MSG_DONTWAIT);
    at += sent > 0 ? sent : 1;  // the first one was refused: dropped
  }
}

static int openPacket(const char* device) {
  const int fd = packetSocket(device, ETH_P_ALL);
  set(fd, SOL_PACKET, PACKET_VNET_HDR, 1, "PACKET_VNET_HDR");
  set(fd, SOL_PACKET, PACKET_AUXDATA, 1, "PACKET_AUXDATA");
  set(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING");
  packet_mreq promiscuous = {};
  promiscuous.mr_ifindex = if_nametoindex(device);
  promiscuous.mr_type = PACKET_MR_PROMISC;
  if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof promiscuous)) die("listen to all on", device);
  return fd;
}

// --- the loop ------------------------------------------------------------------------------------

/** One burst from one port to the other; frames whose destination lives where they came from are left out. */
static int move(Port* ports, int in) {
  Slot* slots = ports[in].slots;
  Port& out = ports[1 - in];
  const int n = ports[in].receive(ports[in]);
  int from = 0;
  for (int i = 0; i < n; i++) {
    if (forward(slots[i].start, in)) continue;
    if (i > from) out.send(out, slots + from, i - from);
    from = i + 1;
  }
  if (n > from) out.send(out, slots + from, n - from);
  return n;
}

int main(int argc, char** argv) {
  const char* kind = argc == 4 ? argv[1] : "";
  const bool tap = !strcmp(kind, "tap"), ring = !strcmp(kind, "ring");
  if (!tap && !ring && strcmp(kind, "packet")) return fprintf(stderr, "usage: twin tap|packet|ring A B\n"), 2;
  Port ports[2];
  pollfd watched[2];
  for (int i = 0; i < 2; i++) {
    Slot* slots = static_cast<Slot*>(aligned_alloc(4096, sizeof(Slot) * kBurst));
    const int fd = tap ? openTap(argv[2 + i]) : openPacket(argv[2 + i]);
    const auto receive = tap ? tapReceive : ring ? ringReceive : packetReceive;
    ports[i] = {fd, receive, tap ? tapSend : packetSend, slots, ring ? mapRing(fd) : nullptr, 0};
    watched[i] = {fd, POLLIN, 0};
  }
  puts("ready");
  fflush(stdout);
  int64_t busy = nanoseconds(CLOCK_MONOTONIC);
  for (;;) {
    const bool moved = move(ports, 0) + move(ports, 1) > 0;
    const int64_t now = nanoseconds(CLOCK_MONOTONIC);
    if (moved) busy = now;
    if (now - busy < kSpin) continue;
    poll(watched, 2, -1);
    busy = nanoseconds(CLOCK_MONOTONIC);
  }
}
