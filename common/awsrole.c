/* See awsrole.h. */
#include "awsrole.h"

#include <event2/event.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "awsrole_private.h"
#include "clock.h"

#define ANSWER_MAX   16384
#define STEP_MS	     1000L /* it is a hop away, or it is not there */
#define STEPS	     3
#define AHEAD_MS     (5 * 60 * 1000)
#define SPARE_MS     1000 /* so close to their end they are handed out no more */
#define AGAIN_MS     1000 /* after a failure, doubled up to */
#define AGAIN_MAX_MS 30000

static void secret_free(char *text)
{
	if (text)
		OPENSSL_secure_clear_free(text, strlen(text) + 1);
}

static void wake_at(struct jit_awsrole *m, int64_t when_ms)
{
	int64_t ms = when_ms - jit_boottime_ms();
	struct timeval tv = {.tv_sec = ms > 0 ? ms / 1000 : 0, .tv_usec = ms > 0 ? ms % 1000 * 1000 : 0};

	m->refresh_ms = when_ms;
	event_add(m->due, &tv);
}

static void end_round(struct jit_awsrole *m)
{
	secret_free(m->header);
	m->header = NULL;
}

/* Keys from before stay good until their end. */
void jit_awsrole_fail(struct jit_awsrole *m, const char *format, ...)
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

bool jit_awsrole_judge(struct jit_awsrole *m, const struct jit_fetch_result *result, const char *what)
{
	const char *host = strstr(m->endpoint, "://") + 3;

	if (result->fault != JIT_FETCH_OK)
		jit_awsrole_fail(m, "%s at %.64s gives no %s: %.96s", m->way->who, host, what, result->why);
	else if (result->status != 200)
		jit_awsrole_fail(m, "%s at %.64s gives no %s: HTTP status %ld", m->way->who, host, what,
				 result->status);
	return result->fault == JIT_FETCH_OK && result->status == 200;
}

void jit_awsrole_ask(struct jit_awsrole *m, const char *method, const char *path, const char *header,
		     jit_fetch_done done)
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
		jit_awsrole_fail(m, "out of memory");
}

bool jit_awsrole_is_visible(const char *text, size_t len)
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

static void keep(struct jit_awsrole *m, char *plain, size_t len, const struct jit_awsrole_keys *keys, int64_t life_s)
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
static bool take(struct jit_awsrole *m, const struct jit_fetch_result *result, char *plain)
{
	enum { CODE, ACCESS, SECRET, TOKEN, EXPIRATION, WANTS };
	struct jit_flat_want wants[WANTS] = {[CODE] = {"Code", 64, {NULL, 0}},
					     [ACCESS] = {"AccessKeyId", 128, {NULL, 0}},
					     [SECRET] = {"SecretAccessKey", 128, {NULL, 0}},
					     [TOKEN] = {"Token", 8192, {NULL, 0}},
					     [EXPIRATION] = {"Expiration", 39, {NULL, 0}}};
	const char *senseless = "gives credentials that make no sense";

	if (!jit_flat_object(plain, result->body_len, wants, WANTS)) {
		jit_awsrole_fail(m, "%s %s", m->way->who, senseless);
		return false;
	}
	for (size_t i = ACCESS; i < WANTS; i++) {
		if (wants[i].value.at)
			continue;
		jit_awsrole_fail(m, "%s %s", m->way->who, senseless);
		return false;
	}
	/* A container's endpoint has no code. A colon would split libcurl's ACCESS:SECRET. */
	const struct jit_span code = wants[CODE].value;
	if ((m->way->has_code && !code.at) || (code.at && (code.len != 7 || memcmp(code.at, "Success", 7) != 0)) ||
	    memchr(wants[ACCESS].value.at, ':', wants[ACCESS].value.len)) {
		jit_awsrole_fail(m, "%s %s", m->way->who, senseless);
		return false;
	}
	int64_t life_s = life_of(result, wants[EXPIRATION].value);
	if (life_s * 1000 <= SPARE_MS) {
		jit_awsrole_fail(m, "%s gives credentials that are over", m->way->who);
		return false;
	}
	const struct jit_awsrole_keys keys = {.access_key = wants[ACCESS].value,
					      .secret_key = wants[SECRET].value,
					      .session_token = wants[TOKEN].value};
	keep(m, plain, result->body_len, &keys, life_s);
	return true;
}

/* The last step of every way. */
void jit_awsrole_on_credentials(void *arg, const struct jit_fetch_result *result)
{
	struct jit_awsrole *m = arg;

	m->call = NULL;
	if (!jit_awsrole_judge(m, result, "credentials"))
		return;
	char *plain = OPENSSL_secure_malloc(result->body_len + 1);
	if (!plain) {
		jit_awsrole_fail(m, "out of memory");
		return;
	}
	memcpy(plain, result->body, result->body_len);
	plain[result->body_len] = '\0';
	if (!take(m, result, plain))
		OPENSSL_secure_clear_free(plain, result->body_len + 1);
}

void jit_awsrole_start(struct jit_awsrole *m)
{
	if (!m->call)
		m->way->begin(m);
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	jit_awsrole_start(arg);
}

const struct jit_awsrole_keys *jit_awsrole_keys(struct jit_awsrole *m)
{
	int64_t now = jit_boottime_ms();

	if (now >= m->refresh_ms) /* the loop's timers stand while a machine sleeps */
		jit_awsrole_start(m);
	return m->plain && now + SPARE_MS < m->expires_ms ? &m->keys : NULL;
}

const char *jit_awsrole_trouble(const struct jit_awsrole *m)
{
	return m->trouble[0] ? m->trouble : "the role's credentials have not come yet";
}

void jit_awsrole_wait(struct jit_awsrole *m)
{
	int64_t until = jit_boottime_ms() + STEPS * STEP_MS + STEP_MS;

	while (!m->plain && m->failures == 0 && jit_boottime_ms() < until)
		if (event_base_loop(m->base, EVLOOP_ONCE) != 0)
			break;
}

struct jit_awsrole *jit_awsrole_new(struct event_base *base, const struct jit_awsrole_way *way, const char *endpoint,
				    bool plain_loopback)
{
	const struct jit_fetch_options options = {.plain_loopback = plain_loopback, .plain_metadata = !plain_loopback};
	struct jit_awsrole *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->base = base;
	m->way = way;
	m->endpoint = strdup(endpoint);
	m->fetch = jit_fetch_new(base, &options);
	m->due = evtimer_new(base, on_due, m);
	m->refresh_ms = INT64_MAX;
	if (m->endpoint && m->fetch && m->due)
		return m;
	jit_awsrole_free(m);
	return NULL;
}

void jit_awsrole_free(struct jit_awsrole *m)
{
	if (!m)
		return;
	jit_fetch_free(m->fetch);
	if (m->due)
		event_free(m->due);
	secret_free(m->header);
	if (m->plain)
		OPENSSL_secure_clear_free(m->plain, m->plain_len + 1);
	free(m->endpoint);
	free(m->path);
	secret_free(m->token);
	free(m->token_file);
	free(m);
}
