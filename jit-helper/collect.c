/* See collect.h. */
#include "collect.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"
#include "elevation.h"
#include "grant.h"
#include "helper.h"
#include "log.h"
#include "proc.h"
#include "session_side.h"
#include "verdict.h"

#define BACKOFF_FIRST_MS 200
#define BACKOFF_CAP_MS	 30000
#define BACKOFF_BUSY_MS	 1000 /* while somebody waits for them */
#define START_MS	 3 /* as a session's program takes to start: no longer, or who kills the helper hides its use */
#define SOON_MS		 20
#define RENEW_LEAST_MS	 2000 /* credentials that live shorter are not asked for faster than this */
/* A call takes its time: so close to their end credentials are held back, where others are on their way. */
#define SPARE_MS	 2000
/* Where none come, they are handed out to their end, but for the second that clocks of whole seconds may differ. */
#define ROUND_MS	 1000

int64_t jh_renew_at(int64_t taken_ms, int64_t life_ms, unsigned chance)
{
	int64_t wait = life_ms * 2 / 3;

	wait += wait * ((int64_t)chance - 500) / 10000; /* ±5 % */
	return taken_ms + (wait > RENEW_LEAST_MS ? wait : RENEW_LEAST_MS);
}

bool jh_creds_time(struct jh_creds *fresh, const struct jh_answer *answer, int64_t until_ms, int64_t now_ms)
{
	int64_t life_ms = (fresh->expires_at - answer->sent_at) * 1000;

	if (answer->sent_at < 0 || answer->remaining_s < 0 || life_ms <= 0)
		return false;
	fresh->taken_ms = now_ms;
	fresh->expires_ms = now_ms + life_ms < until_ms ? now_ms + life_ms : until_ms;
	fresh->last = fresh->expires_at >= answer->sent_at + answer->remaining_s;
	return true;
}

bool jh_creds_hold(const struct jh_collector *c, int64_t now_ms)
{
	int64_t quarter_ms = (c->creds.expires_ms - c->creds.taken_ms) / 4;
	bool troubled = c->failures > 0 || (c->call && now_ms >= c->called_ms + JH_HOLD_MS);
	int64_t spare_ms = troubled ? ROUND_MS : SPARE_MS;

	if (spare_ms > quarter_ms)
		spare_ms = quarter_ms;
	if (c->creds.last)
		spare_ms = 0;
	return c->creds.plain && now_ms + spare_ms < c->creds.expires_ms;
}

static unsigned pick_chance(void)
{
	uint16_t n = 500;

	if (getrandom(&n, sizeof(n), GRND_NONBLOCK) != sizeof(n))
		return 500;
	return n % 1001;
}

static void on_again(void *arg)
{
	struct jh_grant *g = arg;
	const struct jh_collector *c = &g->collector;
	bool first = !c->creds.plain && c->failures == 0;

	/* With nobody there it rests until the next elevation; until the broker knows of the start it goes on. */
	if (jh_elevations_of(g) > 0 || !c->started || first)
		jh_collect_kick(g);
}

void jh_collect_init(struct jh_grant *g)
{
	jh_alarm_init(&g->collector.again, g->helper->alarms, on_again, g);
}

void jh_collect_stop(struct jh_grant *g)
{
	jit_fetch_cancel(g->collector.call);
	g->collector.call = NULL;
	jh_alarm_clear(&g->collector.again);
	jh_creds_clear(&g->collector.creds);
}

const struct jh_creds *jh_collect_current(const struct jh_grant *g)
{
	return jh_creds_hold(&g->collector, jit_boottime_ms()) ? &g->collector.creds : NULL;
}

