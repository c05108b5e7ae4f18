// The epoll set of a thread's ports, and its eventfd.
//
// Ports are watched by edge, so a burst costs no wake-up beyond its first frame's. A TAP is asked for
// EPOLLOUT too, whose edge says that its kernel end came up; sending does not cause one (measured).
#pragma once
#include "environment.h"

// Puts a port's descriptors into the set: 0 or -errno (then none is in it).
int watchPort(Environment& env, int32_t slot);
void unwatchPort(Environment& env, int32_t slot);
// Makes the next wait report a port again if there is anything to report.
void rearmPort(Environment& env, int32_t slot);
// The eventfd that ends a wait, instead of the one before. 0 or -errno.
int watchEventfd(Environment& env, int fd);
// Shim.poll: pairs in env.ready, or -errno.
int waitForPorts(Environment& env, int timeoutMs);
