/* The server's limits and deadlines, from a peer's side of the socket: what it sends, what it gets. */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http.h"
#include "listen.h"
#include "logged.h"
#include "no_memory.h"
#include "server.h"

#define PATIENCE_MS 5000

struct bench {
	struct event_base *base;
	struct jb_server *server;
	struct jb_call *pending; /* /later: the call that waits */
	int gone;		 /* calls whose peer left */
	int handled;
	char last_body[128];
};

struct peer {
	struct bench *bench;
	int fd;
	char got[100000];
	size_t len;
	bool closed;
	struct event *readable;
};

static void on_gone(void *arg)
{
	struct bench *b = arg;

	b->gone++;
	b->pending = NULL;
	event_base_loopbreak(b->base);
}

static void handle(void *arg, struct jb_call *call)
{
	struct bench *b = arg;
	size_t len;

	b->handled++;
	snprintf(b->last_body, sizeof(b->last_body), "%s", jb_call_body(call, &len));
	if (strcmp(jb_call_path(call), "/later") == 0) {
		b->pending = call;
		jb_call_on_gone(call, on_gone, b);
		event_base_loopbreak(b->base);
		return;
	}
	if (strcmp(jb_call_path(call), "/known") == 0)
		jb_call_trust(call);
	if (strcmp(jb_call_path(call), "/much") == 0) {
		static const char much[16 << 20]; /* more than the kernel's buffers hold */

		jb_call_reply(call, 200, "", much, sizeof(much));
		return;
	}
	jb_call_reply(call, 200, "", "hello", 5);
}

static struct bench *start(const struct jb_server_options *given)
{
	struct jb_server_options options = given ? *given : (struct jb_server_options){0};
	struct bench *b = calloc(1, sizeof(*b));
	char why[256] = "";

	options.address = "127.0.0.1";
	options.listen_fd = -1;
	b->base = event_base_new();
	b->server = jb_server_new(b->base, &options, handle, b, why, sizeof(why));
	assert_string_equal(why, "");
	assert_non_null(b->server);
	return b;
}

static void stop(struct bench *b)
{
	jb_server_free(b->server);
	event_base_free(b->base);
	free(b);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct peer *p = arg;
	ssize_t n = recv(fd, p->got + p->len, sizeof(p->got) - 1 - p->len, MSG_DONTWAIT);

	(void)what;
	if (n > 0) {
		p->len += (size_t)n;
		p->got[p->len] = '\0';
	} else if (n == 0 || errno != EAGAIN) {
		p->closed = true;
		event_del(p->readable);
	}
	event_base_loopbreak(p->bench->base);
}

static struct peer *connect_from(struct bench *b, const char *address)
{
	struct sockaddr_in from = {.sin_family = AF_INET};
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(jb_server_port(b->server))};
	struct peer *p = calloc(1, sizeof(*p));

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	p->bench = b;
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(inet_pton(AF_INET, address, &from.sin_addr), 1);
	assert_int_equal(bind(p->fd, (struct sockaddr *)&from, sizeof(from)), 0);
	assert_int_equal(connect(p->fd, (struct sockaddr *)&to, sizeof(to)), 0);
	p->readable = event_new(b->base, p->fd, EV_READ | EV_PERSIST, on_readable, p);
	event_add(p->readable, NULL);
	return p;
}

static struct peer *connect_to(struct bench *b)
{
	return connect_from(b, "127.0.0.1");
}

static void leave(struct peer *p)
{
	event_free(p->readable);
	if (p->fd >= 0)
		close(p->fd);
	free(p);
}

static void say(struct peer *p, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(p->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			return; /* the server has hung up already: that is for the test to find */
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		} else {
			event_base_loop(p->bench->base, EVLOOP_NONBLOCK);
		}
	}
}