static void try_later(struct jh_grant *g, const char *trouble)
{
	struct jh_collector *c = &g->collector;
	size_t len = strlen(trouble);

	c->refused = false; /* this failure's word counts: whoever knows that it is for good says so after it */
	/* The broker's sentences end with a full stop, ours go on. */
	snprintf(c->trouble, sizeof(c->trouble), "%.*s", (int)(len && trouble[len - 1] == '.' ? len - 1 : len),
		 trouble);
	if (c->failures == 0)
		jit_log(LOG_WARNING, "%s: %s; trying again", g->short_id, c->trouble);
	jh_alarm_in(&c->again, jh_backoff_ms(c->failures++, BACKOFF_FIRST_MS, BACKOFF_CAP_MS));
}

/*
 * What came is no answer to go on with: tried again, or the end of the grant
 * (which is then gone).
 */
static void judge_failure(struct jh_grant *g, const struct jit_fetch_result *result)
{
	char trouble[JIT_LINE_SIZE], code[JH_CODE_SIZE], message[JIT_LINE_SIZE];

	jh_error_read(result->body, result->body_len, code, message);
	if (result->fault == JIT_FETCH_OK &&
	    (result->status == 401 || result->status == 403 || result->status == 404)) {
		if (strcmp(code, "grant.token") == 0 && !g->collector.without_token) {
			g->collector.without_token = true;
			jh_collect_kick(g);
			return;
		}
		snprintf(trouble, sizeof(trouble), "the broker says no: %.480s",
			 message[0] ? message : "no reason given");
		jh_grant_end(g, trouble, false);
		return;
	}
	if (result->fault == JIT_FETCH_OK && result->status != 200 && message[0])
		snprintf(trouble, sizeof(trouble), "%s", message);
	else
		jh_trouble(result, jh_broker_url(g->helper->broker), trouble, sizeof(trouble));
	try_later(g, trouble);
	g->collector.refused = result->fault == JIT_FETCH_OK && strcmp(code, "issuer.refused") == 0;
	jh_waiters_wake(g);
}

/* The answer to either call, when it is one; shortens the clock. False: judged, and the grant may be gone. */
static bool take_answer(struct jh_grant *g, const struct jit_fetch_result *result, struct jh_answer *ret)
{
	const bool told = result->fault == JIT_FETCH_OK && result->status == 200;
	const int r = told ? jh_answer_read(result->body, result->body_len, ret) : -EINVAL;

	if (r == -ENOMEM)
		try_later(g, JH_SHORTAGE);
	else if (r < 0)
		judge_failure(g, result);
	if (r < 0)
		return false;
	if (strcmp(ret->id, g->id) != 0 || ret->status != JH_ACTIVE) {
		bool over = strcmp(ret->id, g->id) == 0 && ret->status > JH_ACTIVE;
		jh_answer_clear(ret);
		if (over)
			jh_grant_end(g, "it is over at the broker", false);
		else
			try_later(g, "the broker answered for another grant");
		return false;
	}
	jh_grant_clock_shorten(g, ret->remaining_s, jit_boottime_ms());
	jh_grant_rearm(g);
	return true;
}

/* Opens what was sealed and puts it in the place of what there was. NULL, or why it cannot be used. */
static const char *take_creds(struct jh_grant *g, const struct jh_answer *answer)
{
	struct jh_collector *c = &g->collector;
	struct jh_creds fresh;
	size_t len;
	char *plain;

	if (!answer->sealed || jit_unseal(g->key, answer->sealed, &plain, &len) < 0)
		return "the broker's credentials could not be opened";
	if (jh_creds_read(plain, len, &fresh) < 0) {
		OPENSSL_secure_clear_free(plain, len + 1);
		return "the broker's credentials make no sense";
	}
	int64_t now = jit_boottime_ms();
	if (!jh_creds_time(&fresh, answer, g->until_ms, now)) {
		jh_creds_clear(&fresh);
		return "the broker's credentials were over when they came";
	}
	jh_creds_clear(&c->creds);
	c->creds = fresh;
	c->renew_ms = fresh.last ? 0 : jh_renew_at(now, fresh.expires_ms - now, pick_chance());
	return NULL;
}

