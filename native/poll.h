// The epoll set of a thread's ports, and its eventfd.
#pragma once
#include <node_api.h>

#include "environment.h"

// Puts a port's descriptors into the set: 0 or -errno (then none is in it).
int watchPort(Environment& env, int32_t slot);
void unwatchPort(Environment& env, int32_t slot);
// Makes the next poll report a port again if there is anything to report.
void rearmPort(Environment& env, int32_t slot);

napi_value watch(napi_env napi, napi_callback_info info);
napi_value poll(napi_env napi, napi_callback_info info);
