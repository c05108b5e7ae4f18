// TAP devices: opening and adjusting them. Receiving and sending: port.h.
#pragma once
#include <napi.h>

Napi::Value tapOpen(const Napi::CallbackInfo& info);
Napi::Value tapName(const Napi::CallbackInfo& info);
Napi::Value tapOffload(const Napi::CallbackInfo& info);
Napi::Value tapPersist(const Napi::CallbackInfo& info);
Napi::Value tapCarrier(const Napi::CallbackInfo& info);
Napi::Value tapIsUp(const Napi::CallbackInfo& info);
