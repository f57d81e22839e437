/* The host's accounts, as NSS knows them: re-entrant look-ups by name, uid and group. */
#ifndef PJ_USER_H
#define PJ_USER_H

#include "proto.h"

#include <stdbool.h>
#include <sys/types.h>

struct pj_user {
	char name[JIT_NAME_SIZE];
	uid_t uid;
	gid_t gid;
};

/* 0; -ENOENT: no such user; -errno: the accounts cannot be read, or the name is over-long. */
int pj_user_by_name(const char *name, struct pj_user *ret);
int pj_user_by_uid(uid_t uid, struct pj_user *ret);

/* True when `group` exists and the user is in it, by the primary group or as a member. */
bool pj_user_in_group(const char *user, gid_t primary, const char *group);

#endif
