/* One connection to the server, from its first byte to its last: requests, answers, and a deadline for each step. */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "call_transport.h"
#include "deadline.h"
#include "http.h"
#include "server_private.h"
#include "tls.h"

#define HEAD_MAX	 4096  /* bytes of an answer: a redirect to an identity provider is long */
#define STRANGER_MS	 10000 /* idle time of a peer that has proved nothing */
#define PENDING_MS	 60000 /* longer than any answer of ours takes */
#define LINGER_MS	 2000  /* for a peer to read our last answer before a reset could swallow it */
#define CONNECTION_TAKES 32768 /* bytes: more than libevent and OpenSSL take for a new one */

enum connection_state {
	IDLE,	 /* between requests */
	HEAD,	 /* a request's first bytes are there */
	BODY,	 /* its head has been read */
	PENDING, /* with the handler */
	WRITING, /* the answer is on its way */
	WRITTEN, /* it has gone, and the handler that gave it may not have returned yet */
	LINGER,	 /* answered for good: what still comes is thrown away */
};

/* A connection with the one request on it: a peer has its answer before its next request is looked at. */
struct jb_connection {
	struct jb_call call; /* the first: a call of ours is its connection */
	struct jb_server *server;
	struct jb_connection *prev, *next;
	struct jb_guest guest;
	struct bufferevent *bev;
	struct event *deadline;
	enum connection_state state;
	char *head_text;
	size_t head_len;
};

/* The head holds an API key, the body may hold a command line: neither stays in memory. */
static void forget_request(struct jb_connection *conn)
{
	if (conn->head_text)
		explicit_bzero(conn->head_text, conn->head_len);
	if (conn->call.body)
		explicit_bzero(conn->call.body, conn->call.head.content_length);
	free(conn->head_text);
	free(conn->call.body);
	conn->head_text = NULL;
	conn->call.body = NULL;
	conn->call.head = (struct jb_http_head){0};
}

static void connection_free(struct jb_connection *conn)
{
	if (conn->prev)
		conn->prev->next = conn->next;
	else
		conn->server->connections = conn->next;
	if (conn->next)
		conn->next->prev = conn->prev;
	jb_crowd_leave(&conn->guest);
	jb_call_lost(&conn->call);
	forget_request(conn);
	if (conn->bev)
		bufferevent_free(conn->bev);
	if (conn->deadline)
		event_free(conn->deadline);
	free(conn);
}

/* Takes the next `len` bytes out of the input as text and wipes them there. NULL: out of memory. */
static char *take(struct evbuffer *input, size_t len)
{
	struct evbuffer_iovec piece;
	char *text = malloc(len + 1);
	size_t left = len;

	if (!text)
		return NULL;
	evbuffer_copyout(input, text, len);
	text[len] = '\0';
	while (left) {
		int n = evbuffer_peek(input, (ev_ssize_t)left, NULL, &piece, 1);
		size_t part = n > 0 && piece.iov_len < left ? piece.iov_len : left;
		if (n > 0)
			explicit_bzero(piece.iov_base, part);
		evbuffer_drain(input, part);
		left -= part;
	}
	return text;
}

/* Says good-bye and waits for the peer's: a close with unread bytes would reset away our last answer. */
static void linger(struct jb_connection *conn)
{
	SSL *ssl = conn->server->tls ? bufferevent_openssl_get_ssl(conn->bev) : NULL;

	conn->state = LINGER;
	jb_deadline_set(conn->deadline, LINGER_MS);
	if (ssl && SSL_is_init_finished(ssl))
		SSL_shutdown(ssl);
	shutdown(bufferevent_getfd(conn->bev), SHUT_WR);
}

static void wipe_sent(const void *data, size_t len, void *arg)
{
	(void)data;
	explicit_bzero(arg, len);
	free(arg);
}

static int format_head(struct jb_connection *conn, int status, const char *headers, size_t body_len, char *buf,
		       size_t size)
{
	time_t now = time(NULL);
	char date[64];
	struct tm tm;

	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
	return snprintf(buf, size,
			"HTTP/1.1 %d %s\r\nDate: %s\r\n%s%sContent-Length: %zu\r\n"
			"Connection: %s\r\n\r\n",
			status, jb_http_phrase(status), date,
			strstr(headers, "Cache-Control:") ? "" : "Cache-Control: no-store\r\n", headers, body_len,
			conn->call.head.keep_alive && !conn->server->draining ? "keep-alive" : "close");
}

static void tell_answered(const struct jb_connection *conn, int status)
{
	if (conn->server->answered)
		conn->server->answered(conn->server->arg, status);
}

/*
 * Into the socket at once, where nothing waits before it and TLS takes it whole: asking the loop first whether it can
 * be written costs several steps an answer. What does not go whole stays the loop's to write, with the same bytes,
 * which TLS then goes on with; so does what failed, which it will see to fail.
 */
