// The C++ twin of Sluice: the very files that the native shim moves frames with, on devices opened as Sluice opens them,
// in an arena as Sluice lays it out, and the loop of src/control/worker.ts around them. Between receiving and sending it
// does what a learning bridge of two ports cannot do without, and nothing else: no VLANs, ageing, limits or counters. What
// it forwards is the ceiling for Sluice on this machine.
//
//   twin tap    NAME NAME       makes two TAPs
//   twin packet DEVICE DEVICE   opens two devices
//
//   for each wake-up:  receive (64 frames at most a port) → learn and look up → send → release
//
// Prints "ready" when the ports are there; ends by a signal.
#include "packet.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "../../native/environment.h"
#include "../../native/watch.h"

namespace {

constexpr int PORTS = 2;
/** As in src/control/worker.ts, which says why. */
constexpr unsigned POLL_INTERVAL = 4;
constexpr int64_t SPIN_NS = 200000;

/** Zeroed memory, in huge pages where it fills some (src/core/memory.ts). */
template <typename T>
T* allocate(size_t count) {
  const size_t size = count * sizeof(T);
  const size_t page = size >= HUGE_PAGE_BYTES ? HUGE_PAGE_BYTES : PAGE_BYTES;
  void* memory = aligned_alloc(page, (size + page - 1) / page * page);
  if (memory == nullptr) die("allocate", "memory");
  if (page == HUGE_PAGE_BYTES) madvise(memory, size, MADV_HUGEPAGE);
  return static_cast<T*>(memset(memory, 0, size));
}

/** src/core/arena.ts, but for reference counts: with two ports a frame has one owner. */
struct Pool : Arena {
  int32_t freeHeadCount;
  int32_t freeTailCount;

  Pool() {
    heads = freeHeadCount = 8192;
    tails = freeTailCount = 256;
    ports = PORTS;
    tailBase = static_cast<size_t>(heads) << HEAD_SHIFT;
    bytes = allocate<uint8_t>(tailBase + static_cast<size_t>(tails) * TAIL_BYTES);
    offset = allocate<int32_t>(heads);
    length = allocate<int32_t>(heads);
    tail = allocate<int32_t>(heads);
    vnet = allocate<uint16_t>(static_cast<size_t>(heads) << VNET_SHIFT);
    freeHeads = allocate<int32_t>(heads);
    freeTails = allocate<int32_t>(tails);
    queues = allocate<int32_t>(PORTS * QUEUE);
    burst = allocate<int32_t>(BURST);
    for (int32_t i = 0; i < heads; i++) tail[i] = NONE, freeHeads[i] = heads - 1 - i;
    for (int32_t i = 0; i < tails; i++) freeTails[i] = tails - 1 - i;
  }

  void release(int32_t frame) {
    if (tail[frame] != NONE) freeTails[freeTailCount++] = tail[frame];
    tail[frame] = NONE;
    freeHeads[freeHeadCount++] = frame;
  }
};

/** Where stations live: open addressing, hashed with secret keys as src/tables/fdb.ts does. */
class Stations {
 public:
  Stations() {
    if (getrandom(keys_, sizeof keys_, 0) != sizeof keys_) die("get", "random keys");
  }

  void learn(uint64_t mac, int port) { entries_[slot(mac)] = entry(mac, port); }
  bool livesAt(uint64_t mac, int port) const { return entries_[slot(mac)] == entry(mac, port); }

  /** The address that begins here, of which the 2 bytes behind it are masked out. */
  static uint64_t mac(const uint8_t* at) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word & MAC_MASK;
  }

 private:
  static constexpr int MAC_BITS = 48;
  static constexpr uint64_t MAC_MASK = (1ULL << MAC_BITS) - 1;
  static constexpr uint32_t SLOTS = 1 << 17;
  /** A station that finds no place so near to its home takes the last one looked at: that one's station is flooded. */
  static constexpr int MAX_PROBE = 128;

  static uint64_t entry(uint64_t mac, int port) { return mac | static_cast<uint64_t>(port + 1) << MAC_BITS; }

  uint32_t home(uint64_t mac) const {
    uint32_t h = (static_cast<uint32_t>(mac >> 16) ^ keys_[0]) * (keys_[1] | 1);
    h ^= h >> 15;
    h = (h ^ static_cast<uint32_t>(mac & 0xffff)) * (keys_[2] | 1);
    return (h ^ h >> 16) % SLOTS;
  }

  /** Where a station is, or where it would go. */
  uint32_t slot(uint64_t mac) const {
    uint32_t at = home(mac);
    for (int probe = 0; probe < MAX_PROBE; probe++) {
      if (entries_[at] == 0 || (entries_[at] & MAC_MASK) == mac) break;
      at = (at + 1) % SLOTS;
    }
    return at;
  }

  uint32_t keys_[3];
  /** MAC, and above it port + 1; 0: free. */
  uint64_t* const entries_ = allocate<uint64_t>(SLOTS);
};

class Twin {
 public:
  Twin() { environment_.attach(pool_, result_, errors_, ready_, PORTS); }

