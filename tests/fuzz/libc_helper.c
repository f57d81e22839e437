/* See libc.h: the helper's side of it, and all that the module waits for. */
#include "libc.h"

#include "proto.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "libc_calls.h"

void world_listen(void)
{
	uint32_t keyring = 1;

	while (world.peer >= 0 && !world.is.deaf) {
		struct jit_frame f = {.overflow = false};
		ssize_t n = recv(world.peer, f.data, sizeof(f.data), MSG_DONTWAIT);

		if (n <= 0)
			return;
		f.len = (size_t)n;
		FUZZ_CHECK(jit_frame_check(&f) == 0); /* the module's own are always whole */
		uint8_t type = jit_frame_type(&f);
		world.questions += type == JIT_F_ELEVATE || type == JIT_F_OPEN;
		world.taken += type == JIT_F_TAKEN;
		world.replies += type == JIT_F_REPLY;
		world.closed += type == JIT_F_CLOSE;
		if (type == JIT_F_TAKEN && jit_frame_get_u32(&f, JIT_T_KEYRING, &keyring) == 0)
			world.keyless |= keyring == 0;
	}
}

int fuzz_socket(int domain, int type, int protocol)
{
	FUZZ_CHECK(domain == AF_UNIX && (type & SOCK_CLOEXEC) && (type & SOCK_NONBLOCK));
	return world_fails() ? -1 : world_keep(socket(domain, type, protocol));
}

int fuzz_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	int pair[2];

	FUZZ_CHECK(len == sizeof(struct sockaddr_un) &&
		   strcmp(((const struct sockaddr_un *)addr)->sun_path, WORLD_SOCKET) == 0);
	if (world.is.busy) {
		world.is.busy--;
		errno = EAGAIN;
		return -1;
	}
	if (world_fails())
		return -1;
	world_end();
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	FUZZ_CHECK(dup3(pair[0], fd, O_CLOEXEC) == fd);
	close(pair[0]);
	world.peer = pair[1];
	return 0;
}

int fuzz_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	if (name != SO_PEERCRED) /* asked of each descriptor; that it is no socket is no fault */
		return getsockopt(fd, level, name, value, len) < 0 || world_fails() ? -1 : 0;
	*(struct ucred *)value = (struct ucred){.pid = 1, .uid = world.is.listener};
	return world_fails() ? -1 : 0;
}

int fuzz_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	return world_fails() ? -1 : getpeername(fd, addr, len);
}

ssize_t fuzz_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	FUZZ_CHECK((flags & MSG_NOSIGNAL) && (flags & MSG_DONTWAIT));
	if (!world_fails())
		return sendmsg(fd, msg, flags);
	if (errno == EPIPE || errno == ECONNRESET)
		world_end(); /* which is what these say */
	return -1;
}

/* A verdict that lets in, as docs/protocol-helper.md has it. */
static bool is_allow(const struct jit_frame *f, bool needs_token)
{
	uint32_t outcome, remaining;
	const uint8_t *token;
	size_t len;

	if (jit_frame_check(f) < 0 || jit_frame_type(f) != JIT_F_VERDICT ||
	    jit_frame_get_u32(f, JIT_T_OUTCOME, &outcome) < 0 || outcome != JIT_ALLOW)
		return false;
	return !needs_token || (jit_frame_get(f, JIT_T_TOKEN, 0, &token, &len) && len == JIT_TOKEN_LEN &&
				!jit_frame_get(f, JIT_T_TOKEN, 1, &token, &len) &&
				jit_frame_get_u32(f, JIT_T_REMAINING, &remaining) == 0 && remaining > 0);
}

static void note_verdict(void)
{
	const struct jit_frame *f = &world.came;
	uint32_t outcome;
	bool in_time = world.now_ms < world.deadline_ms;

	if (world.allowed && world.now_ms < world.deadline_ms + WORLD_CONFIRM_MS && is_allow(f, false))
		world.confirmed = true;
	if (in_time && is_allow(f, world.is_open))
		world.allowed = true;
	if (in_time && jit_frame_check(f) == 0 && jit_frame_type(f) == JIT_F_VERDICT &&
	    jit_frame_get_u32(f, JIT_T_OUTCOME, &outcome) == 0 && outcome == JIT_IGNORE)
		world.ignored = true;
}

