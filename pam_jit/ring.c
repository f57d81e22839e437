/* See ring.h. */
#include "ring.h"

#include "text.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Possessor: view, read, search (linux/key.h, not exported). Nobody else anything, the owner neither. */
#define TOKEN_PERMISSIONS 0x0b000000UL
#define DESCRIPTION_SIZE  256

static long keyctl(int operation, unsigned long a, unsigned long b, unsigned long c)
{
	long r = syscall(SYS_keyctl, operation, a, b, c, 0UL);

	return r < 0 ? -errno : r;
}

static const unsigned long session_ring = (unsigned long)KEY_SPEC_SESSION_KEYRING;

/*
 * "keyring;UID;GID;PERMISSIONS;NAME": a ring that pam_keyinit made for the user.
 * root's is not told apart from the one that systemd gives to sshd as a whole,
 * which every login would share.
 */
static bool is_made_for(uid_t uid)
{
	char text[DESCRIPTION_SIZE];
	uint64_t owner;

	long n = keyctl(KEYCTL_DESCRIBE, session_ring, (unsigned long)text, sizeof(text));
	if (uid == 0 || n <= 0 || (size_t)n > sizeof(text))
		return false;
	char *rest = text, *type = strsep(&rest, ";"), *number = strsep(&rest, ";");
	const char *name = rest ? strrchr(rest, ';') : NULL;
	if (strcmp(type, "keyring") != 0 || jit_parse_u64(number, UINT32_MAX, &owner) < 0 || owner != uid)
		return false;
	/* "_uid_ses.N", the user's default ring, is every session's. */
	return name && strcmp(name, ";_ses") == 0;
}

static long join(void)
{
	long before = keyctl(KEYCTL_GET_KEYRING_ID, session_ring, 0, 0);
	long joined = keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0);

	if (joined < 0)
		return joined;
	long now = keyctl(KEYCTL_GET_KEYRING_ID, session_ring, 0, 0);
	return now == joined && now != before ? 0 : -EKEYREJECTED;
}

/*
 * A ring is charged to the real uid: an invoker who has used up their quota
 * would make the join fail, and their own ring stay.
 */
static int join_as_root(void)
{
	uid_t real, effective, saved;

	/* Not root's process, which says nothing of keyrings: never -EPERM. */
	if (getresuid(&real, &effective, &saved) < 0 || setresuid(0, 0, 0) < 0)
		return -EACCES;
	long r = join();
	if (setresuid(real, effective, saved) < 0)
		return -EACCES;
	return (int)r;
}

static int add(const uint8_t token[static JIT_TOKEN_LEN], uint32_t remaining, int32_t *ret_key)
{
	long key = syscall(SYS_add_key, "user", JIT_KEY_NAME, token, (size_t)JIT_TOKEN_LEN, KEY_SPEC_SESSION_KEYRING);

	if (key < 0)
		return -errno;
	/* In this order: with the permissions cut, the timeout can no longer be set. */
	long r = keyctl(KEYCTL_SET_TIMEOUT, (unsigned long)key, remaining, 0);
	if (r == 0)
		r = keyctl(KEYCTL_SETPERM, (unsigned long)key, TOKEN_PERMISSIONS, 0);
	if (r < 0) {
		pj_ring_drop((int32_t)key);
		return (int)r;
	}
	*ret_key = (int32_t)key;
	return 0;
}

int pj_ring_place(enum pj_app app, uid_t uid, const uint8_t token[static JIT_TOKEN_LEN], uint32_t remaining,
		  int32_t *ret_key)
{
	bool is_theirs = (app == PJ_SSHD || app == PJ_LOGIN) && is_made_for(uid);
	int r = is_theirs ? add(token, remaining, ret_key) : -EDQUOT;

	/* Their quota is for anything of theirs to use up, and a session without a token is a weaker one. */
	if (r != -EDQUOT)
		return r;
	r = join_as_root();
	return r < 0 ? r : add(token, remaining, ret_key);
}

bool pj_ring_is_denied(int r)
{
	return r == -EPERM || r == -ENOSYS || r == -EDQUOT;
}

void pj_ring_drop(int32_t key)
{
	/* Invalidating needs no more than search, which is left; revoking would need write. */
	keyctl(KEYCTL_INVALIDATE, (unsigned long)key, 0, 0);
	keyctl(KEYCTL_UNLINK, (unsigned long)key, session_ring, 0);
}
