// What one thread's data path knows: the attached arena, its ports, its epoll set and its ring.
#pragma once
#include <memory>
#include <vector>

#include "arena.h"
#include "port.h"
#include "ring.h"

struct PacketBatch;  // packet_batch.h

struct Environment {
  Environment();
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  // Starts afresh with an arena: forgets ports, eventfd and epoll set of the one before.
  void attach(const Arena& next, int32_t* results, int32_t* errors, int32_t* events, int32_t pairs);
  // The epoll set, made on first use; -errno if it cannot be had.
  int epollFd();
  // A port by its slot, or null.
  Port* port(int32_t slot) {
    if (static_cast<uint32_t>(slot) >= ports.size() || !ports[slot].open()) return nullptr;
    return &ports[slot];
  }

  Arena arena;
  std::vector<Port> ports;
  int32_t* result = nullptr;   // RX_WORDS
  int32_t* txErrno = nullptr;  // QUEUE
  int32_t* ready = nullptr;    // readyPairs x (port, events)
  int32_t readyPairs = 0;
  int epoll = -1;
  int eventfd = -1;
  Ring ring;
  std::unique_ptr<PacketBatch> batch;
  // BURST x STAGE_BYTES: where a burst of reads from a TAP lands; untouched pages cost nothing.
  std::unique_ptr<uint8_t[]> stage;
  // TAIL_BYTES: where a frame goes that no tail slot can take.
  std::unique_ptr<uint8_t[]> scratch;

 private:
  void reset();
};
