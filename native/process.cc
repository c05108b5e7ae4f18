#include "process.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "args.h"

namespace {

// All that the child needs, made before fork: behind it only async-signal-safe calls are allowed,
// because the other threads' locks stay as they were.
struct Program {
  std::vector<char*> argv;
  char uidMap[32];
  char gidMap[32];
};

Program prepare(std::string& file, std::vector<std::string>& args) {
  Program program;
  program.argv.push_back(file.data());
  for (auto& arg : args) program.argv.push_back(arg.data());
  program.argv.push_back(nullptr);
  snprintf(program.uidMap, sizeof program.uidMap, "0 %u 1\n", static_cast<unsigned>(geteuid()));
  snprintf(program.gidMap, sizeof program.gidMap, "0 %u 1\n", static_cast<unsigned>(getegid()));
  return program;
}

int writeFile(const char* path, const char* text) {
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  const ssize_t size = static_cast<ssize_t>(strlen(text));
  const int error = ::write(fd, text, size) == size ? 0 : errno;
  ::close(fd);
  return error;
}

// In the child: errno of what failed; does not return if nothing did.
int enter(const Program& program) {
  if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) != 0) return errno;
  int error = writeFile("/proc/self/uid_map", program.uidMap);
  // Without the right to change groups a gid map is allowed only to those who give up setgroups.
  if (error == 0) error = writeFile("/proc/self/setgroups", "deny");
  if (error == 0) error = writeFile("/proc/self/gid_map", program.gidMap);
  if (error != 0) return error;
  // Whoever stops the parent alone stops the child too.
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  // Node marks its standard streams close-on-exec.
  for (int fd = 0; fd <= 2; fd++) fcntl(fd, F_SETFD, 0);
  execv(program.argv[0], program.argv.data());
  return errno;
}

int waitFor(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return -errno;
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// Ctrl-C reaches both (one process group); the parent stays to report how the child ended.
int waitThroughInterrupts(pid_t child) {
  struct sigaction ignore {};
  struct sigaction before {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGINT, &ignore, &before);
  const int status = waitFor(child);
  sigaction(SIGINT, &before, nullptr);
  return status;
}

int run(const Program& program) {
  // The pipe closes when exec succeeds; otherwise the child's errno comes through it.
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) return -errno;
  const pid_t child = fork();
  if (child == 0) {
    const int error = enter(program);
    (void)!::write(report[1], &error, sizeof error);
    _exit(127);
  }
  int error = child < 0 ? errno : 0;
  ::close(report[1]);
  if (child > 0 && ::read(report[0], &error, sizeof error) <= 0) error = 0;
  ::close(report[0]);
  if (child < 0) return -error;
  const int status = waitThroughInterrupts(child);
  return error != 0 ? -error : status;
}

}  // namespace

Napi::Value runInUserNamespace(const Napi::CallbackInfo& info) {
  Args args(info);
  std::string file = args.string(0);
  std::vector<std::string> list = args.strings(1);
  return args.ok() ? answer(info, run(prepare(file, list))) : info.Env().Undefined();
}

Napi::Value pin(const Napi::CallbackInfo& info) {
  Args args(info);
  const int core = args.integer(0);
  if (!args.ok()) return info.Env().Undefined();
  if (core < 0 || core >= CPU_SETSIZE) return answer(info, -EINVAL);
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  return answer(info, sched_setaffinity(0, sizeof cores, &cores) == 0 ? 0 : -errno);
}

Napi::Value threadCpu(const Napi::CallbackInfo& info) {
  timespec spent{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  return answer(info, static_cast<double>(spent.tv_sec) * 1e6 + static_cast<double>(spent.tv_nsec) / 1e3);
}
