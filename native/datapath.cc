#include "datapath.h"

#include "environment.h"
#include "watch.h"

// Bare Node-API, and little of it: each call into it costs about 20 ns. One (napi_get_cb_info) brings all
// arguments and the environment.
namespace {

template <size_t N>
Environment* arguments(napi_env napi, napi_callback_info info, napi_value (&values)[N]) {
  size_t count = N;
  void* data = nullptr;
  napi_get_cb_info(napi, info, &count, values, nullptr, &data);
  return static_cast<Environment*>(data);
}

// False, and a TypeError pending, unless all are numbers.
template <size_t N>
bool integers(napi_env napi, const napi_value (&values)[N], int32_t (&out)[N], const char* usage) {
  for (size_t i = 0; i < N; i++) {
    if (napi_get_value_int32(napi, values[i], &out[i]) == napi_ok) continue;
    napi_throw_type_error(napi, nullptr, usage);
    return false;
  }
  return true;
}

napi_value number(napi_env napi, int32_t value) {
  napi_value result = nullptr;
  napi_create_int32(napi, value, &result);
  return result;
}

}  // namespace

napi_value exportRx(napi_env napi, napi_callback_info info) {
  napi_value values[4];
  int32_t args[4];
  Environment* env = arguments(napi, info, values);
  const char* usage = "rx(slot: number, headCount: number, tailCount: number, max: number)";
  if (!integers(napi, values, args, usage)) return nullptr;
  return number(napi, receive(*env, args[0], args[1], args[2], args[3]));
}

napi_value exportTx(napi_env napi, napi_callback_info info) {
  napi_value values[2];
  int32_t args[2];
  Environment* env = arguments(napi, info, values);
  if (!integers(napi, values, args, "tx(slot: number, n: number)")) return nullptr;
  return number(napi, send(*env, args[0], args[1]));
}

napi_value exportPoll(napi_env napi, napi_callback_info info) {
  napi_value values[1];
  int32_t args[1];
  Environment* env = arguments(napi, info, values);
  if (!integers(napi, values, args, "poll(timeoutMs: number)")) return nullptr;
  return number(napi, waitForPorts(*env, args[0]));
}

napi_value exportWatch(napi_env napi, napi_callback_info info) {
  napi_value values[1];
  int32_t args[1];
  Environment* env = arguments(napi, info, values);
  if (!integers(napi, values, args, "watch(eventfd: number)")) return nullptr;
  return number(napi, watchEventfd(*env, args[0]));
}

napi_value exportAddPort(napi_env napi, napi_callback_info info) {
  napi_value values[4];
  Environment* env = arguments(napi, info, values);
  int32_t slot, kind;
  bool hasVnet;
  napi_typedarray_type type;
  size_t count;
  void* fds;
  const bool right = napi_get_value_int32(napi, values[0], &slot) == napi_ok &&
                     napi_get_value_int32(napi, values[1], &kind) == napi_ok &&
                     napi_get_typedarray_info(napi, values[2], &type, &count, &fds, nullptr, nullptr) == napi_ok &&
                     type == napi_int32_array && napi_get_value_bool(napi, values[3], &hasVnet) == napi_ok;
  if (right) return number(napi, addPort(*env, slot, kind, static_cast<int*>(fds), count, hasVnet));
  napi_throw_type_error(napi, nullptr, "addPort(slot: number, kind: number, fds: Int32Array, hasVnet: boolean)");
  return nullptr;
}

napi_value exportRemovePort(napi_env napi, napi_callback_info info) {
  napi_value values[1];
  int32_t args[1];
  Environment* env = arguments(napi, info, values);
  if (!integers(napi, values, args, "removePort(slot: number)")) return nullptr;
  return number(napi, removePort(*env, args[0]));
}