ssize_t fuzz_recvmsg(int fd, struct msghdr *msg, int flags)
{
	FUZZ_CHECK((flags & MSG_DONTWAIT) && (flags & MSG_CMSG_CLOEXEC));
	if (world_fails())
		return -1;
	ssize_t n = recvmsg(fd, msg, flags);
	if (n > 0 && (size_t)n <= JIT_FRAME_MAX && !(msg->msg_flags & MSG_TRUNC)) {
		world.came.len = (size_t)n;
		memcpy(world.came.data, msg->msg_iov->iov_base, (size_t)n);
		note_verdict();
	}
	return n;
}

/* A frame whose fields fit, whatever they hold: its type, how many, of each the tag, the length and the bytes. */
static void send_fields(void)
{
	static struct jit_frame f;
	size_t len;

	jit_frame_start(&f, fuzz_byte(&world.script));
	for (unsigned count = fuzz_byte(&world.script) & 15; count; count--) {
		const uint8_t tag = fuzz_byte(&world.script);
		uint8_t *bytes = fuzz_bytes(&world.script, fuzz_byte(&world.script), &len);

		jit_frame_put(&f, tag, bytes, len);
		free(bytes);
	}
	if (world.peer >= 0)
		(void)send(world.peer, f.data, f.len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The next bytes of the script as a packet, with a descriptor along where its length says so. */
static void send_packet(void)
{
	size_t want = (size_t)fuzz_byte(&world.script) << 8, len;

	want |= fuzz_byte(&world.script);
	uint8_t *bytes = fuzz_bytes(&world.script, want & 0x7fff, &len);
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.bytes = {0}};
	struct iovec iov = {.iov_base = bytes, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	if (want & 0x8000) {
		const int passed = STDERR_FILENO;

		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &passed, sizeof(passed));
	}
	if (world.peer >= 0)
		(void)sendmsg(world.peer, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	free(bytes);
}

static int wake(struct pollfd *fds, nfds_t at, short event)
{
	fds[at].revents = event;
	return 1;
}

/* What happens while the module waits, out of the script; when that is over, only time passes. */
int fuzz_poll(struct pollfd *fds, nfds_t count, int timeout)
{
	/* A look, after which it waits: there something comes, or not. */
	if (count == 1 && timeout == 0)
		return 1;
	FUZZ_CHECK(timeout >= 0 && count == 3); /* no wait without an end */
	if (world_fails())
		return -1;
	for (;;) {
		world_listen();
		int n = poll(fds, count, 0), ms;
		if (n != 0)
			return n;
		switch (world.script.left ? fuzz_byte(&world.script) : 0) {
		case 'F':
			send_fields();
			break;
		case 'P':
			send_packet();
			break;
		case 'T':
			ms = fuzz_byte(&world.script) * 100;
			world.now_ms += ms < timeout ? ms : timeout;
			if (ms >= timeout)
				return 0;
			timeout -= ms;
			break;
		case 'S':
			return wake(fds, 0, POLLIN);
		case 'H':
			if (fds[1].fd >= 0)
				return wake(fds, 1, POLLRDHUP);
			break;
		case 'C':
			world_end();
			break;
		case 'I':
			errno = EINTR;
			return -1;
		default:
			world.now_ms += timeout;
			return 0;
		}
	}
}

int fuzz_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;

	va_start(ap, request);
	void *arg = va_arg(ap, void *);
	va_end(ap);
	if (world_fails())
		return -1;
	if (request == SIOCOUTQ)
		return ioctl(fd, request, arg);
	FUZZ_CHECK(request == TIOCGWINSZ);
	*(struct winsize *)arg = (struct winsize){.ws_col = (unsigned short)(world.now_ms % 200)};
	return 0;
}
