/*
 * A peer that reads when it likes: the server's socket is full in the middle of an answer, or just before one. What it
 * has to say comes whole and in turn all the same, is wiped, and holds nobody up.
 */
#include "broker_tls.h"

#include <arpa/inet.h>
#include <linux/tcp.h>
#include <malloc.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>

#define REQUEST_MS 300
#define NEW_KEYS   2
#define TRIES	   200 /* connections, until one is full where it is to be */

/* A peer that reads when the test says so, and not when the loop does. */
struct slow_peer {
	SSL *ssl;
	int fd, servers_fd;
	struct evbuffer *got;
	bool over; /* the server has said good-bye, or is gone */
};

static void read_all(void *arg)
{
	struct slow_peer *p = arg;
	static char piece[16384];
	int n;

	while ((n = SSL_read(p->ssl, piece, sizeof(piece))) > 0)
		evbuffer_add(p->got, piece, (size_t)n);
	p->over = SSL_get_error(p->ssl, n) != SSL_ERROR_WANT_READ;
	ERR_clear_error();
}

/* The server's end of a connection, as it is in this process. */
static int end_of(int client)
{
	struct sockaddr_in name, peer;
	socklen_t len = sizeof(name);

	assert_int_equal(getsockname(client, (struct sockaddr *)&name, &len), 0);
	for (int fd = 0; fd < 1024; fd++) {
		len = sizeof(peer);
		if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 && peer.sin_family == AF_INET &&
		    peer.sin_port == name.sin_port)
			return fd;
	}
	fail_msg("the server has no such connection");
	return -1;
}

