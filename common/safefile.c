/* See safefile.h. */
#include "safefile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "safepath.h"

static int check_stat(const char *path, const struct stat *st, const struct jit_file_rule *rule, char *why,
		      size_t why_size)
{
	if (!S_ISREG(st->st_mode)) {
		snprintf(why, why_size, "%s is not a regular file: move it away and put the file there", path);
		return -EINVAL;
	}
	if (st->st_uid != 0 && st->st_uid != geteuid()) {
		snprintf(why, why_size, "%s belongs to uid %u; it must belong to root: chown root %s", path,
			 (unsigned)st->st_uid, path);
		return -EPERM;
	}
	if (st->st_mode & 022) {
		snprintf(why, why_size, "%s can be written by others than its owner: chmod go-w %s", path, path);
		return -EPERM;
	}
	if (rule->secret && (st->st_mode & 07)) {
		snprintf(why, why_size, "%s holds a secret and can be read by everybody: chmod o= %s", path, path);
		return -EPERM;
	}
	if (st->st_size < 0 || (size_t)st->st_size > rule->max_size) {
		snprintf(why, why_size, "%s has %lld bytes, more than the %zu that are read: is it the right file?",
			 path, (long long)st->st_size, rule->max_size);
		return -EFBIG;
	}
	return 0;
}

/*
 * Reads until the end, growing nothing: a file that grew past `max` meanwhile is refused. pread: the PAM module,
 * which links this too, calls no read, so that it can never take a signal from its signalfd.
 */
static int read_all(int fd, char *buf, size_t max, size_t *ret_len)
{
	size_t len = 0;

	for (;;) {
		ssize_t n = pread(fd, buf + len, max + 1 - len, (off_t)len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > max)
			return -EFBIG;
	}
	*ret_len = len;
	return 0;
}

/* Its descriptor, or -errno with a sentence in why. `flags`: what is to be done with it. */
static int open_checked(const char *path, int flags, const struct jit_file_rule *rule, char *why, size_t why_size)
{
	struct jit_safepath way;
	JIT_CLOSE int dir = jit_safepath_open(path, rule->linked, &way, why, why_size);
	struct stat st;

	if (dir < 0)
		return dir;
	JIT_CLOSE int fd = openat(dir, way.name, flags | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0 || ((flags & O_PATH) && faccessat(dir, way.name, R_OK, 0) < 0)) {
		int r = -errno;
		snprintf(why, why_size, "cannot read %s: %s", path,
			 r == -ELOOP ? "it is a symbolic link; name the file itself" : strerror(-r));
		return r;
	}
	int r = check_stat(path, &st, rule, why, why_size);
	return r < 0 ? r : jit_take_fd(&fd);
}

int jit_file_read(const char *path, const struct jit_file_rule *rule, char **ret, size_t *ret_len, char *why,
		  size_t why_size)
{
	/* O_NONBLOCK: a FIFO in the file's place must not hang us. */
	JIT_CLOSE int fd = open_checked(path, O_RDONLY | O_NOCTTY | O_NONBLOCK, rule, why, why_size);
	size_t len = 0;

	if (fd < 0)
		return fd;
	JIT_FREE char *buf = malloc(rule->max_size + 2);
	if (!buf) {
		snprintf(why, why_size, "cannot read %s: out of memory", path);
		return -ENOMEM;
	}
	int r = read_all(fd, buf, rule->max_size, &len);
	if (r == 0 && memchr(buf, '\0', len))
		r = -EINVAL;
	if (r < 0) {
		snprintf(why, why_size, "cannot read %s: %s", path,
			 r == -EINVAL ? "it holds a NUL byte, so it is no text file" : strerror(-r));
		if (rule->secret)
			explicit_bzero(buf, rule->max_size + 2);
		return r;
	}
	buf[len] = '\0';
	*ret_len = len;
	*ret = JIT_TAKE(buf);
	return 0;
}

int jit_file_check(const char *path, const struct jit_file_rule *rule, char *why, size_t why_size)
{
	const struct jit_file_rule followed = {.secret = rule->secret, .linked = true, .max_size = rule->max_size};
	/* Not opened: a sandbox may be looked out of. */
	JIT_CLOSE int fd = open_checked(path, O_PATH, &followed, why, why_size);

	return fd < 0 ? fd : 0;
}
