// Where the arena comes from: JavaScript's typed arrays.
#pragma once
#include <napi.h>

#include "environment.h"

// One per Node environment, made when a thread loads the addon and destroyed with it.
struct Instance : Environment {
  Napi::ObjectReference kept;  // the arena and the result arrays, so that they outlive their use here
};

Napi::Value align(const Napi::CallbackInfo& info);
Napi::Value attach(const Napi::CallbackInfo& info);