  void add(int port, int kind, int fd) {
    const int error = addPort(environment_, port, kind, &fd, 1, true);
    errno = -error;
    if (error != 0) die("add", "a port");
  }

  [[noreturn]] void run() {
    int64_t busyUntil = 0;
    for (unsigned rounds = 0;; rounds++) {
      const int frames = round();
      const bool isIdle = !isActive_[0] && !isActive_[1];
      // While one port is busy, the other is looked at only now and then.
      if (!isIdle && rounds % POLL_INTERVAL != 0) continue;
      const int64_t now = nanoseconds(CLOCK_MONOTONIC);
      if (frames > 0 || !isIdle) busyUntil = now + SPIN_NS;
      if (now < busyUntil) {
        wait(0);
      } else {
        wait(-1);
        busyUntil = nanoseconds(CLOCK_MONOTONIC) + SPIN_NS;
      }
    }
  }

 private:
  /** One burst of each active port. Returns the frames received. */
  int round() {
    int frames = 0;
    for (int port = 0; port < PORTS; port++) frames += isActive_[port] ? take(port) : 0;
    return frames;
  }

  /** A port that has no more rests until it is ready again. */
  int take(int port) {
    const int n = receive(environment_, port, pool_.freeHeadCount, pool_.freeTailCount, BURST);
    isActive_[port] = n >= 0 && result_[RX_DRAINED] == 0;
    if (n <= 0) return 0;
    pool_.freeHeadCount -= n;
    pool_.freeTailCount -= result_[RX_TAILS];
    forward(port, 1 - port, n);
    return n;
  }

  /** Sends the burst by the other port, but for frames to stations that live where it came from. */
  void forward(int in, int out, int n) {
    int32_t* queue = pool_.queues + out * QUEUE;
    int queued = 0;
    for (int i = 0; i < n; i++) {
      const int32_t frame = pool_.burst[i];
      const uint8_t* bytes = pool_.bytes + pool_.offset[frame];
      stations_.learn(Stations::mac(bytes + ETH_ALEN), in);
      if (stations_.livesAt(Stations::mac(bytes), in)) {
        pool_.release(frame);
      } else {
        queue[queued++] = frame;
      }
    }
    // What the kernel refuses is dropped.
    if (queued > 0) send(environment_, out, queued);
    for (int i = 0; i < queued; i++) pool_.release(queue[i]);
  }

  void wait(int timeoutMs) {
    const int pairs = waitForPorts(environment_, timeoutMs);
    errno = -pairs;
    if (pairs < 0) die("wait for", "the ports");
    for (int i = 0; i < pairs; i++) {
      errno = ENODEV;
      if (ready_[i * 2 + 1] & READY_GONE) die("read", "a port");
      if (ready_[i * 2 + 1] & READY_READ) isActive_[ready_[i * 2]] = true;
    }
  }

  Pool pool_;
  Stations stations_;
  Environment environment_;
  bool isActive_[PORTS] = {};
  int32_t result_[RX_WORDS];
  int32_t errors_[QUEUE];
  int32_t ready_[PORTS * 2];
};

/** As native/tap.cc and src/io/tap.ts open it. */
int openTap(const char* name) {
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  ifreq request{};
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  const int header = VNET_BYTES;
  if (fd < 0 || ioctl(fd, TUNSETIFF, &request) || ioctl(fd, TUNSETVNETHDRSZ, &header)) die("make TAP", name);
  const unsigned offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
  const unsigned uso = 0x20 | 0x40;  // TUN_F_USO4, TUN_F_USO6: Linux 6.2
  if (ioctl(fd, TUNSETOFFLOAD, offloads | uso) && ioctl(fd, TUNSETOFFLOAD, offloads)) die("set offloads of", name);
  return fd;
}

/** As native/packet.cc opens it. Bound to no protocol it hears nothing until all is set. */
int openPacket(const char* device) {
  const int fd = packetSocket(device, 0);
  set(fd, SOL_PACKET, PACKET_VNET_HDR, 1, "PACKET_VNET_HDR");
  errno = -PacketRing::create(fd);
  if (errno != 0) die("make a ring for", device);
  set(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING");
  packet_mreq promiscuous{};
  promiscuous.mr_ifindex = static_cast<int>(if_nametoindex(device));
  promiscuous.mr_type = PACKET_MR_PROMISC;
  if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof promiscuous)) die("listen to all on", device);
  bindTo(fd, device, ETH_P_ALL);
  return fd;
}

}  // namespace

int main(int argc, char** argv) {
  const bool isTap = argc == 4 && strcmp(argv[1], "tap") == 0;
  if (!isTap && (argc != 4 || strcmp(argv[1], "packet") != 0)) return fputs("usage: twin tap|packet A B\n", stderr), 2;
  Twin twin;
  for (int port = 0; port < PORTS; port++) {
    const char* name = argv[2 + port];
    twin.add(port, isTap ? PORT_TAP : PORT_PACKET, isTap ? openTap(name) : openPacket(name));
  }
  puts("ready");
  fflush(stdout);
  twin.run();
}
