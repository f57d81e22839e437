/*
 * What the tests of the server over TLS share: a server on loopback whose answers are told apart by their letters, and
 * a certificate for it.
 */
#ifndef JIT_TEST_BROKER_TLS_H
#define JIT_TEST_BROKER_TLS_H

#include "unit.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server.h"
#include "until.h"

#define ANSWER_MAX 40000 /* bytes of an answer: more than two TLS records */
#define CALLS	   1000	 /* whose answers are more than the kernel's buffers hold */
#define QUIET	   200	 /* turns of the loop in which nothing comes: the server can write no more */
#define PROCEED	   "HTTP/1.1 100 Continue\r\n\r\n"

/* A server with the first closes nothing meanwhile; the second is one in which a slow machine comes to look at what
 * lies in the socket: a timer that is due goes first. */
#define IDLE_LONG_MS  600000u
#define IDLE_SHORT_MS (is_under_valgrind() ? 4000u : 200u)

struct bench {
	struct event_base *base;
	struct jb_server *server;
	unsigned handled;
	size_t size; /* of each answer; 0: of the nth size_of(n) */
	struct bufferevent *peer;
	void (*in_handler)(void *arg); /* NULL: nothing */
	void *in_handler_arg;
	bool closed;
};

static char folder[] = "/tmp/server-tls-XXXXXX", certificate[64], key_file[64];

/* The size of the nth answer: each in one TLS record first, then up to several. */
static inline size_t size_of(unsigned n)
{
	return 1 + (size_t)n * 7919 % (n < CALLS / 2 ? ANSWER_MAX / 4 : ANSWER_MAX);
}

static inline void handle(void *arg, struct jb_call *call)
{
	static char body[ANSWER_MAX + 1];
	struct bench *b = arg;
	const size_t len = b->size ? b->size : size_of(b->handled);

	if (b->in_handler)
		b->in_handler(b->in_handler_arg);
	memset(body, 'a' + (int)(b->handled % 26), len);
	b->handled++;
	jb_call_trust(call);
	jb_call_reply(call, 200, "", body, len);
}

static inline int write_pem(const char *path, X509 *x509, EVP_PKEY *key)
{
	FILE *file = fopen(path, "we");

	if (!file)
		return -1;
	const int r = x509 ? PEM_write_X509(file, x509) : PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
	return fclose(file) == 0 && r == 1 && chmod(path, 0600) == 0 ? 0 : -1;
}

static inline int make_certificate(void **state)
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

static inline int remove_certificate(void **state)
{
	(void)state;
	unlink(certificate);
	unlink(key_file);
	return rmdir(folder);
}

static inline void start_server(struct bench *b, int listen_fd, unsigned request_ms, unsigned idle_ms)
{
	struct jb_server_options options = {.address = "127.0.0.1",
					    .listen_fd = listen_fd,
					    .tls = true,
					    .tls_certificate = certificate,
					    .tls_key = key_file,
					    .request_ms = request_ms,
					    .idle_ms = idle_ms};
	char why[256] = "";

	*b = (struct bench){.base = event_base_new()};
	b->server = jb_server_new(b->base, &options, handle, b, why, sizeof(why));
	assert_string_equal(why, "");
}

static inline void stop(struct bench *b)
{
	if (b->peer)
		bufferevent_free(b->peer);
	jb_server_free(b->server);
	event_base_free(b->base);
}

/* An answer with a body of that size, taken out of what has come: the nth. */
static inline void check_answer(struct evbuffer *from, unsigned n, size_t size)
{
	static char body[ANSWER_MAX];
	char *line, length[48];
	bool right = false;

	snprintf(length, sizeof(length), "Content-Length: %zu", size);
	while ((line = evbuffer_readln(from, NULL, EVBUFFER_EOL_CRLF_STRICT)) && *line) {
		right |= strcmp(line, length) == 0;
		free(line);
	}
	free(line);
	assert_true(right);
	assert_int_equal(evbuffer_remove(from, body, size), size);
	for (size_t i = 0; i < size; i++)
		if (body[i] != 'a' + (int)(n % 26))
			fail_msg("answer %u has another byte at %zu", n, i);
}

static inline void take_proceed(struct evbuffer *from)
{
	char proceed[sizeof(PROCEED)] = "";

	evbuffer_remove(from, proceed, sizeof(proceed) - 1);
	assert_string_equal(proceed, PROCEED);
}

#endif
