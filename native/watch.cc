#include "watch.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>

namespace {

// epoll data of the eventfd; ports have their slot.
constexpr uint64_t EVENTFD = UINT64_MAX;

int control(Environment& env, int operation, int fd, uint32_t events, uint64_t data) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = data;
  return epoll_ctl(env.epollFd(), operation, fd, &event) == 0 ? 0 : -errno;
}

uint32_t interest(const Port& port) {
  const uint32_t edge = EPOLLET;
  return port.kind == PORT_TAP ? edge | EPOLLIN | EPOLLOUT : edge | EPOLLIN;
}

// What an epoll event means for a port. A TAP answers EPOLLERR when its device is gone; a packet socket
// when its device went down, which the next rx call reports (ENETDOWN), and it may come back.
int meaning(Port& port, uint32_t events) {
  if (port.kind == PORT_PACKET) {
    port.alarmed = events & EPOLLERR;
    return events & EPOLLHUP ? READY_GONE : READY_READ;
  }
  if (events & (EPOLLERR | EPOLLHUP)) return READY_GONE;
  int ready = events & EPOLLIN ? READY_READ : 0;
  // Every edge shows the whole state: only a change is news.
  if ((events & EPOLLOUT) && !port.up) {
    port.up = true;
    ready |= READY_WRITE;
  }
  return ready;
}

int takeEvents(Environment& env, const epoll_event* events, int seen) {
  int pairs = 0;
  for (int i = 0; i < seen; i++) {
    if (events[i].data.u64 == EVENTFD) {
      uint64_t value;
      (void)!::read(env.eventfd, &value, sizeof value);
      continue;
    }
    const auto slot = static_cast<int32_t>(events[i].data.u64);
    Port* port = env.port(slot);
    const int ready = port == nullptr ? 0 : meaning(*port, events[i].events);
    if (ready & READY_GONE) unwatchPort(env, slot);
    if (ready == 0) continue;
    env.ready[pairs * 2] = slot;
    env.ready[pairs * 2 + 1] = ready;
    pairs++;
  }
  return pairs;
}

}  // namespace

int watchPort(Environment& env, int32_t slot) {
  const Port& port = env.ports[slot];
  for (int fd : port.fds) {
    const int error = control(env, EPOLL_CTL_ADD, fd, interest(port), static_cast<uint64_t>(slot));
    if (error == 0) continue;
    unwatchPort(env, slot);
    return error;
  }
  return 0;
}

void unwatchPort(Environment& env, int32_t slot) {
  for (int fd : env.ports[slot].fds) control(env, EPOLL_CTL_DEL, fd, 0, 0);
}

void rearmPort(Environment& env, int32_t slot) {
  const Port& port = env.ports[slot];
  for (int fd : port.fds) control(env, EPOLL_CTL_MOD, fd, interest(port), static_cast<uint64_t>(slot));
}

int watchEventfd(Environment& env, int fd) {
  if (env.eventfd >= 0) control(env, EPOLL_CTL_DEL, env.eventfd, 0, 0);
  const int error = control(env, EPOLL_CTL_ADD, fd, EPOLLIN, EVENTFD);
  env.eventfd = error == 0 ? fd : -1;
  return error;
}

int waitForPorts(Environment& env, int timeoutMs) {
  epoll_event events[BURST];
  // One more than pairs, for the eventfd.
  const int most = env.readyPairs < BURST ? env.readyPairs + 1 : BURST;
  const int seen = epoll_wait(env.epollFd(), events, most, timeoutMs);
  if (seen < 0) return errno == EINTR ? 0 : -errno;
  return takeEvents(env, events, seen);
}
