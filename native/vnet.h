// The virtio header (struct virtio_net_hdr, VIRTIO 1.2 section 5.1.6) that the kernel puts before a frame.
#pragma once
#include <cstdint>

#include "layout.h"

enum VnetWord { VNET_FLAGS_TYPE, VNET_HEADER_LENGTH, VNET_GSO_SIZE, VNET_CSUM_START, VNET_CSUM_OFFSET };
constexpr int VNET_NEEDS_CSUM = 1;
constexpr int VNET_DATA_VALID = 2;
constexpr int VNET_GSO_ECN = 0x80;

inline bool knownGso(int type) {
  const int base = type & ~VNET_GSO_ECN;
  const bool tcp = base == 1 || base == 4;
  const bool udp = base == 3 || base == 5;
  return tcp || (udp && base == type);
}

// Checks a received header against the frame's length and clears every field that carries no meaning,
// so that nobody behind this line has to ask twice. False: the frame cannot be trusted.
inline bool checkVnet(uint16_t* vnet, int32_t length) {
  if (vnet[VNET_FLAGS_TYPE] == 0) {
    vnet[VNET_HEADER_LENGTH] = vnet[VNET_GSO_SIZE] = vnet[VNET_CSUM_START] = vnet[VNET_CSUM_OFFSET] = 0;
    return true;
  }
  const int flags = vnet[VNET_FLAGS_TYPE] & (VNET_NEEDS_CSUM | VNET_DATA_VALID);
  const int type = vnet[VNET_FLAGS_TYPE] >> 8;
  if (flags & VNET_NEEDS_CSUM) {
    if (vnet[VNET_CSUM_START] + vnet[VNET_CSUM_OFFSET] + 2 > length) return false;
  } else {
    vnet[VNET_CSUM_START] = vnet[VNET_CSUM_OFFSET] = 0;
  }
  if (type == 0) {
    vnet[VNET_HEADER_LENGTH] = vnet[VNET_GSO_SIZE] = 0;
  } else {
    if (!knownGso(type) || vnet[VNET_GSO_SIZE] == 0) return false;
    // Only a hint to the kernel: how much is worth keeping in one piece.
    if (vnet[VNET_HEADER_LENGTH] > length) vnet[VNET_HEADER_LENGTH] = static_cast<uint16_t>(length);
  }
  vnet[VNET_FLAGS_TYPE] = static_cast<uint16_t>(flags | type << 8);
  return true;
}