static void on_patience(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

/* Runs the loop until the condition holds; false when patience runs out first. */
#define UNTIL(b, condition)                                                                                            \
	({                                                                                                             \
		bool over_ = false;                                                                                    \
		struct timeval tv_ = {.tv_sec = PATIENCE_MS / 1000};                                                   \
		struct event *patience_ = evtimer_new((b)->base, on_patience, &over_);                                 \
		event_add(patience_, &tv_);                                                                            \
		while (!(condition) && !over_)                                                                         \
			event_base_loop((b)->base, EVLOOP_ONCE);                                                       \
		event_free(patience_);                                                                                 \
		!over_;                                                                                                \
	})

/* Asks and has the answer; it stays in p->got until the next. */
static void ask(struct peer *p, const char *path)
{
	char text[64];
	const int len = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);

	p->len = 0;
	memset(p->got, 0, sizeof(p->got));
	say(p, text, (size_t)len);
	assert_true(UNTIL(p->bench, strstr(p->got, "hello")));
}

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

static void a_kept_alive_connection_carries_one_request_after_another(void **state)
{
	struct bench *b = start(NULL);
	struct peer *p = connect_to(b);

	(void)state;
	for (int i = 0; i < 3; i++) {
		p->len = 0;
		say(p, GET, sizeof(GET) - 1);
		assert_true(UNTIL(b, strstr(p->got, "hello")));
		assert_non_null(strstr(p->got, "HTTP/1.1 200 OK\r\n"));
		assert_null(strstr(p->got, "Server:"));
		memset(p->got, 0, sizeof(p->got));
	}
	assert_false(p->closed);
	assert_int_equal(b->handled, 3);
	leave(p);
	stop(b);
}

static void requests_sent_together_are_answered_in_turn(void **state)
{
	static const char two[] = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none" GET;
	struct bench *b = start(NULL);
	struct peer *p = connect_to(b);

	(void)state;
	say(p, two, sizeof(two) - 1);
	assert_true(
		UNTIL(b, b->handled == 2 && strstr(p->got, "hello") && strstr(strstr(p->got, "hello") + 1, "hello")));
	leave(p);
	stop(b);
}

