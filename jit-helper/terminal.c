/* See terminal.h. */
#include "terminal.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cleanup.h"
#include "elevation.h"
#include "sight.h"
#include "text.h"

#define PTS_MAJOR 136 /* Linux, Documentation/admin-guide/devices.txt */

bool jh_terminal_usable(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY && !(flags & O_PATH) && (flags & O_NONBLOCK) &&
	       fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && isatty(fd);
}

bool jh_terminal_path(int tty, char *buf, size_t size)
{
	/* As in stat(2) of /proc: minor in bits 0-7 and 20-31, major in 8-15. */
	unsigned device = (unsigned)tty, major_number = device >> 8 & 0xfff;

	if (major_number != PTS_MAJOR)
		return false;
	snprintf(buf, size, "/dev/pts/%u", (device & 0xff) | (device >> 12 & 0xfff00));
	return true;
}

static bool was_told(struct jh_told *told, dev_t device)
{
	for (size_t i = 0; i < told->count; i++)
		if (told->device[i] == device)
			return true;
	if (told->count == JH_TERMINALS_MAX)
		return true;
	told->device[told->count++] = device;
	return false;
}

/* Which terminal it is. /dev/tty is every process's own one, and as a file the same for all. */
static bool device_of(int fd, dev_t *ret)
{
	unsigned device;

	if (ioctl(fd, TIOCGDEV, &device) < 0)
		return false;
	*ret = device;
	return true;
}

/* A line of its own, whatever is being typed or drawn there. One that is not taken whole is lost: nothing waits. */
static void say(int fd, const char *line, struct jh_told *told)
{
	char clean[512], text[520];
	dev_t device;

	if (!jh_terminal_usable(fd) || !device_of(fd, &device) || was_told(told, device))
		return;
	jit_text_clean_str(clean, sizeof(clean), line);
	int len = snprintf(text, sizeof(text), "\r\n%s\r\n", clean);
	if (write(fd, text, (size_t)len) < 0)
		return;
}

static bool is_theirs(const struct jh_elevation *e, const struct stat *st)
{
	return S_ISCHR(st->st_mode) && major(st->st_rdev) == PTS_MAJOR &&
	       (st->st_uid == e->target_uid || st->st_uid == e->session.uid);
}

/* sshd's own terminal, where it has one, is that of whoever started it. */
static bool is_own(const struct jh_elevation *e, int tty)
{
	char path[32];
	struct stat st;

	return jh_terminal_path(tty, path, sizeof(path)) && lstat(path, &st) == 0 && is_theirs(e, &st);
}

/* By its number, and only if it belongs to somebody whose session this is. */
static void say_by_number(const struct jh_elevation *e, int tty, const char *line, struct jh_told *told)
{
	char path[32];
	struct stat st;

	if (!jh_terminal_path(tty, path, sizeof(path)))
		return;
	JIT_CLOSE int fd = open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && fstat(fd, &st) == 0 && is_theirs(e, &st))
		say(fd, line, told);
}

struct search {
	const struct jh_elevation *elevation;
	const char *line;
	struct jh_told *told;
	int last; /* most processes of a terminal come one after another */
};

static void on_sight(const struct jh_sight *sight, void *arg)
{
	struct search *s = arg;

	if (sight->proc.tty == 0 || sight->proc.tty == s->last)
		return;
	s->last = sight->proc.tty;
	say_by_number(s->elevation, sight->proc.tty, s->line, s->told);
}

void jh_terminal_say(const struct jh_elevation *e, const char *line, struct jh_told *told)
{
	struct search search = {.elevation = e, .line = line, .told = told};

	if (e->terminal >= 0)
		say(e->terminal, line, told);
	else if (is_own(e, e->peer->proc.tty))
		say_by_number(e, e->peer->proc.tty, line, told);
	else if (e->session.audit != JH_NO_AUDIT)
		jh_sight_each(e->session.audit, on_sight, &search);
}
