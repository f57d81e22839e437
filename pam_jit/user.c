/* See user.h. */
#include "user.h"

#include "cleanup.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

#define PASSWD_BUFFER	 16384
#define GROUP_BUFFER	 4096
#define GROUP_BUFFER_MAX (1 << 20) /* a group of some 30,000 members */
#define GROUPS_MAX	 65536	   /* NGROUPS_MAX of Linux */

static int keep(const struct passwd *found, int r, struct pj_user *ret)
{
	if (r != 0)
		return -r;
	if (!found)
		return -ENOENT;
	size_t len = strlen(found->pw_name);
	if (len == 0 || len >= sizeof(ret->name))
		return -ENAMETOOLONG;
	memcpy(ret->name, found->pw_name, len + 1);
	ret->uid = found->pw_uid;
	ret->gid = found->pw_gid;
	return 0;
}

int pj_user_by_name(const char *name, struct pj_user *ret)
{
	char buf[PASSWD_BUFFER];
	struct passwd pw, *found = NULL;
	int r = getpwnam_r(name, &pw, buf, sizeof(buf), &found);

	return keep(found, r, ret);
}

int pj_user_by_uid(uid_t uid, struct pj_user *ret)
{
	char buf[PASSWD_BUFFER];
	struct passwd pw, *found = NULL;
	int r = getpwuid_r(uid, &pw, buf, sizeof(buf), &found);

	return keep(found, r, ret);
}

static int group_id(const char *name, gid_t *ret)
{
	for (size_t size = GROUP_BUFFER; size <= GROUP_BUFFER_MAX; size *= 4) {
		struct group gr, *found = NULL;
		JIT_FREE char *buf = malloc(size);

		if (!buf)
			return -ENOMEM;
		int r = getgrnam_r(name, &gr, buf, size, &found);
		if (r == ERANGE)
			continue;
		if (r != 0)
			return -r;
		if (!found)
			return -ENOENT;
		*ret = gr.gr_gid;
		return 0;
	}
	return -ERANGE;
}

bool pj_user_in_group(const char *user, gid_t primary, const char *group)
{
	gid_t gid = (gid_t)-1;
	int n = 64;

	if (group_id(group, &gid) < 0)
		return false;
	for (;;) {
		int had = n;
		JIT_FREE gid_t *groups = calloc((size_t)n, sizeof(*groups));

		if (!groups)
			return false;
		if (getgrouplist(user, primary, groups, &n) >= 0) {
			for (int i = 0; i < n; i++)
				if (groups[i] == gid)
					return true;
			return false;
		}
		/* Too many for the array: n says how many there are. */
		if (n <= had || n > GROUPS_MAX)
			return false;
	}
}
