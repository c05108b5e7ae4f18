// A port of the data path: descriptors that the control thread opened, and how to move frames through them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "packet_ring.h"

struct Environment;

struct Port {
  int kind = 0;
  bool hasVnet = false;
  std::vector<int> fds;

  // TAP: the kernel end took our last frame, or poll saw it come up. Cleared by EIO.
  bool up = false;
  // TAP: bursts go through the ring. Cleared if the kernel cannot do that for this descriptor.
  bool ringed = true;
  // TAP: frames yet to be read straight into their slots, because one was longer than a head slot lately.
  int32_t direct = 0;
  // TAP: how many reads the next rx call begins with: one more than the last one's frames.
  int32_t expected = 1;
  // TAP, multi-queue: the queue that the next rx call begins with. tx uses the first.
  uint32_t queue = 0;
  // AF_PACKET: where frames arrive.
  std::unique_ptr<PacketRing> ring;
  // AF_PACKET: frames go past the queueing discipline.
  bool bypass = true;
  // AF_PACKET: poll saw an error, which the next rx call will report.
  bool alarmed = false;

  bool open() const { return !fds.empty(); }
};

// What one rx call may take and what became of it.
struct RxBurst {
  int32_t heads;  // free head slots on the stack
  int32_t tails;
  int32_t max;
  int32_t frames = 0;
  int32_t taken = 0;  // tail slots
  int32_t invalid = 0;
  int32_t noTail = 0;
  int32_t error = 0;
  bool drained = false;  // the kernel said EAGAIN

  // Reads that yielded no frame. Beyond this many the call ends, for others' sake.
  bool tired() const { return invalid + noTail >= 64; }
  bool open() const { return frames < max && error == 0 && !tired(); }
};

// 0 or -errno. A port's descriptors are watched by poll from here on.
int addPort(Environment& env, int32_t slot, int kind, const int* fds, size_t count, bool hasVnet);
int removePort(Environment& env, int32_t slot);

// Shim.rx and Shim.tx: a number of frames or -errno.
int receive(Environment& env, int32_t slot, int32_t heads, int32_t tails, int32_t max);
int send(Environment& env, int32_t slot, int32_t n);

// The kinds: tap_port.cc, packet_port.cc. Sending answers how many failed and fills txErrno.
void tapReceive(Environment& env, Port& port, RxBurst& burst);
int tapSend(Environment& env, Port& port, const int32_t* frames, int n);
void packetReceive(Environment& env, Port& port, RxBurst& burst);
int packetSend(Environment& env, Port& port, const int32_t* frames, int n);