static bool write_now(struct jb_connection *conn, const char *text, size_t size)
{
	SSL *ssl = conn->server->tls ? bufferevent_openssl_get_ssl(conn->bev) : NULL;

	if (!ssl || evbuffer_get_length(bufferevent_get_output(conn->bev)))
		return false;
	return SSL_write(ssl, text, (int)size) == (int)size;
}

/* Takes the text over, and wipes it once it is written. */
static void send_text(struct jb_connection *conn, char *text, size_t size)
{
	if (write_now(conn, text, size)) {
		wipe_sent(text, size, text);
		conn->state = WRITTEN;
		event_active(conn->deadline, EV_WRITE, 0);
		return;
	}
	conn->state = WRITING;
	jb_deadline_set(conn->deadline, conn->server->request_ms);
	if (evbuffer_add_reference(bufferevent_get_output(conn->bev), text, size, wipe_sent, text) < 0) {
		wipe_sent(text, size, text);
		linger(conn);
	}
}

static void reply(struct jb_call *call, int status, const char *headers, const char *body, size_t len)
{
	struct jb_connection *conn = (struct jb_connection *)call;
	char head[HEAD_MAX];
	int head_len = format_head(conn, status, headers, len, head, sizeof(head));
	size_t size = (size_t)head_len + len;
	char *text = head_len > 0 && (size_t)head_len < sizeof(head) ? malloc(size) : NULL;

	tell_answered(conn, status);
	if (!text) {
		linger(conn);
		return;
	}
	/* Head and body as one piece: one TLS record, one write, one packet where it fits. */
	memcpy(text, head, (size_t)head_len);
	memcpy(text + head_len, body, len);
	explicit_bzero(head, (size_t)head_len); /* it may set a session's cookie */
	send_text(conn, text, size);
}

static void refuse(struct jb_connection *conn, int status, const char *why)
{
	char body[256];
	int len = snprintf(body, sizeof(body), "{\"message\":\"%s\",\"error\":\"http.request\"}", why);

	conn->call.head.keep_alive = false;
	conn->state = PENDING;
	jb_call_reply(&conn->call, status, "Content-Type: application/json\r\n", body, (size_t)len);
}

/* True when there is a whole head and it is good. */
static bool read_head(struct jb_connection *conn, struct evbuffer *input)
{
	struct evbuffer_ptr end = evbuffer_search(input, "\r\n\r\n", 4, NULL);
	const char *why;

	if (end.pos > JB_HTTP_HEAD_MAX - 4 || (end.pos < 0 && evbuffer_get_length(input) >= JB_HTTP_HEAD_MAX)) {
		refuse(conn, 431, "The head of the request is over 16 KiB.");
		return false;
	}
	if (end.pos < 0)
		return false;
	conn->head_len = (size_t)end.pos + 4;
	conn->head_text = take(input, conn->head_len);
	if (!conn->head_text) {
		refuse(conn, 503, "The broker is out of memory.");
		return false;
	}
	int status = jb_http_parse(conn->head_text, conn->head_len, &conn->call.head, &why);
	if (status)
		refuse(conn, status, why);
	return status == 0;
}

static void read_request(struct jb_connection *conn)
{
	static const char proceed[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct evbuffer *input = bufferevent_get_input(conn->bev);

	if (conn->state == IDLE && evbuffer_get_length(input)) {
		conn->state = HEAD;
		jb_deadline_set(conn->deadline, conn->server->request_ms);
	}
	if (conn->state == HEAD && read_head(conn, input)) {
		conn->state = BODY;
		if (conn->call.head.expects_continue && evbuffer_get_length(input) < conn->call.head.content_length)
			bufferevent_write(conn->bev, proceed, sizeof(proceed) - 1);
	}
	if (conn->state != BODY || evbuffer_get_length(input) < conn->call.head.content_length)
		return;
	conn->call.body = take(input, conn->call.head.content_length);
	if (!conn->call.body) {
		refuse(conn, 503, "The broker is out of memory.");
		return;
	}
	conn->state = PENDING;
	jb_crowd_set_idle(&conn->guest, false);
	jb_deadline_set(conn->deadline, PENDING_MS);
	conn->server->handle(conn->server->arg, &conn->call);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct jb_connection *conn = arg;

	if (conn->state == LINGER)
		evbuffer_drain(bufferevent_get_input(bev), evbuffer_get_length(bufferevent_get_input(bev)));
	else
		read_request(conn); /* while a call is pending or answered, what comes stays in the buffer */
}

/* The answer has gone: there may be a next request. */
static void go_on(struct jb_connection *conn)
{
	if (!conn->call.head.keep_alive || conn->server->draining) {
		linger(conn);
		on_read(conn->bev, conn);
		return;
	}
	forget_request(conn);
	conn->state = IDLE;
	jb_crowd_set_idle(&conn->guest, true);
	jb_deadline_set(conn->deadline, conn->guest.is == JB_STRANGER ? STRANGER_MS : conn->server->idle_ms);
	read_request(conn);
}

/* All that was to be written has been. */
static void on_write(struct bufferevent *bev, void *arg)
{
	struct jb_connection *conn = arg;

	(void)bev;
	if (conn->state == WRITING)
		go_on(conn);
}

/* Reading goes on while an answer is pending, so that a peer's end is seen at once, be it FIN, reset or TLS alert. */
static void on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT))
		connection_free(arg);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct jb_connection *conn = arg;

	(void)fd;
	(void)what;
	if (conn->state == WRITTEN) /* send_text has us come */
		go_on(conn);
	else if (conn->state == HEAD || conn->state == BODY)
		refuse(conn, 408, "The request did not come in time.");
	else
		connection_free(conn);
}

