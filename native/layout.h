// Numbers that TypeScript and the shim share. Each block names the file it mirrors.
#pragma once
#include <cstddef>
#include <cstdint>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the arena's virtio words are laid out for little-endian machines"
#endif

// src/core/arena.ts
constexpr int HEAD_SHIFT = 11;
constexpr int HEAD_BYTES = 1 << HEAD_SHIFT;
constexpr int TAIL_BYTES = 67584;
constexpr int HEADROOM = 130;
constexpr int COLOUR_MASK = 3;
constexpr int COLOUR_SHIFT = 6;
constexpr size_t PAGE_BYTES = 4096;
constexpr size_t HUGE_PAGE_BYTES = 2 << 20;
constexpr int VNET_SHIFT = 3;  // 16-bit words
constexpr int VNET_BYTES = 10;
constexpr int BURST = 64;
constexpr int QUEUE = 256;
constexpr int32_t NONE = -1;

// One read from a TAP into memory of ours: header and longest frame. An odd number of cache lines, so that
// the beginnings of successive stages do not share a cache set.
constexpr size_t STAGE_BYTES = 1057 * 64;
static_assert(STAGE_BYTES >= VNET_BYTES + TAIL_BYTES);

// src/io/shim.ts
enum PortKind { PORT_TAP = 0, PORT_PACKET = 1 };
enum Ready { READY_READ = 1, READY_WRITE = 2, READY_GONE = 4 };
enum RxResult { RX_TAILS = 0, RX_INVALID = 1, RX_NO_TAIL = 2, RX_ERRNO = 3, RX_DRAINED = 4, RX_WORDS = 8 };
