// The arena of src/core/arena.ts as the shim sees it: plain pointers into the shared memory, whose
// owner keeps it alive. There is no Node-API here, nor in anything that moves frames, so that a C++
// program can be built from the same files.
#pragma once
#include <cstddef>

#include "layout.h"

struct Arena {
  int32_t heads = 0;
  int32_t tails = 0;
  int32_t ports = 0;
  size_t tailBase = 0;
  uint8_t* bytes = nullptr;
  int32_t* offset = nullptr;
  int32_t* length = nullptr;
  int32_t* tail = nullptr;
  uint16_t* vnet = nullptr;
  int32_t* freeHeads = nullptr;
  int32_t* freeTails = nullptr;
  int32_t* queues = nullptr;
  int32_t* burst = nullptr;

  bool isHead(int32_t frame) const { return static_cast<uint32_t>(frame) < static_cast<uint32_t>(heads); }
  bool isTail(int32_t slot) const { return static_cast<uint32_t>(slot) < static_cast<uint32_t>(tails); }

  static int32_t freshOffset(int32_t frame) {
    return (frame << HEAD_SHIFT) + HEADROOM + ((frame & COLOUR_MASK) << COLOUR_SHIFT);
  }
  // Bytes from an offset to the end of the head slot it lies in.
  static int32_t room(int32_t offset) { return HEAD_BYTES - (offset & (HEAD_BYTES - 1)); }

  uint16_t* vnetOf(int32_t frame) const { return vnet + (static_cast<size_t>(frame) << VNET_SHIFT); }
  uint8_t* tailBytes(int32_t slot) const { return bytes + tailBase + static_cast<size_t>(slot) * TAIL_BYTES; }

  // Where a frame's bytes lie, checked: nothing outside its slots is ever sent. False if it lies wrong.
  struct Extent {
    uint8_t* head;
    uint32_t headBytes;
    uint8_t* tail;
    uint32_t tailBytes;
  };
  bool extent(int32_t frame, Extent& out) const {
    if (!isHead(frame)) return false;
    const int32_t at = offset[frame];
    const int32_t size = length[frame];
    if (at >> HEAD_SHIFT != frame || size <= 0) return false;
    const int32_t inHead = room(at);
    out.head = bytes + at;
    if (size <= inHead) {
      out.headBytes = static_cast<uint32_t>(size);
      out.tail = nullptr;
      out.tailBytes = 0;
      return true;
    }
    const int32_t slot = tail[frame];
    if (!isTail(slot) || size - inHead > TAIL_BYTES) return false;
    out.headBytes = static_cast<uint32_t>(inHead);
    out.tail = tailBytes(slot);
    out.tailBytes = static_cast<uint32_t>(size - inHead);
    return true;
  }
};
