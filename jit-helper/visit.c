/* See visit.h. */
#include "visit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "changes.h"
#include "clock.h"
#include "collect.h"
#include "glass.h"
#include "grant.h"
#include "helper.h"
#include "log.h"
#include "pam_side.h"
#include "request.h"
#include "text.h"
#include "visit_private.h"

static const char *name_of(const struct jh_visit *v)
{
	return v->request && v->request->short_id[0] ? v->request->short_id : "(not filed)";
}

static void visit_free(struct jh_visit *v)
{
	LIST_REMOVE(v, link);
	jh_alarm_clear(&v->deadline);
	free(v);
}

void jh_visit_end(struct jh_visit *v, const struct jh_verdict *verdict)
{
	struct jh_peer *peer = v->peer;

	jh_send_verdict(peer, verdict->outcome, verdict->text);
	visit_free(v);
	jh_peer_close(peer);
}

/* The one that the policy chose, once it has. */
static const char *role_of(const struct jh_visit *v)
{
	return v->request && v->request->role[0] ? v->request->role : v->question.role;
}

static void refuse(struct jh_visit *v, const char *name, const struct jh_verdict *verdict)
{
	jit_log(LOG_NOTICE, "%s: %s by %s, role %s: refused: %s", name, v->question.requester, v->question.service,
		role_of(v), verdict->text);
	jh_visit_end(v, verdict);
}

void jh_visit_refuse(struct jh_visit *v, const struct jh_verdict *verdict)
{
	struct jh_verdict last = *verdict;

	if (!jh_glass_offer(v, &last))
		refuse(v, name_of(v), &last);
}

/* What it waited for or was let in under goes on without it, or is over with it. */
static void leave(struct jh_visit *v)
{
	struct jh_grant *g = v->stage == JH_VISIT_TOLD ? jh_grant_by_id(v->helper, v->grant) : NULL;

	if (v->request)
		jh_request_leave(v->request, v);
	else if (g && v->glass.opened)
		jh_grant_end(g, "its requester left before it began", false);
	else if (g && jh_question_is_login(&v->question))
		jh_grant_unclaim(g);
}

/* Of its own accord, while its request goes on or ends with it. */
static void leave_and_refuse(struct jh_visit *v, const struct jh_verdict *verdict)
{
	char name[JIT_NAME_SIZE];

	snprintf(name, sizeof(name), "%s", name_of(v));
	leave(v);
	refuse(v, name, verdict);
}

static void on_gone(struct jh_peer *peer)
{
	struct jh_visit *v = peer->arg;

	if (v->request)
		jit_log(LOG_NOTICE, "%s: %s by %s, role %s: left by its requester", name_of(v), v->question.requester,
			v->question.service, role_of(v));
	leave(v);
	visit_free(v);
}

static void drop(struct jh_visit *v)
{
	struct jh_peer *peer = v->peer;

	on_gone(peer);
	jh_peer_close(peer);
}

/* What is said to who cannot wait (any longer) for a request that is PENDING. */
static struct jh_verdict patience_over(const struct jh_visit *v, bool waited)
{
	const char *trouble = jh_changes_trouble(v->helper->changes);
	const struct jh_request *r = v->request;
	struct jh_verdict unheard;
	char span[32];

	if (r->resume && jh_question_is_login(&v->question))
		return jh_verdict_of(JIT_LATER, "request %s%s%s, waits for approval: connect again once it is approved",
				     r->short_id, r->code[0] ? ", code " : "", r->code);
	if (!waited)
		return jh_verdict_of(
			JIT_TIMED_OUT,
			"request %s was withdrawn: nothing can be shown on this connection, so nobody waits "
			"on it; log in with keyboard-interactive",
			r->short_id);
	if (trouble) {
		jh_judge_silence(r->short_id, v->pending_s, trouble, &unheard);
		return unheard;
	}
	jit_format_duration((uint64_t)v->pending_s, span, sizeof(span));
	return jh_verdict_of(JIT_TIMED_OUT, "request %s: nobody decided within %s", r->short_id, span);
}

