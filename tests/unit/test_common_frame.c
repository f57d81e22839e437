/* common/frame: a frame survives the way through a socket, and nothing malformed gets past the check. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame.h"
#include "proto.h"
#include "unit.h"

static void a_frame_arrives_as_it_was_sent(void **state)
{
	struct jit_frame out, in = {0};
	char text[16];
	uint32_t u32 = 0;
	const uint8_t *value;
	size_t len;
	int fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd), 0);
	jit_frame_start(&out, JIT_F_ELEVATE);
	jit_frame_put_str(&out, JIT_T_SERVICE, "sudo");
	jit_frame_put_u32(&out, JIT_T_UID, 0xfffffffe);
	jit_frame_put_str(&out, JIT_T_ENV, "A=1");
	jit_frame_put_str(&out, JIT_T_ENV, "B=2");
	jit_frame_put_str(&out, JIT_T_TTY, NULL);
	assert_int_equal(jit_frame_send(fd[0], &out), 0);
	assert_int_equal(jit_frame_recv(fd[1], &in), 1);
	assert_int_equal(jit_frame_type(&in), JIT_F_ELEVATE);
	assert_int_equal(jit_frame_get_str(&in, JIT_T_SERVICE, text, sizeof(text)), 0);
	assert_string_equal(text, "sudo");
	assert_int_equal(jit_frame_get_u32(&in, JIT_T_UID, &u32), 0);
	assert_int_equal(u32, 0xfffffffe);
	assert_int_equal(jit_frame_get_str(&in, JIT_T_TTY, text, sizeof(text)), -ENOENT);
	assert_true(jit_frame_get(&in, JIT_T_ENV, 1, &value, &len));
	assert_memory_equal(value, "B=2", 3);
	assert_false(jit_frame_get(&in, JIT_T_ENV, 2, &value, &len));
	assert_int_equal(jit_frame_recv(fd[1], &in), -EAGAIN);
	close(fd[0]);
	assert_int_equal(jit_frame_recv(fd[1], &in), 0);
	assert_int_equal(jit_frame_send(fd[1], &out), -EPIPE); /* and no SIGPIPE */
	close(fd[1]);
}

/* A frame with the first n of two descriptors. */
static void send_with(int fd, const struct jit_frame *f, const int passed[2], size_t n)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control = {.bytes = {0}};
	struct iovec iov = {.iov_base = (void *)f->data, .iov_len = f->len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), passed, n * sizeof(int));
	}
	assert_int_equal(sendmsg(fd, &msg, 0), f->len);
}

static void one_descriptor_is_taken_and_of_several_none_stays(void **state)
{
	struct jit_frame f, came = {0};
	int fd[2], pipe_fd[2];
	char byte;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd), 0);
	jit_frame_start(&f, JIT_F_OPEN);
	for (size_t n = 0; n <= 2; n++) {
		int passed = 9999;

		assert_int_equal(pipe2(pipe_fd, O_NONBLOCK), 0);
		send_with(fd[0], &f, (int[]){pipe_fd[1], pipe_fd[1]}, n);
		close(pipe_fd[1]);
		assert_int_equal(jit_frame_recv_fd(fd[1], &came, &passed), 1);
		assert_int_equal(passed >= 0, n == 1);
		if (n == 1) {
			assert_int_equal(fcntl(passed, F_GETFD), FD_CLOEXEC);
			close(passed);
		}
		assert_int_equal(read(pipe_fd[0], &byte, 1), 0); /* nobody holds the other end any more */
		close(pipe_fd[0]);
	}
	close(fd[0]);
	close(fd[1]);
}

static void a_descriptor_goes_along_and_stays_the_senders(void **state)
{
	struct jit_frame f;
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = f.data, .iov_len = sizeof(f.data)};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	int fd[2], pipe_fd[2], passed;
	char byte;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd), 0);
	assert_int_equal(pipe(pipe_fd), 0);
	jit_frame_start(&f, JIT_F_OPEN);
	size_t len = f.len;
	assert_int_equal(jit_frame_send_fd(fd[0], &f, pipe_fd[1]), 0);
	assert_int_equal(write(pipe_fd[1], "a", 1), 1);
	close(pipe_fd[1]);
	assert_int_equal(recvmsg(fd[1], &msg, MSG_CMSG_CLOEXEC), len);
	const struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	assert_non_null(c);
	assert_int_equal(c->cmsg_len, CMSG_LEN(sizeof(int))); /* one, and no more */
	memcpy(&passed, CMSG_DATA(c), sizeof(passed));
	assert_int_equal(write(passed, "b", 1), 1);
	close(passed);
	assert_int_equal(read(pipe_fd[0], &byte, 1), 1);
	assert_int_equal(read(pipe_fd[0], &byte, 1), 1);
	assert_int_equal(byte, 'b');
	close(pipe_fd[0]);
	/* Without one it is a plain frame, and whoever takes none has it closed by the kernel. */
	assert_int_equal(jit_frame_send_fd(fd[0], &f, -1), 0);
	assert_int_equal(jit_frame_send_fd(fd[0], &f, fd[0]), 0);
	assert_int_equal(jit_frame_recv(fd[1], &f), 1);
	assert_int_equal(jit_frame_recv(fd[1], &f), 1);
	assert_int_equal(jit_frame_send_fd(fd[0], &f, 9999), -EBADF);
	close(fd[0]);
	close(fd[1]);
}

