#include "attach.h"

#include <sys/mman.h>

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
  const auto status = napi_get_typedarray_info(value.Env(), value, &actual, &length, &data, nullptr, nullptr);
  return status == napi_ok && actual == type && length >= items ? data : nullptr;
}

template <typename T>
bool read(Napi::Object source, const char* name, napi_typedarray_type type, size_t items, T*& out) {
  out = static_cast<T*>(view(source.Get(name), type, items));
  return out != nullptr || items == 0 || fail(source.Env(), name);
}

bool read(Napi::Object source, const char* name, int32_t least, int32_t& out) {
  Napi::Value value = source.Get(name);
  if (value.IsNumber()) out = value.As<Napi::Number>().Int32Value();
  return (value.IsNumber() && out >= least && out <= 1 << 20) || fail(source.Env(), name);
}

// Reads the views of a JavaScript Arena; false (and a TypeError pending) if one will not do.
bool load(Arena& arena, Napi::Object source) {
  if (!read(source, "heads", 1, arena.heads) || !read(source, "tails", 0, arena.tails)) return false;
  if (!read(source, "ports", 1, arena.ports)) return false;
  const size_t heads = arena.heads;
  arena.tailBase = heads << HEAD_SHIFT;
  const size_t size = arena.tailBase + static_cast<size_t>(arena.tails) * TAIL_BYTES;
  // Offsets are int32 on both sides.
  if (size > INT32_MAX) return fail(source.Env(), "bytes");
  return read(source, "bytes", napi_uint8_array, size, arena.bytes) &&
         read(source, "offset", napi_int32_array, heads, arena.offset) &&
         read(source, "length", napi_int32_array, heads, arena.length) &&
         read(source, "tail", napi_int32_array, heads, arena.tail) &&
         read(source, "vnet", napi_uint16_array, heads << VNET_SHIFT, arena.vnet) &&
         read(source, "freeHeads", napi_int32_array, heads, arena.freeHeads) &&
         read(source, "freeTails", napi_int32_array, arena.tails, arena.freeTails) &&
         read(source, "queues", napi_int32_array, static_cast<size_t>(arena.ports) * QUEUE, arena.queues) &&
         read(source, "burst", napi_int32_array, BURST, arena.burst);
}

template <typename T>
bool readArgument(const Napi::CallbackInfo& info, size_t i, const char* name, size_t items, T*& out) {
  out = static_cast<T*>(view(info[i], napi_int32_array, items));
  return out != nullptr || fail(info.Env(), name);
}

}  // namespace

// The constructor is called from here because Node 20 has no Node-API call that looks into a SharedArrayBuffer.
Napi::Value align(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Napi::Value bytes = env.Global().Get("Uint8Array").As<Napi::Function>().New({info[0]});
  if (env.IsExceptionPending()) return env.Undefined();
  const auto address = reinterpret_cast<uintptr_t>(view(bytes, napi_uint8_array, 0));
  const size_t length = bytes.As<Napi::Uint8Array>().ByteLength();
  const bool isHuge = length >= 2 * HUGE_PAGE_BYTES;
  const uintptr_t offset = -address & ((isHuge ? HUGE_PAGE_BYTES : PAGE_BYTES) - 1);
  // A refusal (a kernel without huge pages) costs speed and nothing else.
  if (isHuge) madvise(reinterpret_cast<void*>(address + offset), (length - offset) & ~(PAGE_BYTES - 1), MADV_HUGEPAGE);
  return Napi::Number::New(env, static_cast<double>(offset));
}

Napi::Value attach(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto& state = *static_cast<Instance*>(info.Data());
  Arena arena;
  int32_t *result, *txErrno, *ready;
  if (!info[0].IsObject()) return fail(env, "arena"), env.Undefined();
  if (!load(arena, info[0].As<Napi::Object>()) || !readArgument(info, 1, "result", RX_WORDS, result) ||
      !readArgument(info, 2, "txErrno", QUEUE, txErrno) || !readArgument(info, 3, "ready", 2, ready)) {
    return env.Undefined();
  }
  const size_t readyWords = info[3].As<Napi::TypedArray>().ElementLength();
  state.attach(arena, result, txErrno, ready, static_cast<int32_t>(readyWords / 2));
  auto keep = Napi::Array::New(env, 4);
  for (uint32_t i = 0; i < 4; i++) keep[i] = info[i];
  state.kept = Napi::Persistent(keep.As<Napi::Object>());
  return env.Undefined();
}
