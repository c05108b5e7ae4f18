// What one thread's shim knows: the attached arena, its ports and its epoll set. One per Node
// environment, made when a thread loads the addon and destroyed with it.
#pragma once
#include <napi.h>
#include <unistd.h>

#include <memory>

#include "arena.h"
#include "port.h"

struct PacketBatch;  // packet.cc: message headers of one recvmmsg or sendmmsg

struct Environment {
  Environment();
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  // The epoll set, made on first use; -errno if it cannot be had.
  int epollFd();
  // Forgets ports, eventfd and epoll set.
  void reset();
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
  std::unique_ptr<PacketBatch> batch;
  std::unique_ptr<uint8_t[]> scratch;  // TAIL_BYTES: where a frame goes that no tail slot can take
  Napi::ObjectReference kept;          // the arena and the result arrays
};
