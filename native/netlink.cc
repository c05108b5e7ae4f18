#include "netlink.h"

#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "args.h"
#include "netns.h"

namespace {

using Bytes = std::vector<uint8_t>;

// Calls `visit` for each whole message; false if the bytes are not a sequence of messages.
template <typename Visitor>
bool eachMessage(uint8_t* data, size_t size, Visitor visit) {
  while (size >= sizeof(nlmsghdr)) {
    auto* message = reinterpret_cast<nlmsghdr*>(data);
    const size_t length = message->nlmsg_len;
    if (length < sizeof(nlmsghdr) || length > size) return false;
    visit(*message);
    const size_t step = NLMSG_ALIGN(length) < size ? NLMSG_ALIGN(length) : size;
    data += step;
    size -= step;
  }
  return size == 0;
}

int openSocket() {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return -errno;
  const int on = 1;
  // Longer error texts, strict checks of dump requests: both absent on old kernels, neither needed.
  setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  // The kernel answers before send() returns; a time-out only keeps a bug from hanging the daemon.
  const timeval patience{10, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return fd;
}

// Appends one datagram, whatever its size. 0 or -errno.
int receive(int fd, Bytes& answers, size_t& received) {
  ssize_t size;
  do size = recv(fd, nullptr, 0, MSG_PEEK | MSG_TRUNC);
  while (size < 0 && errno == EINTR);
  if (size < 0) return errno == EAGAIN ? -ETIMEDOUT : -errno;
  const size_t before = answers.size();
  // A dump's chunks grow with the largest buffer seen: the 32 KiB that the kernel offers at most.
  const size_t room = size < 32768 ? 32768 : static_cast<size_t>(size);
  answers.resize(before + room);
  const ssize_t got = recv(fd, answers.data() + before, room, 0);
  if (got < 0) return -errno;
  answers.resize(before + got);
  received = static_cast<size_t>(got);
  return 0;
}

// The kernel works through the messages in order, so the end of the last one's answer is the end of all.
int collect(int fd, uint32_t last, Bytes& answers) {
  bool done = false;
  while (!done) {
    size_t received = 0;
    const int error = receive(fd, answers, received);
    if (error != 0) return error;
    eachMessage(answers.data() + answers.size() - received, received, [&](const nlmsghdr& message) {
      const bool end = message.nlmsg_type == NLMSG_DONE || message.nlmsg_type == NLMSG_ERROR;
      if (end && message.nlmsg_seq == last) done = true;
    });
  }
  return 0;
}

int converse(int fd, Bytes& request, Bytes& answers) {
  nlmsghdr* last = nullptr;
  const bool whole = eachMessage(request.data(), request.size(), [&](nlmsghdr& message) { last = &message; });
  if (!whole || last == nullptr) return -EINVAL;
  // Something must mark the end: a dump is closed by NLMSG_DONE, all else by an acknowledgement.
  if ((last->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP) last->nlmsg_flags |= NLM_F_ACK;
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  const ssize_t sent =
      sendto(fd, request.data(), request.size(), 0, reinterpret_cast<sockaddr*>(&kernel), sizeof kernel);
  if (sent < 0) return -errno;
  return collect(fd, last->nlmsg_seq, answers);
}

}  // namespace

Napi::Value netlink(const Napi::CallbackInfo& info) {
  Args args(info);
  const int where = args.integer(0);
  const auto [data, size] = args.bytes(1);
  if (!args.ok()) return info.Env().Undefined();
  Bytes request(data, data + size);
  Bytes answers;
  int fd = -1;
  {
    Visit visit(where);
    fd = visit.error() != 0 ? visit.error() : openSocket();
  }
  if (fd < 0) return answer(info, fd);
  const int error = converse(fd, request, answers);
  ::close(fd);
  if (error != 0) return answer(info, error);
  auto bytes = Napi::Uint8Array::New(info.Env(), answers.size());
  memcpy(bytes.Data(), answers.data(), answers.size());
  return bytes;
}
