#include "event.h"

#include <sys/eventfd.h>

#include <cerrno>

#include "args.h"

Napi::Value makeEventfd(const Napi::CallbackInfo& info) {
  const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return answer(info, fd < 0 ? -errno : fd);
}

Napi::Value wake(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.integer(0);
  if (!args.ok()) return info.Env().Undefined();
  // EAGAIN: the counter is full, so the sleeper is as good as awake.
  return answer(info, eventfd_write(fd, 1) == 0 || errno == EAGAIN ? 0 : -errno);
}
