/* See withdraw.h. */
#include "withdraw.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "clock.h"
#include "helper.h"
#include "log.h"
#include "proc.h"
#include "state.h"
#include "verdict.h"

#define GIVE_UP_MS	 60000
#define BACKOFF_FIRST_MS 200
#define BACKOFF_CAP_MS	 5000
#define RESERVE		 64
#define USED_GIVE_UP_MS	 (24 * 3600 * 1000) /* that it was used: nobody else can tell */
#define USED_CAP_MS	 30000

/* Where memory has run out: an end that was never told would leave a grant in force at the broker. */
static struct jh_withdrawal reserve[RESERVE];

static struct jh_withdrawal *take_reserve(void)
{
	for (struct jh_withdrawal *w = reserve; w < reserve + RESERVE; w++)
		if (!w->helper)
			return w;
	return NULL;
}

static bool is_reserve(const struct jh_withdrawal *w)
{
	return w >= reserve && w < reserve + RESERVE;
}

static void withdrawal_free(struct jh_withdrawal *w)
{
	LIST_REMOVE(w, link);
	jit_fetch_cancel(w->call);
	jh_alarm_clear(&w->again);
	free(w->body);
	if (is_reserve(w))
		*w = (struct jh_withdrawal){0};
	else
		free(w);
}

bool jh_withdrawal_is_kept(const struct jh_withdrawal *w)
{
	return w->verb != JH_CANCEL && w->id[0];
}

/* The broker knows, or is told no more: nor does the next helper tell it. */
static void finish(struct jh_withdrawal *w)
{
	if (jh_withdrawal_is_kept(w))
		jh_state_touch(w->helper);
	withdrawal_free(w);
}

static void try_now(void *arg);

static const char *name_of(const struct jh_withdrawal *w)
{
	return w->short_id[0] ? w->short_id : "(id not known)";
}

static void retry_or_give_up(struct jh_withdrawal *w, const char *trouble)
{
	if (jit_boottime_ms() >= w->give_up_ms) {
		jit_log(LOG_ERR, "%s: the broker could not be told that %s's request is over: %s", name_of(w),
			w->requester, trouble);
		finish(w);
		return;
	}
	if (w->failures == 0)
		jit_log(LOG_WARNING, "%s: the broker does not know yet that it is over: %s; trying again", name_of(w),
			trouble);
	const int64_t cap_ms = w->verb == JH_BEGIN_AND_END ? USED_CAP_MS : BACKOFF_CAP_MS;
	jh_alarm_in(&w->again, jh_backoff_ms(w->failures++, BACKOFF_FIRST_MS, cap_ms));
}

/* The lost filing, found again: now it can be named, if it still needs an end. */
static void found(struct jh_withdrawal *w, const struct jit_fetch_result *result)
{
	struct jh_answer answer;

	const int r = jh_answer_read(result->body, result->body_len, &answer);
	if (r < 0) {
		retry_or_give_up(w, r == -ENOMEM ? JH_SHORTAGE : "its answer makes no sense");
		return;
	}
	memcpy(w->id, answer.id, sizeof(w->id));
	memcpy(w->short_id, answer.short_id, sizeof(w->short_id));
	bool over = answer.status > JH_ACTIVE;
	jh_answer_clear(&answer);
	if (over)
		finish(w);
	else
		try_now(w);
}

static void on_answer(void *arg, const struct jit_fetch_result *result)
{
	struct jh_withdrawal *w = arg;
	char trouble[JIT_LINE_SIZE];

	w->call = NULL;
	jh_trouble(result, jh_broker_url(w->helper->broker), trouble, sizeof(trouble));
	if (jh_passing(result)) {
		retry_or_give_up(w, trouble);
	} else if (result->fault == JIT_FETCH_OK && result->status == 200 && !w->id[0]) {
		found(w, result);
	} else if (w->verb == JH_BEGIN_AND_END) { /* also where it was refused: whatever it is, it ends */
		w->verb = JH_END;
		try_now(w);
	} else {
		if (result->fault == JIT_FETCH_OK && result->status == 200)
			jit_log(LOG_INFO, "%s: the broker knows that it is over", name_of(w));
		else if (w->id[0]) /* a filing that is refused now was not filed before either */
			jit_log(LOG_WARNING, "%s: the broker did not take its end: %s", name_of(w), trouble);
		finish(w);
	}
}

