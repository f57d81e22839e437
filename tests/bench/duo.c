/*
 * What pam_duo and a script with curl meet in place of their services: Duo's Auth API as libduo speaks it (/rest/v1,
 * BSON), and an address that says `allow`. TLS on a loopback port, connections kept alive, TCP_NODELAY, each answer one
 * write: whatever is slow is not the server. Signatures are not looked at, which only makes it quicker.
 *
 *   duo CERT KEY
 *
 * Told what to do by lines on standard input, it answers each with a number:
 *   port      where it listens
 *   at-once   from here on whoever asks for the decision has it
 *   hold      from here on they wait for it; what waited before has been answered
 *   wait N    says so as soon as N wait
 *   decide    tells all that wait: the instant before it began to (CLOCK_MONOTONIC, nanoseconds)
 */
#include <arpa/inet.h>
#include <endian.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "../load/commands.h"

/* A document as it is built. */
struct bson {
	uint8_t bytes[512];
	size_t len, open[4];
	unsigned depth;
};

/* Head and body. */
struct answer {
	char bytes[1024];
	size_t len;
};

struct client {
	LIST_ENTRY(client) entry; /* among those that wait */
	struct bufferevent *bev;
	const struct answer *holds; /* what it will be told of the decision; NULL: it does not wait */
	bool was_told;		    /* that its phone has been asked */
};

static struct event_base *base;
static SSL_CTX *tls;
static uint16_t port;
static bool holding;
static LIST_HEAD(, client) waiting = LIST_HEAD_INITIALIZER(waiting);
static size_t waiting_count, waited_for;
static struct answer preauth, auth, pushed, allowed, allow, unknown;

__attribute__((noreturn)) static void die(const char *why)
{
	fprintf(stderr, "duo: %s\n", why);
	exit(1);
}

static void say(long long number)
{
	printf("%lld\n", number);
	fflush(stdout);
}

/* What there is to say */

static void put(struct bson *b, const void *data, size_t len)
{
	if (len > sizeof(b->bytes) - b->len)
		die("a document is too long");
	memcpy(b->bytes + b->len, data, len);
	b->len += len;
}

/* The whole document, without a name, or one inside of it. */
static void begin(struct bson *b, const char *name)
{
	if (name) {
		put(b, "\x03", 1);
		put(b, name, strlen(name) + 1);
	}
	b->open[b->depth++] = b->len;
	put(b, (uint8_t[4]){0}, 4);
}

static void end(struct bson *b)
{
	put(b, "", 1);
	const size_t at = b->open[--b->depth];
	const uint32_t len = htole32((uint32_t)(b->len - at));
	memcpy(b->bytes + at, &len, sizeof(len));
}

static void text(struct bson *b, const char *name, const char *value)
{
	const uint32_t len = htole32((uint32_t)strlen(value) + 1);

	put(b, "\x02", 1);
	put(b, name, strlen(name) + 1);
	put(b, &len, sizeof(len));
	put(b, value, strlen(value) + 1);
}

static struct bson begin_response(void)
{
	struct bson b = {.len = 0};

	begin(&b, NULL);
	text(&b, "stat", "OK");
	begin(&b, "response");
	return b;
}

static struct answer make_answer(const char *status, const void *body, size_t len)
{
	struct answer answer;
	const int head =
		snprintf(answer.bytes, sizeof(answer.bytes),
			 "HTTP/1.1 %s\r\nContent-Type: application/bson\r\nContent-Length: %zu\r\n\r\n", status, len);

	memcpy(answer.bytes + head, body, len);
	answer.len = (size_t)head + len;
	return answer;
}

static struct answer end_response(struct bson *b)
{
	end(b);
	end(b);
	return make_answer("200 OK", b->bytes, b->len);
}

static void make_answers(void)
{
	struct bson b = begin_response();

	text(&b, "result", "auth");
	text(&b, "prompt", "");
	begin(&b, "factors");
	text(&b, "default", "push1");
	text(&b, "1", "push1");
	end(&b);
	preauth = end_response(&b);
	b = begin_response();
	text(&b, "txid", "tx1");
	auth = end_response(&b);
	b = begin_response();
	text(&b, "status", "Pushed a login request to your phone...");
	pushed = end_response(&b);
	b = begin_response();
	text(&b, "result", "allow");
	text(&b, "status", "Success. Logging you in...");
	allowed = end_response(&b);
	allow = make_answer("200 OK", "allow", 5);
	unknown = make_answer("404 Not Found", "", 0);
}

/* Who asks */

static void tell(struct client *client, const struct answer *answer)
{
	bufferevent_write(client->bev, answer->bytes, answer->len);
}

