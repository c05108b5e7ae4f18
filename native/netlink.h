// rtnetlink requests.
#pragma once
#include <napi.h>

Napi::Value netlink(const Napi::CallbackInfo& info);
