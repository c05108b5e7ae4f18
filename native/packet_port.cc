// Frames through an AF_PACKET socket: received from its ring, sent a batch a system call (a ring for
// sending too measured 5 % slower, because it copies).
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <sys/socket.h>

#include "burst.h"
#include "environment.h"
#include "outgoing.h"
#include "packet_batch.h"

namespace {

constexpr int VLAN_BYTES = 4;
constexpr int MACS_BYTES = 12;

// --- receiving ---------------------------------------------------------------------------------------

// Puts a tag that the device or the stack has taken out back behind the addresses, which move into the headroom.
void insertTag(const Arena& arena, int32_t frame, const tpacket2_hdr& header) {
  const uint32_t type = header.tp_status & TP_STATUS_VLAN_TPID_VALID ? header.tp_vlan_tpid : ETH_P_8021Q;
  const uint32_t tag = htonl(type << 16 | header.tp_vlan_tci);
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

// Fetches a frame that did not fit the ring; its length or -errno.
int32_t fetchWhole(Environment& env, const Port& port, const Slots& slots) {
  const Arena& arena = env.arena;
  iovec parts[3] = {
      {arena.vnetOf(slots.head), static_cast<size_t>(port.hasVnet ? VNET_BYTES : 0)},
      {arena.bytes + slots.offset, static_cast<size_t>(slots.room)},
      // Without a tail slot the surplus is read only to be rid of it.
      {slots.tail == NONE ? env.scratch.get() : arena.tailBytes(slots.tail), TAIL_BYTES},
  };
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 3;
  if (!port.hasVnet) memset(arena.vnetOf(slots.head), 0, VNET_BYTES);
  const ssize_t got = recvmsg(port.fds[0], &message, MSG_DONTWAIT);
  if (got < 0) return -errno;
  // A frame longer than any: refused by its length.
  return message.msg_flags & MSG_TRUNC ? 0 : static_cast<int32_t>(got) - (port.hasVnet ? VNET_BYTES : 0);
}

// The frame's length in its slots, 0 if it is not whole, -errno if it must be tried again.
int32_t fetch(Environment& env, const Port& port, const Slots& slots, const tpacket2_hdr& header) {
  if (header.tp_status & TP_STATUS_COPY) return fetchWhole(env, port, slots);
  // Too long for the ring, and the socket's queue was full.
  if (header.tp_snaplen < header.tp_len || header.tp_len <= MACS_BYTES) return 0;
  const auto* bytes = reinterpret_cast<const uint8_t*>(&header) + header.tp_mac;
  const auto length = static_cast<int32_t>(header.tp_len);
  copyIn(env.arena, slots, port.hasVnet ? bytes - VNET_BYTES : nullptr, bytes, length);
  return length;
}

// What the socket has to report (ENETDOWN), once; 0 if nothing.
int pendingError(Port& port) {
  int error = 0;
  socklen_t size = sizeof error;
  port.alarmed = false;
  return getsockopt(port.fds[0], SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

// --- sending -----------------------------------------------------------------------------------------

bool prepareMessage(Environment& env, const Port& port, int32_t frame, int i) {
  Outgoing& out = env.batch->frames[i];
  if (!out.prepare(env.arena, frame, port.hasVnet)) return false;
  msghdr& header = env.batch->messages[i].msg_hdr;
  header = msghdr{};
  header.msg_iov = out.parts;
  header.msg_iovlen = static_cast<size_t>(out.count);
  return true;
}

// A device that cannot segment drops superframes if the queueing discipline is bypassed, because the
// stack cuts them only on the way through it. True if the frame is worth another try without the bypass,
// which is then off for good: one socket must not send on two paths, or frames overtake each other.
bool leaveBypass(Port& port, const mmsghdr& message) {
  if (!port.hasVnet || !port.bypass) return false;
  const auto* gsoType = static_cast<const uint8_t*>(message.msg_hdr.msg_iov[0].iov_base) + 1;
  if (*gsoType == 0) return false;
  const int off = 0;
  port.bypass = false;
  return setsockopt(port.fds[0], SOL_PACKET, PACKET_QDISC_BYPASS, &off, sizeof off) == 0;
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

void packetReceive(Environment& env, Port& port, RxBurst& burst) {
  if (port.alarmed) burst.error = pendingError(port);
  while (burst.open()) {
    tpacket2_hdr* header = port.ring->peek();
    burst.drained = header == nullptr;
    Slots slots;
    if (burst.drained || !nextSlots(env.arena, burst, slots)) return;
    const int32_t length = fetch(env, port, slots, *header);
    if (length < 0 && length != -EAGAIN) {
      burst.error = -length;
      return;
    }
    const bool tagged = header->tp_status & TP_STATUS_VLAN_VALID;
    if (accept(env.arena, burst, slots, length) && tagged) insertTag(env.arena, slots.head, *header);
    port.ring->release();
  }
}

int packetSend(Environment& env, Port& port, const int32_t* frames, int n) {
  int failed = 0;
  for (int done = 0; done < n;) {
    int count = 0;
    while (done + count < n && count < BURST && prepareMessage(env, port, frames[done + count], count)) count++;
    failed += sendBatch(env, port, env.txErrno + done, count);
    done += count;
    if (count == BURST || done == n) continue;
    // This one does not lie in the arena.
    env.txErrno[done++] = EFAULT;
    failed++;
  }
  return failed;
}
