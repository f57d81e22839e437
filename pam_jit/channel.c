/* See channel.h. */
#include "channel.h"

#include "cleanup.h"
#include "clock.h"

#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#define RETRY_MS 50
#define LOOKS	 400 /* 0.2 ms or so, where nothing else runs */
#define LOOK_MS	 2   /* others on the same processor may take longer at each yield: that is no time to look about */

void pj_channel_expect(int fd)
{
	struct pollfd answer = {.fd = fd, .events = POLLIN};
	const int64_t until = jit_boottime_ms() + LOOK_MS;

	for (unsigned i = 0; i < LOOKS && poll(&answer, 1, 0) == 0 && jit_boottime_ms() < until; i++)
		sched_yield(); /* to a helper on the same processor */
}

int pj_channel_wait(int fd, int client, const struct pj_quiet *quiet, int64_t until)
{
	struct pollfd fds[] = {
		{.fd = quiet->fd, .events = POLLIN}, {.fd = client, .events = POLLRDHUP}, {.fd = fd, .events = POLLIN}};

	for (;;) {
		int64_t left = until - jit_boottime_ms();

		if (left < 0)
			left = 0;
		int n = poll(fds, 3, left > INT_MAX ? INT_MAX : (int)left);
		if (n < 0 && errno != EINTR)
			return -errno;
		/* First the person, then the helper: an approval that races Ctrl-C is not taken. */
		if (n > 0)
			return fds[0].revents ? -EINTR : fds[1].revents ? -ECONNABORTED : 0;
		if (n == 0 && jit_boottime_ms() >= until)
			return -ETIMEDOUT;
	}
}

int pj_channel_connect(const char *path, const struct pj_quiet *quiet, int64_t deadline, int *ret_fd)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = strlen(path);

	if (len >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, len + 1);
	JIT_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	while (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		/* EAGAIN: the helper's queue is full, and nothing tells when it no longer is. */
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		int64_t now = jit_boottime_ms();
		if (now >= deadline)
			return -ETIMEDOUT;
		int r = pj_channel_wait(-1, -1, quiet, now + RETRY_MS);
		if (r != -ETIMEDOUT)
			return r;
	}
	*ret_fd = jit_take_fd(&fd);
	return 0;
}

bool pj_channel_is_read(int fd)
{
	int unread = 0;

	return ioctl(fd, SIOCOUTQ, &unread) < 0 || unread == 0;
}

int pj_channel_peer(int fd, uid_t *ret_uid)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -errno;
	*ret_uid = peer.uid;
	return 0;
}
