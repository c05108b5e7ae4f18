// A frame as a system call sends it.
//
// One piece is faster than two (300 cycles of a write), so the virtio header is written into the 10 bytes
// before the frame. These are headroom, which belongs to nobody, and nobody reads them after the call.
#pragma once
#include <sys/uio.h>

#include <cstring>

#include "arena.h"

struct Outgoing {
  iovec parts[3];
  int count;

  // False: the frame does not lie in the arena as it should.
  bool prepare(const Arena& arena, int32_t frame, bool hasVnet) {
    Arena::Extent extent;
    if (!arena.extent(frame, extent)) return false;
    count = 0;
    iovec head{extent.head, extent.headBytes};
    const bool headroom = (arena.offset[frame] & (HEAD_BYTES - 1)) >= VNET_BYTES;
    if (hasVnet && headroom) {
      head = {extent.head - VNET_BYTES, extent.headBytes + static_cast<size_t>(VNET_BYTES)};
      memcpy(head.iov_base, arena.vnetOf(frame), VNET_BYTES);
    } else if (hasVnet) {
      parts[count++] = {arena.vnetOf(frame), VNET_BYTES};
    }
    parts[count++] = head;
    if (extent.tailBytes != 0) parts[count++] = {extent.tail, extent.tailBytes};
    return true;
  }
};
