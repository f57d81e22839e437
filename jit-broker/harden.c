/* See harden.h. */
#include "harden.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "cryptomem.h"

#define HEAP_LEAST     ((size_t)2 << 20)
#define HEAP_BLOCK     32 /* bytes: a private key on a curve */
#define PER_CONNECTION (2 * (size_t)HEAP_BLOCK)

/* Nobody but root looks into this process, and nothing it starts gains rights. */
int jb_harden(void)
{
	const struct rlimit none = {0, 0};

	umask(077);
	signal(SIGPIPE, SIG_IGN);
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    setrlimit(RLIMIT_CORE, &none) < 0)
		return -errno;
	return 0;
}

int jb_harden_secrets(uint32_t connections, char *why, size_t why_size)
{
	size_t size = HEAP_LEAST;

	if (!jit_cryptomem_wipes(why, why_size))
		return -1;
	/* What is not used takes no memory. */
	while (size < HEAP_LEAST + connections * PER_CONNECTION)
		size *= 2;
	switch (CRYPTO_secure_malloc_init(size, HEAP_BLOCK)) {
	case 1:
		return 0;
	case 2: /* made, but not locked or not kept out of core dumps */
		snprintf(why, why_size,
			 "%zu MiB for secrets cannot be locked, so that they may be swapped out: raise the limit "
			 "(LimitMEMLOCK=64M in the unit)",
			 size >> 20);
		return 1;
	default:
		snprintf(why, why_size, "cannot make a heap for secrets: out of memory");
		return -1;
	}
}
