// Sends small frames as fast as one core can: the load of every wire benchmark.
//
//   generator DEVICE [--seconds T] [--count N] [--stations N] [--rate PPS] [--bytes B] [--seed S] [--reverse 1] [--router LAST]
//
// There are N prepared frames (RFC 4814: pseudo-random addresses and ports, a new pair of stations in every
// frame), UDP over IPv4, sent in turn. `--reverse 1` sends the same pairs from the other side: sent once
// beforehand on the far device, it teaches a bridge where the destinations are. `--router` sends all of them to the one station
// 02:00:00:00:00:LAST, for it to route. `--count` ends after
// that many frames instead of after T seconds. Prints one line of JSON: frames the kernel took, frames it
// refused (the device's queue was full), seconds, CPU seconds of this process (softirq work done on
// its back included).
#include "packet.h"

#include <vector>

static const char* kUsage =
    "generator DEVICE [--seconds T] [--count N] [--stations N] [--rate PPS] [--bytes B] [--seed S] [--reverse 1] [--router LAST]";
static const int kBurst = 64;

/** splitmix64: one pseudo-random word per call, the same sequence for the same seed everywhere. */
static uint64_t next(uint64_t& state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

static void putMac(uint8_t* at, uint64_t random) {
  for (int i = 0; i < 6; i++) at[i] = random >> (8 * i);
  at[0] = (at[0] & 0xfc) | 2;  // unicast, locally administered
}

static uint16_t checksum(const uint8_t* at, int bytes) {
  uint32_t sum = 0;
  for (int i = 0; i < bytes; i += 2) sum += at[i] << 8 | at[i + 1];
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum;
}

static void put16(uint8_t* at, uint16_t value) {
  at[0] = value >> 8;
  at[1] = value;
}

/** One frame of `bytes` bytes (the FCS, which software never sees, not among them). */
static void build(uint8_t* f, int bytes, uint64_t& random, bool reverse, int router) {
  uint64_t near = next(random), far = next(random), ports = next(random);
  memset(f, 0, bytes);
  putMac(f, reverse ? near : far);
  putMac(f + 6, reverse ? far : near);
  if (router) memcpy(f, "\2\0\0\0\0", 5), f[5] = router;
  put16(f + 12, ETH_P_IP);
  uint8_t* ip = f + 14;
  ip[0] = 0x45;
  put16(ip + 2, bytes - 14);
  ip[8] = 64;
  ip[9] = 17;
  put16(ip + 12, 198 << 8 | 18);  // 198.18.0.0/15 is for benchmarks (RFC 2544)
  put16(ip + (reverse ? 18 : 14), near >> 48);
  put16(ip + 16, 198 << 8 | 19);
  put16(ip + (reverse ? 14 : 18), far >> 48);
  put16(ip + 10, checksum(ip, 20));
  put16(ip + 20, 1024 + (ports & 0x7fff));
  put16(ip + 22, 1024 + (ports >> 16 & 0x7fff));
  put16(ip + 24, bytes - 34);
}

struct Load {
  std::vector<uint8_t> bytes;
  std::vector<iovec> vectors;
  std::vector<mmsghdr> messages;

  Load(int stations, int frameBytes, uint64_t seed, bool reverse, int router)
      : bytes(size_t(stations) * frameBytes), vectors(stations), messages(stations) {
    for (int i = 0; i < stations; i++) {
      uint8_t* frame = &bytes[size_t(i) * frameBytes];
      build(frame, frameBytes, seed, reverse, router);
      vectors[i] = {frame, size_t(frameBytes)};
      messages[i] = {};
      messages[i].msg_hdr.msg_iov = &vectors[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
  }
};

int main(int argc, char** argv) {
  if (argc < 2) return fprintf(stderr, "usage: %s\n", kUsage), 2;
  checkOptions(argc, argv, 2, kUsage);
  const int64_t count = option(argc, argv, 2, "--count", 0);
  const double seconds = option(argc, argv, 2, "--seconds", count ? 3600 : 1);
  const double rate = option(argc, argv, 2, "--rate", 0);
  const int stations = option(argc, argv, 2, "--stations", 1000);
  const int bytes = option(argc, argv, 2, "--bytes", 64);
  if (stations < 1 || bytes < 42 || bytes > 1514) return fprintf(stderr, "usage: %s\n", kUsage), 2;
  Load load(stations, bytes, option(argc, argv, 2, "--seed", 1), option(argc, argv, 2, "--reverse", 0),
            option(argc, argv, 2, "--router", 0));
  const int fd = packetSocket(argv[1], 0);

  int64_t sent = 0, refused = 0, at = 0;
  const int64_t start = nanoseconds(CLOCK_MONOTONIC), end = start + int64_t(seconds * 1e9);
  int64_t now = start;
  while (now < end && (!count || sent + refused < count)) {
    int burst = stations - at < kBurst ? stations - at : kBurst;
    if (count && count - sent - refused < burst) burst = count - sent - refused;
    const int n = sendmmsg(fd, &load.messages[at], burst, 0);
    if (n < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR) die("send on", argv[1]);
    // A frame that is refused is skipped, as a card with a full ring would drop it.
    sent += n > 0 ? n : 0;
    refused += n < 0;
    at += n > 0 ? n : 1;
    if (at >= stations) at = 0;
    now = nanoseconds(CLOCK_MONOTONIC);
    while (rate && now < end && (sent + refused) * 1e9 > rate * (now - start)) now = nanoseconds(CLOCK_MONOTONIC);
  }
  printf("{\"sent\":%lld,\"refused\":%lld,\"seconds\":%.6f,\"cpu\":%.6f}\n", (long long)sent, (long long)refused,
         (now - start) / 1e9, cpuSeconds());
}
