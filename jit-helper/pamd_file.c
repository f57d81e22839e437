/* See pamd_file.h. */
#include "pamd_file.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "safefile.h"

#define FILE_MAX     262144	 /* bytes, as the doctor reads */
#define BESIDE	     ".pam_jit-" /* while it is written */
#define LABEL	     "security.selinux"
#define LOCK_WAIT_MS 10000
#define LOCK_STEP_MS 50

static int say(char *why, int r, const char *what, const char *path)
{
	snprintf(why, JH_PAMD_WHY, "%s %.300s: %s", what, path, strerror(-r));
	return r;
}

void jh_pamd_file_clear(struct jh_pamd_file *file)
{
	free(file->text);
	file->text = NULL;
}

int jh_pamd_file_read(const char *path, struct jh_pamd_file *ret, char *why)
{
	const struct jit_file_rule rule = {.max_size = FILE_MAX};
	struct jh_pamd_file file = {0};

	if (lstat(path, &file.st) < 0)
		return say(why, -errno, "cannot look at", path);
	if (S_ISLNK(file.st.st_mode)) {
		snprintf(why, JH_PAMD_WHY,
			 "%s is a symbolic link, and what it leads to belongs to another tool (authselect?): make a "
			 "custom profile there, or put a file of its own in the link's place",
			 path);
		return -ELOOP;
	}
	if (strlen(path) >= sizeof(file.path)) {
		snprintf(why, JH_PAMD_WHY, "the path is too long");
		return -ENAMETOOLONG;
	}
	memcpy(file.path, path, strlen(path) + 1);
	int r = jit_file_read(path, &rule, &file.text, &file.len, why, JH_PAMD_WHY);
	if (r == 0)
		*ret = file;
	return r;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		text += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* Where there is no SELinux there is no label; where the kernel gives one by itself ours only says the same. */
static int copy_label(const char *from, int to)
{
	char label[256];
	ssize_t n = lgetxattr(from, LABEL, label, sizeof(label));

	if (n < 0)
		return errno == ENODATA || errno == ENOTSUP || errno == ENOENT ? 0 : -errno;
	return fsetxattr(to, LABEL, label, (size_t)n, 0) < 0 ? -errno : 0;
}

static int sync_folder(const char *path)
{
	char folder[PATH_MAX];

	snprintf(folder, sizeof(folder), "%s", path);
	JIT_CLOSE int fd = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static bool is_unchanged(const struct jh_pamd_file *file)
{
	struct stat now;

	return lstat(file->path, &now) == 0 && now.st_ino == file->st.st_ino && now.st_dev == file->st.st_dev &&
	       now.st_size == file->st.st_size && now.st_mtim.tv_sec == file->st.st_mtim.tv_sec &&
	       now.st_mtim.tv_nsec == file->st.st_mtim.tv_nsec;
}

/* Beside `path`, and then in its place. `old`: what is replaced, or NULL. */
static int put(const char *path, const char *text, size_t len, const struct stat *like, const struct jh_pamd_file *old)
{
	char folder[PATH_MAX], beside[PATH_MAX];

	snprintf(folder, sizeof(folder), "%s", path);
	if (snprintf(beside, sizeof(beside), "%s/" BESIDE "XXXXXX", dirname(folder)) >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	JIT_CLOSE int fd = mkostemp(beside, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int r = write_all(fd, text, len);
	if (r == 0 && (fchown(fd, like->st_uid, like->st_gid) < 0 || fchmod(fd, like->st_mode & 07777) < 0))
		r = -errno;
	if (r == 0)
		r = copy_label(path, fd);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && old && !is_unchanged(old))
		r = -ESTALE;
	if (r == 0 && rename(beside, path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(beside);
		return r;
	}
	return sync_folder(path);
}

int jh_pamd_file_replace(const struct jh_pamd_file *file, const char *text, size_t len, char *why)
{
	int r = put(file->path, text, len, &file->st, file);

	if (r == -ESTALE)
		snprintf(why, JH_PAMD_WHY, "%s was changed by somebody else just now: run this again", file->path);
	return r == 0 || r == -ESTALE ? r : say(why, r, "cannot write", file->path);
}

int jh_pamd_file_make(const char *path, const char *text, size_t len, mode_t mode, char *why)
{
	const struct stat like = {.st_mode = mode & 0777};
	char folder[PATH_MAX];
	int r;

	snprintf(folder, sizeof(folder), "%s", path);
	dirname(folder);
	/* The first is there unless nobody has installed anything; what stands in the second is root's alone to see. */
	if ((mkdir("/etc/pam-jit", 0755) < 0 && errno != EEXIST) || (mkdir(folder, 0700) < 0 && errno != EEXIST))
		return say(why, -errno, "cannot make", folder);
	r = put(path, text, len, &like, NULL);
	return r < 0 ? say(why, r, "cannot write", path) : 0;
}

int jh_pamd_file_remove(const char *path, char *why)
{
	if (unlink(path) < 0)
		return errno == ENOENT ? 0 : say(why, -errno, "cannot remove", path);
	return sync_folder(path);
}

void jh_pamd_remove_leftovers(void)
{
	glob_t found = {0};

	glob(JH_PAMD_FOLDER "/" BESIDE "??????", 0, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc; i++)
		unlink(found.gl_pathv[i]);
	globfree(&found);
}

int jh_pamd_lock(char *why)
{
	JIT_CLOSE int fd =
		open(access(JH_PAMD_FOLDER, F_OK) == 0 ? JH_PAMD_FOLDER : "/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int64_t until = jit_boottime_ms() + LOCK_WAIT_MS;

	if (fd < 0)
		return say(why, -errno, "cannot look into", JH_PAMD_FOLDER);
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return say(why, -errno, "cannot lock", JH_PAMD_FOLDER);
		if (jit_boottime_ms() >= until) {
			snprintf(why, JH_PAMD_WHY,
				 "another `jit-helper pam` has been at work for %d s: wait for it, and run this again",
				 LOCK_WAIT_MS / 1000);
			return -EBUSY;
		}
		poll(NULL, 0, LOCK_STEP_MS);
	}
	return jit_take_fd(&fd);
}
