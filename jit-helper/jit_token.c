/* The session token out of the kernel's session keyring, by raw system calls (keyctl(2)). See jit.h. */
#include <errno.h>
#include <linux/keyctl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "jit.h"

/* "user;UID;GID;PERM;NAME": made by root, so not by whoever runs this. */
static int is_roots(long key)
{
	static const char roots[] = "user;0;";
	char text[256];
	long n = syscall(SYS_keyctl, KEYCTL_DESCRIBE, key, text, sizeof(text));

	if (n < 0)
		return -errno;
	return n > (long)sizeof(roots) && memcmp(text, roots, sizeof(roots) - 1) == 0 ? 0 : -EACCES;
}

int jit_session_token(uint8_t token[static JIT_TOKEN_LEN])
{
	/* A search of the ring, not request_key(2): that would hide an expired key, and may start a program. */
	long key = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", JIT_KEY_NAME, 0);

	if (key < 0)
		return -errno;
	int r = is_roots(key);
	if (r < 0)
		return r;
	long n = syscall(SYS_keyctl, KEYCTL_READ, key, token, JIT_TOKEN_LEN);
	if (n < 0)
		return -errno;
	return n == JIT_TOKEN_LEN ? 0 : -EINVAL;
}
