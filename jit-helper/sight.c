/* See sight.h. */
#include "sight.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "text.h"

#define STATUS_SIZE 4096 /* the uid stands within the first lines */

int jh_sight_parse_uid(const char *status, uid_t *ret)
{
	static const char name[] = "\nUid:\t";
	const char *at = strstr(status, name);
	char digits[16];
	uint64_t value;

	if (!at)
		return -EINVAL;
	at += sizeof(name) - 1;
	size_t len = strspn(at, "0123456789");
	if (len == 0 || len >= sizeof(digits) || at[len] != '\t')
		return -EINVAL;
	memcpy(digits, at, len);
	digits[len] = '\0';
	if (jit_parse_u64(digits, UINT32_MAX, &value) < 0)
		return -EINVAL;
	*ret = (uid_t)value;
	return 0;
}

int jh_sight_read(pid_t pid, struct jh_sight *ret)
{
	struct jh_sight sight;
	char status[STATUS_SIZE];
	int r = jh_proc_read(pid, &sight.proc);

	if (r == 0)
		r = jh_proc_text(pid, "status", status, sizeof(status));
	if (r == 0)
		r = jh_sight_parse_uid(status, &sight.uid);
	if (r == 0)
		*ret = sight;
	return r;
}

/* 0; -ESRCH: gone; -errno. */
static int see(pid_t pid, uint32_t audit_session, void (*seen)(const struct jh_sight *sight, void *arg), void *arg)
{
	struct jh_sight sight;
	uint32_t audit;
	int r = 0;

	/* Most processes are of another session: one short read tells. */
	if (audit_session != JH_NO_AUDIT) {
		r = jh_proc_audit(pid, &audit);
		if (r < 0 || audit != audit_session)
			return r;
	}
	r = jh_sight_read(pid, &sight);
	if (r == 0)
		seen(&sight, arg);
	return r;
}

int jh_sight_each(uint32_t audit_session, void (*seen)(const struct jh_sight *sight, void *arg), void *arg)
{
	struct dirent *entry;
	uint64_t pid;
	int r = 0;
	DIR *dir = opendir("/proc");

	if (!dir)
		return -errno;
	while (r == 0) {
		errno = 0;
		entry = readdir(dir);
		if (!entry) {
			r = -errno;
			break;
		}
		if (jit_parse_u64(entry->d_name, INT32_MAX, &pid) < 0 || pid == 0)
			continue;
		int one = see((pid_t)pid, audit_session, seen, arg);
		if (jh_proc_is_shortage(one))
			r = one;
	}
	closedir(dir);
	return r;
}
