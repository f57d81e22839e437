/* See safepath.h. Step by step, by descriptors: what was judged is what is entered. */
#include "safepath.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cleanup.h"

#define LINKS_MAX    40 /* as the kernel has it */
#define DEBIAN_STAFF 50

struct walk {
	const char *path;   /* as it was asked for */
	char at[PATH_MAX];  /* the folder that was reached, without links; "" is / */
	char way[PATH_MAX]; /* what was asked for, or what a link says and what came behind it */
	const char *rest;   /* of the way: still to go */
	int dir;	    /* of `at` */
	bool sticky;	    /* `at` is */
	unsigned links;
	char *why;
	size_t why_size;
};

static int cannot(struct walk *w, int error)
{
	snprintf(w->why, w->why_size, "cannot read %s: %s", w->path, strerror(error));
	return -error;
}

/* Where there is an access list the group's bits are its mask: they may be anybody's. */
static bool has_access_list(int dir)
{
	char path[sizeof("/proc/self/fd/") + 12];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", dir);
	return getxattr(path, "system.posix_acl_access", NULL, 0) >= 0 || (errno != ENODATA && errno != EOPNOTSUPP);
}

/* On Debian; elsewhere 50 is another group. */
static bool is_staffs(const char *folder, const struct stat *st)
{
	static const char local[] = "/usr/local";
	const char *below = folder + sizeof(local) - 1;

	return strncmp(folder, local, sizeof(local) - 1) == 0 && (!*below || *below == '/') &&
	       st->st_gid == DEBIAN_STAFF && st->st_uid == 0 && (st->st_mode & S_ISGID);
}

static bool is_administrators(const struct walk *w, const struct stat *st)
{
	return (st->st_gid == 0 || is_staffs(w->at, st)) && !has_access_list(w->dir);
}

static int check_folder(struct walk *w, const struct stat *st)
{
	const char *folder = *w->at ? w->at : "/";

	if (st->st_uid != 0 && st->st_uid != geteuid()) {
		snprintf(w->why, w->why_size,
			 "the folder %s belongs to uid %u, who can put another %s there: keep that file below folders "
			 "of root's, or of whoever runs this",
			 folder, (unsigned)st->st_uid, w->path);
		return -EPERM;
	}
	w->sticky = (st->st_mode & S_ISVTX) && (st->st_mode & 022);
	if (w->sticky || !(st->st_mode & 022) || (!(st->st_mode & 02) && is_administrators(w, st)))
		return 0;
	snprintf(w->why, w->why_size,
		 "the folder %s can be written by others, who can put another %s there: keep that file where root "
		 "alone writes, or chmod go-w %s",
		 folder, w->path, folder);
	return -EPERM;
}

/* Takes the folder over. 0, or -errno with a sentence. */
static int enter(struct walk *w, int fd)
{
	struct stat st;

	if (w->dir >= 0)
		close(w->dir);
	w->dir = fd;
	return fd < 0 || fstat(fd, &st) < 0 ? cannot(w, errno) : check_folder(w, &st);
}

static int enter_root(struct walk *w)
{
	w->at[0] = '\0';
	return enter(w, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
}

/* The first name of the rest is put into `name`; is it the last? A rest of slashes is "." and nothing after it. */
static int next_name(struct walk *w, char name[static NAME_MAX + 1], bool *ret_last)
{
	const char *begin = w->rest + strspn(w->rest, "/");
	const size_t len = strcspn(begin, "/");
	const char *after = begin + len + strspn(begin + len, "/");

	if (len > NAME_MAX)
		return cannot(w, ENAMETOOLONG);
	memcpy(name, len ? begin : ".", len ? len : 1);
	name[len ? len : 1] = '\0';
	*ret_last = !*after;
	w->rest = after;
	return 0;
}

static int note_place(struct walk *w, const char *name)
{
	const size_t len = strlen(w->at);

	if (strcmp(name, ".") == 0)
		return 0;
	if (strcmp(name, "..") == 0) {
		char *slash = strrchr(w->at, '/');
		if (slash)
			*slash = '\0';
		return 0;
	}
	if (len + 1 + strlen(name) >= sizeof(w->at))
		return cannot(w, ENAMETOOLONG);
	snprintf(w->at + len, sizeof(w->at) - len, "/%s", name);
	return 0;
}

/* The link's own way comes before the rest. */
static int follow(struct walk *w, const char *name, const struct stat *st)
{
	char target[PATH_MAX];
	const ssize_t len = readlinkat(w->dir, name, target, sizeof(target));

	if (st->st_uid != 0 && st->st_uid != geteuid()) {
		snprintf(w->why, w->why_size,
			 "%s/%s is a symbolic link of uid %u, who can let it lead anywhere: name the file itself, or "
			 "keep "
			 "it below folders of root's",
			 w->at, name, (unsigned)st->st_uid);
		return -EPERM;
	}
	if (len < 0)
		return cannot(w, errno);
	if (++w->links > LINKS_MAX)
		return cannot(w, ELOOP);
	const size_t space = sizeof(target) - (size_t)len;
	if (len == 0 || (size_t)snprintf(target + len, space, "%s%s", *w->rest ? "/" : "", w->rest) >= space)
		return cannot(w, ENAMETOOLONG);
	memcpy(w->way, target, strlen(target) + 1);
	w->rest = w->way;
	return target[0] == '/' ? enter_root(w) : 0;
}

/* One name further. 1: it was the last, and is no link that is to be followed. */
static int step(struct walk *w, bool linked, char name[static NAME_MAX + 1])
{
	bool last;
	struct stat st;
	int r = next_name(w, name, &last);

	if (r < 0 || (last && !linked))
		return r < 0 ? r : 1;
	/* O_DIRECTORY first: it also has a folder mounted that comes with its use. */
	int fd = last ? -1 : openat(w->dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0) {
		r = note_place(w, name);
		if (r == 0)
			return enter(w, fd);
		close(fd);
		return r;
	}
	const int error = errno;
	if (fstatat(w->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return last && errno == ENOENT ? 1 : cannot(w, errno);
	if (S_ISLNK(st.st_mode))
		return follow(w, name, &st);
	return last ? 1 : cannot(w, error);
}

int jit_safepath_open(const char *path, bool linked, struct jit_safepath *ret, char *why, size_t why_size)
{
	struct walk w = {.path = path, .dir = -1, .why = why, .why_size = why_size};
	int r;

	if (snprintf(w.way, sizeof(w.way), "%s", path) >= (int)sizeof(w.way))
		return cannot(&w, ENAMETOOLONG);
	w.rest = w.way;
	if (path[0] == '/')
		r = enter_root(&w);
	else if (getcwd(w.at, sizeof(w.at))) /* whatever lies above it, it stays the same */
		r = enter(&w, open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
	else
		r = cannot(&w, errno);
	while (r == 0)
		r = step(&w, linked, ret->name);
	if (r == 1) {
		ret->sticky = w.sticky;
		return jit_take_fd(&w.dir);
	}
	if (w.dir >= 0)
		close(w.dir);
	return r;
}
