/* See changes.h. */
#include "changes.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adopt.h"
#include "ahead.h"
#include "clock.h"
#include "grant.h"
#include "helper.h"
#include "json.h"
#include "log.h"
#include "pace.h"
#include "peer.h"
#include "request.h"
#include "spool.h"
#include "text.h"
#include "verdict.h"
#include "withdraw.h"

#define POLL_S		 25
#define LIST_MAX	 (4 << 20) /* bytes: some hundred requests, each with a long command and its credentials */
#define BACKOFF_FIRST_MS 500
#define BACKOFF_IDLE_MS	 30000
#define BACKOFF_BUSY_MS	 1000 /* while somebody waits at a terminal */
#define BUSY_FIRST_MS	 400  /* with jitter never under 200 */
#define SETTLE_MS	 5    /* before the next poll: whoever a decision lets in needs the cores until then */

struct jh_changes {
	struct jh_helper *helper;
	struct jit_fetch_call *call;
	struct jh_alarm again;
	unsigned failures; /* in a row */
	int64_t cursor;	   /* -1: none yet */
	int64_t asked_ms;  /* when the poll under way began */
	long held_ms;	   /* how long the broker may hold it */
	bool idle;	   /* and whether nothing was open then */
	struct jh_pace pace;
	uint64_t strangers;
	char host[JIT_NAME_SIZE];    /* what the broker calls this one; "": not told */
	char trouble[JIT_LINE_SIZE]; /* why the last poll failed; "" after one that did not */
};

static void poll_now(void *arg);

/* Nobody waits, and nothing can be revoked: a broker that does not hold the poll may be asked seldom. */
static bool is_idle(const struct jh_helper *helper)
{
	return LIST_EMPTY(&helper->requests) && LIST_EMPTY(&helper->grants);
}

static void back_off(struct jh_changes *c, long retry_after_s)
{
	bool busy = !LIST_EMPTY(&c->helper->requests);
	int64_t delay = busy ? jh_backoff_ms(c->failures, BUSY_FIRST_MS, BACKOFF_BUSY_MS)
			     : jh_backoff_ms(c->failures, BACKOFF_FIRST_MS, BACKOFF_IDLE_MS);

	c->failures++;
	jh_alarm_in(&c->again, jh_pace_refused_ms(delay, retry_after_s, is_idle(c->helper), jh_pace_chance()));
}

static void go_on(struct jh_changes *c, bool news, long retry_after_s)
{
	const struct jh_polled polled = {
		.retry_after_s = retry_after_s, .news = news, .asked_ms = c->asked_ms, .now_ms = jit_boottime_ms()};
	int64_t next_ms = jh_pace_next(&c->pace, &polled, jh_pace_chance());

	if (news && next_ms < polled.now_ms + SETTLE_MS)
		next_ms = polled.now_ms + SETTLE_MS;
	if (next_ms > polled.now_ms)
		jh_alarm_at(&c->again, next_ms);
	else
		poll_now(c);
}

/*
 * What a helper before this one left open: nobody waits for it, and its key and tokens died with that process. Ended,
 * so that no approver is asked for it and the record says what is true. What another host may use goes on.
 */
static void end_leftover(struct jh_changes *c, const struct jh_answer *a)
{
	if (a->status > JH_ACTIVE || (a->outlives && strcmp(a->host, c->host) != 0))
		return;
	jit_log(LOG_NOTICE, "%s: left open by a jit-helper that has ended; telling the broker that it is over",
		a->short_id);
	jh_withdraw(c->helper, a->requester, a->id, a->short_id, a->status == JH_ACTIVE ? JH_END : JH_CANCEL);
}

/* It may be one whose filing is on its way: the answer will tell. */
static bool is_being_filed(const struct jh_helper *helper, const struct jh_answer *a)
{
	const struct jh_request *r;

	for (r = LIST_FIRST(&helper->requests); r; r = LIST_NEXT(r, link))
		if (!r->id[0] && strcmp(r->question.requester, a->requester) == 0)
			return true;
	return false;
}

/* 0; -ENOMEM: it could not be heard, and is to be told again. */
static int hand_out(struct jh_changes *c, struct json_object *item, bool leftovers)
{
	struct jh_answer answer;

	int r = jh_answer_parse(item, &answer);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		jit_log(LOG_WARNING, "a change that the broker told makes no sense; passed over");
		return 0;
	}
	/* The one or the other: a request becomes a grant when its approval has been taken. */
	bool asked = jh_ahead_changed(c->helper, &answer);
	if (!jh_request_changed(c->helper, &answer) && !jh_grant_changed(c->helper, &answer)) {
		c->strangers++;
		leftovers &= !is_being_filed(c->helper, &answer);
		asked |= jh_withdrawing(c->helper, answer.id); /* it was given back, and the broker is being told */
		if (!asked && (leftovers || answer.filed_by[0]) && jh_adopt_wants(&answer, c->host))
			jh_adopt(c->helper, &answer);
		else if (!asked && leftovers)
			end_leftover(c, &answer);
	}
	jh_answer_clear(&answer);
	return 0;
}

/*
 * 0; -EINVAL: it is no list; -ENOMEM: of some of it nothing is known, so that the cursor stays and all of it is asked
 * for again. What was handed out already changes nothing the second time.
 */
