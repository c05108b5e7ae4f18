// Sockets and device ioctls in a namespace.
#pragma once
#include <napi.h>

Napi::Value makeSocket(const Napi::CallbackInfo& info);
Napi::Value socketIoctl(const Napi::CallbackInfo& info);
Napi::Value ethtool(const Napi::CallbackInfo& info);
Napi::Value closeFd(const Napi::CallbackInfo& info);
