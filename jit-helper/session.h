/*
 * The login session that a grant belongs to: (audit session, requester's uid),
 * and where the kernel knows no audit session, the session leader's process
 * with its terminal. Grants live in this process' memory, so the boot is
 * always the same one.
 */
#ifndef JH_SESSION_H
#define JH_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "proc.h"
#include "proto.h"

#define JH_ANY_UID ((uid_t)-1) /* of what was made for a name alone */

struct jh_peer;

struct jh_session {
	bool known; /* false: a login service before open_session; matches nothing */
	uid_t uid;  /* the requester's */
	uint32_t audit;
	/* The process whose death ends the session: the topmost ancestor with that audit session, which is 0 where
	 * nobody wanted to watch it, or the session leader. */
	pid_t leader;
	uint64_t leader_start;
	int leader_tty;
	char place[JIT_NAME_SIZE]; /* where it comes from, see place.h; no part of which session it is. "": not known */
};

/*
 * The login session of a peer's process. In
 * *ret_pidfd (may be NULL) the leader's pidfd, the caller's to close. 0 or -errno.
 */
int jh_session_of(struct jh_peer *peer, uid_t requester, struct jh_session *ret, int *ret_pidfd);

bool jh_session_same(const struct jh_session *a, const struct jh_session *b);

/* "3" or "pid 412", for logs and for the approver. */
void jh_session_name(const struct jh_session *session, char *buf, size_t size);

#endif