/* libevent ends the process where it runs out of memory between two steps of a bufferevent: there is enough before. */
static bool has_memory(void)
{
	void *volatile block = malloc(CONNECTION_TAKES);
	const bool has = block != NULL;

	free(block);
	return has;
}

/* Takes fd over. NULL, and fd closed: no memory. */
static struct bufferevent *new_bufferevent(struct jb_server *server, int fd)
{
	SSL *ssl = server->tls ? SSL_new(server->tls) : NULL;
	struct bufferevent *bev = NULL;

	if (!server->tls)
		bev = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
	else if (ssl && SSL_set_fd(ssl, fd) == 1)
		/* Frees ssl itself where it fails, and leaves fd open. */
		bev = bufferevent_openssl_socket_new(server->base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
						     BEV_OPT_CLOSE_ON_FREE);
	else
		SSL_free(ssl);
	if (!bev)
		close(fd);
	return bev;
}

static void trust(struct jb_call *call)
{
	jb_crowd_trust(&((struct jb_connection *)call)->guest);
}

/* A connection that was greeted without asking, or with a certificate that is over, never gets a better one. */
static bool certified(struct jb_call *call, const char *name, char *why, size_t why_size)
{
	struct jb_connection *conn = (struct jb_connection *)call;
	SSL *ssl = conn->server->tls ? bufferevent_openssl_get_ssl(conn->bev) : NULL;
	const bool good = jb_tls_certified(ssl, conn->server->tls, name, why, why_size);

	if (!good)
		conn->call.head.keep_alive = false;
	return good;
}

static const struct jb_transport transport = {.may_wait = true, .trust = trust, .certified = certified, .reply = reply};

static struct jb_connection *connection_of(struct jb_guest *guest)
{
	return (struct jb_connection *)((char *)guest - offsetof(struct jb_connection, guest));
}

int jb_connection_take(struct jb_server *server, int fd, const struct jb_address *peer)
{
	struct jb_guest *leaver;
	const bool room = jb_crowd_room(&server->crowd, peer, &leaver);
	struct jb_connection *conn = room && has_memory() ? calloc(1, sizeof(*conn)) : NULL;

	if (conn && leaver)
		connection_free(connection_of(leaver));
	if (!conn || jb_crowd_enter(&server->crowd, &conn->guest, peer) < 0) {
		close(fd);
		free(conn);
		return room ? -ENOMEM : -EBUSY;
	}
	if (server->admit) /* it has been asked who it is */
		jb_crowd_trust(&conn->guest);
	conn->server = server;
	conn->call.transport = &transport;
	conn->call.peer = *peer;
	conn->next = server->connections;
	if (conn->next)
		conn->next->prev = conn;
	server->connections = conn;
	conn->bev = new_bufferevent(server, fd);
	conn->deadline = evtimer_new(server->base, on_deadline, conn);
	if (!conn->bev || !conn->deadline) {
		connection_free(conn);
		return -ENOMEM;
	}
	bufferevent_setcb(conn->bev, on_read, on_write, on_event, conn);
	bufferevent_setwatermark(conn->bev, EV_READ, 0, JB_HTTP_HEAD_MAX + JB_HTTP_BODY_MAX);
	bufferevent_enable(conn->bev, EV_READ | EV_WRITE);
	jb_deadline_set(conn->deadline, server->request_ms < STRANGER_MS ? server->request_ms : STRANGER_MS);
	return 0;
}

void jb_connections_drain(struct jb_server *server)
{
	for (struct jb_connection *conn = server->connections; conn; conn = conn->next)
		if (conn->state == IDLE)
			linger(conn);
}

bool jb_connections_busy(const struct jb_server *server)
{
	for (const struct jb_connection *conn = server->connections; conn; conn = conn->next)
		if (conn->state != IDLE && conn->state != PENDING)
			return true;
	return false;
}

void jb_connections_end(struct jb_server *server)
{
	while (server->connections)
		connection_free(server->connections);
}