static void a_reader_refuses_what_could_mean_two_things(void **state)
{
	struct jit_frame f;
	char text[5];
	uint32_t u32 = 9;

	(void)state;
	jit_frame_start(&f, JIT_F_OPEN);
	jit_frame_put_str(&f, JIT_T_TARGET, "root");
	jit_frame_put_str(&f, JIT_T_TARGET, "op1");
	jit_frame_put(&f, JIT_T_ROLE, "a\0b", 3);
	jit_frame_put_str(&f, JIT_T_TTY, "12345");
	jit_frame_put(&f, JIT_T_UID, "\0\0\1", 3);
	assert_int_equal(jit_frame_get_str(&f, JIT_T_TARGET, text, sizeof(text)), -EPROTO);
	assert_string_equal(text, "");
	memset(text, 'x', sizeof(text));
	assert_int_equal(jit_frame_get_str(&f, JIT_T_GRANT, text, sizeof(text)), -ENOENT);
	assert_string_equal(text, "");
	assert_int_equal(jit_frame_get_str(&f, JIT_T_ROLE, text, sizeof(text)), -EPROTO);
	assert_int_equal(jit_frame_get_str(&f, JIT_T_TTY, text, sizeof(text)), -EPROTO); /* one byte too long */
	assert_int_equal(jit_frame_get_u32(&f, JIT_T_UID, &u32), -EPROTO);
	assert_int_equal(u32, 9);
}

static void a_malformed_frame_is_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		{"PJ\1", 3},
		{"XJ\1\1", 4},
		{"PX\1\1", 4},
		{"PJ\2\1", 4},
		{"PJ\0\1", 4},
		{"PJ\1\1\5", 5},
		{"PJ\1\1\5\0", 6},
		{"PJ\1\1\5\0\1", 7},
		{"PJ\1\1\5\xff\xff", 7},
		{"PJ\1\1\5\0\1x\5", 9},
	};
	struct jit_frame f = {0};
	int fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd), 0);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_int_equal(send(fd[0], bad[i].bytes, bad[i].len, 0), bad[i].len);
		assert_int_equal(jit_frame_recv(fd[1], &f), -EPROTO);
	}
	close(fd[0]);
	close(fd[1]);
}

static void a_frame_has_a_limit_on_both_sides(void **state)
{
	static uint8_t big[JIT_FRAME_MAX + 1] = {'P', 'J', 1, 1};
	struct jit_frame f;
	int fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd), 0);
	jit_frame_start(&f, JIT_F_SAY);
	jit_frame_put(&f, JIT_T_TEXT, big, JIT_FRAME_MAX - 4 - 3);
	assert_int_equal(jit_frame_send(fd[0], &f), 0);
	assert_int_equal(jit_frame_recv(fd[1], &f), 1);
	jit_frame_put(&f, JIT_T_TEXT, big, 0);
	assert_int_equal(jit_frame_send(fd[0], &f), -EMSGSIZE);
	assert_int_equal(send(fd[0], big, sizeof(big), 0), sizeof(big));
	assert_int_equal(jit_frame_recv(fd[1], &f), -EMSGSIZE);
	close(fd[0]);
	close(fd[1]);
}

static void what_a_frame_held_goes_with_what_is_received_into_it(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		bool closed;
		int r;
	} comes[] = {{"PJ\1\1", 4, false, 1}, {"PJ", 2, false, -EPROTO}, {"", 0, false, -EAGAIN}, {"", 0, true, 0}};
	static struct jit_frame f;
	uint8_t secret[100];
	int fd[2];

	(void)state;
	memset(secret, 0xa5, sizeof(secret));
	for (size_t i = 0; i < COUNT_OF(comes); i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd), 0);
		jit_frame_start(&f, JIT_F_CREDENTIALS);
		jit_frame_put(&f, JIT_T_TOKEN, secret, sizeof(secret));
		assert_int_equal(jit_frame_send(fd[0], &f), 0);
		if (comes[i].len)
			assert_int_equal(send(fd[1], comes[i].bytes, comes[i].len, 0), comes[i].len);
		if (comes[i].closed)
			shutdown(fd[1], SHUT_WR);
		assert_int_equal(jit_frame_recv(fd[0], &f), comes[i].r);
		jit_frame_wipe(&f);
		assert_null(memchr(f.data, 0xa5, sizeof(f.data)));
		close(fd[0]);
		close(fd[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_arrives_as_it_was_sent),
		cmocka_unit_test(a_descriptor_goes_along_and_stays_the_senders),
		cmocka_unit_test(one_descriptor_is_taken_and_of_several_none_stays),
		cmocka_unit_test(a_reader_refuses_what_could_mean_two_things),
		cmocka_unit_test(a_malformed_frame_is_refused),
		cmocka_unit_test(a_frame_has_a_limit_on_both_sides),
		cmocka_unit_test(what_a_frame_held_goes_with_what_is_received_into_it),
	};

	return cmocka_run_group_tests_name("common frame", tests, NULL, NULL);
}
