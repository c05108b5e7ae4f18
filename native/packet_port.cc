// Frames through an AF_PACKET socket, a batch a system call.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "environment.h"
#include "packet_batch.h"
#include "vnet.h"

namespace {

constexpr int VLAN_BYTES = 4;
constexpr int MACS_BYTES = 12;

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
    std::swap(arena.freeTails[tailAt], arena.freeTails[burst.tails - 1 - burst.taken]);
    burst.taken++;
  }
  const uint32_t tag = strippedTag(message.msg_hdr);
  if (tag != 0) insertTag(arena, frame, tag);
  std::swap(arena.freeHeads[headAt], arena.freeHeads[burst.heads - 1 - burst.frames]);
  arena.burst[burst.frames++] = frame;
}

// One recvmmsg; how many messages arrived, or -errno.
int receiveBatch(Environment& env, const Port& port, RxBurst& burst) {
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
  Arena::Extent extent;
  if (!arena.extent(frame, extent)) return false;
  iovec* parts = env.batch->parts[i];
  parts[0] = {arena.vnetOf(frame), VNET_BYTES};
  parts[1] = {extent.head, extent.headBytes};
  parts[2] = {extent.tail, extent.tailBytes};
  msghdr& header = env.batch->messages[i].msg_hdr;
  header = msghdr{};
  header.msg_iov = port.hasVnet ? parts : parts + 1;
  header.msg_iovlen = (port.hasVnet ? 2 : 1) + (extent.tailBytes != 0);
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
  while (burst.open()) {
    const int got = receiveBatch(env, port, burst);
    // Fewer than wanted can also mean an error, which the next call tells.
    if (got >= 0 || got == -EINTR) continue;
    if (got == -EINVAL) {
      burst.invalid++;
      continue;
    }
    burst.drained = got == -EAGAIN;
    if (!burst.drained) burst.error = -got;
    return;
  }
}

int packetSend(Environment& env, Port& port, const int32_t* frames, int n) {
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
