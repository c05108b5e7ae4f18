#include "port.h"

#include <cerrno>

#include "environment.h"
#include "poll.h"

// These four are called once per port and burst, so they use Node-API without wrappers and one call
// (napi_get_cb_info) brings arguments and environment.
namespace {

template <size_t N>
Environment& arguments(napi_env napi, napi_callback_info info, int32_t (&values)[N]) {
  napi_value raw[N];
  size_t count = N;
  void* data = nullptr;
  napi_get_cb_info(napi, info, &count, raw, nullptr, &data);
  for (size_t i = 0; i < N; i++) {
    // A missing or wrong argument becomes -1, which every caller refuses.
    if (napi_get_value_int32(napi, raw[i], &values[i]) != napi_ok) values[i] = -1;
  }
  return *static_cast<Environment*>(data);
}

napi_value number(napi_env napi, int32_t value) {
  napi_value result = nullptr;
  napi_create_int32(napi, value, &result);
  return result;
}

void report(Environment& env, const RxBurst& burst) {
  env.result[RX_TAILS] = burst.taken;
  env.result[RX_INVALID] = burst.invalid;
  env.result[RX_NO_TAIL] = burst.noTail;
  env.result[RX_ERRNO] = burst.error;
}

}  // namespace

napi_value rx(napi_env napi, napi_callback_info info) {
  int32_t args[4];
  Environment& env = arguments(napi, info, args);
  const auto [slot, heads, tails, max] = args;
  Port* port = env.port(slot);
  if (port == nullptr) return number(napi, -EBADF);
  if (heads < 0 || heads > env.arena.heads || tails < 0 || tails > env.arena.tails || max < 0) return number(napi, -EINVAL);
  RxBurst burst{heads, tails, max < BURST ? max : BURST};
  const int32_t wanted = burst.max;
  if (burst.max > heads) burst.max = heads;
  if (port->kind == PORT_TAP) {
    tapRx(env, *port, burst);
  } else {
    packetRx(env, *port, burst);
  }
  report(env, burst);
  // An edge is told once. Whoever gets a short burst will not read again, so if it is short for another
  // reason than an empty queue (no free heads, too many bad frames), have the edge told again.
  if (burst.frames < wanted && !burst.drained && burst.error == 0) rearmPort(env, slot);
  return number(napi, burst.frames);
}

napi_value tx(napi_env napi, napi_callback_info info) {
  int32_t args[2];
  Environment& env = arguments(napi, info, args);
  const auto [slot, n] = args;
  Port* port = env.port(slot);
  if (port == nullptr) return number(napi, -EBADF);
  if (n < 0 || n > QUEUE) return number(napi, -EINVAL);
  const int32_t* frames = env.arena.queues + static_cast<size_t>(slot) * QUEUE;
  const bool wasUp = port->up;
  const int failed = port->kind == PORT_TAP ? tapTx(env, *port, frames, n) : packetTx(env, *port, frames, n);
  // A TAP tells POLLOUT only to those who asked while it was down: ask.
  if (failed != 0 && wasUp && !port->up) rearmPort(env, slot);
  return number(napi, failed);
}

napi_value addPort(napi_env napi, napi_callback_info info) {
  napi_value raw[4];
  size_t count = 4;
  void* data = nullptr;
  napi_get_cb_info(napi, info, &count, raw, nullptr, &data);
  auto& env = *static_cast<Environment*>(data);
  int32_t slot, kind;
  bool hasVnet;
  napi_typedarray_type type;
  size_t length;
  void* fds;
  if (napi_get_value_int32(napi, raw[0], &slot) != napi_ok || napi_get_value_int32(napi, raw[1], &kind) != napi_ok ||
      napi_get_typedarray_info(napi, raw[2], &type, &length, &fds, nullptr, nullptr) != napi_ok ||
      napi_get_value_bool(napi, raw[3], &hasVnet) != napi_ok || type != napi_int32_array) {
    napi_throw_type_error(napi, nullptr, "addPort(slot: number, kind: number, fds: Int32Array, hasVnet: boolean)");
    return nullptr;
  }
  if (static_cast<uint32_t>(slot) >= env.ports.size() || length == 0) return number(napi, -EINVAL);
  if (kind != PORT_TAP && kind != PORT_PACKET) return number(napi, -EINVAL);
  if (env.ports[slot].open()) return number(napi, -EEXIST);
  Port& port = env.ports[slot];
  port = Port{};
  port.kind = kind;
  port.hasVnet = hasVnet;
  port.fds.assign(static_cast<int32_t*>(fds), static_cast<int32_t*>(fds) + length);
  const int error = watchPort(env, slot);
  if (error != 0) port = Port{};
  return number(napi, error);
}

napi_value removePort(napi_env napi, napi_callback_info info) {
  int32_t args[1];
  Environment& env = arguments(napi, info, args);
  if (env.port(args[0]) == nullptr) return number(napi, -EBADF);
  unwatchPort(env, args[0]);
  env.ports[args[0]] = Port{};
  return number(napi, 0);
}
