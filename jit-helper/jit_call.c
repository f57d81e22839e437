/* One frame to jit-helper, one back. See jit.h. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "cleanup.h"
#include "clock.h"
#include "jit.h"
#include "text.h"

static enum jit_exit complain(enum jit_exit status, const char *what, int error)
{
	fprintf(stderr, "jit: %s%s%s\n", what, error ? ": " : "", error ? strerror(error) : "");
	return status;
}

static int connect_to(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = strlen(path);

	if (len >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, len + 1);
	JIT_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	/* A full queue makes connect wait; not for ever. */
	const struct timeval patience = {.tv_sec = 5};
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	return jit_take_fd(&fd);
}

static const struct jit_patience usual = {.seconds = 15}; /* the helper holds an answer for 12 s at most */

/* One second's wait, or less. 1: something has come; 0: not yet; -EINTR; -errno. */
static int wait_for(int fd, int64_t left_ms, const struct jit_patience *patience)
{
	int64_t ms = patience->tick && left_ms > 1000 ? 1000 : left_ms;
	const struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int n = ppoll(&p, 1, &ts, patience->during);

	if (n < 0)
		return errno == EINTR && !patience->during ? 0 : -errno;
	if (n == 0 && patience->tick)
		patience->tick(patience->arg);
	return n;
}

static int receive(int fd, struct jit_frame *frame, const struct jit_patience *patience)
{
	int64_t until = jit_boottime_ms() + 1000 * (int64_t)patience->seconds;

	for (;;) {
		int64_t left = until - jit_boottime_ms();
		int n = left > 0 ? wait_for(fd, left, patience) : -ETIMEDOUT;

		if (n < 0)
			return n;
		int r = n > 0 ? jit_frame_recv(fd, frame) : -EAGAIN;
		/* Told once where the helper closed without reading our frame; what it said first stands to be read. */
		if (r == -ECONNRESET)
			r = jit_frame_recv(fd, frame);
		if (r != -EAGAIN && r != -EINTR)
			return r == 0 ? -EPIPE : r;
	}
}

static enum jit_exit tell_fault(const struct jit_frame *frame)
{
	char text[JIT_LINE_SIZE], clean[JIT_LINE_SIZE];
	uint32_t status;

	if (jit_frame_get_str(frame, JIT_T_TEXT, text, sizeof(text)) < 0 ||
	    jit_frame_get_u32(frame, JIT_T_EXIT, &status) < 0 || status == JIT_EXIT_OK ||
	    status > JIT_EXIT_NOT_ELIGIBLE)
		return complain(JIT_EXIT_INTERNAL,
				"the answer of jit-helper makes no sense; install the same version "
				"of both",
				0);
	jit_text_clean_str(clean, sizeof(clean), text);
	return complain((enum jit_exit)status, clean, 0);
}

int jit_ask(const char *socket_path, struct jit_frame *frame, const struct jit_patience *patience, bool *ret_reached)
{
	JIT_CLOSE int fd = connect_to(socket_path);

	*ret_reached = fd >= 0;
	if (fd < 0)
		return fd;
	int r = jit_frame_send(fd, frame);
	/* A helper that refuses a connection may have closed it before our frame: its answer is there all the same. */
	if (r == 0 || r == -EPIPE || r == -ECONNRESET)
		r = receive(fd, frame, patience ? patience : &usual);
	return r < 0 ? r : 0;
}

enum jit_exit jit_answer(int r, bool reached, const struct jit_frame *frame)
{
	if (!reached) {
		fprintf(stderr, "jit: cannot reach jit-helper (%s): is it running on this host?\n", strerror(-r));
		return JIT_EXIT_UNAVAILABLE;
	}
	if (r < 0)
		return complain(JIT_EXIT_UNAVAILABLE, "jit-helper did not answer; look at its log", -r);
	if (jit_frame_type(frame) == JIT_F_DOCUMENT)
		return JIT_EXIT_OK;
	return tell_fault(frame);
}

enum jit_exit jit_call(const char *socket_path, struct jit_frame *frame)
{
	bool reached;
	int r = jit_ask(socket_path, frame, NULL, &reached);

	return jit_answer(r, reached, frame);
}
