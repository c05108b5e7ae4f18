#include "tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

#include "args.h"
#include "environment.h"
#include "vnet.h"

namespace {

int ioctlOrErrno(int fd, unsigned long request, unsigned long value) { return ioctl(fd, request, value) < 0 ? -errno : 0; }

int ioctlOrErrno(int fd, unsigned long request, const void* value) { return ioctl(fd, request, value) < 0 ? -errno : 0; }

// Host-endian headers of 10 bytes, also on a persistent device that someone else left otherwise.
int configure(int fd, ifreq& request) {
  int error = ioctlOrErrno(fd, TUNSETIFF, &request);
  if (error != 0) return error;
  const int size = VNET_BYTES;
  const int no = 0;
  error = ioctlOrErrno(fd, TUNSETVNETHDRSZ, &size);
  if (error == 0) error = ioctlOrErrno(fd, TUNSETVNETLE, &no);
  return error;
}

int open(const std::string& name, int flags) {
  ifreq request{};
  if (name.size() >= IFNAMSIZ) return -ENAMETOOLONG;
  memcpy(request.ifr_name, name.data(), name.size());
  request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags);
  const int fd = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return -errno;
  const int error = configure(fd, request);
  if (error == 0) return fd;
  ::close(fd);
  return error;
}

int isUp(int fd) {
  pollfd entry{fd, POLLOUT, 0};
  if (::poll(&entry, 1, 0) < 0) return -errno;
  if (entry.revents & POLLNVAL) return -EBADF;
  if (entry.revents & POLLERR) return -ENODEV;
  return entry.revents & POLLOUT ? 1 : 0;
}

// --- receiving ---------------------------------------------------------------------------------------

// Reads one queue until it is empty, the burst is full or something is wrong; true if it is empty.
//
// A read takes one frame, and what does not fit is lost. So each has the whole head slot and a tail slot
// to write to; the tail is taken only if it was needed. Without a free tail the surplus goes to scratch
// memory, only to learn that there was one.
bool readQueue(Environment& env, const Port& port, int fd, RxBurst& burst) {
  const Arena& arena = env.arena;
  const int header = port.hasVnet ? VNET_BYTES : 0;
  int32_t patience = RX_BAD_READS;
  while (burst.frames < burst.max && patience > 0) {
    const int32_t frame = arena.freeHeads[burst.heads - 1 - burst.frames];
    const int32_t tail = burst.taken < burst.tails ? arena.freeTails[burst.tails - 1 - burst.taken] : NONE;
    if (!arena.isHead(frame) || (tail != NONE && !arena.isTail(tail))) {
      burst.error = EFAULT;
      return false;
    }
    const int32_t offset = Arena::freshOffset(frame);
    const int32_t room = Arena::room(offset);
    uint16_t* vnet = arena.vnetOf(frame);
    const iovec parts[3] = {
        {vnet, static_cast<size_t>(header)},
        {arena.bytes + offset, static_cast<size_t>(room)},
        {tail == NONE ? env.scratch.get() : arena.tailBytes(tail), TAIL_BYTES},
    };
    const ssize_t got = header != 0 ? readv(fd, parts, 3) : readv(fd, parts + 1, 2);
    if (got < 0) {
      if (errno == EAGAIN) return true;
      if (errno == EINTR) continue;
      // A kind of segmentation that the header cannot express: the frame is gone, the port is not.
      if (errno == EINVAL) {
        burst.invalid++;
        patience--;
        continue;
      }
      burst.error = errno;
      return false;
    }
    const int32_t length = static_cast<int32_t>(got) - header;
    const bool spilled = length > room;
    if (header == 0) memset(vnet, 0, VNET_BYTES);
    if (spilled && tail == NONE) {
      burst.noTail++;
      patience--;
      continue;
    }
    if (length <= 0 || !checkVnet(vnet, length)) {
      burst.invalid++;
      patience--;
      continue;
    }
    arena.offset[frame] = offset;
    arena.length[frame] = length;
    if (spilled) {
      arena.tail[frame] = tail;
      burst.taken++;
    }
    arena.burst[burst.frames++] = frame;
  }
  return false;
}

// --- sending -----------------------------------------------------------------------------------------

int writeFrame(const Environment& env, const Port& port, int fd, int32_t frame) {
  const Arena& arena = env.arena;
  if (!arena.isHead(frame)) return EFAULT;
  const int32_t offset = arena.offset[frame];
  const int32_t length = arena.length[frame];
  if (offset >> HEAD_SHIFT != frame || length <= 0) return EFAULT;
  const int32_t room = Arena::room(offset);
  iovec parts[3];
  int count = 0;
  if (port.hasVnet) parts[count++] = {arena.vnetOf(frame), VNET_BYTES};
  parts[count++] = {arena.bytes + offset, static_cast<size_t>(length < room ? length : room)};
  if (length > room) {
    const int32_t tail = arena.tail[frame];
    if (!arena.isTail(tail) || length - room > TAIL_BYTES) return EFAULT;
    parts[count++] = {arena.tailBytes(tail), static_cast<size_t>(length - room)};
  }
  ssize_t sent;
  do sent = writev(fd, parts, count);
  while (sent < 0 && errno == EINTR);
  return sent < 0 ? errno : 0;
}

}  // namespace

void tapRx(Environment& env, Port& port, RxBurst& burst) {
  const uint32_t queues = port.fds.size();
  uint32_t empty = 0;
  for (uint32_t i = 0; i < queues && burst.error == 0; i++) {
    if (readQueue(env, port, port.fds[(port.next + i) % queues], burst)) empty++;
  }
  port.next = (port.next + 1) % queues;
  burst.drained = empty == queues;
}

int tapTx(Environment& env, Port& port, const int32_t* frames, int n) {
  const int fd = port.fds[0];
  int failed = 0;
  int error = 0;
  for (int i = 0; i < n; i++) {
    // Down (EIO) or gone (EBADFD): the rest would be told the same, one system call each.
    if (error != EIO && error != EBADFD) error = writeFrame(env, port, fd, frames[i]);
    env.txErrno[i] = error;
    if (error != 0) failed++;
  }
  if (error == EIO) port.up = false;
  return failed;
}

Napi::Value tapOpen(const Napi::CallbackInfo& info) {
  Args args(info);
  const std::string name = args.string(0);
  const int flags = args.integer(1);
  return args.ok() ? answer(info, open(name, flags)) : info.Env().Undefined();
}

Napi::Value tapName(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.integer(0);
  if (!args.ok()) return info.Env().Undefined();
  ifreq request{};
  const int error = ioctlOrErrno(fd, TUNGETIFF, &request);
  if (error != 0) return answer(info, error);
  return Napi::String::New(info.Env(), request.ifr_name, strnlen(request.ifr_name, IFNAMSIZ));
}

Napi::Value tapOffload(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.integer(0);
  const unsigned long bits = args.word(1);
  return args.ok() ? answer(info, ioctlOrErrno(fd, TUNSETOFFLOAD, bits)) : info.Env().Undefined();
}

Napi::Value tapPersist(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.integer(0);
  const unsigned long on = args.boolean(1);
  return args.ok() ? answer(info, ioctlOrErrno(fd, TUNSETPERSIST, on)) : info.Env().Undefined();
}

Napi::Value tapCarrier(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.integer(0);
  const int on = args.boolean(1);
  return args.ok() ? answer(info, ioctlOrErrno(fd, TUNSETCARRIER, &on)) : info.Env().Undefined();
}

Napi::Value tapIsUp(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.integer(0);
  return args.ok() ? answer(info, isUp(fd)) : info.Env().Undefined();
}
