/*
 * The session keyring: where the elevated session's processes find the token
 * that proves what they are. Raw system calls (keyctl(2)), no libkeyutils.
 */
#ifndef PJ_RING_H
#define PJ_RING_H

#include "args.h"
#include "proto.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Puts the token into a session keyring that is this session's own, never the
 * invoker's or a daemon's: sudo, su and the like join a new one; in sshd and
 * login the one that pam_keyinit made for `uid` is used, and a new one joined
 * where there is none, or where the user's quota has no room left in it.
 *
 * The key lasts for `remaining` seconds (positive), is readable by who possesses
 * the ring and by nobody else, and is owned by the effective uid. 0 or -errno:
 * then nothing of it is left.
 */
int pj_ring_place(enum pj_app app, uid_t uid, const uint8_t token[static JIT_TOKEN_LEN], uint32_t remaining,
		  int32_t *ret_key);

/*
 * True where the failure says that this process is given no keyrings at all: a container's filter (EPERM),
 * a kernel without them (ENOSYS), a quota that is used up (EDQUOT).
 */
bool pj_ring_is_denied(int r);

/* Takes the key away at once. One that is gone already is as good. */
void pj_ring_drop(int32_t key);

#endif