static void on_credentials(void *arg, const struct jit_fetch_result *result)
{
	struct jh_grant *g = arg;
	struct jh_collector *c = &g->collector;
	struct jh_answer answer;

	c->call = NULL;
	if (!take_answer(g, result, &answer))
		return;
	c->started = true;
	const char *trouble = take_creds(g, &answer);
	jh_answer_clear(&answer);
	if (trouble) {
		try_later(g, trouble);
		return;
	}
	jit_log(LOG_INFO, "%s: credentials for %lld s", g->short_id,
		(long long)(c->creds.expires_ms - c->creds.taken_ms) / 1000);
	c->failures = 0;
	c->without_token = c->refused = false;
	c->trouble[0] = '\0';
	if (c->renew_ms)
		jh_alarm_at(&c->again, c->renew_ms);
	jh_waiters_wake(g);
}

static void on_start(void *arg, const struct jit_fetch_result *result)
{
	struct jh_grant *g = arg;
	struct jh_answer answer;

	g->collector.call = NULL;
	if (!take_answer(g, result, &answer))
		return;
	jh_answer_clear(&answer);
	g->collector.started = true;
	g->collector.failures = 0;
	/* What credentials cost to make would be taken from the program that starts on the same cores. */
	if (g->collector.wanted)
		jh_collect_kick(g);
	else
		jh_alarm_in(&g->collector.again, SOON_MS);
}

static bool wants_credentials(const struct jh_grant *g)
{
	const struct jh_collector *c = &g->collector;

	if (!g->has_arn)
		return false;
	return !c->creds.plain || (c->renew_ms && jit_boottime_ms() >= c->renew_ms);
}

static struct jit_fetch_call *call_start(struct jh_grant *g)
{
	char path[96];
	const struct jh_call call = {.method = "POST", .path = path};

	snprintf(path, sizeof(path), "/requests/%s/start", g->id);
	return jh_broker_call(g->helper->broker, &call, on_start, g);
}

static struct jit_fetch_call *call_credentials(struct jh_grant *g)
{
	struct jh_collector *c = &g->collector;
	bool token = c->creds.plain && !c->without_token;
	char path[96], jwk[JIT_JWK_SIZE], body[JIT_JWK_SIZE + 32];
	const struct jh_call call = {
		.method = "POST", .path = path, .body = body, .bearer = token ? &c->creds.grant_token : NULL};

	if (jit_jwk_format(g->key, jwk) < 0)
		return NULL;
	snprintf(path, sizeof(path), "/requests/%s/credentials", g->id);
	snprintf(body, sizeof(body), "{\"publicKey\":%s}", jwk);
	return jh_broker_call(g->helper->broker, &call, on_credentials, g);
}

void jh_collect_hurry(struct jh_grant *g)
{
	struct jh_collector *c = &g->collector;

	c->wanted = true;
	if (!c->call && c->failures > 0 && c->again.when_ms > jit_boottime_ms() + BACKOFF_BUSY_MS)
		jh_alarm_in(&c->again, jh_backoff_ms(0, BACKOFF_BUSY_MS, BACKOFF_BUSY_MS));
}

void jh_collect_soon(struct jh_grant *g)
{
	struct jh_collector *c = &g->collector;

	/* What a call costs, here and at a broker beside us, would be taken from the program that starts now. */
	if (!g->local && !c->call && !c->again.when_ms && (!c->started || wants_credentials(g)))
		jh_alarm_in(&c->again, c->started ? SOON_MS : START_MS);
}

void jh_collect_kick(struct jh_grant *g)
{
	struct jh_collector *c = &g->collector;

	if (g->local || c->call || (c->again.when_ms && c->failures > 0))
		return;
	if (!c->started)
		c->call = call_start(g);
	else if (wants_credentials(g))
		c->call = call_credentials(g);
	else
		return;
	c->called_ms = jit_boottime_ms();
	if (!c->call)
		try_later(g, "out of memory");
}
