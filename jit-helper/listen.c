/* See listen.h. */
#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "cleanup.h"
#include "folder.h"

#define BACKLOG 64

int jh_listen_inherited(void)
{
	int n = sd_listen_fds(0);

	return n > 0 ? n : 0;
}

/* The directory of a socket: made if it is missing, and only its owner (root, or us) may have written into it. */
static int check_directory(const char *path, char *why, size_t why_size)
{
	const struct jh_folder new = {.uid = geteuid(), .gid = getegid(), .mode = 0755};
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];
	struct stat st;

	if ((size_t)(slash - path) >= sizeof(dir))
		return -ENAMETOOLONG;
	memcpy(dir, path, (size_t)(slash - path));
	dir[slash - path] = '\0';
	JIT_CLOSE int folder = jh_folder_open(dir, &new, why, why_size);
	if (folder < 0)
		return folder;
	if (fstat(folder, &st) < 0)
		return -errno;
	if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & 022)) {
		snprintf(why, why_size,
			 "%s must be a folder of root that nobody else may write into: chown root %s; chmod go-w %s",
			 dir, dir, dir);
		return -EPERM;
	}
	return 0;
}

/* What an earlier run left; somebody who still listens there is not pushed aside. */
static int clear_path(const char *path, const struct sockaddr_un *addr)
{
	JIT_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fd < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode) || connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno == EAGAIN)
		return -EADDRINUSE;
	return unlink(path) < 0 ? -errno : 0;
}

static int make(const char *path, mode_t mode, char *why, size_t why_size)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = strlen(path);

	if (len >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, len + 1);
	int r = check_directory(path, why, why_size);
	if (r == 0)
		r = clear_path(path, &addr);
	if (r < 0)
		return r;
	JIT_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* umask is 077: until chmod nobody but us can connect. */
	if (fd < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 || chmod(path, mode) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return -errno;
	return jit_take_fd(&fd);
}

static int make_both(const struct jh_conf *conf, struct jh_sockets *ret, char *why, size_t why_size)
{
	const char *path = conf->pam_socket;

	why[0] = '\0';
	ret->pam = make(path, 0600, why, why_size);
	if (ret->pam >= 0) {
		path = conf->session_socket;
		ret->session = make(path, 0666, why, why_size);
	}
	if (ret->pam >= 0 && ret->session >= 0)
		return 0;
	int r = ret->pam < 0 ? ret->pam : ret->session;
	if (!why[0] && r == -EADDRINUSE)
		snprintf(why, why_size, "cannot listen on %s: something is there already; is jit-helper running?",
			 path);
	else if (!why[0])
		snprintf(why, why_size, "cannot listen on %s: %s", path, strerror(-r));
	return r;
}

static void take(int fd, const char *name, struct jh_sockets *ret)
{
	int *slot = strcmp(name, "pam") == 0 ? &ret->pam : strcmp(name, "session") == 0 ? &ret->session : NULL;

	if (slot && *slot < 0 && sd_is_socket_unix(fd, SOCK_SEQPACKET, 1, NULL, 0) > 0 &&
	    fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
		*slot = fd;
	else
		close(fd);
}

int jh_listen(const struct jh_conf *conf, struct jh_sockets *ret, char *why, size_t why_size)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names);

	*ret = (struct jh_sockets){-1, -1};
	if (n <= 0)
		return make_both(conf, ret, why, why_size);
	for (int i = 0; i < n; i++) {
		take(SD_LISTEN_FDS_START + i, names ? names[i] : "", ret);
		if (names)
			free(names[i]);
	}
	free(names);
	if (ret->pam >= 0 && ret->session >= 0)
		return 0;
	snprintf(why, why_size,
		 "systemd handed over no sequential-packet sockets named pam and session: look at "
		 "FileDescriptorName= in the socket units");
	return -EINVAL;
}
