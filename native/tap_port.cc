// Frames through a TAP's descriptors.
//
// A read takes one frame and loses what does not fit, and it must be told where to put it before it is
// known how long it is. There are two ways:
//
// - staged: into memory of ours that takes the longest frame, from where it is copied to its slots. The
//   copy is cheap for frames that fit a head slot, and one buffer (not header, head and tail) spares the
//   kernel 300 cycles; a burst of such reads is one system call (Ring).
// - direct: header, head slot and a spare tail slot as one readv each. For 64 KiB superframes this saves
//   the copy, which matters more. A port changes to it when a frame did not fit its head, and back when
//   none did for a while.
//
// Sending: outgoing.h, in bursts through the ring too.
#include <sys/uio.h>
#include <unistd.h>

#include "burst.h"
#include "environment.h"
#include "outgoing.h"

namespace {

// Frames that a port reads directly after one that did not fit its head.
constexpr int32_t DIRECT_FRAMES = 256;

int32_t headerBytes(const Port& port) { return port.hasVnet ? VNET_BYTES : 0; }

// --- receiving ---------------------------------------------------------------------------------------

// A failed read: false ends this queue's turn.
bool survive(int error, RxBurst& burst) {
  if (error == EINTR) return true;
  // A kind of segmentation that the header cannot express: the frame is gone, the port is not.
  if (error == EINVAL) {
    burst.invalid++;
    return true;
  }
  if (error != EAGAIN) burst.error = error;
  return false;
}

// Copies a staged frame to the slots of the burst's next one.
void unstage(const Arena& arena, Port& port, RxBurst& burst, const uint8_t* stage, int32_t got) {
  Slots slots;
  if (!nextSlots(arena, burst, slots)) return;
  const int32_t length = got - headerBytes(port);
  copyIn(arena, slots, port.hasVnet ? stage : nullptr, stage + headerBytes(port), length);
  if (!slots.fits(length)) port.direct = DIRECT_FRAMES;
  accept(arena, burst, slots, length);
}

// Up to n reads into the stages; sizes[i] is what the i-th gave. Returns how many sizes there are.
int readStages(Environment& env, const Port& port, int fd, int32_t* sizes, int n) {
  uint8_t* stages = env.stage.get();
  if (port.ringed && n >= Ring::WORTHWHILE) {
    for (int i = 0; i < n; i++) env.ring.read(i, fd, stages + i * STAGE_BYTES, STAGE_BYTES);
    env.ring.run(sizes);
    return n;
  }
  for (int i = 0; i < n; i++) {
    const ssize_t got = read(fd, stages + i * STAGE_BYTES, STAGE_BYTES);
    sizes[i] = got < 0 ? -errno : static_cast<int32_t>(got);
    if (got < 0) return i + 1;
  }
  return n;
}

// One batch of staged reads. False: the queue is empty, or has an error.
bool receiveStaged(Environment& env, Port& port, int fd, RxBurst& burst, int n) {
  int32_t sizes[BURST];
  const int count = readStages(env, port, fd, sizes, n);
  bool more = true;
  for (int i = 0; i < count; i++) {
    if (sizes[i] >= 0) {
      unstage(env.arena, port, burst, env.stage.get() + i * STAGE_BYTES, sizes[i]);
    } else if (sizes[i] == -EOPNOTSUPP) {
      // No reads that never wait: an old kernel's TAP.
      port.ringed = false;
    } else if (!survive(-sizes[i], burst)) {
      more = false;
    }
  }
  return more;
}

bool receiveDirect(Environment& env, Port& port, int fd, RxBurst& burst) {
  const Arena& arena = env.arena;
  Slots slots;
  if (!nextSlots(arena, burst, slots)) return false;
  uint16_t* vnet = arena.vnetOf(slots.head);
  const iovec parts[3] = {
      {vnet, static_cast<size_t>(headerBytes(port))},
      {arena.bytes + slots.offset, static_cast<size_t>(slots.room)},
      // Without a tail slot the surplus is read only to learn that there was one.
      {slots.tail == NONE ? env.scratch.get() : arena.tailBytes(slots.tail), TAIL_BYTES},
  };
  const ssize_t got = readv(fd, parts, 3);
  if (got < 0) return survive(errno, burst);
  if (!port.hasVnet) memset(vnet, 0, VNET_BYTES);
  const int32_t length = static_cast<int32_t>(got) - headerBytes(port);
  port.direct = slots.fits(length) ? port.direct - 1 : DIRECT_FRAMES;
  accept(arena, burst, slots, length);
  return true;
}

// Reads one queue until it is empty, the burst is full or something is wrong. True if it is empty.
bool receiveQueue(Environment& env, Port& port, int fd, RxBurst& burst) {
  int32_t batch = port.expected;
  while (burst.open()) {
    const int32_t left = burst.max - burst.frames;
    const bool more = port.direct > 0 ? receiveDirect(env, port, fd, burst)
                                      : receiveStaged(env, port, fd, burst, batch < left ? batch : left);
    if (!more) return burst.error == 0;
    // On a quiet port the frame just read is most likely the only one: let it go on before asking for more.
    if (port.expected == 1 && burst.frames > 0) return false;
    batch = batch < BURST ? batch * 2 : BURST;
  }
  return false;
}

// --- sending -----------------------------------------------------------------------------------------

int32_t writeOne(int fd, const Outgoing& out) {
  ssize_t sent;
  do {
    sent = out.count == 1 ? write(fd, out.parts[0].iov_base, out.parts[0].iov_len) : writev(fd, out.parts, out.count);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? errno : 0;
}

void sendSingly(const Environment& env, const Port& port, const int32_t* frames, int n, int32_t* errors) {
  int error = 0;
  for (int i = 0; i < n; i++) {
    // Down (EIO) or gone (EBADFD): the rest would be told the same, one system call each.
    if (error != EIO && error != EBADFD) {
      Outgoing out;
      error = out.prepare(env.arena, frames[i], port.hasVnet) ? writeOne(port.fds[0], out) : EFAULT;
    }
    errors[i] = error;
  }
}

// At most Ring::ENTRIES frames.
void sendTogether(Environment& env, Port& port, const int32_t* frames, int n, int32_t* errors) {
  Outgoing out[Ring::ENTRIES];
  const int fd = port.fds[0];
  for (int i = 0; i < n; i++) {
    // run() writes over this where something is sent.
    errors[i] = -EFAULT;
    if (!out[i].prepare(env.arena, frames[i], port.hasVnet)) continue;
    if (out[i].count == 1) {
      env.ring.write(i, fd, out[i].parts[0].iov_base, static_cast<uint32_t>(out[i].parts[0].iov_len));
    } else {
      env.ring.writev(i, fd, out[i].parts, static_cast<uint32_t>(out[i].count));
    }
  }
  env.ring.run(errors);
  for (int i = 0; i < n; i++) {
    errors[i] = errors[i] < 0 ? -errors[i] : 0;
    if (errors[i] == EOPNOTSUPP) port.ringed = false;
  }
  // Nothing was sent, then: every write was refused alike.
  if (!port.ringed) sendSingly(env, port, frames, n, errors);
}

void sendBatch(Environment& env, Port& port, const int32_t* frames, int n, int32_t* errors) {
  if (port.ringed && n >= Ring::WORTHWHILE) {
    sendTogether(env, port, frames, n, errors);
  } else {
    sendSingly(env, port, frames, n, errors);
  }
}

}  // namespace

void tapReceive(Environment& env, Port& port, RxBurst& burst) {
  const uint32_t queues = static_cast<uint32_t>(port.fds.size());
  uint32_t empty = 0;
  for (uint32_t i = 0; i < queues && burst.error == 0; i++) {
    if (receiveQueue(env, port, port.fds[(port.queue + i) % queues], burst)) empty++;
  }
  port.queue = (port.queue + 1) % queues;
  port.expected = burst.frames < BURST ? burst.frames + 1 : BURST;
  burst.drained = empty == queues;
}

int tapSend(Environment& env, Port& port, const int32_t* frames, int n) {
  int failed = 0;
  for (int done = 0; done < n; done += Ring::ENTRIES) {
    const int count = n - done < static_cast<int>(Ring::ENTRIES) ? n - done : static_cast<int>(Ring::ENTRIES);
    sendBatch(env, port, frames + done, count, env.txErrno + done);
    for (int i = 0; i < count; i++) {
      if (env.txErrno[done + i] == 0) continue;
      failed++;
      if (env.txErrno[done + i] == EIO) port.up = false;
    }
  }
  return failed;
}