static void what_two_programs_could_read_differently_is_refused(void **state)
{
	static const struct {
		const char *sent;
		size_t len;
		int status;
	} cases[] = {
#define CASE(text, status) {text, sizeof(text) - 1, status}
		CASE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400),
		CASE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx", 400),
		CASE("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
		CASE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx", 400),
		CASE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 01\r\n\r\nx", 400),
		CASE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 1\r\n\r\nx", 400),
		CASE("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
		CASE("GET / HTTP/1.1\r\nHost: a\r\nX-Api-Key: a\r\nx-api-key: b\r\n\r\n", 400),
		CASE("GET / HTTP/1.1\r\nHost: a\r\nX-Jit-Grant-Token: a\r\nX-Jit-Grant-Token: b\r\n\r\n", 400),
		CASE("GET / HTTP/1.1\r\nAccept: a\r\n\r\n", 400),
		CASE("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
		CASE("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
		CASE("GET / HTTP/1.1\r\nHost: a\r\nX: a\nY: b\r\n\r\n", 400),
		CASE("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", 400),
		CASE("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
		CASE("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
		CASE("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
		CASE("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
		CASE("\x16\x03\x01 hello, this is TLS\r\n\r\n", 400),
		CASE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n", 413),
#undef CASE
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct bench *b = start(NULL);
		struct peer *p = connect_to(b);
		char expected[32];

		snprintf(expected, sizeof(expected), "HTTP/1.1 %d ", cases[i].status);
		say(p, cases[i].sent, cases[i].len);
		assert_true(UNTIL(b, p->closed));
		if (strncmp(p->got, expected, strlen(expected)) != 0 || !strstr(p->got, "{\"message\":\""))
			fail_msg("case %zu: expected %s and JSON, got %s", i, expected, p->got);
		assert_int_equal(b->handled, 0);
		leave(p);
		stop(b);
	}
}

static void a_head_over_16_KiB_is_refused(void **state)
{
	struct bench *b = start(NULL);
	struct peer *p = connect_to(b);
	char *text = malloc(20000);

	(void)state;
	memset(text, 'a', 20000);
	memcpy(text, "GET /", 5);
	say(p, text, 20000);
	assert_true(UNTIL(b, p->closed));
	assert_memory_equal(p->got, "HTTP/1.1 431 ", 13);
	free(text);
	leave(p);
	stop(b);
}

static void a_body_of_64_KiB_is_taken_and_one_byte_more_is_answered_413(void **state)
{
	struct bench *b = start(NULL);
	char *body = calloc(1, 70000);

	(void)state;
	memset(body, 'x', 65537);
	for (size_t len = 65536; len <= 65537; len++) {
		struct peer *p = connect_to(b);
		char head[96];
		int n = snprintf(head, sizeof(head), "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", len);
		say(p, head, (size_t)n);
		say(p, body, len);
		assert_true(UNTIL(b, strstr(p->got, len == 65536 ? "hello" : "over 64 KiB")));
		leave(p);
	}
	free(body);
	stop(b);
}

static void a_client_that_trickles_is_cut_off_at_the_deadline(void **state)
{
	struct bench *b = start(&(struct jb_server_options){.request_ms = 200});
	struct peer *p = connect_to(b);
	struct timeval pause = {.tv_usec = 20000};

	(void)state;
	say(p, "GET / HTTP/1.1\r\n", 16);
	/* Bytes keep coming: an idle timeout would be put off for ever. */
	for (int i = 0; i < 100 && !p->closed; i++) {
		say(p, "X", 1);
		event_base_loopexit(b->base, &pause);
		event_base_dispatch(b->base);
	}
	assert_true(p->closed);
	assert_memory_equal(p->got, "HTTP/1.1 408 ", 13);
	leave(p);
	stop(b);
}

static void a_silent_connection_is_closed(void **state)
{
	struct bench *b = start(&(struct jb_server_options){.request_ms = 100});
	struct peer *p = connect_to(b);

	(void)state;
	assert_true(UNTIL(b, p->closed));
	assert_int_equal(p->len, 0);
	assert_int_equal(jb_server_connections(b->server), 0);
	leave(p);
	stop(b);
}

static void a_peer_that_leaves_while_its_answer_is_pending_is_noticed(void **state)
{
	(void)state;
	for (int reset = 0; reset <= 1; reset++) {
		struct linger at_once = {.l_onoff = 1};
		struct bench *b = start(NULL);
		struct peer *p = connect_to(b);

		say(p, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n", 32);
		assert_true(UNTIL(b, b->pending));
		if (reset)
			setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		event_del(p->readable);
		close(p->fd);
		p->fd = -1;
		assert_true(UNTIL(b, b->gone == 1));
		assert_int_equal(jb_server_connections(b->server), 0);
		leave(p);
		stop(b);
	}
}

static void an_answer_may_come_later(void **state)
{
	struct bench *b = start(NULL);
	struct peer *p = connect_to(b);

	(void)state;
	say(p, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n", 32);
	assert_true(UNTIL(b, b->pending));
	jb_call_reply(b->pending, 200, "", "at last", 7);
	assert_true(UNTIL(b, strstr(p->got, "at last")));
	leave(p);
	assert_true(UNTIL(b, jb_server_connections(b->server) == 0));
	assert_int_equal(b->gone, 0); /* answered calls have nobody to tell */
	stop(b);
}

static void stopping_tells_whoever_waits(void **state)
{
	struct bench *b = start(NULL);
	struct peer *p = connect_to(b);

	(void)state;
	say(p, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n", 32);
	assert_true(UNTIL(b, b->pending));
	jb_server_free(b->server);
	b->server = NULL;
	assert_int_equal(b->gone, 1);
	leave(p);
	stop(b);
}

static void when_all_are_taken_the_oldest_that_proved_nothing_leaves(void **state)
{
	struct bench *b = start(&(struct jb_server_options){.max_connections = 3});
	struct peer *known = connect_to(b), *old, *young, *next;

	(void)state;
	ask(known, "/known");
	old = connect_to(b);
	assert_true(UNTIL(b, jb_server_connections(b->server) == 2));
	young = connect_to(b);
	assert_true(UNTIL(b, jb_server_connections(b->server) == 3));
	next = connect_to(b);
	assert_true(UNTIL(b, old->closed));
	ask(next, "/");
	ask(known, "/");
	assert_false(young->closed);
	assert_int_equal(jb_server_connections(b->server), 3);
	leave(young);
	assert_true(UNTIL(b, jb_server_connections(b->server) == 2));
	leave(known);
	leave(old);
	leave(next);
	stop(b);
}

static void of_those_that_proved_themselves_the_one_that_lay_idle_longest_leaves(void **state)
{
	struct bench *b = start(&(struct jb_server_options){.max_connections = 2});
	struct peer *first = connect_to(b), *second = connect_to(b), *third;

	(void)state;
	ask(first, "/known");
	ask(second, "/known");
	ask(first, "/"); /* now it is the second that has said nothing for longer */
	third = connect_to(b);
	assert_true(UNTIL(b, second->closed));
	ask(third, "/");
	assert_false(first->closed);
	leave(first);
	leave(second);
	leave(third);
	stop(b);
}

static void nobody_who_proved_itself_is_put_out_while_it_waits(void **state)
{
	struct bench *b = start(&(struct jb_server_options){.max_connections = 1});
	struct peer *waiting = connect_to(b), *next;

	(void)state;
	ask(waiting, "/known");
	say(waiting, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n", 32);
	assert_true(UNTIL(b, b->pending));
	next = connect_to(b);
	assert_true(UNTIL(b, next->closed));
	assert_int_equal(b->gone, 0);
	leave(next);
	jb_call_reply(b->pending, 200, "", "at last", 7);
	assert_true(UNTIL(b, strstr(waiting->got, "at last")));
	leave(waiting);
	stop(b);
}

/* Else a key, or a token, and a byte now and then would do to hold all of them. */
static void a_request_that_has_not_come_whole_keeps_nobody_in(void **state)
{
	static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
	struct bench *b = start(&(struct jb_server_options){.max_connections = 1});
	struct peer *slow = connect_to(b), *next;

	(void)state;
	ask(slow, "/known");
	say(slow, head, sizeof(head) - 1);
	assert_true(UNTIL(b, strstr(slow->got, "100 Continue")));
	next = connect_to(b);
	assert_true(UNTIL(b, slow->closed));
	ask(next, "/");
	leave(slow);
	leave(next);
	stop(b);
}

/* A quarter of them, and 256 at least. */
static void one_address_has_its_share_of_those_that_proved_nothing(void **state)
{
	enum { SHARE = 256, ROOM = 600 };
	struct bench *b = start(&(struct jb_server_options){.max_connections = ROOM});
	struct peer *honest, *squatter[SHARE + 1];
	struct peer *elsewhere = connect_from(b, "127.0.0.2");

	(void)state;
	for (unsigned i = 0; i < SHARE; i++) {
		squatter[i] = connect_to(b);
		assert_true(UNTIL(b, jb_server_connections(b->server) == i + 2));
	}
	assert_false(squatter[0]->closed);
	honest = connect_to(b);
	assert_true(UNTIL(b, squatter[0]->closed));
	ask(honest, "/known"); /* and it counts no more */
	squatter[SHARE] = connect_to(b);
	assert_true(UNTIL(b, jb_server_connections(b->server) == SHARE + 2));
	assert_false(squatter[1]->closed);
	assert_false(elsewhere->closed);
	ask(honest, "/");
	for (unsigned i = 0; i <= SHARE; i++)
		leave(squatter[i]);
	leave(honest);
	leave(elsewhere);
	stop(b);
}

static void an_address_of_ipv6_stands_for_its_64(void **state)
{
	struct jb_address a, b, c, v4, other;

	(void)state;
	assert_true(jb_address_parse("2001:db8:1:2::1", &a) && jb_address_parse("2001:db8:1:2:ffff::9", &b) &&
		    jb_address_parse("2001:db8:1:3::1", &c) && jb_address_parse("192.0.2.1", &v4) &&
		    jb_address_parse("192.0.2.2", &other));
	a = jb_address_site(&a);
	b = jb_address_site(&b);
	c = jb_address_site(&c);
	v4 = jb_address_site(&v4);
	other = jb_address_site(&other);
	assert_memory_equal(a.byte, b.byte, sizeof(a.byte));
	assert_memory_not_equal(a.byte, c.byte, sizeof(a.byte));
	assert_memory_not_equal(v4.byte, other.byte, sizeof(v4.byte));
}

static void a_peer_that_does_not_read_its_answer_is_cut_off_at_the_deadline(void **state)
{
	struct bench *b = start(&(struct jb_server_options){.request_ms = 200});
	struct peer *p = connect_to(b);

	(void)state;
	event_del(p->readable);
	say(p, "GET /much HTTP/1.1\r\nHost: a\r\n\r\n", 31);
	assert_true(UNTIL(b, b->handled == 1));
	assert_int_equal(jb_server_connections(b->server), 1);
	assert_true(UNTIL(b, jb_server_connections(b->server) == 0));
	leave(p);
	stop(b);
}

static void more_header_lines_than_there_is_room_for_are_refused(void **state)
{
	struct bench *b = start(NULL);
	struct peer *p = connect_to(b);
	char text[8192];
	size_t len = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n");

	(void)state;
	for (int i = 0; i < JB_HTTP_HEADERS_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "X-%d: a\r\n", i);
	len += (size_t)snprintf(text + len, sizeof(text) - len, "\r\n");
	say(p, text, len);
	assert_true(UNTIL(b, p->closed));
	assert_memory_equal(p->got, "HTTP/1.1 431 ", 13);
	assert_int_equal(b->handled, 0);
	leave(p);
	stop(b);
}

/* One that lost its power neither closes nor confirms: within half a minute of the next word to it. */
static void a_silent_end_of_a_peer_is_looked_for(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 0, idle = 0, interval = 0, probes = 0;
	unsigned unheard = 0;
	socklen_t len = sizeof(int);

	(void)state;
	jb_listen_accepted(fd);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, &len), 0);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &len), 0);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, &len), 0);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, &len), 0);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unheard, &len), 0);
	assert_true(on);
	assert_in_range(idle + interval * probes, 1, 60);
	assert_in_range(unheard, 1, 30000);
	close(fd);
}

static void expect_100_is_answered_before_the_body(void **state)
{
	static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
	struct bench *b = start(NULL);
	struct peer *p = connect_to(b);

	(void)state;
	say(p, head, sizeof(head) - 1);
	assert_true(UNTIL(b, strstr(p->got, "100 Continue")));
	say(p, "body", 4);
	assert_true(UNTIL(b, strstr(p->got, "hello")));
	assert_string_equal(b->last_body, "body");
	leave(p);
	stop(b);
}

static void plain_http_is_served_on_loopback_alone(void **state)
{
	struct event_base *base = event_base_new();
	const struct jb_server_options options = {.address = "0.0.0.0", .listen_fd = -1};
	char why[256] = "";

	(void)state;
	assert_null(jb_server_new(base, &options, handle, NULL, why, sizeof(why)));
	assert_non_null(strstr(why, "loopback"));
	event_base_free(base);
}

static void query_parameters_are_decoded_strictly(void **state)
{
	static const struct {
		const char *query, *value;
		int r;
	} cases[] = {
		{"wait=25", "25", 0},	      {"a=1&wait=2%35&b", "25", 0},	{"", NULL, -ENOENT},
		{"waiting=1", NULL, -ENOENT}, {"wait=1&wait=1", NULL, -EINVAL}, {"wait=%4", NULL, -EINVAL},
		{"wait=%zz", NULL, -EINVAL},  {"wait=%00", NULL, -EINVAL},	{"wait=123456789", NULL, -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct jb_http_head head = {.query = cases[i].query};
		char buf[8] = "";
		assert_int_equal(jb_http_query(&head, "wait", buf, sizeof(buf)), cases[i].r);
		if (cases[i].value)
			assert_string_equal(buf, cases[i].value);
	}
}

static void an_address_of_either_family_is_listened_on(void **state)
{
	static const struct {
		const char *address;
		bool good;
	} rows[] = {{"127.0.0.1", true}, {"::1", true}, {"localhost", false}, {"::1%lo", false}, {"", false}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char why[256] = "";
		int fd = jb_listen(rows[i].address, 0, why, sizeof(why));

		if (!rows[i].good) {
			assert_int_equal(fd, -1);
			assert_non_null(strstr(why, "is not a numeric address"));
		} else if (fd < 0) { /* a machine without IPv6 */
			assert_string_equal(rows[i].address, "::1");
			assert_non_null(strstr(why, "cannot listen on ::1 port 0: "));
		} else {
			close(fd);
		}
	}
}

#ifdef JIT_TEST_NO_MEMORY
#define TAKES 5 /* allocations until libevent makes a connection of its own; some of those it does not bear to miss */

/* Runs the loop until the nth allocation from here on has failed; what was logged. */
static const char *lack(struct bench *b, long nth)
{
	static char said[512];

	log_begin();
	for (left = nth; left >= 0;)
		event_base_loop(b->base, EVLOOP_ONCE);
	left = LONG_MAX;
	log_end(said, sizeof(said));
	return said;
}

static void without_memory_it_says_so_once_and_lets_the_others_wait(void **state)
{
	(void)state;
	if (!memory_can_run_out())
		skip();
	for (long nth = 0; nth < TAKES; nth++) {
		struct bench *b = start(NULL);
		struct peer *first = connect_to(b), *second = connect_to(b), *third = connect_to(b);

		const char *said = lack(b, nth);
		if (!strstr(said, "no further connection can be taken: Cannot allocate memory; until there is room "))
			fail_msg("without allocation %ld: \"%s\"", nth, said);
		assert_int_equal(jb_server_connections(b->server), 0);
		assert_string_equal(lack(b, nth), "");
		assert_int_equal(jb_server_connections(b->server), 0);
		ask(third, "/");
		assert_true(UNTIL(b, first->closed && second->closed));
		leave(first);
		leave(second);
		leave(third);
		stop(b);
	}
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_of_either_family_is_listened_on),
		cmocka_unit_test(a_kept_alive_connection_carries_one_request_after_another),
		cmocka_unit_test(requests_sent_together_are_answered_in_turn),
		cmocka_unit_test(what_two_programs_could_read_differently_is_refused),
		cmocka_unit_test(a_head_over_16_KiB_is_refused),
		cmocka_unit_test(a_body_of_64_KiB_is_taken_and_one_byte_more_is_answered_413),
		cmocka_unit_test(a_client_that_trickles_is_cut_off_at_the_deadline),
		cmocka_unit_test(a_silent_connection_is_closed),
		cmocka_unit_test(a_peer_that_leaves_while_its_answer_is_pending_is_noticed),
		cmocka_unit_test(an_answer_may_come_later),
		cmocka_unit_test(stopping_tells_whoever_waits),
		cmocka_unit_test(when_all_are_taken_the_oldest_that_proved_nothing_leaves),
		cmocka_unit_test(of_those_that_proved_themselves_the_one_that_lay_idle_longest_leaves),
		cmocka_unit_test(nobody_who_proved_itself_is_put_out_while_it_waits),
		cmocka_unit_test(a_request_that_has_not_come_whole_keeps_nobody_in),
		cmocka_unit_test(one_address_has_its_share_of_those_that_proved_nothing),
		cmocka_unit_test(an_address_of_ipv6_stands_for_its_64),
		cmocka_unit_test(a_peer_that_does_not_read_its_answer_is_cut_off_at_the_deadline),
		cmocka_unit_test(more_header_lines_than_there_is_room_for_are_refused),
		cmocka_unit_test(a_silent_end_of_a_peer_is_looked_for),
		cmocka_unit_test(expect_100_is_answered_before_the_body),
		cmocka_unit_test(plain_http_is_served_on_loopback_alone),
		cmocka_unit_test(query_parameters_are_decoded_strictly),
#ifdef JIT_TEST_NO_MEMORY
		cmocka_unit_test(without_memory_it_says_so_once_and_lets_the_others_wait),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
