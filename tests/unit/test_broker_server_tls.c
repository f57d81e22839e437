/* What the server writes over TLS: whole and in turn, however late its peer reads, and with a deadline after it. */
#include "unit.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server.h"

#define PATIENCE_S 20
#define ANSWER_MAX 40000 /* bytes of an answer: more than two TLS records */
#define IDLE_MS	   200
#define CALLS	   3000 /* whose answers are more than the kernel's buffers hold */
#define QUIET	   200	/* turns of the loop in which nothing comes: the server can write no more */

struct bench {
	struct event_base *base;
	struct jb_server *server;
	unsigned handled;
	struct bufferevent *peer;
	bool closed, late;
};

static char folder[] = "/tmp/server-tls-XXXXXX", certificate[64], key_file[64];

/* The size of the nth answer: each in one TLS record first, then up to several. */
static size_t size_of(unsigned n)
{
	return 1 + (size_t)n * 7919 % (n < CALLS / 2 ? ANSWER_MAX / 4 : ANSWER_MAX);
}

static void handle(void *arg, struct jb_call *call)
{
	static char body[ANSWER_MAX + 1];
	struct bench *b = arg;
	const size_t len = size_of(b->handled);

	memset(body, 'a' + (int)(b->handled % 26), len);
	b->handled++;
	jb_call_trust(call);
	jb_call_reply(call, 200, "", body, len);
}

static int write_pem(const char *path, X509 *x509, EVP_PKEY *key)
{
	FILE *file = fopen(path, "we");

	if (!file)
		return -1;
	const int r = x509 ? PEM_write_X509(file, x509) : PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
	return fclose(file) == 0 && r == 1 && chmod(path, 0600) == 0 ? 0 : -1;
}

static int make_certificate(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x509 = X509_new();

	(void)state;
	if (!key || !x509 || !mkdtemp(folder))
		return -1;
	snprintf(certificate, sizeof(certificate), "%s/crt", folder);
	snprintf(key_file, sizeof(key_file), "%s/key", folder);
	X509_gmtime_adj(X509_getm_notBefore(x509), 0);
	X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
	X509_set_pubkey(x509, key);
	int r = X509_sign(x509, key, EVP_sha256()) > 0 ? 0 : -1;
	if (r == 0)
		r = write_pem(certificate, x509, NULL) < 0 ? -1 : write_pem(key_file, NULL, key);
	X509_free(x509);
	EVP_PKEY_free(key);
	return r;
}

static int remove_certificate(void **state)
{
	(void)state;
	unlink(certificate);
	unlink(key_file);
	return rmdir(folder);
}

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

static void start(struct bench *b)
{
	struct jb_server_options options = {.address = "127.0.0.1",
					    .listen_fd = -1,
					    .tls = true,
					    .tls_certificate = certificate,
					    .tls_key = key_file,
					    .idle_ms = IDLE_MS};
	char why[256] = "";

	*b = (struct bench){.base = event_base_new()};
	b->server = jb_server_new(b->base, &options, handle, b, why, sizeof(why));
	assert_string_equal(why, "");
	b->peer = connect_to(b);
}

static void stop(struct bench *b)
{
	bufferevent_free(b->peer);
	jb_server_free(b->server);
	event_base_free(b->base);
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
		const struct timeval tv_ = {.tv_sec = PATIENCE_S};                                                     \
		struct event *patience_ = evtimer_new((b)->base, on_patience, &(b)->late);                             \
		event_add(patience_, &tv_);                                                                            \
		while (!(condition) && !(b)->late)                                                                     \
			event_base_loop((b)->base, EVLOOP_ONCE);                                                       \
		event_free(patience_);                                                                                 \
		!(b)->late;                                                                                            \
	})

static struct evbuffer *got(const struct bench *b)
{
	return bufferevent_get_input(b->peer);
}

/* The next answer, taken out of what has come: the nth. */
static void take_answer(struct bench *b, unsigned n)
{
	static char body[ANSWER_MAX];
	char *line, length[48];
	bool right = false;

	snprintf(length, sizeof(length), "Content-Length: %zu", size_of(n));
	assert_true(UNTIL(b, evbuffer_search(got(b), "\r\n\r\n", 4, NULL).pos >= 0));
	while ((line = evbuffer_readln(got(b), NULL, EVBUFFER_EOL_CRLF_STRICT)) && *line) {
		right |= strcmp(line, length) == 0;
		free(line);
	}
	free(line);
	assert_true(right);
	assert_true(UNTIL(b, evbuffer_get_length(got(b)) >= size_of(n)));
	assert_int_equal(evbuffer_remove(got(b), body, size_of(n)), size_of(n));
	for (size_t i = 0; i < size_of(n); i++)
		if (body[i] != 'a' + (int)(n % 26))
			fail_msg("answer %u has another byte at %zu", n, i);
}

static void answers_come_whole_and_in_turn_to_a_peer_that_reads_late(void **state)
{
	static const char get[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	struct bench b;
	unsigned quiet = 0, before = 0;

	(void)state;
	start(&b);
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
	start(&b);
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
	start(&b);
	for (unsigned i = 0; i < 3; i++) {
		/* Two pieces, and so two TLS records. */
		evbuffer_add_reference(bufferevent_get_output(b.peer), head, sizeof(head) - 1, NULL, NULL);
		evbuffer_add_reference(bufferevent_get_output(b.peer), "body", 4, NULL, NULL);
		assert_true(UNTIL(&b, b.closed || evbuffer_search(got(&b), "\r\n\r\n", 4, NULL).pos >= 0));
		assert_false(b.closed);
		evbuffer_drain(got(&b), strlen("HTTP/1.1 100 Continue\r\n\r\n"));
		take_answer(&b, i);
	}
	assert_true(UNTIL(&b, b.closed));
	stop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_come_whole_and_in_turn_to_a_peer_that_reads_late),
		cmocka_unit_test(a_connection_that_was_answered_is_closed_when_it_lies_idle),
		cmocka_unit_test(a_body_that_comes_unasked_is_answered_like_any_other),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, make_certificate, remove_certificate);
}
