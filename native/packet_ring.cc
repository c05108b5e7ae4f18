#include "packet_ring.h"

#include <sys/mman.h>
#include <sys/socket.h>

#include <cerrno>

namespace {

constexpr size_t BYTES = static_cast<size_t>(PacketRing::FRAMES) * PacketRing::FRAME_BYTES;
constexpr unsigned BLOCK_BYTES = 64 << 10;

int set(int fd, int option, const void* value, socklen_t size) {
  return setsockopt(fd, SOL_PACKET, option, value, size) == 0 ? 0 : -errno;
}

}  // namespace

PacketRing::~PacketRing() {
  if (memory_ != nullptr) munmap(memory_, BYTES);
}

int PacketRing::create(int fd) {
  const int version = TPACKET_V2;
  // Any value but 0: frames that do not fit are queued whole.
  const int copy = 1;
  const tpacket_req request{BLOCK_BYTES, BYTES / BLOCK_BYTES, FRAME_BYTES, FRAMES};
  int error = set(fd, PACKET_VERSION, &version, sizeof version);
  if (error == 0) error = set(fd, PACKET_COPY_THRESH, &copy, sizeof copy);
  if (error == 0) error = set(fd, PACKET_RX_RING, &request, sizeof request);
  return error;
}

int PacketRing::map(int fd) {
  void* memory = mmap(nullptr, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return -errno;
  memory_ = static_cast<uint8_t*>(memory);
  for (unsigned i = 0; i < FRAMES; i++) {
    if (filled(at(i))) __atomic_store_n(&at(i)->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
  }
  while (recv(fd, nullptr, 0, MSG_DONTWAIT | MSG_TRUNC) >= 0) {
  }
  return 0;
}

// The first frame of the filled stretch.
tpacket2_hdr* PacketRing::search() {
  for (unsigned i = 0; i < FRAMES; i++) {
    if (!filled(at(i)) || filled(at((i + FRAMES - 1) % FRAMES))) continue;
    next_ = i;
    return at(i);
  }
  return nullptr;
}
