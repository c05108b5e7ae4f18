// A port of the data path: descriptors that the control thread opened, and how to move frames through them.
#pragma once
#include <node_api.h>

#include <cstdint>
#include <vector>

struct Environment;

struct Port {
  int kind = 0;
  bool hasVnet = false;
  // TAP: the kernel end took our last frame, or poll saw it come up. Cleared by EIO.
  bool up = false;
  // AF_PACKET: frames go past the queueing discipline.
  bool bypass = true;
  std::vector<int> fds;
  // Multi-queue: the queue that the next rx call starts with, and the one tx uses.
  uint32_t next = 0;

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
};

// Reads that yield no frame, beyond the burst's own, before rx gives up and asks poll to call again.
constexpr int32_t RX_BAD_READS = 64;

void tapRx(Environment& env, Port& port, RxBurst& burst);
int tapTx(Environment& env, Port& port, const int32_t* frames, int n);
void packetRx(Environment& env, Port& port, RxBurst& burst);
int packetTx(Environment& env, Port& port, const int32_t* frames, int n);

napi_value addPort(napi_env napi, napi_callback_info info);
napi_value removePort(napi_env napi, napi_callback_info info);
napi_value rx(napi_env napi, napi_callback_info info);
napi_value tx(napi_env napi, napi_callback_info info);
