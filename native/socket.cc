#include "socket.h"

#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "args.h"
#include "netns.h"

namespace {

int socketIn(int where, int domain, int type, int protocol) {
  Visit visit(where);
  if (visit.error() != 0) return visit.error();
  const int fd = socket(domain, type, protocol);
  return fd < 0 ? -errno : fd;
}

int ioctlIn(int where, unsigned long request, void* argument) {
  const int fd = socketIn(where, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fd;
  const int error = ioctl(fd, request, argument) < 0 ? -errno : 0;
  ::close(fd);
  return error;
}

}  // namespace

Napi::Value makeSocket(const Napi::CallbackInfo& info) {
  Args args(info);
  const int where = args.integer(0);
  const int domain = args.integer(1);
  const int type = args.integer(2) | SOCK_CLOEXEC | SOCK_NONBLOCK;
  const int protocol = args.integer(3);
  return args.ok() ? answer(info, socketIn(where, domain, type, protocol)) : info.Env().Undefined();
}

Napi::Value socketIoctl(const Napi::CallbackInfo& info) {
  Args args(info);
  const int where = args.integer(0);
  const uint32_t request = args.word(1);
  const auto [data, size] = args.bytes(2);
  if (!args.ok()) return info.Env().Undefined();
  // The kernel reads and writes an ifreq, however short the caller's buffer is.
  ifreq argument{};
  if (size > sizeof argument) return answer(info, -EINVAL);
  memcpy(&argument, data, size);
  const int error = ioctlIn(where, request, &argument);
  if (error == 0) memcpy(data, &argument, size);
  return answer(info, error);
}

Napi::Value ethtool(const Napi::CallbackInfo& info) {
  Args args(info);
  const int where = args.integer(0);
  const std::string device = args.string(1);
  const auto [data, size] = args.bytes(2);
  if (!args.ok()) return info.Env().Undefined();
  if (device.size() >= IFNAMSIZ) return answer(info, -ENAMETOOLONG);
  if (size < sizeof(uint32_t)) return answer(info, -EINVAL);
  ifreq argument{};
  memcpy(argument.ifr_name, device.data(), device.size());
  argument.ifr_data = reinterpret_cast<char*>(data);
  return answer(info, ioctlIn(where, SIOCETHTOOL, &argument));
}

Napi::Value closeFd(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.integer(0);
  if (!args.ok()) return info.Env().Undefined();
  return answer(info, ::close(fd) == 0 ? 0 : -errno);
}
