/* See imds.h. */
#include "imds.h"

#include <event2/event.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "fetch.h"

#define ROLES	     "/latest/meta-data/iam/security-credentials/"
#define TOKEN_HEADER "X-aws-ec2-metadata-token: "
#define TOKEN_TTL    "X-aws-ec2-metadata-token-ttl-seconds: 300" /* a round takes milliseconds, and each has its own */
#define TOKEN_MAX    512
#define ROLE_MAX     64 /* IAM's own bound */
#define ANSWER_MAX   16384
#define STEP_MS	     1000L /* it is a hop away, or it is not there */
#define STEPS	     3
#define AHEAD_MS     (5 * 60 * 1000)
#define SPARE_MS     1000 /* so close to their end they are handed out no more */
#define AGAIN_MS     1000 /* after a failure, doubled up to */
#define AGAIN_MAX_MS 30000

struct jit_imds {
	struct event_base *base;
	char *endpoint;
	struct jit_fetch *fetch;
	struct jit_fetch_call *call;
	struct event *due;
	char *token_header; /* secure heap; of the round under way */
	char *plain;	    /* secure heap; what the keys lie in; NULL: there are none */
	size_t plain_len;
	struct jit_imds_keys keys;
	int64_t expires_ms, refresh_ms; /* boottime */
	unsigned failures;		/* in a row */
	char trouble[256];
};

static void secret_free(char *text)
{
	if (text)
		OPENSSL_secure_clear_free(text, strlen(text) + 1);
}

static void wake_at(struct jit_imds *m, int64_t when_ms)
{
	int64_t ms = when_ms - jit_boottime_ms();
	struct timeval tv = {.tv_sec = ms > 0 ? ms / 1000 : 0, .tv_usec = ms > 0 ? ms % 1000 * 1000 : 0};

	m->refresh_ms = when_ms;
	event_add(m->due, &tv);
}

static void end_round(struct jit_imds *m)
{
	secret_free(m->token_header);
	m->token_header = NULL;
}

/* Keys from before stay good until their end. */
__attribute__((format(printf, 2, 3))) static void fail(struct jit_imds *m, const char *format, ...)
{
	int64_t pause_ms = (int64_t)AGAIN_MS << (m->failures < 5 ? m->failures : 5);
	va_list ap;

	va_start(ap, format);
	vsnprintf(m->trouble, sizeof(m->trouble), format, ap);
	va_end(ap);
	m->failures++;
	end_round(m);
	wake_at(m, jit_boottime_ms() + (pause_ms < AGAIN_MAX_MS ? pause_ms : AGAIN_MAX_MS));
}

/* True: an answer to go on with. */
static bool judge(struct jit_imds *m, const struct jit_fetch_result *result, const char *what)
{
	const char *host = strstr(m->endpoint, "://") + 3;

	if (result->fault != JIT_FETCH_OK)
		fail(m, "the instance's metadata service at %.64s gives no %s: %.96s", host, what, result->why);
	else if (result->status != 200)
		fail(m, "the instance's metadata service at %.64s gives no %s: HTTP status %ld", host, what,
		     result->status);
	return result->fault == JIT_FETCH_OK && result->status == 200;
}

static void ask(struct jit_imds *m, const char *method, const char *path, const char *header, jit_fetch_done done)
{
	const char *const headers[] = {header, NULL};
	char url[512];
	const struct jit_fetch_request request = {.method = method,
						  .url = url,
						  .headers = headers,
						  .timeout_ms = STEP_MS,
						  .connect_ms = STEP_MS,
						  .max_body = ANSWER_MAX,
						  .secret = true};

	snprintf(url, sizeof(url), "%s%s", m->endpoint, path);
	m->call = jit_fetch_start(m->fetch, &request, done, m);
	if (!m->call)
		fail(m, "out of memory");
}

static bool is_visible(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] >= 0x7f)
			return false;
	return len > 0;
}

/* What its own clock says is left of them; this host's where the answer has no date. */
static int64_t life_of(const struct jit_fetch_result *result, struct jit_span expiration)
{
	int64_t end, now = result->date > 0 ? result->date : jit_wall_s();
	char text[40];

	if (expiration.len >= sizeof(text))
		return 0;
	memcpy(text, expiration.at, expiration.len);
	text[expiration.len] = '\0';
	return jit_iso_parse(text, &end) == 0 ? end - now : 0;
}

static void keep(struct jit_imds *m, char *plain, size_t len, const struct jit_imds_keys *keys, int64_t life_s)
{
	int64_t now = jit_boottime_ms(), ahead_ms = life_s * 1000 > 2 * AHEAD_MS ? AHEAD_MS : life_s * 500;

	if (m->plain)
		OPENSSL_secure_clear_free(m->plain, m->plain_len + 1);
	m->plain = plain;
	m->plain_len = len;
	m->keys = *keys;
	m->expires_ms = now + life_s * 1000;
	m->failures = 0;
	m->trouble[0] = '\0';
	end_round(m);
	wake_at(m, m->expires_ms - ahead_ms);
}

