/*
 * What the tests of the broker's server share: a server on loopback in the test's own event loop, and peers that say to
 * it what the test wants, and keep what they get.
 */
#ifndef JIT_TEST_SERVER_PEER_H
#define JIT_TEST_SERVER_PEER_H

#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http.h"
#include "server.h"
#include "until.h"

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

static inline void on_gone(void *arg)
{
	struct bench *b = arg;

	b->gone++;
	b->pending = NULL;
	event_base_loopbreak(b->base);
}

static inline void handle(void *arg, struct jb_call *call)
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

static inline struct bench *start(const struct jb_server_options *given)
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

static inline void stop(struct bench *b)
{
	jb_server_free(b->server);
	event_base_free(b->base);
	free(b);
}

static inline void on_readable(evutil_socket_t fd, short what, void *arg)
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

static inline struct peer *connect_from(struct bench *b, const char *address)
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

static inline struct peer *connect_to(struct bench *b)
{
	return connect_from(b, "127.0.0.1");
}

static inline void leave(struct peer *p)
{
	event_free(p->readable);
	if (p->fd >= 0)
		close(p->fd);
	free(p);
}

static inline void say(struct peer *p, const char *text, size_t len)
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

/* Asks and has the answer; it stays in p->got until the next. */
static inline void ask(struct peer *p, const char *path)
{
	char text[64];
	const int len = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);

	p->len = 0;
	memset(p->got, 0, sizeof(p->got));
	say(p, text, (size_t)len);
	assert_true(UNTIL(p->bench, strstr(p->got, "hello")));
}

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

#endif
