/* See broker.h. */
#include "broker.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "safefile.h"

#define KEY_MAX	    256
#define URL_MAX	    2048
#define HEADERS_MAX 6

struct jh_broker {
	const struct jh_conf *conf;
	struct jit_fetch *fetch;
	char *key_header; /* "x-api-key: …", secure heap */
};

/* NAME and VALUE joined, in the secure heap, released with secure_free. NULL: out of memory. */
static char *secret_header(const char *name, const char *value, size_t value_len)
{
	size_t name_len = strlen(name);
	char *line = OPENSSL_secure_malloc(name_len + value_len + 1);

	if (!line)
		return NULL;
	memcpy(line, name, name_len);
	memcpy(line + name_len, value, value_len);
	line[name_len + value_len] = '\0';
	return line;
}

static void secure_free(char *text)
{
	if (text)
		OPENSSL_secure_clear_free(text, strlen(text) + 1);
}

static int read_key(struct jh_broker *broker, const char *path, char *why, size_t why_size)
{
	const struct jit_file_rule rule = {.secret = true, .max_size = KEY_MAX + 2};
	size_t len, size;
	char *text;

	if (jit_file_read(path, &rule, &text, &size, why, why_size) < 0)
		return -1;
	len = strcspn(text, "\r\n");
	bool good = len > 0 && len <= KEY_MAX && text[len + strspn(text + len, "\r\n")] == '\0';
	for (size_t i = 0; i < len; i++)
		good = good && text[i] > ' ' && text[i] < 0x7f;
	if (good)
		broker->key_header = secret_header("x-api-key: ", text, len);
	explicit_bzero(text, size);
	free(text);
	if (broker->key_header)
		return 0;
	snprintf(why, why_size, "%s must hold one line, the API key of this host: make one with `jit-broker key`",
		 path);
	return -1;
}

struct jh_broker *jh_broker_new(struct event_base *base, const struct jh_conf *conf, char *why, size_t why_size)
{
	const struct jit_fetch_options options = {
		.ca_file = conf->ca_file,
		.plain_loopback = conf->plain_loopback,
		.user_agent = "jit-helper/" JIT_VERSION,
	};
	struct jh_broker *broker = calloc(1, sizeof(*broker));

	snprintf(why, why_size, "out of memory");
	if (!broker)
		return NULL;
	broker->conf = conf;
	if (read_key(broker, conf->api_key_file, why, why_size) < 0) {
		jh_broker_free(broker);
		return NULL;
	}
	broker->fetch = jit_fetch_new(base, &options);
	if (!broker->fetch) {
		snprintf(why, why_size, "libcurl cannot start: out of memory");
		jh_broker_free(broker);
		return NULL;
	}
	return broker;
}

void jh_broker_free(struct jh_broker *broker)
{
	if (!broker)
		return;
	jit_fetch_free(broker->fetch);
	secure_free(broker->key_header);
	free(broker);
}

const char *jh_broker_url(const struct jh_broker *broker)
{
	return broker->conf->brokers[0];
}

struct jit_fetch_call *jh_broker_call(struct jh_broker *broker, const struct jh_call *call, jit_fetch_done done,
				      void *arg)
{
	const char *headers[HEADERS_MAX] = {broker->key_header, "Accept: application/json"};
	char url[URL_MAX], idempotency[128];
	struct jit_fetch_call *started;
	char *bearer = NULL;
	size_t n = 2;

	if (snprintf(url, sizeof(url), "%s%s", jh_broker_url(broker), call->path) >= (int)sizeof(url))
		return NULL;
	if (call->body)
		headers[n++] = "Content-Type: application/json";
	if (call->idempotency_key) {
		snprintf(idempotency, sizeof(idempotency), "Idempotency-Key: %s", call->idempotency_key);
		headers[n++] = idempotency;
	}
	if (call->bearer) {
		bearer = secret_header("Authorization: Bearer ", call->bearer->at, call->bearer->len);
		if (!bearer)
			return NULL;
		headers[n++] = bearer;
	}
	const struct jit_fetch_request request = {
		.method = call->method,
		.url = url,
		.headers = headers,
		.body = call->body,
		.body_len = call->body ? strlen(call->body) : 0,
		.timeout_ms = (long)broker->conf->broker_timeout_s * 1000 + call->longer_ms,
		.max_body = call->max_body ? call->max_body : JH_ANSWER_MAX,
	};
	started = jit_fetch_start(broker->fetch, &request, done, arg);
	secure_free(bearer);
	return started;
}
