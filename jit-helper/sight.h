/*
 * The processes of this host at one moment, as /proc shows them. What was seen
 * may be gone, and its number another's, by the time somebody acts on it: who
 * does so looks again under a pidfd.
 */
#ifndef JH_SIGHT_H
#define JH_SIGHT_H

#include <stddef.h>

#include "proc.h"

struct jh_sight {
	struct jh_proc proc;
	uid_t uid; /* real */
};

/* The real uid in the text of /proc/PID/status. 0 or -EINVAL. */
int jh_sight_parse_uid(const char *status, uid_t *ret);
/* Facts and uid of one process. 0; -ESRCH: gone; -errno. */
int jh_sight_read(pid_t pid, struct jh_sight *ret);

/*
 * Calls for each process of that audit session, or with JH_NO_AUDIT for every one. 0; -errno, also where one could not
 * be looked at for want of descriptors or memory: then not all were seen.
 */
int jh_sight_each(uint32_t audit_session, void (*seen)(const struct jh_sight *sight, void *arg), void *arg);

#endif
