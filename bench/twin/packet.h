// What the three bench programs share: AF_PACKET sockets, clocks, arguments.
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

[[noreturn]] inline void die(const char* verb, const char* object) {
  fprintf(stderr, "cannot %s %s: %s\n", verb, object, strerror(errno));
  exit(1);
}

inline int64_t nanoseconds(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/** CPU time of this process, user and system, seconds. */
inline double cpuSeconds() {
  rusage u;
  getrusage(RUSAGE_SELF, &u);
  return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/** "--name VALUE" among the arguments from `first` on, or `otherwise`. */
inline double option(int argc, char** argv, int first, const char* name, double otherwise) {
  for (int i = first; i + 1 < argc; i += 2)
    if (!strcmp(argv[i], name)) return atof(argv[i + 1]);
  return otherwise;
}

/** Every argument from `first` on must be one of the options named in the usage line, with a number for a value. */
inline void checkOptions(int argc, char** argv, int first, const char* usage) {
  for (int i = first; i < argc; i += 2) {
    char wanted[32], *end = nullptr;
    snprintf(wanted, sizeof wanted, "[%s ", argv[i]);
    if (strstr(usage, wanted) && i + 1 < argc && strtod(argv[i + 1], &end) >= 0 && end != argv[i + 1] && !*end) continue;
    fprintf(stderr, "cannot understand %s: no such option, or no number after it; usage: %s\n", argv[i], usage);
    exit(2);
  }
}

inline void set(int fd, int level, int name, int value, const char* what) {
  if (setsockopt(fd, level, name, &value, sizeof value)) die("set", what);
}

/** Gives a packet socket its device and the protocol that it receives; 0: nothing. */
inline void bindTo(int fd, const char* device, int protocol) {
  sockaddr_ll at = {};
  at.sll_family = AF_PACKET;
  at.sll_protocol = htons(protocol);
  at.sll_ifindex = if_nametoindex(device);
  if (!at.sll_ifindex || bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at)) die("bind to", device);
}

/** A raw socket on one device that sends past the queueing discipline. */
inline int packetSocket(const char* device, int protocol) {
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) die("open", "a packet socket");
  set(fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1, "PACKET_QDISC_BYPASS");
  set(fd, SOL_SOCKET, SO_SNDBUFFORCE, 8 << 20, "SO_SNDBUFFORCE");
  set(fd, SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20, "SO_RCVBUFFORCE");
  bindTo(fd, device, protocol);
  return fd;
}