static void tell_if_all_wait(void)
{
	if (!waited_for || waiting_count < waited_for)
		return;
	waited_for = 0;
	say((long long)waiting_count);
}

static void tell_decision(struct client *client, const struct answer *answer)
{
	if (!holding) {
		tell(client, answer);
		return;
	}
	client->holds = answer;
	LIST_INSERT_HEAD(&waiting, client, entry);
	waiting_count++;
	tell_if_all_wait();
}

static void stop_waiting(struct client *client)
{
	if (!client->holds)
		return;
	client->holds = NULL;
	LIST_REMOVE(client, entry);
	waiting_count--;
}

static bool begins_with(const char *call, const char *path)
{
	const char *at = strchr(call, ' ');

	return at && strncmp(at + 1, path, strlen(path)) == 0;
}

static void answer_call(struct client *client, const char *call)
{
	if (begins_with(call, "/rest/v1/preauth.bson")) {
		tell(client, &preauth);
	} else if (begins_with(call, "/rest/v1/auth.bson")) {
		tell(client, &auth);
	} else if (begins_with(call, "/rest/v1/status.bson") && !client->was_told) {
		client->was_told = true;
		tell(client, &pushed);
	} else if (begins_with(call, "/rest/v1/status.bson")) {
		tell_decision(client, &allowed);
	} else if (begins_with(call, "/ask")) {
		tell_decision(client, &allow);
	} else {
		tell(client, &unknown);
	}
}

/* Bytes of the call that the buffer begins with, once all of it is there; 0 before. */
static size_t whole_call(struct evbuffer *input)
{
	const struct evbuffer_ptr head = evbuffer_search(input, "\r\n\r\n", 4, NULL);

	if (head.pos < 0)
		return 0;
	const char *text = (const char *)evbuffer_pullup(input, head.pos + 4);
	size_t len = (size_t)head.pos + 4;
	for (const char *line = text; line < text + head.pos; line = strchr(line, '\n') + 1)
		if (strncasecmp(line, "Content-Length:", 15) == 0)
			len += strtoul(line + 15, NULL, 10);
	return evbuffer_get_length(input) < len ? 0 : len;
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *input = bufferevent_get_input(bev);

	for (size_t len; (len = whole_call(input)) > 0; evbuffer_drain(input, len))
		answer_call(arg, (const char *)evbuffer_pullup(input, -1));
}

static void on_end(struct bufferevent *bev, short what, void *arg)
{
	struct client *client = arg;

	if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
		return;
	stop_waiting(client);
	bufferevent_free(bev);
	free(client);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from, int len, void *arg)
{
	struct client *client = calloc(1, sizeof(*client));
	const int on = 1;

	(void)listener;
	(void)from;
	(void)len;
	(void)arg;
	if (!client || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		die("cannot take a connection");
	client->bev = bufferevent_openssl_socket_new(base, fd, SSL_new(tls), BUFFEREVENT_SSL_ACCEPTING,
						     BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(client->bev, on_read, NULL, on_end, client);
	bufferevent_enable(client->bev, EV_READ | EV_WRITE);
}

/* What it is told */

static void decide(void)
{
	struct timespec ts;
	struct client *client;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	while ((client = LIST_FIRST(&waiting))) {
		tell(client, client->holds);
		stop_waiting(client);
	}
	say((long long)ts.tv_sec * 1000000000 + ts.tv_nsec);
}

static void obey(char *line)
{
	if (strcmp(line, "port") == 0) {
		say(port);
	} else if (strcmp(line, "at-once") == 0 || strcmp(line, "hold") == 0) {
		holding = line[0] == 'h';
		say(holding);
	} else if (strncmp(line, "wait ", 5) == 0) {
		waited_for = strtoul(line + 5, NULL, 10);
		tell_if_all_wait();
	} else if (strcmp(line, "decide") == 0) {
		decide();
	} else {
		die("this command is none");
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);

	if (argc != 3)
		die("usage: duo CERT KEY");
	make_answers();
	base = event_base_new();
	tls = SSL_CTX_new(TLS_server_method());
	if (SSL_CTX_use_certificate_chain_file(tls, argv[1]) != 1 ||
	    SSL_CTX_use_PrivateKey_file(tls, argv[2], SSL_FILETYPE_PEM) != 1)
		die("cannot read the certificate or its key");
	struct evconnlistener *listener =
		evconnlistener_new_bind(base, on_accept, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 256,
					(struct sockaddr *)&at, sizeof(at));
	if (!listener || getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&at, &len) < 0)
		die("cannot listen");
	port = ntohs(at.sin_port);
	commands_obey(base, obey);
	event_base_dispatch(base);
}
