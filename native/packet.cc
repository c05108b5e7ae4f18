#include "packet.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

#include "args.h"
#include "netns.h"
#include "packet_ring.h"

namespace {

// Bytes of socket buffer, each way: 100 superframes.
constexpr int BUFFER_BYTES = 8 << 20;

int setOption(int fd, int option, const void* value, socklen_t size) {
  return setsockopt(fd, SOL_PACKET, option, value, size) == 0 ? 0 : -errno;
}

void setBuffer(int fd, int forced, int plain) {
  const int bytes = BUFFER_BYTES;
  // Beyond the system's limit only with privilege.
  if (setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof bytes) == 0) return;
  setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof bytes);
}

int configure(int fd, int ifindex) {
  const int on = 1;
  // Refused by a kernel that lacks it: the port then works without offloads (packetHasVnet says so).
  setOption(fd, PACKET_VNET_HDR, &on, sizeof on);
  int error = PacketRing::create(fd);
  // Without this our own transmissions come back as receptions: a loop.
  if (error == 0) error = setOption(fd, PACKET_IGNORE_OUTGOING, &on, sizeof on);
  if (error == 0) error = setOption(fd, PACKET_QDISC_BYPASS, &on, sizeof on);
  packet_mreq membership{};
  membership.mr_ifindex = ifindex;
  membership.mr_type = PACKET_MR_PROMISC;
  if (error == 0) error = setOption(fd, PACKET_ADD_MEMBERSHIP, &membership, sizeof membership);
  if (error != 0) return error;
  setBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
  setBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = ifindex;
  return bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ? 0 : -errno;
}

int open(int where, int ifindex) {
  Visit visit(where);
  if (visit.error() != 0) return visit.error();
  // Protocol 0 hears nothing until bind: no frame of another device gets in.
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  const int error = configure(fd, ifindex);
  if (error == 0) return fd;
  ::close(fd);
  return error;
}

int hasVnet(int fd) {
  int on = 0;
  socklen_t size = sizeof on;
  return getsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, &size) == 0 ? on != 0 : -errno;
}

// Frames that the kernel dropped because the ring or the queue was full, since the last call.
int drops(int fd) {
  tpacket_stats statistics{};
  socklen_t size = sizeof statistics;
  const int failed = getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &statistics, &size);
  return failed ? -errno : static_cast<int>(statistics.tp_drops);
}

// The socket lies in the device's namespace, so it can be asked about the device from anywhere.
int isUp(int fd) {
  sockaddr_ll address{};
  socklen_t size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return -errno;
  ifreq request{};
  request.ifr_ifindex = address.sll_ifindex;
  if (address.sll_ifindex <= 0 || ioctl(fd, SIOCGIFNAME, &request) != 0) return -ENODEV;
  if (ioctl(fd, SIOCGIFFLAGS, &request) != 0) return -errno;
  const int working = IFF_UP | IFF_RUNNING;
  return (request.ifr_flags & working) == working;
}

}  // namespace

Napi::Value packetOpen(const Napi::CallbackInfo& info) {
  Args args(info);
  const int where = args.integer(0);
  const int ifindex = args.integer(1);
  return args.ok() ? answer(info, open(where, ifindex)) : info.Env().Undefined();
}

Napi::Value packetHasVnet(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.integer(0);
  return args.ok() ? answer(info, hasVnet(fd)) : info.Env().Undefined();
}

Napi::Value packetIsUp(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.integer(0);
  return args.ok() ? answer(info, isUp(fd)) : info.Env().Undefined();
}

Napi::Value packetDrops(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.integer(0);
  return args.ok() ? answer(info, drops(fd)) : info.Env().Undefined();
}
