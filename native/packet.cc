#include "packet.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "args.h"
#include "environment.h"
#include "netns.h"
#include "vnet.h"

namespace {

// Bytes of socket buffer, each way: some 10,000 small frames (the kernel counts 768 for each) or 100 superframes.
constexpr int BUFFER_BYTES = 8 << 20;
constexpr int VLAN_BYTES = 4;
constexpr int MACS_BYTES = 12;

int setOption(int fd, int option, const void* value, socklen_t size) {
  return setsockopt(fd, SOL_PACKET, option, value, size) == 0 ? 0 : -errno;
}

void setBuffer(int fd, int forced, int plain) {
  const int bytes = BUFFER_BYTES;
  if (setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof bytes) != 0) setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof bytes);
}

int configure(int fd, int ifindex) {
  const int on = 1;
  // Refused by a kernel that lacks it: the port then works without offloads (packetHasVnet says so).
  setOption(fd, PACKET_VNET_HDR, &on, sizeof on);
  int error = setOption(fd, PACKET_AUXDATA, &on, sizeof on);
  // Without this our own transmissions come back as receptions: a loop.
  if (error == 0) error = setOption(fd, PACKET_IGNORE_OUTGOING, &on, sizeof on);
  if (error == 0) error = setOption(fd, PACKET_QDISC_BYPASS, &on, sizeof on);
  packet_mreq membership{};
  membership.mr_ifindex = ifindex;
  membership.mr_type = PACKET_MR_PROMISC;
  if (error == 0) error = setOption(fd, PACKET_ADD_MEMBERSHIP, &membership, sizeof membership);
  if (error != 0) return error;
  setBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
  setBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = ifindex;
  return bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ? 0 : -errno;
}

int open(int where, int ifindex) {
  Visit visit(where);
  if (visit.error() != 0) return visit.error();
  // Protocol 0 hears nothing until bind: no frame of another device gets in.
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  const int error = configure(fd, ifindex);
  if (error == 0) return fd;
  ::close(fd);
  return error;
}

int hasVnet(int fd) {
  int on = 0;
  socklen_t size = sizeof on;
  return getsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, &size) == 0 ? on != 0 : -errno;
}

// The socket lies in the device's namespace, so it can be asked about the device from anywhere.
int isUp(int fd) {
  sockaddr_ll address{};
  socklen_t size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return -errno;
  ifreq request{};
  request.ifr_ifindex = address.sll_ifindex;
  if (address.sll_ifindex <= 0 || ioctl(fd, SIOCGIFNAME, &request) != 0) return -ENODEV;
  if (ioctl(fd, SIOCGIFFLAGS, &request) != 0) return -errno;
  return (request.ifr_flags & IFF_UP) != 0;
}

// --- receiving ---------------------------------------------------------------------------------------

// Prepares message i for the i-th free head from the top of the stack, and the i-th free tail.
bool prepareRx(Environment& env, const Port& port, const RxBurst& burst, int i) {
  const Arena& arena = env.arena;
  PacketBatch& batch = *env.batch;
  const int32_t frame = arena.freeHeads[burst.heads - 1 - burst.frames - i];
  const int32_t spare = burst.taken + i;
  const int32_t tail = spare < burst.tails ? arena.freeTails[burst.tails - 1 - spare] : NONE;
  if (!arena.isHead(frame) || (tail != NONE && !arena.isTail(tail))) return false;
  const int32_t offset = Arena::freshOffset(frame);
  iovec* parts = batch.parts[i];
  parts[0] = {arena.vnetOf(frame), VNET_BYTES};
  parts[1] = {arena.bytes + offset, static_cast<size_t>(Arena::room(offset))};
  parts[2] = {tail == NONE ? env.scratch.get() : arena.tailBytes(tail), TAIL_BYTES};
  msghdr& header = batch.messages[i].msg_hdr;
  header.msg_name = nullptr;
  header.msg_namelen = 0;
  header.msg_iov = port.hasVnet ? parts : parts + 1;
  header.msg_iovlen = port.hasVnet ? 3 : 2;
  header.msg_control = batch.control[i];
  header.msg_controllen = sizeof batch.control[i];
  header.msg_flags = 0;
  return true;
}

