// The calls that are made once per port and burst.
#pragma once
#include <node_api.h>

napi_value exportAddPort(napi_env napi, napi_callback_info info);
napi_value exportRemovePort(napi_env napi, napi_callback_info info);
napi_value exportWatch(napi_env napi, napi_callback_info info);
napi_value exportRx(napi_env napi, napi_callback_info info);
napi_value exportTx(napi_env napi, napi_callback_info info);
napi_value exportPoll(napi_env napi, napi_callback_info info);
