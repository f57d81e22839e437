/*
 * The system calls that a daemon in its sandbox may make: what libc, libevent,
 * OpenSSL, libcurl and a resolver of names need, and no more. A call that nobody
 * here makes is answered ENOSYS, so that a library which tries something newer falls back; one that only an attacker
 * makes (a program, a debugger, a module, a mount) ends the process. The kernel's log names both.
 */
#ifndef JIT_SANDBOX_CALLS_H
#define JIT_SANDBOX_CALLS_H

#include <stdbool.h>
#include <stddef.h>

/* From now on, for all threads, these calls and those of `more`, which ends with NULL. 0; -ENOSYS: not with this
 * kernel; else -errno. */
int jit_sandbox_calls(const char *const *more);

/* Is this a build that also allows what AddressSanitizer needs, which a build to be used must not? */
bool jit_sandbox_calls_loose(void);

#endif
