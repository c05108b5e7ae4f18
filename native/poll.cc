#include "poll.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <cerrno>

namespace {

// epoll data of the eventfd; ports have their slot.
constexpr uint64_t EVENTFD = UINT64_MAX;

napi_value number(napi_env napi, int32_t value) {
  napi_value result = nullptr;
  napi_create_int32(napi, value, &result);
  return result;
}

int control(Environment& env, int operation, int fd, uint32_t events, uint64_t data) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = data;
  return epoll_ctl(env.epollFd(), operation, fd, &event) == 0 ? 0 : -errno;
}

// A TAP is asked for EPOLLOUT too: its edge says that the kernel end came up.
uint32_t interest(const Port& port) {
  const uint32_t edge = EPOLLET;
  return port.kind == PORT_TAP ? edge | EPOLLIN | EPOLLOUT : edge | EPOLLIN;
}

void drain(int fd) {
  uint64_t value;
  (void)!::read(fd, &value, sizeof value);
}

// What an epoll event means for a port. A TAP answers EPOLLERR when its device is gone; a packet socket
// when its device went down, which the next rx call reports (ENETDOWN), and it may come back.
int meaning(Port& port, uint32_t events) {
  if (port.kind == PORT_PACKET) return events & EPOLLHUP ? READY_GONE : READY_READ;
  if (events & (EPOLLERR | EPOLLHUP)) return READY_GONE;
  int ready = events & EPOLLIN ? READY_READ : 0;
  // Every edge shows the whole state: only a change is news.
  if ((events & EPOLLOUT) && !port.up) {
    port.up = true;
    ready |= READY_WRITE;
  }
  return ready;
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

napi_value watch(napi_env napi, napi_callback_info info) {
  napi_value raw[1];
  size_t count = 1;
  void* data = nullptr;
  int32_t fd;
  napi_get_cb_info(napi, info, &count, raw, nullptr, &data);
  if (napi_get_value_int32(napi, raw[0], &fd) != napi_ok) {
    napi_throw_type_error(napi, nullptr, "watch(eventfd: number)");
    return nullptr;
  }
  auto& env = *static_cast<Environment*>(data);
  if (env.eventfd >= 0) control(env, EPOLL_CTL_DEL, env.eventfd, 0, 0);
  const int error = control(env, EPOLL_CTL_ADD, fd, EPOLLIN, EVENTFD);
  env.eventfd = error == 0 ? fd : -1;
  return number(napi, error);
}

napi_value poll(napi_env napi, napi_callback_info info) {
  napi_value raw[1];
  size_t count = 1;
  void* data = nullptr;
  int32_t timeout;
  napi_get_cb_info(napi, info, &count, raw, nullptr, &data);
  if (napi_get_value_int32(napi, raw[0], &timeout) != napi_ok) timeout = 0;
  auto& env = *static_cast<Environment*>(data);
  epoll_event events[BURST];
  // One slot more than pairs, for the eventfd.
  const int most = env.readyPairs < BURST ? env.readyPairs + 1 : BURST;
  const int seen = epoll_wait(env.epollFd(), events, most, timeout);
  if (seen < 0) return number(napi, errno == EINTR ? 0 : -errno);
  int pairs = 0;
  for (int i = 0; i < seen; i++) {
    if (events[i].data.u64 == EVENTFD) {
      drain(env.eventfd);
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
  return number(napi, pairs);
}
