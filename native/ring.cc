#include "ring.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

// Since Linux 5.18 to 6.1; the C library's headers may be older than the kernel.
#ifndef IORING_SETUP_SUBMIT_ALL
#define IORING_SETUP_SUBMIT_ALL (1U << 7)
#endif
#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif

namespace {

void* mapRing(int fd, size_t bytes, off_t offset) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);
  return memory == MAP_FAILED ? nullptr : memory;
}

template <typename T>
T* at(void* base, uint32_t offset) {
  return reinterpret_cast<T*>(static_cast<uint8_t*>(base) + offset);
}

}  // namespace

Ring::~Ring() { close(); }

void Ring::close() {
  if (entries_ != nullptr) munmap(entries_, entriesBytes_);
  if (rings_ != nullptr) munmap(rings_, ringsBytes_);
  if (fd_ >= 0) ::close(fd_);
  entries_ = nullptr;
  rings_ = nullptr;
  fd_ = -1;
  state_ = REFUSED;
}

bool Ring::open() {
  if (state_ != UNTRIED) return state_ == OPEN;
  io_uring_params params{};
  params.flags = IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
  // The descriptor is close-on-exec by itself.
  fd_ = static_cast<int>(syscall(SYS_io_uring_setup, ENTRIES, &params));
  if (fd_ < 0 || !(params.features & IORING_FEAT_SINGLE_MMAP) || !map(params)) {
    close();
    return false;
  }
  state_ = OPEN;
  return true;
}

bool Ring::map(const io_uring_params& params) {
  const auto& submit = params.sq_off;
  const auto& complete = params.cq_off;
  ringsBytes_ = std::max(submit.array + params.sq_entries * sizeof(uint32_t),
                         complete.cqes + params.cq_entries * sizeof(io_uring_cqe));
  entriesBytes_ = params.sq_entries * sizeof(io_uring_sqe);
  rings_ = mapRing(fd_, ringsBytes_, IORING_OFF_SQ_RING);
  entries_ = static_cast<io_uring_sqe*>(mapRing(fd_, entriesBytes_, IORING_OFF_SQES));
  if (rings_ == nullptr || entries_ == nullptr) return false;
  submitTail_ = at<unsigned>(rings_, submit.tail);
  submitMask_ = *at<unsigned>(rings_, submit.ring_mask);
  completeHead_ = at<unsigned>(rings_, complete.head);
  completeTail_ = at<unsigned>(rings_, complete.tail);
  completeMask_ = *at<unsigned>(rings_, complete.ring_mask);
  completions_ = at<io_uring_cqe>(rings_, complete.cqes);
  // Entry i of the queue is always entry i of the array.
  for (unsigned i = 0; i < params.sq_entries; i++) at<unsigned>(rings_, submit.array)[i] = i;
  tail_ = *submitTail_;
  return true;
}

io_uring_sqe& Ring::next(unsigned index, int operation, int fd, const void* data, uint32_t size) {
  io_uring_sqe& entry = entries_[tail_++ & submitMask_];
  memset(&entry, 0, sizeof entry);
  entry.opcode = static_cast<uint8_t>(operation);
  entry.fd = fd;
  entry.off = UINT64_MAX;
  entry.addr = reinterpret_cast<uint64_t>(data);
  entry.len = size;
  entry.rw_flags = RWF_NOWAIT;
  entry.user_data = index;
  queued_++;
  return entry;
}

void Ring::read(unsigned index, int fd, void* data, uint32_t size) { next(index, IORING_OP_READ, fd, data, size); }

void Ring::write(unsigned index, int fd, const void* data, uint32_t size) {
  next(index, IORING_OP_WRITE, fd, data, size);
}

void Ring::writev(unsigned index, int fd, const iovec* parts, uint32_t count) {
  next(index, IORING_OP_WRITEV, fd, parts, count);
}

unsigned Ring::reap(int32_t* results) {
  const unsigned tail = __atomic_load_n(completeTail_, __ATOMIC_ACQUIRE);
  unsigned head = *completeHead_;
  const unsigned count = tail - head;
  for (; head != tail; head++) {
    const io_uring_cqe& completion = completions_[head & completeMask_];
    results[completion.user_data] = completion.res;
  }
  __atomic_store_n(completeHead_, head, __ATOMIC_RELEASE);
  return count;
}

void Ring::run(int32_t* results) {
  // What holds if the ring breaks.
  for (unsigned i = tail_ - queued_; i != tail_; i++) results[entries_[i & submitMask_].user_data] = -EIO;
  unsigned unsent = queued_;
  unsigned unfinished = queued_;
  queued_ = 0;
  __atomic_store_n(submitTail_, tail_, __ATOMIC_RELEASE);
  while (unfinished > 0) {
    const long sent = syscall(SYS_io_uring_enter, fd_, unsent, unfinished, IORING_ENTER_GETEVENTS, nullptr, 0);
    if (sent > 0) unsent -= static_cast<unsigned>(sent);
    unfinished -= reap(results);
    // Not enough memory for a request (EAGAIN) passes; anything else would be a bug here.
    if (sent < 0 && errno != EINTR && errno != EAGAIN && errno != EBUSY) return close();
  }
}