static const char *path_of(enum jh_withdraw_verb verb)
{
	switch (verb) {
	case JH_BEGIN_AND_END:
		return "start";
	case JH_END:
		return "end";
	default:
		return "cancel";
	}
}

static void try_now(void *arg)
{
	struct jh_withdrawal *w = arg;
	char path[96] = "/request-access";
	struct jh_call call = {.method = "POST", .path = path};

	if (w->id[0]) {
		snprintf(path, sizeof(path), "/requests/%s/%s", w->id, path_of(w->verb));
	} else {
		call.body = w->body;
		call.idempotency_key = w->key;
	}
	w->call = jh_broker_call(w->helper->broker, &call, on_answer, w);
	if (!w->call)
		retry_or_give_up(w, "out of memory");
}

static struct jh_withdrawal *withdrawal_new(struct jh_helper *helper, const char *requester)
{
	struct jh_withdrawal *w = calloc(1, sizeof(*w));

	if (!w)
		w = take_reserve();
	if (!w) {
		jit_log(LOG_ERR, "out of memory: the broker is not told that a request of %s is over", requester);
		return NULL;
	}
	w->helper = helper;
	snprintf(w->requester, sizeof(w->requester), "%s", requester);
	w->give_up_ms = jit_boottime_ms() + GIVE_UP_MS;
	jh_alarm_init(&w->again, helper->alarms, try_now, w);
	LIST_INSERT_HEAD(&helper->withdrawals, w, link);
	return w;
}

void jh_withdraw(struct jh_helper *helper, const char *requester, const char *id, const char *short_id,
		 enum jh_withdraw_verb verb)
{
	struct jh_withdrawal *w = withdrawal_new(helper, requester);

	if (!w)
		return;
	snprintf(w->id, sizeof(w->id), "%s", id);
	snprintf(w->short_id, sizeof(w->short_id), "%s", short_id);
	w->verb = verb;
	if (verb == JH_BEGIN_AND_END)
		w->give_up_ms = jit_boottime_ms() + USED_GIVE_UP_MS;
	if (jh_withdrawal_is_kept(w))
		jh_state_touch(helper);
	try_now(w);
}

void jh_withdraw_filing(struct jh_helper *helper, const char *requester, char *body, const char *key)
{
	struct jh_withdrawal *w = withdrawal_new(helper, requester);

	if (!w) {
		free(body);
		return;
	}
	w->verb = JH_CANCEL;
	w->body = body;
	snprintf(w->key, sizeof(w->key), "%s", key);
	try_now(w);
}

bool jh_withdrawing(const struct jh_helper *helper, const char *id)
{
	const struct jh_withdrawal *w;

	for (w = LIST_FIRST(&helper->withdrawals); w; w = LIST_NEXT(w, link))
		if (strcmp(w->id, id) == 0)
			return true;
	return false;
}

size_t jh_withdrawals_of(const struct jh_helper *helper, const char *requester)
{
	const struct jh_withdrawal *w;
	size_t n = 0;

	for (w = LIST_FIRST(&helper->withdrawals); w; w = LIST_NEXT(w, link))
		n += strcmp(w->requester, requester) == 0;
	return n;
}

void jh_withdraw_leave(struct jh_helper *helper)
{
	/* While what the broker is still to be told is among it. */
	const bool written = jh_state_flush(helper);

	while (!LIST_EMPTY(&helper->withdrawals)) {
		struct jh_withdrawal *w = LIST_FIRST(&helper->withdrawals);
		const bool kept = written && jh_withdrawal_is_kept(w);
		jit_log(kept ? LOG_NOTICE : LOG_ERR, "%s: stopping before the broker was told that it is over%s",
			name_of(w), kept ? "; the next jit-helper tells it" : "");
		withdrawal_free(w);
	}
}
