// Times ICMP echo round trips as ping does, to the nanosecond, and prints the quantiles that ping does not.
//
//   echo ADDRESS [--count N] [--interval MS]
//
// As ping: the clock starts before sendto and stops at the kernel's receive time stamp (SO_TIMESTAMPNS), so the waking of
// this process does not count. `--interval 0` sends the next request when the answer is there (ping -f);
// an answer that takes over a second is lost. Prints one line of JSON, times in µs.
#include "packet.h"

#include <netinet/ip_icmp.h>

#include <algorithm>
#include <vector>

static const char* kUsage = "echo ADDRESS [--count N] [--interval MS]";

static int echoSocket() {
  int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
  if (fd < 0) die("open", "a raw ICMP socket");
  timeval second = {1, 0};
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second)) die("set", "SO_RCVTIMEO");
  set(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1, "SO_TIMESTAMPNS");
  return fd;
}

static uint16_t checksum(const uint16_t* words, int n) {
  uint32_t sum = 0;
  while (n--) sum += *words++;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum;
}

static void request(int fd, const sockaddr_in& to, uint16_t id, uint16_t sequence) {
  uint16_t packet[32] = {};  // 8 bytes of header and 56 of data, as ping sends
  auto* h = reinterpret_cast<icmphdr*>(packet);
  h->type = ICMP_ECHO;
  h->un.echo.id = id;
  h->un.echo.sequence = sequence;
  h->checksum = checksum(packet, 32);
  if (sendto(fd, packet, sizeof packet, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0 &&
      errno != ENOBUFS)
    die("send", "an echo request");
}

/** Wall-clock time at which the kernel saw the answer, ns; 0 if none came within a second. */
static int64_t answer(int fd, uint16_t id, uint16_t sequence) {
  for (const int64_t give_up = nanoseconds(CLOCK_MONOTONIC) + 1000000000; nanoseconds(CLOCK_MONOTONIC) < give_up;) {
    uint8_t packet[256];
    alignas(8) char control[128];
    iovec vector = {packet, sizeof packet};
    msghdr m = {};
    m.msg_iov = &vector;
    m.msg_iovlen = 1;
    m.msg_control = control;
    m.msg_controllen = sizeof control;
    if (recvmsg(fd, &m, 0) < 28) continue;
    auto* h = reinterpret_cast<icmphdr*>(packet + (packet[0] & 15) * 4);
    if (h->type != ICMP_ECHOREPLY || h->un.echo.id != id || h->un.echo.sequence != sequence) continue;
    for (cmsghdr* c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS) continue;
      timespec t;
      memcpy(&t, CMSG_DATA(c), sizeof t);
      return t.tv_sec * 1000000000LL + t.tv_nsec;
    }
  }
  return 0;
}

int main(int argc, char** argv) {
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  if (argc < 2 || !inet_aton(argv[1], &to.sin_addr)) return fprintf(stderr, "usage: %s\n", kUsage), 2;
  checkOptions(argc, argv, 2, kUsage);
  const int count = option(argc, argv, 2, "--count", 100);
  const useconds_t pause = option(argc, argv, 2, "--interval", 0) * 1000;
  const int fd = echoSocket();
  const uint16_t id = getpid();
  std::vector<double> times;
  for (int i = 0; i < count; i++) {
    const int64_t start = nanoseconds(CLOCK_REALTIME);
    request(fd, to, id, i);
    const int64_t end = answer(fd, id, i);
    if (end) times.push_back((end - start) / 1e3);
    if (pause) usleep(pause);
  }
  std::sort(times.begin(), times.end());
  if (times.empty()) return fprintf(stderr, "cannot reach %s: no answer to %d requests\n", argv[1], count), 1;
  const size_t n = times.size();
  printf("{\"sent\":%d,\"lost\":%d,\"min\":%.2f,\"p50\":%.2f,\"p99\":%.2f,\"max\":%.2f}\n", count, int(count - n),
         times[0], times[n / 2], times[n * 99 / 100], times[n - 1]);
}
