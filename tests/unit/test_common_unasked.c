/* common/unasked: a descriptor that is sent along makes nobody wait, however long it lingers. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "proto.h"
#include "unasked.h"
#include "unit.h"

#define LINGER_S 40
#define SOME	 3

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

/* A TCP connection whose last close waits: its peer, which *ret_reader keeps, reads nothing. */
static int lingering(int *ret_reader)
{
	const struct linger linger = {.l_onoff = 1, .l_linger = LINGER_S};
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	static const char bytes[65536];
	socklen_t size = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(listener, (struct sockaddr *)&at, size), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &size), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, size), 0);
	*ret_reader = accept(listener, NULL, NULL);
	assert_true(*ret_reader >= 0);
	close(listener);
	while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		continue;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	return fd;
}

static int send_along(int sock, int passed)
{
	struct jit_frame f;

	jit_frame_start(&f, JIT_F_STATUS);
	return jit_frame_send_fd(sock, &f, passed);
}

/* Sends one that nobody else holds any more. */
static int send_lingering(int sock)
{
	int reader, fd = lingering(&reader);

	assert_int_equal(send_along(sock, fd), 0);
	close(fd);
	return reader;
}

static void what_lingers_is_not_waited_for(void **state)
{
	int pair[2], reader[2 * SOME];
	struct jit_frame in = {0};

	(void)state;
	if (is_under_valgrind()) /* which holds signals back while a call is under way */
		skip();
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	for (int i = 0; i < 2 * SOME; i++)
		reader[i] = send_lingering(pair[0]);
	int64_t began = jit_boottime_ms();
	for (int i = 0; i < SOME; i++) {
		assert_int_equal(jit_unasked_recv(pair[1], &in), 1);
		assert_int_equal(jit_frame_type(&in), JIT_F_STATUS);
	}
	assert_true(jit_boottime_ms() - began < LINGER_S * 1000 / 2);
	jit_unasked_close(pair[1]); /* with the others unread */
	assert_true(jit_boottime_ms() - began < LINGER_S * 1000 / 2);
	for (int i = 0; i < 2 * SOME; i++)
		close(reader[i]);
	close(pair[0]);
}

static void no_signal_is_left_behind(void **state)
{
	struct jit_frame in = {0};
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(jit_unasked_recv(pair[1], &in), -EAGAIN);
	jit_unasked_close(pair[1]);
	assert_int_equal(usleep(20000), 0); /* an alarm would break it off */
	close(pair[0]);
}

static void where_the_kernel_can_none_is_let_in(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0), fd = socket(AF_UNIX, SOCK_SEQPACKET, 0), one = 1;
	socklen_t size = sizeof(sa_family_t);

	(void)state;
	if (setsockopt(listener, SOL_SOCKET, SO_PASSRIGHTS, &one, sizeof(one)) < 0)
		skip();
	assert_int_equal(bind(listener, (struct sockaddr *)&at, size), 0); /* a name of the kernel's choice */
	assert_int_equal(listen(listener, 1), 0);
	jit_unasked_refuse(listener);
	size = sizeof(at);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &size), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, size), 0);
	assert_int_equal(send_along(fd, STDIN_FILENO), -EPERM);
	assert_int_equal(send_along(fd, -1), 0);
	close(fd);
	jit_unasked_close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_lingers_is_not_waited_for),
		cmocka_unit_test(no_signal_is_left_behind),
		cmocka_unit_test(where_the_kernel_can_none_is_let_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