/* The spans lie in `plain`, which is taken over on success. */
static bool take(struct jit_imds *m, const struct jit_fetch_result *result, char *plain)
{
	enum { CODE, ACCESS, SECRET, TOKEN, EXPIRATION, WANTS };
	struct jit_flat_want wants[WANTS] = {[CODE] = {"Code", 64, {NULL, 0}},
					     [ACCESS] = {"AccessKeyId", 128, {NULL, 0}},
					     [SECRET] = {"SecretAccessKey", 128, {NULL, 0}},
					     [TOKEN] = {"Token", 8192, {NULL, 0}},
					     [EXPIRATION] = {"Expiration", 39, {NULL, 0}}};
	const char *senseless = "the instance's metadata service gives credentials that make no sense";

	if (!jit_flat_object(plain, result->body_len, wants, WANTS)) {
		fail(m, "%s", senseless);
		return false;
	}
	for (size_t i = 0; i < WANTS; i++) {
		if (wants[i].value.at)
			continue;
		fail(m, "%s", senseless);
		return false;
	}
	/* A colon would split libcurl's ACCESS:SECRET. */
	if (wants[CODE].value.len != 7 || memcmp(wants[CODE].value.at, "Success", 7) != 0 ||
	    memchr(wants[ACCESS].value.at, ':', wants[ACCESS].value.len)) {
		fail(m, "%s", senseless);
		return false;
	}
	int64_t life_s = life_of(result, wants[EXPIRATION].value);
	if (life_s * 1000 <= SPARE_MS) {
		fail(m, "the instance's metadata service gives credentials that are over");
		return false;
	}
	const struct jit_imds_keys keys = {.access_key = wants[ACCESS].value,
					   .secret_key = wants[SECRET].value,
					   .session_token = wants[TOKEN].value};
	keep(m, plain, result->body_len, &keys, life_s);
	return true;
}

static void on_credentials(void *arg, const struct jit_fetch_result *result)
{
	struct jit_imds *m = arg;

	m->call = NULL;
	if (!judge(m, result, "credentials"))
		return;
	char *plain = OPENSSL_secure_malloc(result->body_len + 1);
	if (!plain) {
		fail(m, "out of memory");
		return;
	}
	memcpy(plain, result->body, result->body_len);
	plain[result->body_len] = '\0';
	if (!take(m, result, plain))
		OPENSSL_secure_clear_free(plain, result->body_len + 1);
}

static void on_role(void *arg, const struct jit_fetch_result *result)
{
	struct jit_imds *m = arg;
	char path[sizeof(ROLES) + ROLE_MAX];
	size_t len = strcspn(result->body, "\r\n");

	m->call = NULL;
	if (result->fault == JIT_FETCH_OK && result->status == 404) {
		fail(m, "this instance has no role: attach an instance profile");
		return;
	}
	if (!judge(m, result, "role"))
		return;
	/* Into a path goes what IAM lets a name be, and nothing else. */
	for (size_t i = 0; i < len; i++)
		len = strchr("/?#%\\", result->body[i]) ? 0 : len;
	if (len > ROLE_MAX || !is_visible(result->body, len)) {
		fail(m, "the instance's metadata service names a role that is none");
		return;
	}
	snprintf(path, sizeof(path), ROLES "%.*s", (int)len, result->body);
	ask(m, "GET", path, m->token_header, on_credentials);
}

static void on_token(void *arg, const struct jit_fetch_result *result)
{
	struct jit_imds *m = arg;
	size_t size = sizeof(TOKEN_HEADER) + result->body_len;

	m->call = NULL;
	if (!judge(m, result, "token"))
		return;
	if (result->body_len > TOKEN_MAX || !is_visible(result->body, result->body_len)) {
		fail(m, "the instance's metadata service gives a token that makes no sense");
		return;
	}
	m->token_header = OPENSSL_secure_malloc(size);
	if (!m->token_header) {
		fail(m, "out of memory");
		return;
	}
	snprintf(m->token_header, size, TOKEN_HEADER "%s", result->body);
	ask(m, "GET", ROLES, m->token_header, on_role);
}

static void start(struct jit_imds *m)
{
	if (!m->call)
		ask(m, "PUT", "/latest/api/token", TOKEN_TTL, on_token);
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	start(arg);
}

const struct jit_imds_keys *jit_imds_keys(struct jit_imds *m)
{
	int64_t now = jit_boottime_ms();

	if (now >= m->refresh_ms) /* the loop's timers stand while a machine sleeps */
		start(m);
	return m->plain && now + SPARE_MS < m->expires_ms ? &m->keys : NULL;
}

const char *jit_imds_trouble(const struct jit_imds *m)
{
	return m->trouble[0] ? m->trouble : "the instance's metadata service has not answered yet";
}

void jit_imds_wait(struct jit_imds *m)
{
	int64_t until = jit_boottime_ms() + STEPS * STEP_MS + STEP_MS;

	while (!m->plain && m->failures == 0 && jit_boottime_ms() < until)
		if (event_base_loop(m->base, EVLOOP_ONCE) != 0)
			break;
}

struct jit_imds *jit_imds_new(struct event_base *base, const char *endpoint)
{
	const struct jit_fetch_options options = {.plain_loopback = endpoint != NULL, .plain_metadata = !endpoint};
	struct jit_imds *m;

	if (endpoint && !jit_fetch_is_plain_loopback(endpoint))
		return NULL;
	m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	m->base = base;
	m->endpoint = strdup(endpoint ? endpoint : JIT_FETCH_METADATA);
	m->fetch = jit_fetch_new(base, &options);
	m->due = evtimer_new(base, on_due, m);
	m->refresh_ms = INT64_MAX;
	if (!m->endpoint || !m->fetch || !m->due) {
		jit_imds_free(m);
		return NULL;
	}
	start(m);
	return m;
}

void jit_imds_free(struct jit_imds *m)
{
	if (!m)
		return;
	jit_fetch_free(m->fetch);
	if (m->due)
		event_free(m->due);
	secret_free(m->token_header);
	if (m->plain)
		OPENSSL_secure_clear_free(m->plain, m->plain_len + 1);
	free(m->endpoint);
	free(m);
}
