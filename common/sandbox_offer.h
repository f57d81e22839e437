/*
 * What this kernel offers for a sandbox (sandbox.h), to whoever asks: its version
 * of Landlock, and filters of system calls (seccomp); and the words for what is
 * missing and what to do about it. It needs libc alone, and changes nothing.
 */
#ifndef JIT_SANDBOX_OFFER_H
#define JIT_SANDBOX_OFFER_H

#include <stdbool.h>
#include <stddef.h>

/* The versions of Landlock (its ABI) that were the first to limit these. */
enum {
	JIT_LANDLOCK_REFER = 2,
	JIT_LANDLOCK_TRUNCATE = 3,
	JIT_LANDLOCK_TCP = 4,
	JIT_LANDLOCK_IOCTL = 5,
	JIT_LANDLOCK_SCOPE = 6,
};

struct jit_sandbox_offer {
	int landlock; /* its version, from 1 on; -ENOSYS: not built in, -EOPNOTSUPP: not enabled at boot; else -errno */
	int seccomp;  /* 0, or -errno */
};

enum jit_sandbox_part { JIT_SANDBOX_LANDLOCK, JIT_SANDBOX_SECCOMP, JIT_SANDBOX_PARTS };

/* What keeps a part from being had: "this kernel has none", and what to do: "use Linux 5.13 …". */
struct jit_sandbox_lack {
	const char *part;
	char why[96];
	const char *remedy;
};

/* Landlock as in struct jit_sandbox_offer, for who goes into a sandbox now. */
int jit_sandbox_landlock(void);
struct jit_sandbox_offer jit_sandbox_ask(void);

/* Is that part missing altogether? True: *ret says why. */
bool jit_sandbox_lacks(const struct jit_sandbox_offer *offer, enum jit_sandbox_part part, struct jit_sandbox_lack *ret);
/* What an older Landlock does not limit ("neither …"); NULL: nothing, or there is none. */
const char *jit_sandbox_unlimited(const struct jit_sandbox_offer *offer);
/* By what a process is confined that took all of it, and by what not, in one line. */
void jit_sandbox_say(const struct jit_sandbox_offer *offer, char *buf, size_t size);

#endif
