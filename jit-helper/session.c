/* See session.h. */
#include "session.h"

#include "peer.h"

#include <errno.h>
#include <stdio.h>

static int find_leader(const struct jh_proc *proc, struct jh_proc *ret)
{
	if (proc->audit_session != JH_NO_AUDIT)
		return jh_proc_topmost(proc, ret);
	if (proc->leader <= 0)
		return -ESRCH; /* started from outside our pid namespace */
	return jh_proc_read(proc->leader, ret);
}

int jh_session_of(struct jh_peer *peer, uid_t requester, struct jh_session *ret, int *ret_pidfd)
{
	const struct jh_proc *proc = &peer->proc;
	struct jh_proc leader = {0};
	/* With an audit session its number says which it is; the leader is for who watches its end. */
	if (ret_pidfd || proc->audit_session == JH_NO_AUDIT) {
		int r = jh_peer_look(peer);
		if (r == 0)
			r = find_leader(proc, &leader);
		if (r < 0)
			return r;
	}
	if (ret_pidfd) {
		int fd = jh_pidfd_hold(leader.pid, leader.start);
		if (fd < 0)
			return fd;
		*ret_pidfd = fd;
	}
	*ret = (struct jh_session){
		.known = true,
		.uid = requester,
		.audit = proc->audit_session,
		.leader = leader.pid,
		.leader_start = leader.start,
		.leader_tty = leader.tty,
	};
	return 0;
}

bool jh_session_same(const struct jh_session *a, const struct jh_session *b)
{
	if (!a->known || !b->known || a->uid != b->uid || a->audit != b->audit)
		return false;
	if (a->audit != JH_NO_AUDIT)
		return true;
	return a->leader == b->leader && a->leader_start == b->leader_start && a->leader_tty == b->leader_tty;
}

void jh_session_name(const struct jh_session *session, char *buf, size_t size)
{
	if (!session->known)
		snprintf(buf, size, "none yet");
	else if (session->audit != JH_NO_AUDIT)
		snprintf(buf, size, "%u", (unsigned)session->audit);
	else
		snprintf(buf, size, "pid %d", (int)session->leader);
}