// The tag that the device or the stack has taken out of a frame, as the 4 bytes it was; 0 if none.
uint32_t strippedTag(msghdr& header) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_PACKET || part->cmsg_type != PACKET_AUXDATA) continue;
    const auto* data = reinterpret_cast<const tpacket_auxdata*>(CMSG_DATA(part));
    if (!(data->tp_status & TP_STATUS_VLAN_VALID)) return 0;
    const uint32_t type = data->tp_status & TP_STATUS_VLAN_TPID_VALID ? data->tp_vlan_tpid : ETH_P_8021Q;
    return htonl(type << 16 | data->tp_vlan_tci);
  }
  return 0;
}

// Puts a tag back behind the addresses, which move into the headroom.
void insertTag(const Arena& arena, int32_t frame, uint32_t tag) {
  const int32_t offset = arena.offset[frame] - VLAN_BYTES;
  uint8_t* at = arena.bytes + offset;
  memmove(at, at + VLAN_BYTES, MACS_BYTES);
  memcpy(at + MACS_BYTES, &tag, VLAN_BYTES);
  arena.offset[frame] = offset;
  arena.length[frame] += VLAN_BYTES;
  uint16_t* vnet = arena.vnetOf(frame);
  if (vnet[VNET_FLAGS_TYPE] & VNET_NEEDS_CSUM) vnet[VNET_CSUM_START] += VLAN_BYTES;
  if (vnet[VNET_HEADER_LENGTH] != 0) vnet[VNET_HEADER_LENGTH] += VLAN_BYTES;
}

void swap(int32_t* stack, int32_t a, int32_t b) {
  const int32_t value = stack[a];
  stack[a] = stack[b];
  stack[b] = value;
}

// Message i has arrived. A good frame becomes the burst's next one; a bad one leaves its slots free.
// Both stacks are put in order, so that what was used is on top: heads[at] is where this message's head lies.
void accept(Environment& env, const Port& port, RxBurst& burst, int i, int32_t headAt, int32_t tailAt) {
  const Arena& arena = env.arena;
  mmsghdr& message = env.batch->messages[i];
  const int32_t frame = arena.freeHeads[headAt];
  const int32_t offset = Arena::freshOffset(frame);
  const int32_t length = static_cast<int32_t>(message.msg_len) - (port.hasVnet ? VNET_BYTES : 0);
  const bool spilled = length > Arena::room(offset);
  uint16_t* vnet = arena.vnetOf(frame);
  if (!port.hasVnet) memset(vnet, 0, VNET_BYTES);
  if (spilled && tailAt < 0) {
    burst.noTail++;
    return;
  }
  if (length <= MACS_BYTES || (message.msg_hdr.msg_flags & MSG_TRUNC) || !checkVnet(vnet, length)) {
    burst.invalid++;
    return;
  }
  arena.offset[frame] = offset;
  arena.length[frame] = length;
  if (spilled) {
    arena.tail[frame] = arena.freeTails[tailAt];
    swap(arena.freeTails, tailAt, burst.tails - 1 - burst.taken);
    burst.taken++;
  }
  const uint32_t tag = strippedTag(message.msg_hdr);
  if (tag != 0) insertTag(arena, frame, tag);
  swap(arena.freeHeads, headAt, burst.heads - 1 - burst.frames);
  arena.burst[burst.frames++] = frame;
}

// One recvmmsg; how many messages arrived, or -errno.
int receive(Environment& env, const Port& port, RxBurst& burst) {
  const int wanted = burst.max - burst.frames;
  for (int i = 0; i < wanted; i++) {
    if (!prepareRx(env, port, burst, i)) return -EFAULT;
  }
  const int got = recvmmsg(port.fds[0], env.batch->messages, wanted, MSG_DONTWAIT, nullptr);
  if (got < 0) return -errno;
  const int32_t firstHead = burst.heads - 1 - burst.frames;
  const int32_t firstTail = burst.tails - 1 - burst.taken;
  for (int i = 0; i < got; i++) accept(env, port, burst, i, firstHead - i, firstTail - i);
  return got;
}

// --- sending -----------------------------------------------------------------------------------------

