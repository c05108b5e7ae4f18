#include "port.h"

#include <cerrno>

#include "environment.h"
#include "watch.h"

namespace {

int mapRing(Port& port) {
  port.ring = std::make_unique<PacketRing>();
  return port.ring->map(port.fds[0]);
}

}  // namespace

int addPort(Environment& env, int32_t slot, int kind, const int* fds, size_t count, bool hasVnet) {
  if (static_cast<uint32_t>(slot) >= env.ports.size() || count == 0) return -EINVAL;
  if (kind != PORT_TAP && kind != PORT_PACKET) return -EINVAL;
  Port& port = env.ports[slot];
  if (port.open()) return -EEXIST;
  port = Port{};
  port.kind = kind;
  port.hasVnet = hasVnet;
  port.ringed = env.ring.open();
  port.fds.assign(fds, fds + count);
  int error = kind == PORT_PACKET ? mapRing(port) : 0;
  if (error == 0) error = watchPort(env, slot);
  if (error != 0) port = Port{};
  return error;
}

int removePort(Environment& env, int32_t slot) {
  if (env.port(slot) == nullptr) return -EBADF;
  unwatchPort(env, slot);
  env.ports[slot] = Port{};
  return 0;
}

int receive(Environment& env, int32_t slot, int32_t heads, int32_t tails, int32_t max) {
  Port* port = env.port(slot);
  if (port == nullptr) return -EBADF;
  if (heads < 0 || heads > env.arena.heads || tails < 0 || tails > env.arena.tails || max < 0) return -EINVAL;
  if (max > BURST) max = BURST;
  RxBurst burst{heads, tails, max < heads ? max : heads};
  if (port->kind == PORT_TAP) {
    tapReceive(env, *port, burst);
  } else {
    packetReceive(env, *port, burst);
  }
  env.result[RX_TAILS] = burst.taken;
  env.result[RX_INVALID] = burst.invalid;
  env.result[RX_NO_TAIL] = burst.noTail;
  env.result[RX_ERRNO] = burst.error;
  env.result[RX_DRAINED] = burst.drained || burst.error != 0;
  return burst.frames;
}

int send(Environment& env, int32_t slot, int32_t n) {
  Port* port = env.port(slot);
  if (port == nullptr) return -EBADF;
  if (n < 0 || n > QUEUE) return -EINVAL;
  const int32_t* frames = env.arena.queues + static_cast<size_t>(slot) * QUEUE;
  const bool wasUp = port->up;
  const int failed = port->kind == PORT_TAP ? tapSend(env, *port, frames, n) : packetSend(env, *port, frames, n);
  // A TAP tells POLLOUT only to those who asked while it was down: ask.
  if (failed != 0 && wasUp && !port->up) rearmPort(env, slot);
  return failed;
}
