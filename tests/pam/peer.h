/*
 * A helper that plays one part: it accepts one connection in a process of its
 * own, runs a script over it, and exits 0 when all went as the script expects.
 */
#ifndef JIT_TEST_PAM_PEER_H
#define JIT_TEST_PAM_PEER_H

#include "host.h"

#include "frame.h"
#include "proto.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define GRANT	   "0b6c1111-2222-4333-8444-555566667777"
#define PEER_LIMIT 20 /* seconds after which a peer gives up */

typedef void (*peer_script)(int fd);

struct peer {
	pid_t pid;
	char path[PATH_MAX + 16];
	char arguments[PATH_MAX + 512]; /* for the module, to come here */
};

/* In the peer: a script's expectation that is not met ends it. */
#define EXPECT(condition)                                                                                              \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "peer: %s:%d: expected %s\n", __FILE__, __LINE__, #condition);                 \
			_exit(1);                                                                                      \
		}                                                                                                      \
	} while (0)

static inline int peer_listen(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	assert_true(strlen(path) < sizeof(addr.sun_path));
	memcpy(addr.sun_path, path, strlen(path));
	unlink(path);
	assert_true(fd >= 0 && bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

/* Listens at once, so that the module finds it; `more` are further arguments of the module's line. */
static inline void peer_start(struct peer *p, peer_script script, const char *more)
{
	snprintf(p->path, sizeof(p->path), "%s/pam.sock", lab.dir);
	snprintf(p->arguments, sizeof(p->arguments), "socket=%s helper_user=%s %s", p->path, lab.user, more);
	int listener = peer_listen(p->path);
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (p->pid == 0) {
		alarm(PEER_LIMIT);
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		EXPECT(fd >= 0);
		close(listener);
		script(fd);
		_exit(0);
	}
	close(listener);
}

/* The script ran to its end, with every expectation met. */
static inline void peer_finish(const struct peer *p)
{
	int status;

	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	assert_int_equal(status, 0);
}

/* A helper that accepts nothing: its queue is full. Fills fds, which the caller closes. */
static inline void peer_start_full(char *path, size_t size, int fds[static 8])
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(path, size, "%s/pam.sock", lab.dir);
	memset(fds, -1, 8 * sizeof(*fds));
	fds[0] = peer_listen(path);
	assert_int_equal(listen(fds[0], 0), 0);
	memcpy(addr.sun_path, path, strlen(path));
	for (int i = 1; i < 8; i++) {
		fds[i] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (connect(fds[i], (const struct sockaddr *)&addr, sizeof(addr)) < 0)
			return;
	}
	fail_msg("the queue takes everybody");
}

static inline void peer_recv(int fd, struct jit_frame *f, uint8_t type)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	f->len = 0; /* it may hold nothing yet */
	EXPECT(poll(&poll_fd, 1, PEER_LIMIT * 1000) == 1);
	EXPECT(jit_frame_recv(fd, f) == 1);
	EXPECT(jit_frame_type(f) == type);
}

/* The module closes without another word. */
static inline void peer_expect_end(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	struct jit_frame f = {0};

	EXPECT(poll(&poll_fd, 1, PEER_LIMIT * 1000) == 1);
	EXPECT(jit_frame_recv(fd, &f) <= 0);
}

static inline void peer_send_text(int fd, uint8_t type, const char *text, uint8_t tag, uint32_t number)
{
	struct jit_frame f;

	jit_frame_start(&f, type);
	jit_frame_put_str(&f, JIT_T_TEXT, text);
	jit_frame_put_u32(&f, tag, number);
	EXPECT(jit_frame_send(fd, &f) == 0);
}

static inline void peer_say(int fd, const char *text, uint32_t severity)
{
	peer_send_text(fd, JIT_F_SAY, text, JIT_T_SEVERITY, severity);
}

static inline void peer_wait(int fd, const char *text, uint32_t seconds)
{
	peer_send_text(fd, JIT_F_WAIT, text, JIT_T_REMAINING, seconds);
}

static inline void peer_ask(int fd, const char *text, uint32_t echo)
{
	peer_send_text(fd, JIT_F_ASK, text, JIT_T_ECHO, echo);
}

static inline void peer_verdict(int fd, uint32_t outcome, const char *text, const char *grant)
{
	struct jit_frame f;

	jit_frame_start(&f, JIT_F_VERDICT);
	jit_frame_put_u32(&f, JIT_T_OUTCOME, outcome);
	jit_frame_put_str(&f, JIT_T_TEXT, text);
	jit_frame_put_str(&f, JIT_T_GRANT, grant);
	EXPECT(jit_frame_send(fd, &f) == 0);
}

/* open_session asks: a token and a variable, for a minute. */
static inline void peer_offer(int fd)
{
	static const uint8_t token[JIT_TOKEN_LEN] = {1, 2, 3};
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_OPEN);
	jit_frame_start(&f, JIT_F_VERDICT);
	jit_frame_put_u32(&f, JIT_T_OUTCOME, JIT_ALLOW);
	jit_frame_put(&f, JIT_T_TOKEN, token, sizeof(token));
	jit_frame_put_u32(&f, JIT_T_REMAINING, 60);
	jit_frame_put_str(&f, JIT_T_ENV, "AWS_REGION=eu-west-1");
	EXPECT(jit_frame_send(fd, &f) == 0);
}

/* The whole session: what it is offered is taken, and given back. */
static inline void peer_open_and_close(int fd)
{
	struct jit_frame f;

	peer_offer(fd);
	peer_recv(fd, &f, JIT_F_TAKEN);
	peer_recv(fd, &f, JIT_F_CLOSE);
}

static inline bool peer_text_is(const struct jit_frame *f, uint8_t tag, const char *expected)
{
	char text[JIT_COMMAND_SIZE];

	if (!expected)
		return jit_frame_get_str(f, tag, text, sizeof(text)) == -ENOENT;
	if (jit_frame_get_str(f, tag, text, sizeof(text)) == 0 && strcmp(text, expected) == 0)
		return true;
	fprintf(stderr, "peer: tag %u: expected \"%s\", came \"%s\"\n", tag, expected, text);
	return false;
}

static inline uint32_t peer_number(const struct jit_frame *f, uint8_t tag)
{
	uint32_t number = UINT32_MAX;

	EXPECT(jit_frame_get_u32(f, tag, &number) == 0);
	return number;
}

#endif