bool prepareTx(Environment& env, const Port& port, int32_t frame, int i) {
  const Arena& arena = env.arena;
  if (!arena.isHead(frame)) return false;
  const int32_t offset = arena.offset[frame];
  const int32_t length = arena.length[frame];
  if (offset >> HEAD_SHIFT != frame || length <= 0) return false;
  const int32_t room = Arena::room(offset);
  iovec* parts = env.batch->parts[i];
  parts[0] = {arena.vnetOf(frame), VNET_BYTES};
  parts[1] = {arena.bytes + offset, static_cast<size_t>(length < room ? length : room)};
  if (length > room) {
    const int32_t tail = arena.tail[frame];
    if (!arena.isTail(tail) || length - room > TAIL_BYTES) return false;
    parts[2] = {arena.tailBytes(tail), static_cast<size_t>(length - room)};
  }
  msghdr& header = env.batch->messages[i].msg_hdr;
  header = msghdr{};
  header.msg_iov = port.hasVnet ? parts : parts + 1;
  header.msg_iovlen = (port.hasVnet ? 2 : 1) + (length > room);
  return true;
}

// A device that cannot segment drops superframes if the queueing discipline is bypassed, because the
// stack cuts them only on the way through it. True if the frame is worth another try without the bypass,
// which is then off for good: one socket must not send on two paths, or frames overtake each other.
bool leaveBypass(Port& port, const mmsghdr& message) {
  if (!port.hasVnet || !port.bypass) return false;
  const auto* vnet = static_cast<const uint16_t*>(message.msg_hdr.msg_iov[0].iov_base);
  if (vnet[VNET_FLAGS_TYPE] >> 8 == 0) return false;
  const int off = 0;
  port.bypass = false;
  return setOption(port.fds[0], PACKET_QDISC_BYPASS, &off, sizeof off) == 0;
}

// Sends messages [0, n) and notes how each went. sendmmsg stops at the first that fails and says why
// only if that is the first of the call: so a failed message is the next call's first.
int sendBatch(Environment& env, Port& port, int32_t* errors, int n) {
  int failed = 0;
  int at = 0;
  while (at < n) {
    const int sent = sendmmsg(port.fds[0], env.batch->messages + at, n - at, MSG_DONTWAIT);
    for (int i = 0; i < sent; i++) errors[at++] = 0;
    if (sent >= 0 || errno == EINTR) continue;
    const int error = errno;
    if (error == ENOBUFS && leaveBypass(port, env.batch->messages[at])) continue;
    errors[at++] = error;
    failed++;
  }
  return failed;
}

}  // namespace

void packetRx(Environment& env, Port& port, RxBurst& burst) {
  int32_t patience = RX_BAD_READS;
  while (burst.frames < burst.max && patience > 0) {
    const int32_t before = burst.frames;
    const int got = receive(env, port, burst);
    // Fewer than wanted can also mean an error, which the next call tells.
    if (got == -EAGAIN) {
      burst.drained = true;
      return;
    }
    if (got == -EINVAL) burst.invalid++;
    if (got < 0 && got != -EINVAL && got != -EINTR) {
      burst.error = -got;
      return;
    }
    if (burst.frames == before) patience--;
  }
}

int packetTx(Environment& env, Port& port, const int32_t* frames, int n) {
  int failed = 0;
  for (int done = 0; done < n;) {
    int count = 0;
    while (done + count < n && count < BURST && prepareTx(env, port, frames[done + count], count)) count++;
    failed += sendBatch(env, port, env.txErrno + done, count);
    done += count;
    if (count == BURST || done == n) continue;
    // This one does not lie in the arena.
    env.txErrno[done++] = EFAULT;
    failed++;
  }
  return failed;
}

Napi::Value packetOpen(const Napi::CallbackInfo& info) {
  Args args(info);
  const int where = args.integer(0);
  const int ifindex = args.integer(1);
  return args.ok() ? answer(info, open(where, ifindex)) : info.Env().Undefined();
}

Napi::Value packetHasVnet(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.integer(0);
  return args.ok() ? answer(info, hasVnet(fd)) : info.Env().Undefined();
}

Napi::Value packetIsUp(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.integer(0);
  return args.ok() ? answer(info, isUp(fd)) : info.Env().Undefined();
}
