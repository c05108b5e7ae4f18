// Arguments of control calls. A wrong type leaves a TypeError pending and `ok` false: the call then
// returns at once, before any system call.
#pragma once
#include <napi.h>
#include <string>
#include <vector>

class Args {
 public:
  explicit Args(const Napi::CallbackInfo& info) : info_(info) {}

  int integer(size_t i) {
    if (!expect(info_[i].IsNumber(), i, "a number")) return 0;
    return info_[i].As<Napi::Number>().Int32Value();
  }

  // ioctl requests have the top bit set: beyond int32.
  uint32_t word(size_t i) {
    if (!expect(info_[i].IsNumber(), i, "a number")) return 0;
    return info_[i].As<Napi::Number>().Uint32Value();
  }

  bool boolean(size_t i) {
    if (!expect(info_[i].IsBoolean(), i, "a boolean")) return false;
    return info_[i].As<Napi::Boolean>().Value();
  }

  std::string string(size_t i) {
    if (!expect(info_[i].IsString(), i, "a string")) return {};
    return info_[i].As<Napi::String>().Utf8Value();
  }

  // The bytes of a Uint8Array or Buffer; they may lie in shared memory.
  std::pair<uint8_t*, size_t> bytes(size_t i) {
    if (!expect(isArray(info_[i], napi_uint8_array), i, "a Uint8Array")) return {nullptr, 0};
    auto array = info_[i].As<Napi::Uint8Array>();
    return {array.Data(), array.ByteLength()};
  }

  std::vector<std::string> strings(size_t i) {
    std::vector<std::string> list;
    if (!expect(info_[i].IsArray(), i, "an array of strings")) return list;
    auto array = info_[i].As<Napi::Array>();
    for (uint32_t k = 0; k < array.Length(); k++) {
      Napi::Value item = array[k];
      if (!expect(item.IsString(), i, "an array of strings")) return list;
      list.push_back(item.As<Napi::String>().Utf8Value());
    }
    return list;
  }

  bool ok() const { return ok_; }

 private:
  static bool isArray(const Napi::Value& value, napi_typedarray_type type) {
    return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == type;
  }

  bool expect(bool right, size_t i, const char* what) {
    if (right || !ok_) return right && ok_;
    ok_ = false;
    auto text = "argument " + std::to_string(i + 1) + " must be " + what;
    Napi::TypeError::New(info_.Env(), text).ThrowAsJavaScriptException();
    return false;
  }

  const Napi::CallbackInfo& info_;
  bool ok_ = true;
};

// What nearly every control call answers: a count or -errno.
inline Napi::Value answer(const Napi::CallbackInfo& info, double value) {
  return Napi::Number::New(info.Env(), value);
}
