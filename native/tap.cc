#include "tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "args.h"
#include "layout.h"

namespace {

int ioctlOrErrno(int fd, unsigned long request, unsigned long value) {
  return ioctl(fd, request, value) < 0 ? -errno : 0;
}

int ioctlOrErrno(int fd, unsigned long request, const void* value) {
  return ioctl(fd, request, value) < 0 ? -errno : 0;
}

// Host-endian headers of 10 bytes, also on a persistent device that someone else left otherwise.
int configure(int fd, ifreq& request) {
  int error = ioctlOrErrno(fd, TUNSETIFF, &request);
  if (error != 0) return error;
  const int size = VNET_BYTES;
  const int no = 0;
  error = ioctlOrErrno(fd, TUNSETVNETHDRSZ, &size);
  if (error == 0) error = ioctlOrErrno(fd, TUNSETVNETLE, &no);
  return error;
}

int open(const std::string& name, int flags) {
  ifreq request{};
  if (name.size() >= IFNAMSIZ) return -ENAMETOOLONG;
  memcpy(request.ifr_name, name.data(), name.size());
  request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags);
  const int fd = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return -errno;
  const int error = configure(fd, request);
  if (error == 0) return fd;
  ::close(fd);
  return error;
}

int isUp(int fd) {
  pollfd entry{fd, POLLOUT, 0};
  if (::poll(&entry, 1, 0) < 0) return -errno;
  if (entry.revents & POLLNVAL) return -EBADF;
  if (entry.revents & POLLERR) return -ENODEV;
  return entry.revents & POLLOUT ? 1 : 0;
}

}  // namespace

Napi::Value tapOpen(const Napi::CallbackInfo& info) {
  Args args(info);
  const std::string name = args.string(0);
  const int flags = args.integer(1);
  return args.ok() ? answer(info, open(name, flags)) : info.Env().Undefined();
}

Napi::Value tapName(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.integer(0);
  if (!args.ok()) return info.Env().Undefined();
  ifreq request{};
  const int error = ioctlOrErrno(fd, TUNGETIFF, &request);
  if (error != 0) return answer(info, error);
  return Napi::String::New(info.Env(), request.ifr_name, strnlen(request.ifr_name, IFNAMSIZ));
}

Napi::Value tapOffload(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.integer(0);
  const unsigned long bits = args.word(1);
  return args.ok() ? answer(info, ioctlOrErrno(fd, TUNSETOFFLOAD, bits)) : info.Env().Undefined();
}

Napi::Value tapPersist(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.integer(0);
  const unsigned long on = args.boolean(1);
  return args.ok() ? answer(info, ioctlOrErrno(fd, TUNSETPERSIST, on)) : info.Env().Undefined();
}

Napi::Value tapCarrier(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.integer(0);
  const int on = args.boolean(1);
  return args.ok() ? answer(info, ioctlOrErrno(fd, TUNSETCARRIER, &on)) : info.Env().Undefined();
}

Napi::Value tapIsUp(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.integer(0);
  return args.ok() ? answer(info, isUp(fd)) : info.Env().Undefined();
}
