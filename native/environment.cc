#include "environment.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>

#include "packet_batch.h"

Environment::Environment()
    : batch(new PacketBatch), stage(new uint8_t[BURST * STAGE_BYTES]), scratch(new uint8_t[TAIL_BYTES]) {}

Environment::~Environment() { reset(); }

void Environment::attach(const Arena& next, int32_t* results, int32_t* errors, int32_t* events, int32_t pairs) {
  reset();
  arena = next;
  ports.resize(arena.ports);
  result = results;
  txErrno = errors;
  ready = events;
  readyPairs = pairs;
}

int Environment::epollFd() {
  if (epoll < 0) epoll = epoll_create1(EPOLL_CLOEXEC);
  return epoll < 0 ? -errno : epoll;
}

void Environment::reset() {
  // Closing the set forgets its members without touching descriptors that are the control thread's.
  if (epoll >= 0) ::close(epoll);
  epoll = -1;
  eventfd = -1;
  ports.clear();
}
