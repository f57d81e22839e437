/*
 * A sandbox that a daemon goes into once it has started, and never leaves: the
 * files that it may read and write and the TCP ports that it may connect to
 * (Landlock, as far as the kernel has it), and the system calls that it may make
 * (seccomp, sandbox_calls.h). It needs no privilege but no_new_privs.
 *
 * What is allowed is written down first, in any order; a lack of memory shows
 * when it is entered. Kept afterwards, it says what a changed configuration would need beyond it.
 */
#ifndef JIT_SANDBOX_H
#define JIT_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct jit_sandbox;

/* What a file, or all that is below a folder, may be used for. No program is executed from anywhere. */
enum jit_sandbox_use {
	JIT_SANDBOX_READ,
	JIT_SANDBOX_WRITE,    /* read, written, made, renamed within its folder, removed: regular files */
	JIT_SANDBOX_TERMINAL, /* what is there is written to, and asked what it is */
};

/* What beside files and ports is left to it. */
struct jit_sandbox_rule {
	const char *const *calls; /* system calls beside those of sandbox_calls.h, ending with NULL */
	bool signals;		  /* processes outside may be signalled, by a pidfd */
};

/* NULL: out of memory. */
struct jit_sandbox *jit_sandbox_new(void);
/* The process stays in it. NULL is fine. */
void jit_sandbox_free(struct jit_sandbox *sandbox);

/* What is not there when the sandbox is entered is not allowed later either. A relative path or NULL: nothing. */
void jit_sandbox_path(struct jit_sandbox *sandbox, enum jit_sandbox_use use, const char *path);
/* A file that may be replaced by another of its name: its folder, and, where it is a link, that of what it leads to. */
void jit_sandbox_file(struct jit_sandbox *sandbox, enum jit_sandbox_use use, const char *path);
void jit_sandbox_port(struct jit_sandbox *sandbox, uint16_t port);
/* The port of "scheme://host:port/…", or of a scheme without one. NULL: none. */
void jit_sandbox_url(struct jit_sandbox *sandbox, const char *url);
/* What any program needs that resolves names of hosts and users, verifies certificates and knows time zones. */
void jit_sandbox_system(struct jit_sandbox *sandbox);

/*
 * For good. 0; 1: Landlock or seccomp is missing altogether; in both cases `why` says
 * by what the process is confined now, and what to do about what is missing. -errno:
 * nothing can be relied on, with a sentence in `why`.
 */
int jit_sandbox_enter(struct jit_sandbox *sandbox, const struct jit_sandbox_rule *rule, char *why, size_t why_size);

/* Does what was entered allow all that is wanted? False: `what` names the first that it does not. */
bool jit_sandbox_covers(const struct jit_sandbox *entered, const struct jit_sandbox *wanted, char *what,
			size_t what_size);

#endif
