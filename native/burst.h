// Frames into slots: what every kind of port does with a frame that has arrived.
#pragma once
#include <cerrno>
#include <cstring>

#include "arena.h"
#include "port.h"
#include "vnet.h"

// The slots that the burst's next frame will take.
struct Slots {
  int32_t head;
  int32_t tail;  // NONE if no tail slot is free
  int32_t offset;
  int32_t room;

  bool fits(int32_t length) const { return length <= room; }
};

// False: the free stacks are broken.
inline bool nextSlots(const Arena& arena, RxBurst& burst, Slots& slots) {
  slots.head = arena.freeHeads[burst.heads - 1 - burst.frames];
  slots.tail = burst.taken < burst.tails ? arena.freeTails[burst.tails - 1 - burst.taken] : NONE;
  if (!arena.isHead(slots.head) || (slots.tail != NONE && !arena.isTail(slots.tail))) {
    burst.error = EFAULT;
    return false;
  }
  slots.offset = Arena::freshOffset(slots.head);
  slots.room = Arena::room(slots.offset);
  return true;
}

// Copies a virtio header (null: none) and a frame that lie elsewhere into the slots, as far as there is room.
inline void copyIn(const Arena& arena, const Slots& slots, const uint8_t* vnet, const uint8_t* bytes, int32_t length) {
  if (vnet != nullptr) {
    memcpy(arena.vnetOf(slots.head), vnet, VNET_BYTES);
  } else {
    memset(arena.vnetOf(slots.head), 0, VNET_BYTES);
  }
  if (length <= 0) return;
  memcpy(arena.bytes + slots.offset, bytes, slots.fits(length) ? length : slots.room);
  if (!slots.fits(length) && slots.tail != NONE) {
    memcpy(arena.tailBytes(slots.tail), bytes + slots.room, length - slots.room);
  }
}

// The frame in the slots becomes the burst's next one, unless it is not whole or its header lies: then it
// is counted and the slots stay free.
inline bool accept(const Arena& arena, RxBurst& burst, const Slots& slots, int32_t length) {
  const bool spilled = !slots.fits(length);
  if (spilled && slots.tail == NONE) {
    burst.noTail++;
    return false;
  }
  if (length <= 0 || !checkVnet(arena.vnetOf(slots.head), length)) {
    burst.invalid++;
    return false;
  }
  arena.offset[slots.head] = slots.offset;
  arena.length[slots.head] = length;
  if (spilled) {
    arena.tail[slots.head] = slots.tail;
    burst.taken++;
  }
  arena.burst[burst.frames++] = slots.head;
  return true;
}
