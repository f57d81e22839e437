/*
 * Names of users and groups: every look-up of the helper goes through here, so
 * that a directory server that hangs does not hang the loop.
 *
 * /etc/passwd and /etc/group are read first and answer for local names without
 * anybody else. Only what they do not know is asked of the host's other sources
 * (nsswitch.conf), by one thread, for whose answer the loop waits JH_NAMES_MS at
 * most. While that thread is stuck nothing more is asked of it: what it would
 * have to say counts as unknown at once.
 */
#ifndef JH_NAMES_H
#define JH_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define JH_NAMES_MS 300

/* 0; -ENOENT: nobody of that name; -ETIMEDOUT: the host's directory does not answer; -EAGAIN: no thread to be had. */
int jh_names_uid(const char *name, uid_t *ret);
/* The name of that uid. As above. */
int jh_names_name(uid_t uid, char *buf, size_t size);

/*
 * Is `name` a user of this very uid, and in the group (primary or
 * supplementary)? Whatever cannot be told is no.
 */
bool jh_names_member(const char *name, uid_t uid, const char *group);

/* For tests: where the local files are, and a look-up that takes that long. */
struct jh_names_test {
	const char *passwd, *group;
	int delay_ms; /* of each that goes beyond the local files */
};
void jh_names_set_test(const struct jh_names_test *test);

#endif
