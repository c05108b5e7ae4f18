#include "arena.h"

#include <sys/mman.h>

#include "environment.h"

namespace {

bool fail(Napi::Env env, const char* name) {
  Napi::TypeError::New(env, std::string("attach: ") + name + " is missing, short or of the wrong type")
      .ThrowAsJavaScriptException();
  return false;
}

// The memory of a typed array of at least `items` items, or null. A view of shared memory will do.
void* view(Napi::Value value, napi_typedarray_type type, size_t items) {
  if (!value.IsTypedArray()) return nullptr;
  napi_typedarray_type actual;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(value.Env(), value, &actual, &length, &data, nullptr, nullptr) != napi_ok) return nullptr;
  return actual == type && length >= items ? data : nullptr;
}

template <typename T>
bool read(Napi::Object source, const char* name, napi_typedarray_type type, size_t items, T*& out) {
  out = static_cast<T*>(view(source.Get(name), type, items));
  return out != nullptr || fail(source.Env(), name);
}

bool readCount(Napi::Object source, const char* name, int32_t least, int32_t& out) {
  Napi::Value value = source.Get(name);
  if (value.IsNumber()) out = value.As<Napi::Number>().Int32Value();
  return (value.IsNumber() && out >= least && out <= 1 << 20) || fail(source.Env(), name);
}

}  // namespace

bool Arena::load(Napi::Object source) {
  if (!readCount(source, "heads", 1, heads) || !readCount(source, "tails", 0, tails)) return false;
  if (!readCount(source, "ports", 1, ports)) return false;
  tailBase = static_cast<size_t>(heads) << HEAD_SHIFT;
  const size_t size = tailBase + static_cast<size_t>(tails) * TAIL_BYTES;
  // Offsets are int32 on both sides.
  if (size > INT32_MAX) return fail(source.Env(), "bytes");
  return read(source, "bytes", napi_uint8_array, size, bytes) &&
         read(source, "offset", napi_int32_array, heads, offset) &&
         read(source, "length", napi_int32_array, heads, length) &&
         read(source, "tail", napi_int32_array, heads, tail) &&
         read(source, "vnet", napi_uint16_array, static_cast<size_t>(heads) << VNET_SHIFT, vnet) &&
         read(source, "freeHeads", napi_int32_array, heads, freeHeads) &&
         (tails == 0 || read(source, "freeTails", napi_int32_array, tails, freeTails)) &&
         read(source, "queues", napi_int32_array, static_cast<size_t>(ports) * QUEUE, queues) &&
         read(source, "burst", napi_int32_array, BURST, burst);
}

// The constructor is called from here because Node 20 has no Node-API call that looks into a SharedArrayBuffer.
Napi::Value align(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Napi::Value bytes = env.Global().Get("Uint8Array").As<Napi::Function>().New({info[0]});
  if (env.IsExceptionPending()) return env.Undefined();
  auto address = reinterpret_cast<uintptr_t>(view(bytes, napi_uint8_array, 0));
  const uintptr_t offset = -address & (PAGE_BYTES - 1);
  const size_t length = bytes.As<Napi::Uint8Array>().ByteLength();
  // A refusal (a kernel without huge pages) costs speed and nothing else.
  if (length > HUGE_PAGE_BYTES) madvise(reinterpret_cast<void*>(address + offset), (length - offset) & ~(PAGE_BYTES - 1), MADV_HUGEPAGE);
  return Napi::Number::New(env, static_cast<double>(offset));
}

Napi::Value attach(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto& state = *static_cast<Environment*>(info.Data());
  Arena arena;
  if (!info[0].IsObject()) return fail(env, "arena"), env.Undefined();
  if (!arena.load(info[0].As<Napi::Object>())) return env.Undefined();
  auto* result = static_cast<int32_t*>(view(info[1], napi_int32_array, RX_WORDS));
  auto* txErrno = static_cast<int32_t*>(view(info[2], napi_int32_array, QUEUE));
  auto* ready = static_cast<int32_t*>(view(info[3], napi_int32_array, 2));
  if (!result) return fail(env, "result"), env.Undefined();
  if (!txErrno) return fail(env, "txErrno"), env.Undefined();
  if (!ready) return fail(env, "ready"), env.Undefined();

  state.reset();
  state.arena = arena;
  state.ports.resize(arena.ports);
  state.result = result;
  state.txErrno = txErrno;
  state.ready = ready;
  state.readyPairs = static_cast<int32_t>(info[3].As<Napi::TypedArray>().ElementLength() / 2);
  auto keep = Napi::Array::New(env, 4);
  for (uint32_t i = 0; i < 4; i++) keep[i] = info[i];
  state.kept = Napi::Persistent(keep.As<Napi::Object>());
  return env.Undefined();
}
