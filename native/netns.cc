#include "netns.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/nsfs.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "args.h"

namespace {

// /proc/self would be the main thread's.
constexpr const char* OWN = "/proc/thread-self/ns/net";

int open(const char* path) {
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

// A path can name any file; only a network namespace will do.
int openNetwork(const char* path) {
  const int fd = open(path);
  if (fd < 0) return fd;
  const int type = ioctl(fd, NS_GET_NSTYPE);
  if (type == CLONE_NEWNET) return fd;
  ::close(fd);
  return -EINVAL;
}

// Runs on a thread of its own, which ends in the new namespace: the descriptor alone keeps it.
void* makeNamespace(void* result) {
  const int made = unshare(CLONE_NEWNET) == 0 ? open(OWN) : -errno;
  *static_cast<int*>(result) = made;
  return nullptr;
}

int newNamespaceFd() {
  int fd = -EAGAIN;
  pthread_t thread;
  const int error = pthread_create(&thread, nullptr, makeNamespace, &fd);
  if (error != 0) return -error;
  pthread_join(thread, nullptr);
  return fd;
}

}  // namespace

Visit::Visit(int fd) {
  if (fd == -1) return;
  home_ = open(OWN);
  if (home_ < 0) {
    error_ = home_;
  } else if (setns(fd, CLONE_NEWNET) != 0) {
    error_ = -errno;
    ::close(home_);
    home_ = -1;
  }
}

Visit::~Visit() {
  if (home_ < 0) return;
  // Nothing that follows could be trusted to happen in the right place.
  if (setns(home_, CLONE_NEWNET) != 0) {
    perror("sluice: cannot return to the network namespace of this process");
    abort();
  }
  ::close(home_);
}

Napi::Value openNamespace(const Napi::CallbackInfo& info) {
  Args args(info);
  const std::string path = args.string(0);
  return args.ok() ? answer(info, openNetwork(path.c_str())) : info.Env().Undefined();
}

Napi::Value newNamespace(const Napi::CallbackInfo& info) { return answer(info, newNamespaceFd()); }

Napi::Value enterNamespace(const Napi::CallbackInfo& info) {
  Args args(info);
  const int fd = args.integer(0);
  if (!args.ok()) return info.Env().Undefined();
  if (fd == -1) return answer(info, 0);
  return answer(info, setns(fd, CLONE_NEWNET) == 0 ? 0 : -errno);
}
