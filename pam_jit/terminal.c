/* See terminal.h. */
#include "terminal.h"

#include "cleanup.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int open_terminal(const char *path)
{
	JIT_CLOSE int fd = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

	return fd >= 0 && isatty(fd) ? jit_take_fd(&fd) : -1;
}

/* "pts/0", "tty1", or with /dev/ before it. Other paths are nothing to open as root: who asks may have a say in it. */
static int open_named(const char *tty)
{
	char path[64];

	if (strncmp(tty, "/dev/", 5) == 0)
		tty += 5;
	if ((strncmp(tty, "pts/", 4) != 0 && strncmp(tty, "tty", 3) != 0) || strstr(tty, ".."))
		return -1;
	int n = snprintf(path, sizeof(path), "/dev/%s", tty);
	return n < (int)sizeof(path) ? open_terminal(path) : -1;
}

int pj_terminal_open(enum pj_app app, const char *tty)
{
	if (app != PJ_SUDO && app != PJ_SU && app != PJ_LOGIN)
		return -1;
	int fd = app == PJ_SUDO ? -1 : open_named(tty);
	return fd >= 0 ? fd : open_terminal("/dev/tty");
}