static int take(struct jh_changes *c, const char *body, size_t len, bool *ret_news)
{
	JIT_JSON struct json_object *json = jh_json_read(body, len);
	struct json_object *list, *next, *host;

	if (!json)
		return errno == ENOMEM ? -ENOMEM : -EINVAL;
	if (!json_object_is_type(json, json_type_object) || !json_object_object_get_ex(json, "changes", &list) ||
	    !json_object_is_type(list, json_type_array) || !json_object_object_get_ex(json, "next", &next) ||
	    !json_object_is_type(next, json_type_int) || json_object_get_int64(next) < 0)
		return -EINVAL;
	/* The first list holds all that is open: what is not a grant that was kept over the restart, and is not being
	 * filed just now, is nobody's; and such a grant that is not in it has ended. */
	const bool first = c->cursor < 0;
	if (json_object_object_get_ex(json, "host", &host) && json_object_is_type(host, json_type_string))
		jit_text_clean_str(c->host, sizeof(c->host), json_object_get_string(host));
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		int r = hand_out(c, json_object_array_get_idx(list, i), first);
		if (r < 0)
			return r;
	}
	*ret_news = json_object_array_length(list) > 0 || json_object_get_int64(next) != c->cursor;
	c->cursor = json_object_get_int64(next);
	if (first)
		jh_grants_end_unconfirmed(c->helper);
	return 0;
}

static void not_heard(struct jh_changes *c, const struct jit_fetch_result *result, bool out_of_memory)
{
	if (result->fault == JIT_FETCH_OK && (result->status == 400 || result->status == 422))
		c->cursor = -1; /* it is not of this store: all that is open, anew */
	if (out_of_memory)
		snprintf(c->trouble, sizeof(c->trouble), "jit-helper is out of memory");
	else
		jh_trouble(result, jh_broker_url(c->helper->broker), c->trouble, sizeof(c->trouble));
	if (c->failures == 0) /* once, not once a try */
		jit_log(LOG_WARNING, "waiting for decisions: %s; trying again", c->trouble);
	back_off(c, result->fault == JIT_FETCH_OK ? result->retry_after : 0);
}

static void on_answer(void *arg, const struct jit_fetch_result *result)
{
	const bool told = result->fault == JIT_FETCH_OK && result->status == 200;
	struct jh_changes *c = arg;
	bool news = false, was_idle = c->idle;

	c->call = NULL;
	jh_listener_release(c->helper->pam); /* it has been heard, or cannot be */
	int r = told ? take(c, result->body, result->body_len, &news) : -EINVAL;
	if (r == 0) {
		if (c->failures) {
			jit_log(LOG_NOTICE, "the broker at %s answers", jh_broker_url(c->helper->broker));
			jh_spool_hurry(c->helper->spool);
		}
		jh_spool_deliver(c->helper->spool);
		c->failures = 0;
		c->trouble[0] = '\0';
		go_on(c, news, result->retry_after);
		/* The time that it named was for a host with nothing open. */
		if (was_idle && !is_idle(c->helper))
			jh_changes_hurry(c, 0);
	} else {
		not_heard(c, result, r == -ENOMEM);
	}
}

static void poll_now(void *arg)
{
	struct jh_changes *c = arg;
	char path[96] = "/changes";

	jh_alarm_clear(&c->again); /* what an answer brought may have hurried the next one: there is one at a time */
	c->asked_ms = jit_boottime_ms();
	c->idle = is_idle(c->helper);
	c->held_ms = c->cursor >= 0 ? POLL_S * 1000 : 0;
	if (c->cursor >= 0)
		snprintf(path, sizeof(path), "/changes?after=%lld&wait=%d%s", (long long)c->cursor, POLL_S,
			 c->idle ? "&idle=1" : "");
	const struct jh_call call = {.method = "GET", .path = path, .longer_ms = c->held_ms, .max_body = LIST_MAX};
	c->call = jh_broker_call(c->helper->broker, &call, on_answer, c);
	if (!c->call)
		back_off(c, 0);
}

struct jh_changes *jh_changes_new(struct jh_helper *helper)
{
	struct jh_changes *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->helper = helper;
	c->cursor = -1;
	jh_alarm_init(&c->again, helper->alarms, poll_now, c);
	if (!helper->conf->demo) /* it has nothing to tell */
		poll_now(c);
	return c;
}

void jh_changes_free(struct jh_changes *c)
{
	if (!c)
		return;
	jit_fetch_cancel(c->call);
	jh_alarm_clear(&c->again);
	free(c);
}

void jh_changes_hurry(struct jh_changes *c, long retry_after_s)
{
	int64_t wanted = jit_boottime_ms() + jh_pace_around_ms(retry_after_s, jh_pace_chance()) + SETTLE_MS;

	if (!c->call && (!c->again.when_ms || wanted < c->again.when_ms))
		jh_alarm_at(&c->again, wanted);
}

uint64_t jh_changes_strangers(const struct jh_changes *c)
{
	return c->strangers;
}

const char *jh_changes_trouble(const struct jh_changes *c)
{
	const struct jh_conf *conf = c->helper->conf;
	const int64_t limit_ms = conf->broker_timeout_s * 1000, took_ms = c->call ? jit_boottime_ms() - c->asked_ms : 0;

	/* It ends by itself only some time later; with a second broker it may be that one's by now. */
	if (conf->broker_count == 1 && took_ms > c->held_ms + limit_ms / 2)
		return "the broker does not answer";
	/* What was in its predecessor's way would have ended this one too. */
	if (!c->trouble[0] || took_ms > limit_ms * (int64_t)conf->broker_count)
		return NULL;
	return c->trouble;
}
