/* See spool_dir.h. */
#include "spool_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "safepath.h"

#define NEW_NAME ".new"

int jh_spool_dir_open(const char *path, char *why, size_t why_size)
{
	struct jit_safepath way;
	JIT_CLOSE int above = jit_safepath_open(path, false, &way, why, why_size);
	struct stat st;

	if (above < 0)
		return above;
	JIT_CLOSE int fd = openat(above, way.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		int r = -errno;
		snprintf(why, why_size, "the folder %s cannot be opened: %s", path,
			 r == -ENOTDIR ? "something else is there" : strerror(-r));
		return r;
	}
	if (st.st_uid != geteuid() || (st.st_mode & 077)) {
		snprintf(why, why_size, "the folder %s must belong to the helper's user alone: mode 0700", path);
		return -EPERM;
	}
	return jit_take_fd(&fd);
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		text += n;
		len -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

int jh_spool_write(int dir, const char *name, const char *text, size_t len)
{
	if (len > JH_SPOOL_FILE_MAX)
		return -EFBIG;
	unlinkat(dir, NEW_NAME, 0); /* of a write that was cut off */
	JIT_CLOSE int fd = openat(dir, NEW_NAME, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int r = write_all(fd, text, len);
	if (r == 0 && renameat2(dir, NEW_NAME, dir, name, RENAME_NOREPLACE) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dir, NEW_NAME, 0);
		return r;
	}
	r = jh_spool_sync(dir);
	if (r < 0)
		unlinkat(dir, name, 0);
	return r;
}

int jh_spool_read(int dir, const char *name, char **ret, size_t *ret_len)
{
	JIT_CLOSE int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	size_t len = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
		return -EPERM;
	JIT_FREE char *text = malloc(JH_SPOOL_FILE_MAX + 2);
	if (!text)
		return -ENOMEM;
	for (ssize_t n = 1; n > 0 && len <= JH_SPOOL_FILE_MAX; len += (size_t)n) {
		n = read(fd, text + len, JH_SPOOL_FILE_MAX + 1 - len);
		if (n < 0)
			return -errno;
	}
	if (len > JH_SPOOL_FILE_MAX)
		return -EFBIG;
	text[len] = '\0';
	*ret = JIT_TAKE(text);
	*ret_len = len;
	return 0;
}

int jh_spool_rename(int dir, const char *from, const char *to)
{
	return renameat(dir, from, dir, to) < 0 ? -errno : 0;
}

int jh_spool_remove(int dir, const char *name)
{
	return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int jh_spool_sync(int dir)
{
	return fsync(dir) < 0 ? -errno : 0;
}

int jh_spool_each(int dir, const char *suffix, int (*each)(void *arg, const char *name), void *arg)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd >= 0 ? fdopendir(fd) : NULL;
	size_t tail = strlen(suffix);
	int r = 0;

	if (!list) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	while (r == 0) {
		errno = 0;
		struct dirent *entry = readdir(list);
		if (!entry) {
			r = -errno;
			break;
		}
		size_t len = strlen(entry->d_name);

		if (len > tail && len < JH_SPOOL_NAME_MAX && strcmp(entry->d_name + len - tail, suffix) == 0)
			r = each(arg, entry->d_name);
	}
	closedir(list);
	return r;
}