static void on_deadline(void *arg)
{
	struct jh_visit *v = arg;
	const struct jh_request *r = v->request;
	struct jh_verdict verdict;

	if (v->stage == JH_VISIT_TOLD || (!r && v->stage != JH_VISIT_ASKING)) {
		drop(v);
		return;
	}
	if (!r || r->stage == JH_REQUEST_ASKING) {
		verdict = jh_verdict_of(JIT_TIMED_OUT, "no answer was typed in time; no request was made");
	} else if (r->stage == JH_REQUEST_FILING && r->last.text[0]) {
		verdict = r->last;
	} else if (r->stage == JH_REQUEST_FILING) {
		verdict = jh_verdict_of(JIT_UNAVAILABLE,
					"the broker did not answer in time; tell the operator of this host");
	} else {
		verdict = patience_over(v, true);
	}
	leave_and_refuse(v, &verdict);
}

/* What cannot be sent here needs no care: the connection's end comes as an event, and a deadline stands. */

void jh_visit_say(struct jh_visit *v, const char *text)
{
	if (v->question.live)
		jh_send_say(v->peer, text);
}

void jh_visit_show(struct jh_visit *v, const char *text)
{
	if (v->question.live)
		jh_send_wait(v->peer, text, v->deadline.when_ms - jit_boottime_ms());
}

static void ask(struct jh_visit *v, const char *text, void (*answered)(struct jh_visit *visit, const char *typed))
{
	v->stage = JH_VISIT_ASKING;
	v->answered = answered;
	v->reply_due = true;
	jh_send_ask(v->peer, text);
}

void jh_visit_prompt(struct jh_visit *v, const char *text, void (*answered)(struct jh_visit *visit, const char *typed))
{
	ask(v, text, answered);
}

static void reason_typed(struct jh_visit *v, const char *typed)
{
	if (typed)
		jh_request_answered(v->request, typed);
	else
		jh_request_unanswered(v->request);
}

void jh_visit_ask(struct jh_visit *v, const char *why, const char *text)
{
	/* The first prompt tells whether any can be shown (not with sudo -n): until then all is said within it. */
	bool apart = v->question.live && v->asked > 0;
	char both[JIT_LINE_SIZE];

	if (why && apart)
		jh_visit_say(v, why);
	snprintf(both, sizeof(both), "%.240s. %s", why ? why : "", text);
	v->asked++;
	ask(v, why && !apart ? both : text, reason_typed);
}

/* Nothing can be shown: waiting goes on for as long as this service lets it, which may be not at all. */
static void wait_in_silence(struct jh_visit *v)
{
	int64_t silent_ms = jit_boottime_ms() + v->question.silent_wait_s * 1000;

	v->silent = true;
	if (v->question.silent_wait_s == 0) {
		const struct jh_verdict verdict = patience_over(v, false);
		leave_and_refuse(v, &verdict);
	} else if (silent_ms < v->deadline.when_ms) {
		v->pending_s = v->question.silent_wait_s;
		jh_alarm_at(&v->deadline, silent_ms);
	}
}

static void enter_pressed(struct jh_visit *v, const char *typed)
{
	if (!typed)
		wait_in_silence(v);
}

void jh_visit_wait(struct jh_visit *v, int64_t until_ms)
{
	const struct jh_request *r = v->request;
	int64_t left_ms = (until_ms < v->deadline.when_ms ? until_ms : v->deadline.when_ms) - jit_boottime_ms();
	char text[JIT_LINE_SIZE], named[64];

	v->stage = JH_VISIT_WAITING;
	v->pending_s = left_ms > 0 ? (left_ms + 999) / 1000 : 0;
	/* With the time that the module puts behind it, it fits a terminal of 80 columns. */
	snprintf(named, sizeof(named), "request %s%s%s: waiting for approval", r->short_id, r->code[0] ? ", code " : "",
		 r->code);
	if (v->question.live) {
		snprintf(text, sizeof(text), "%s (Ctrl-C cancels)", named);
		jh_send_wait(v->peer, text, left_ms);
	} else if (v->question.can_ask && !v->silent) {
		snprintf(text, sizeof(text), "%s. Press Enter to wait: ", named);
		ask(v, text, enter_pressed);
	} else {
		wait_in_silence(v);
	}
}

