// Kernel network namespaces.
#pragma once
#include <napi.h>

// Moves the calling thread into a namespace and, when it goes out of scope, back: so no JavaScript ever
// runs elsewhere than where its thread started. A descriptor of -1 stays where it is.
class Visit {
 public:
  explicit Visit(int fd);
  ~Visit();
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;
  // 0, or -errno: then the thread did not move and there is nothing to do here.
  int error() const { return error_; }

 private:
  int home_ = -1;
  int error_ = 0;
};

Napi::Value openNamespace(const Napi::CallbackInfo& info);
Napi::Value newNamespace(const Napi::CallbackInfo& info);
Napi::Value enterNamespace(const Napi::CallbackInfo& info);
