// AF_PACKET sockets: opening and asking them. Receiving and sending: port.h.
#pragma once
#include <napi.h>

Napi::Value packetOpen(const Napi::CallbackInfo& info);
Napi::Value packetHasVnet(const Napi::CallbackInfo& info);
Napi::Value packetIsUp(const Napi::CallbackInfo& info);
Napi::Value packetDrops(const Napi::CallbackInfo& info);