void jh_visit_allow(struct jh_visit *v, const struct jh_grant *grant)
{
	v->stage = JH_VISIT_TOLD;
	memcpy(v->grant, grant->id, sizeof(v->grant));
	/* While a prompt stands the module is the person's, who may take all the time that there is to wait. */
	if (!v->reply_due)
		jh_alarm_in(&v->deadline, JH_TAKEN_MS);
	jh_send_allow(v->peer, grant->id);
}

bool jh_visit_can_ask(const struct jh_visit *v)
{
	return v->question.can_ask && !v->silent && v->asked < v->helper->conf->ask_attempts;
}

static void on_taken(struct jh_visit *v)
{
	struct jh_peer *peer = v->peer;
	struct jh_grant *g;

	if (v->request)
		jh_request_taken(v->request);
	g = jh_grant_by_id(v->helper, v->grant);
	if (g && jh_question_is_login(&v->question))
		jh_grant_claim(g, &v->session);
	if (g && jh_question_is_final(&v->question)) {
		jh_grant_use(g);
		jh_collect_soon(g);
	}
	visit_free(v);
	jh_peer_close(peer);
}

static void on_reply(struct jh_visit *v, const struct jit_frame *frame)
{
	char typed[JIT_LINE_SIZE];
	int r = jit_frame_get_str(frame, JIT_T_TEXT, typed, sizeof(typed));

	v->reply_due = false;
	if (v->stage == JH_VISIT_TOLD) /* it has been allowed meanwhile */
		jh_alarm_in(&v->deadline, JH_TAKEN_MS);
	if (v->stage != JH_VISIT_ASKING)
		return;
	v->stage = JH_VISIT_WAITING;
	v->silent |= r < 0;
	v->answered(v, r < 0 ? NULL : typed);
}

static void on_frame(struct jh_peer *peer, const struct jit_frame *frame)
{
	struct jh_visit *v = peer->arg;
	uint8_t type = jit_frame_type(frame);

	if (type == JIT_F_TAKEN && v->stage == JH_VISIT_TOLD)
		on_taken(v);
	else if (type == JIT_F_REPLY && v->reply_due)
		on_reply(v, frame);
	else /* out of turn: the module is not what it should be */
		drop(v);
}

static const struct jh_peer_owner owner = {.frame = on_frame, .gone = on_gone};

struct jh_visit *jh_visit_new(struct jh_peer *peer, const struct jh_question *q, const struct jh_session *session)
{
	struct jh_visit *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->helper = peer->helper;
	v->peer = peer;
	v->question = *q;
	v->session = *session;
	jh_alarm_init(&v->deadline, peer->helper->alarms, on_deadline, v);
	jh_alarm_at(&v->deadline, jh_question_deadline(jit_boottime_ms(), q->wait_s, v->helper->conf->timeout_s));
	LIST_INSERT_HEAD(&peer->helper->visits, v, link);
	jh_peer_give(peer, &owner, v);
	return v;
}

/* Under a grant that lives; its word that it took it is on its way. */
static bool is_let_in(const struct jh_visit *v)
{
	return v->stage == JH_VISIT_TOLD && !v->request && !v->reply_due;
}

void jh_visits_refuse_all(struct jh_helper *helper, const char *sentence)
{
	const struct jh_verdict verdict = jh_verdict_of(JIT_CANCELLED, "%s", sentence);
	struct jh_visit *v = LIST_FIRST(&helper->visits), *next;

	for (; v; v = next) {
		next = LIST_NEXT(v, link);
		if (!is_let_in(v))
			leave_and_refuse(v, &verdict);
	}
}

bool jh_visits_let_in(const struct jh_helper *helper)
{
	const struct jh_visit *v;

	for (v = LIST_FIRST(&helper->visits); v; v = LIST_NEXT(v, link))
		if (is_let_in(v))
			return true;
	return false;
}

void jh_visits_drop_all(struct jh_helper *helper)
{
	while (!LIST_EMPTY(&helper->visits))
		drop(LIST_FIRST(&helper->visits));
}
