// Eventfds.
#pragma once
#include <napi.h>

Napi::Value makeEventfd(const Napi::CallbackInfo& info);
Napi::Value wake(const Napi::CallbackInfo& info);
