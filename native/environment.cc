#include "environment.h"

#include <sys/epoll.h>

#include <cerrno>

#include "packet.h"

Environment::Environment() : batch(new PacketBatch), scratch(new uint8_t[TAIL_BYTES]) {}

Environment::~Environment() { reset(); }

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
