// The arena of src/core/arena.ts as the shim sees it: plain pointers into the shared memory, whose
// owner keeps it alive (a reference to the JavaScript object is held while they are in use).
#pragma once
#include <napi.h>

#include "layout.h"

struct Arena {
  uint8_t* bytes = nullptr;
  int32_t* offset = nullptr;
  int32_t* length = nullptr;
  int32_t* tail = nullptr;
  uint16_t* vnet = nullptr;
  int32_t* freeHeads = nullptr;
  int32_t* freeTails = nullptr;
  int32_t* queues = nullptr;
  int32_t* burst = nullptr;
  int32_t heads = 0;
  int32_t tails = 0;
  int32_t ports = 0;
  size_t tailBase = 0;

  // Reads the views of a JavaScript Arena; false (and a TypeError pending) if one is missing or short.
  bool load(Napi::Object source);

  bool isHead(int32_t frame) const { return static_cast<uint32_t>(frame) < static_cast<uint32_t>(heads); }
  bool isTail(int32_t slot) const { return static_cast<uint32_t>(slot) < static_cast<uint32_t>(tails); }

  static int32_t freshOffset(int32_t frame) {
    return (frame << HEAD_SHIFT) + HEADROOM + ((frame & COLOUR_MASK) << COLOUR_SHIFT);
  }
  // Bytes from an offset to the end of the head slot it lies in.
  static int32_t room(int32_t offset) { return HEAD_BYTES - (offset & (HEAD_BYTES - 1)); }

  uint16_t* vnetOf(int32_t frame) const { return vnet + (static_cast<size_t>(frame) << VNET_SHIFT); }
  uint8_t* tailBytes(int32_t slot) const { return bytes + tailBase + static_cast<size_t>(slot) * TAIL_BYTES; }
};

Napi::Value align(const Napi::CallbackInfo& info);
Napi::Value attach(const Napi::CallbackInfo& info);
