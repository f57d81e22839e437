/* What the server writes over TLS: whole and in turn, however late its peer reads, and with a deadline after it. */
#include "broker_tls.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>

static void on_end(struct bufferevent *bev, short what, void *arg)
{
	struct bench *b = arg;

	(void)bev;
	b->closed |= (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0;
}

static struct bufferevent *connect_to(struct bench *b)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(jb_server_port(b->server))};
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), small = 4096;
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
	struct bufferevent *bev = bufferevent_openssl_socket_new(b->base, fd, SSL_new(tls), BUFFEREVENT_SSL_CONNECTING,
								 BEV_OPT_CLOSE_ON_FREE);

	SSL_CTX_free(tls);
	assert_non_null(bev);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	bufferevent_setcb(bev, NULL, NULL, on_end, b);
	assert_int_equal(bufferevent_socket_connect(bev, (struct sockaddr *)&to, sizeof(to)), 0);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
	return bev;
}

static void start(struct bench *b, unsigned idle_ms)
{
	start_server(b, -1, 0, idle_ms);
	b->peer = connect_to(b);
}

static struct evbuffer *got(const struct bench *b)
{
	return bufferevent_get_input(b->peer);
}

static void take_answer(struct bench *b, unsigned n)
{
	assert_true(UNTIL(b, b->closed || evbuffer_search(got(b), "\r\n\r\n", 4, NULL).pos >= 0));
	assert_true(evbuffer_search(got(b), "\r\n\r\n", 4, NULL).pos >= 0);
	const size_t head = (size_t)evbuffer_search(got(b), "\r\n\r\n", 4, NULL).pos + 4;
	assert_true(UNTIL(b, evbuffer_get_length(got(b)) >= head + size_of(n)));
	check_answer(got(b), n, size_of(n));
}

static void answers_come_whole_and_in_turn_to_a_peer_that_reads_late(void **state)
{
	static const char get[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	struct bench b;
	unsigned quiet = 0, before = 0;

	(void)state;
	start(&b, IDLE_LONG_MS);
	for (unsigned i = 0; i < CALLS; i++)
		bufferevent_write(b.peer, get, sizeof(get) - 1);
	assert_true(UNTIL(&b, b.handled > 0));
	bufferevent_disable(b.peer, EV_READ);
	for (; quiet < QUIET; before = b.handled) {
		event_base_loop(b.base, EVLOOP_NONBLOCK);
		quiet = b.handled == before ? quiet + 1 : 0;
	}
	assert_true(b.handled < CALLS); /* it waits for the peer to read */
	bufferevent_enable(b.peer, EV_READ);
	for (unsigned i = 0; i < CALLS; i++)
		take_answer(&b, i);
	assert_int_equal(evbuffer_get_length(got(&b)), 0);
	stop(&b);
}

static void a_connection_that_was_answered_is_closed_when_it_lies_idle(void **state)
{
	static const char call[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
	struct bench b;

	(void)state;
	start(&b, IDLE_SHORT_MS);
	bufferevent_write(b.peer, call, sizeof(call) - 1);
	take_answer(&b, 0);
	assert_true(UNTIL(&b, b.closed));
	stop(&b);
}

/* The server writes "100 Continue" and the answer in one turn of its loop. */
static void a_body_that_comes_unasked_is_answered_like_any_other(void **state)
{
	static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
	struct bench b;

	(void)state;
	start(&b, IDLE_SHORT_MS);
	for (unsigned i = 0; i < 3; i++) {
		/* Two pieces, and so two TLS records. */
		evbuffer_add_reference(bufferevent_get_output(b.peer), head, sizeof(head) - 1, NULL, NULL);
		evbuffer_add_reference(bufferevent_get_output(b.peer), "body", 4, NULL, NULL);
		assert_true(UNTIL(&b, b.closed || evbuffer_search(got(&b), "\r\n\r\n", 4, NULL).pos >= 0));
		assert_false(b.closed);
		take_proceed(got(&b));
		take_answer(&b, i);
	}
	assert_true(UNTIL(&b, b.closed));
	stop(&b);
}

static void behind_a_last_call_nothing_is_looked_at(void **state)
{
	static const char calls[] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
				    "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	struct bench b;

	(void)state;
	start(&b, IDLE_LONG_MS);
	bufferevent_write(b.peer, calls, sizeof(calls) - 1);
	take_answer(&b, 0);
	assert_true(UNTIL(&b, b.closed));
	assert_int_equal(evbuffer_get_length(got(&b)), 0);
	assert_int_equal(b.handled, 1);
	stop(&b);
}

/* libevent's own, and what it does where it gets no memory: it lets go of the session that it was given. */
static bool short_of_memory;
static SSL *given;
static bool freed;

struct bufferevent *bufferevent_openssl_socket_new(struct event_base *base, evutil_socket_t fd, SSL *ssl,
						   enum bufferevent_ssl_state state, int options)
{
	static struct bufferevent *(*real)(struct event_base *, evutil_socket_t, SSL *, enum bufferevent_ssl_state,
					   int);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "bufferevent_openssl_socket_new");
	if (!short_of_memory || state != BUFFEREVENT_SSL_ACCEPTING)
		return real(base, fd, ssl, state, options);
	assert_int_equal(SSL_up_ref(ssl), 1);
	given = ssl;
	if (options & BEV_OPT_CLOSE_ON_FREE)
		SSL_free(ssl);
	return NULL;
}

static void note_freed(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	(void)ptr;
	(void)ad;
	(void)idx;
	(void)argl;
	(void)argp;
	if (parent == given)
		freed = true;
}

static void a_session_that_no_memory_was_left_for_is_freed_once(void **state)
{
	struct bench b;

	(void)state;
	assert_true(CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_SSL, 0, NULL, NULL, NULL, note_freed) >= 0);
	short_of_memory = true;
	start(&b, IDLE_LONG_MS);
	assert_true(UNTIL(&b, b.closed));
	short_of_memory = false;
	assert_non_null(given);
	assert_false(freed);
	SSL_free(given);
	assert_true(freed);
	given = NULL;
	assert_int_equal(jb_server_connections(b.server), 0);
	stop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_come_whole_and_in_turn_to_a_peer_that_reads_late),
		cmocka_unit_test(a_connection_that_was_answered_is_closed_when_it_lies_idle),
		cmocka_unit_test(a_body_that_comes_unasked_is_answered_like_any_other),
		cmocka_unit_test(behind_a_last_call_nothing_is_looked_at),
		cmocka_unit_test(a_session_that_no_memory_was_left_for_is_freed_once),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, make_certificate, remove_certificate);
}
