// This process and its threads.
#pragma once
#include <napi.h>

Napi::Value runInUserNamespace(const Napi::CallbackInfo& info);
Napi::Value pin(const Napi::CallbackInfo& info);
Napi::Value threadCpu(const Napi::CallbackInfo& info);