static void slow_connect(struct bench *b, struct slow_peer *p)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(jb_server_port(b->server))};
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
	const int small = 4096, on = 1;

	*p = (struct slow_peer){.ssl = SSL_new(tls), .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	SSL_CTX_free(tls);
	p->got = evbuffer_new();
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(setsockopt(p->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	assert_int_equal(setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
	assert_int_equal(connect(p->fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(evutil_make_socket_nonblocking(p->fd), 0);
	SSL_set_fd(p->ssl, p->fd);
	while (SSL_connect(p->ssl) != 1)
		event_base_loop(b->base, EVLOOP_NONBLOCK);
	p->servers_fd = end_of(p->fd);
}

static void slow_close(struct bench *b, struct slow_peer *p)
{
	b->in_handler = NULL;
	SSL_free(p->ssl);
	close(p->fd);
	evbuffer_free(p->got);
	assert_true(UNTIL(b, jb_server_connections(b->server) == 0));
}

/* Until the server has done what it can do. */
static void settle(struct bench *b)
{
	for (int i = 0; i < QUIET / 10; i++)
		event_base_loop(b->base, EVLOOP_NONBLOCK);
}

static void say(struct bench *b, struct slow_peer *p, const char *text)
{
	assert_int_equal(SSL_write(p->ssl, text, (int)strlen(text)), strlen(text));
	settle(b);
}

/* Bytes that the kernel has taken from the server. */
static uint64_t taken(const struct slow_peer *p)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	assert_int_equal(getsockopt(p->servers_fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	return info.tcpi_bytes_sent - info.tcpi_bytes_retrans + info.tcpi_notsent_bytes;
}

/* As small as it can be: full after a few answers. */
static int listen_small(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 1;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static const char asking_head[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";

/* Calls until the connection is full. True: in the middle of the nth call's "100 Continue", whose body is missing. */
static bool fill(struct bench *b, struct slow_peer *p, unsigned *ret_n)
{
	uint64_t before = taken(p), proceed = 0, answer = 0;

	for (unsigned n = 0;; n++) {
		*ret_n = n;
		say(b, p, asking_head);
		const uint64_t between = taken(p);
		proceed = proceed ? proceed : between - before;
		if (between - before < proceed)
			return true;
		say(b, p, "body");
		before = taken(p);
		answer = answer ? answer : before - between;
		if (before - between < answer)
			return false;
	}
}

/* What it reads makes room for an answer before the loop has written what was to come first. */
static void an_answer_comes_after_what_was_to_be_written_before_it(void **state)
{
	struct slow_peer p;
	struct bench b;
	unsigned n = 0;

	(void)state;
	start_server(&b, listen_small(), 0, IDLE_LONG_MS);
	for (unsigned i = 0; i < TRIES; i++) {
		b.size = 1 + i * 13 % 97;
		b.handled = 0;
		slow_connect(&b, &p);
		settle(&b);
		if (fill(&b, &p, &n))
			break;
		slow_close(&b, &p);
		assert_true(i + 1 < TRIES);
	}
	b.in_handler = read_all;
	b.in_handler_arg = &p;
	say(&b, &p, "body");
	assert_int_equal(b.handled, n + 1);
	for (int i = 0; i < QUIET; i++) {
		settle(&b);
		read_all(&p);
	}
	for (unsigned i = 0; i <= n; i++) {
		take_proceed(p.got);
		check_answer(p.got, i, b.size);
	}
	assert_int_equal(evbuffer_get_length(p.got), 0);
	slow_close(&b, &p);
	stop(&b);
}

static const char plain_get[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/* Of several TLS records each, which the socket takes in parts, with the server's new keys before each or in them. */
static void a_peer_that_asks_for_new_keys_has_its_answers_whole(void **state)
{
	struct slow_peer p;
	struct bench b;

	(void)state;
	start_server(&b, listen_small(), 0, IDLE_LONG_MS);
	b.size = ANSWER_MAX / 2;
	slow_connect(&b, &p);
	for (unsigned round = 0; round < NEW_KEYS; round++) {
		assert_int_equal(SSL_key_update(p.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		say(&b, &p, plain_get);
		assert_int_equal(SSL_key_update(p.ssl, SSL_KEY_UPDATE_REQUESTED), 1); /* while it writes */
		say(&b, &p, plain_get);
		for (int i = 0; i < 100 * QUIET && evbuffer_get_length(p.got) < 2 * b.size && !p.over; i++) {
			read_all(&p);
			settle(&b);
		}
		check_answer(p.got, 2 * round, b.size);
		check_answer(p.got, 2 * round + 1, b.size);
		assert_int_equal(evbuffer_get_length(p.got), 0);
	}
	slow_close(&b, &p);
	stop(&b);
}

/* Until an answer stands half-written. */
static void get_stuck(struct bench *b, struct slow_peer *p)
{
	b->size = ANSWER_MAX;
	slow_connect(b, p);
	b->handled = 0;
	say(b, p, plain_get);
	say(b, p, plain_get);
	assert_int_equal(b->handled, 1);
}

static void who_does_not_read_its_answer_is_left_in_time(void **state)
{
	struct slow_peer p;
	struct bench b;

	(void)state;
	start_server(&b, listen_small(), REQUEST_MS, IDLE_LONG_MS);
	get_stuck(&b, &p);
	assert_true(UNTIL(&b, jb_server_connections(b.server) == 0));
	assert_int_equal(b.handled, 1);
	slow_close(&b, &p);
	stop(&b);
}

static void who_leaves_in_the_middle_of_an_answer_is_forgotten(void **state)
{
	struct slow_peer p;
	struct bench b;

	(void)state;
	start_server(&b, listen_small(), 0, IDLE_LONG_MS);
	get_stuck(&b, &p);
	slow_close(&b, &p);
	assert_int_equal(b.handled, 1);
	stop(&b);
}

#ifndef __SANITIZE_ADDRESS__ /* which has an allocator of its own */
extern void __libc_free(void *block);

static volatile unsigned
	given_back; /* blocks that still begin with an answer; volatile: who calls free() thinks it known */

__attribute__((visibility("default"))) void free(void *block)
{
	static const char answer[] = "HTTP/1.1 200";

	if (block && malloc_usable_size(block) >= sizeof(answer) && memcmp(block, answer, sizeof(answer) - 1) == 0)
		given_back++;
	__libc_free(block);
}

static bool is_heard(void)
{
	char *volatile block = strdup("HTTP/1.1 200 OK");

	free(block);
	return given_back == 1;
}

/* It may hold credentials: written at once, by the loop, and not to its end. */
static void an_answer_is_wiped_before_its_memory_is_given_back(void **state)
{
	struct slow_peer p;
	struct bench b;

	(void)state;
	given_back = 0;
	if (!is_heard()) /* valgrind's allocator */
		skip();
	start_server(&b, listen_small(), 0, IDLE_LONG_MS);
	b.size = 100;
	slow_connect(&b, &p);
	say(&b, &p, plain_get);
	slow_close(&b, &p);
	get_stuck(&b, &p);
	while (evbuffer_get_length(p.got) < 2 * b.size && !p.over) {
		read_all(&p);
		settle(&b);
	}
	slow_close(&b, &p);
	get_stuck(&b, &p);
	slow_close(&b, &p);
	stop(&b);
	assert_int_equal(given_back, 1);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_comes_after_what_was_to_be_written_before_it),
		cmocka_unit_test(a_peer_that_asks_for_new_keys_has_its_answers_whole),
		cmocka_unit_test(who_does_not_read_its_answer_is_left_in_time),
		cmocka_unit_test(who_leaves_in_the_middle_of_an_answer_is_forgotten),
#ifndef __SANITIZE_ADDRESS__
		cmocka_unit_test(an_answer_is_wiped_before_its_memory_is_given_back),
#endif
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, make_certificate, remove_certificate);
}
