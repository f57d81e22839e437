/*
 * What the daemon takes from itself before it serves: inherited descriptors,
 * core dumps, new privileges, root; and the secure heap that secrets lie in.
 */
#ifndef JH_HARDEN_H
#define JH_HARDEN_H

#include <stdbool.h>
#include <stddef.h>

/* /dev/null as stdin, nothing open from 3 + `kept` on, umask, limits, no_new_privs, no core dumps. 0 or -errno. */
int jh_harden_start(int kept);

/* A locked secure heap that no core dump holds. 0, or -errno with a sentence in `why`. */
int jh_harden_secrets(char *why, size_t why_size);

/*
 * Started as root: becomes `user` for good, and makes sure of it, with CAP_KILL
 * alone (to end what a grant with on_expiry = end left running) and the group
 * tty alone (to warn on terminals). Started as somebody else: stays that, and
 * keeps of its capabilities at most this one. 0, or -errno with a sentence in
 * `why`.
 */
int jh_harden_drop(const char *user, char *why, size_t why_size);
/* May it end processes of other users? */
bool jh_harden_may_kill(void);

#endif
