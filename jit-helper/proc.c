/* See proc.h. */
#include "proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "text.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

#define GENERATIONS_MAX 4096 /* ancestors that are looked at */
#define STAT_START	20   /* starttime is field 22; the fields after the name begin with field 3 as number 1 */

int jh_proc_text(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	JIT_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	ssize_t n = read(fd, buf, size - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return 0;
}

static int read_u32(pid_t pid, const char *name, uint32_t *ret)
{
	char text[32];
	uint64_t value;
	int r = jh_proc_text(pid, name, text, sizeof(text));

	if (r == -ESRCH) { /* a kernel without audit has no such file; is the process there? */
		*ret = JH_NO_AUDIT;
		return 0;
	}
	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	r = jit_parse_u64(text, UINT32_MAX, &value);
	if (r == 0)
		*ret = (uint32_t)value;
	return r;
}

/* The blank-separated words of stat from field 3 on; negative numbers count as 0 (tty and leader may be -1). */
static int word_number(const char *word, size_t len, uint64_t *ret)
{
	char digits[24];

	if (len == 0 || len >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, word, len);
	digits[len] = '\0';
	if (digits[0] == '-') {
		*ret = 0;
		return 0;
	}
	return jit_parse_u64(digits, UINT64_MAX, ret);
}

int jh_proc_parse_stat(const char *text, struct jh_proc *ret)
{
	const char *open = strchr(text, '('),
		   *close = strrchr(text, ')'); /* the name may hold blanks and parentheses */
	uint64_t value[STAT_START + 1] = {0}, pid;

	if (!open || !close || open == text || close < open || close[1] != ' ')
		return -EINVAL;
	if (word_number(text, (size_t)(open - text) - 1, &pid) < 0 || pid == 0 || pid > INT32_MAX || open[-1] != ' ')
		return -EINVAL;
	const char *at = close + 2;
	for (int i = 1; i <= STAT_START; i++) {
		size_t len = strcspn(at, " \n");
		if (len == 0 || (i > 1 && word_number(at, len, &value[i]) < 0))
			return -EINVAL;
		at += len + (at[len] != '\0');
	}
	if (value[2] > INT32_MAX || value[4] > INT32_MAX || value[5] > INT32_MAX)
		return -EINVAL;
	ret->pid = (pid_t)pid;
	ret->parent = (pid_t)value[2];
	ret->leader = (pid_t)value[4];
	ret->tty = (int)value[5];
	ret->start = value[STAT_START];
	return 0;
}

static int read_stat(pid_t pid, struct jh_proc *ret)
{
	char stat[1024];
	int r = jh_proc_text(pid, "stat", stat, sizeof(stat));

	return r == 0 ? jh_proc_parse_stat(stat, ret) : r;
}

int jh_proc_kin(pid_t pid, struct jh_proc *ret)
{
	struct jh_proc facts = {.audit_session = JH_NO_AUDIT, .login_uid = JH_NO_AUDIT};
	int r = read_stat(pid, &facts);

	if (r == 0)
		*ret = facts;
	return r;
}

int jh_proc_read(pid_t pid, struct jh_proc *ret)
{
	struct jh_proc facts = {0};
	int r = read_stat(pid, &facts);

	if (r == 0)
		r = read_u32(pid, "sessionid", &facts.audit_session);
	if (r == 0)
		r = read_u32(pid, "loginuid", &facts.login_uid);
	if (r < 0)
		return r;
	*ret = facts;
	return 0;
}

bool jh_proc_is_shortage(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -ENOBUFS;
}

int jh_proc_audit(pid_t pid, uint32_t *ret)
{
	return read_u32(pid, "sessionid", ret);
}

int jh_proc_login(pid_t pid, uint32_t *ret)
{
	return read_u32(pid, "loginuid", ret);
}

int jh_pidfd_open(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	/* EINVAL is a number of no process, or of one that has just been reaped. */
	return fd >= 0 ? fd : errno == EINVAL ? -ESRCH : -errno;
}

bool jh_pidfd_alive(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	return pidfd >= 0 && poll(&p, 1, 0) == 0;
}

int jh_pidfd_hold(pid_t pid, uint64_t start)
{
	struct jh_proc facts = {0};
	JIT_CLOSE int fd = jh_pidfd_open(pid);

	if (fd < 0)
		return fd;
	int r = read_stat(pid, &facts);
	if (r < 0)
		return r;
	if (facts.start != start || !jh_pidfd_alive(fd))
		return -ESRCH;
	return jit_take_fd(&fd);
}

bool jh_proc_is_gone(pid_t pid, uint64_t start)
{
	JIT_CLOSE int fd = jh_pidfd_hold(pid, start);

	return fd == -ESRCH;
}

/* Before Linux 6.5: by number, and refused when that process began after now, the connection being older than that. */
static int pidfd_by_number(pid_t pid)
{
	int64_t now_ms = jit_boottime_ms();
	JIT_CLOSE int fd = jh_pidfd_open(pid);
	struct jh_proc facts = {0};

	if (fd < 0)
		return fd;
	int r = read_stat(pid, &facts);
	if (r < 0)
		return r;
	if ((int64_t)(facts.start * 1000 / (uint64_t)sysconf(_SC_CLK_TCK)) > now_ms || !jh_pidfd_alive(fd))
		return -ESRCH;
	return jit_take_fd(&fd);
}

int jh_pidfd_of_peer(int sock, pid_t *ret_pid, uid_t *ret_uid, int *ret_pidfd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int fd = -1;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	if (cred.pid <= 0)
		return -ESRCH; /* of another pid namespace */
	len = sizeof(fd);
	if (getsockopt(sock, SOL_SOCKET, SO_PEERPIDFD, &fd, &len) < 0)
		fd = errno == ENOPROTOOPT ? pidfd_by_number(cred.pid) : -errno;
	if (fd < 0)
		return fd;
	*ret_pid = cred.pid;
	*ret_uid = cred.uid;
	*ret_pidfd = fd;
	return 0;
}

int jh_proc_topmost(const struct jh_proc *from, struct jh_proc *ret)
{
	struct jh_proc top = *from, parent = {0};

	for (int i = 0; i < GENERATIONS_MAX && top.parent > 0; i++) {
		int r = jh_proc_audit(top.parent, &parent.audit_session);
		if (r == 0 && parent.audit_session != from->audit_session)
			break;
		if (r == 0)
			r = read_stat(top.parent, &parent);
		if (r == -ESRCH)
			break; /* outside our pid namespace, or just gone: the highest that is there */
		if (r < 0)
			return r;
		if (parent.start > top.start)
			break;
		top = parent;
	}
	*ret = top;
	return 0;
}

int jh_proc_descends(pid_t child, pid_t from, uint64_t from_start)
{
	uint64_t younger = UINT64_MAX;
	struct jh_proc at = {0};

	for (int i = 0; i < GENERATIONS_MAX && child > 0; i++) {
		int r = jh_proc_kin(child, &at);
		if (jh_proc_is_shortage(r))
			return r;
		if (r < 0 || at.start > younger || at.start < from_start)
			return 0;
		if (at.pid == from)
			return at.start == from_start;
		younger = at.start;
		child = at.parent;
	}
	return 0;
}
