/* See request_filing.h. */
#include "request_filing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admit.h"
#include "ahead.h"
#include "changes.h"
#include "cleanup.h"
#include "glass.h"
#include "log.h"
#include "request_decision.h"
#include "request_demo.h"
#include "request_end.h"
#include "visit.h"

#define GLASS_TRIES 3 /* of a filing that gets no answer, before break-glass is offered */

/* Those who were let in before the scope was known, and must ask for themselves. False: nobody is left. */
static bool send_away(struct jh_request *r)
{
	struct jh_visit_list away = LIST_HEAD_INITIALIZER(away);
	struct jh_visit *v, *next;

	if (!r->first && !r->session.known) /* a login's place is taken by another from there */
		r->first = LIST_FIRST(&r->visits);
	for (v = LIST_FIRST(&r->visits); v; v = next) {
		next = LIST_NEXT(v, beside);
		if (jh_request_keeps(r, &v->session, r->first == v))
			continue;
		jh_request_detach(r, v);
		LIST_INSERT_HEAD(&away, v, beside);
	}
	while ((v = LIST_FIRST(&away))) {
		LIST_REMOVE(v, beside);
		v->alone = true;
		jh_visit_seek(v);
	}
	if (!LIST_EMPTY(&r->visits) || r->resume)
		return true;
	jh_request_withdraw(r);
	jh_request_free(r);
	return false;
}

void jh_request_filed(struct jh_request *r, struct jh_answer *answer)
{
	memcpy(r->id, answer->id, sizeof(r->id));
	memcpy(r->short_id, answer->short_id, sizeof(r->short_id));
	memcpy(r->code, answer->code, sizeof(r->code));
	memcpy(r->role, answer->role, sizeof(r->role));
	r->of_user = strcmp(answer->scope, "user") == 0 && r->session.place[0];
	if (r->for_host[0] && !answer->filed_by[0]) /* that host is this one */
		r->for_host[0] = '\0';
	if (r->for_host[0] && r->leader_fd >= 0)
		close(jit_take_fd(&r->leader_fd));
	r->tries = 0;
	r->stage = JH_REQUEST_PENDING;
	if (r->ahead)
		jh_ahead_filed(r->ahead, answer);
	if (send_away(r)) {
		jh_changes_hurry(r->helper->changes, r->retry_after_s);
		if (answer->status == JH_PENDING)
			jh_request_wait(r, answer);
		else
			jh_request_decide(r, answer);
	}
	jh_answer_clear(answer);
}

static struct jh_visit *who_can_be_asked(const struct jh_request *r)
{
	struct jh_visit *v;

	for (v = LIST_FIRST(&r->visits); v; v = LIST_NEXT(v, beside))
		if (jh_visit_can_ask(v))
			return v;
	return NULL;
}

/* Nobody can be asked: what the broker said stands. In a login no environment could have given it. */
static void refuse_unasked(struct jh_request *r)
{
	const char *what = r->asking_ticket ? "ticket" : "reason";
	char role[JH_ROLE_WORDS];
	bool given = (r->asking_ticket ? r->question.ticket : r->question.reason)[0];

	if (jh_question_is_login(&r->question) && !given)
		snprintf(r->last.text, sizeof(r->last.text),
			 "%.160s needs a %s, and none can be asked for on this connection: give one with jit "
			 "request, or log in with keyboard-interactive",
			 jh_role_words(r->question.role, role), what);
	jh_request_refuse_all(r, &r->last);
}

void jh_request_ask(struct jh_request *r)
{
	bool given = (r->asking_ticket ? r->question.ticket : r->question.reason)[0];
	struct jh_visit *v = who_can_be_asked(r);
	char text[JIT_LINE_SIZE], role[JH_ROLE_WORDS];

	if (!v) {
		refuse_unasked(r);
		return;
	}
	r->stage = JH_REQUEST_ASKING;
	r->asking = v;
	snprintf(text, sizeof(text), "%s for %.200s: ", r->asking_ticket ? "Ticket" : "Reason",
		 jh_role_words(r->question.role, role));
	jh_visit_ask(v, given ? r->last.text : NULL, text); /* why the one that was given will not do */
}

/*
 * The broker has broken off a few times: who may go on without it is asked whether they want to, and no longer waits.
 * False: nobody waits any more, and the request is gone.
 */
static bool offer_glass(struct jh_request *r)
{
	struct jh_visit_list going = LIST_HEAD_INITIALIZER(going);
	struct jh_visit *v, *next;

	for (v = LIST_FIRST(&r->visits); v; v = next) {
		next = LIST_NEXT(v, beside);
		if (!jh_glass_may(v))
			continue;
		jh_request_detach(r, v);
		LIST_INSERT_HEAD(&going, v, beside);
	}
	while ((v = LIST_FIRST(&going))) {
		LIST_REMOVE(v, beside);
		jh_visit_refuse(v, &r->last);
	}
	if (!LIST_EMPTY(&r->visits))
		return true;
	jh_request_withdraw(r);
	jh_request_free(r);
	return false;
}

static void retry(struct jh_request *r, const char *why)
{
	struct jh_visit *v;

	if (r->tries == 1) { /* said once: a module takes only so many frames */
		jit_log(LOG_WARNING, "%s: %s; trying again", r->question.requester, r->last.text);
		for (v = LIST_FIRST(&r->visits); v; v = LIST_NEXT(v, beside))
			jh_visit_show(v, why);
	}
	if (r->tries == GLASS_TRIES && r->last.no_answer && !LIST_EMPTY(&r->visits) && !offer_glass(r))
		return;
	jh_alarm_in(&r->again, jh_backoff_ms(r->tries - 1, JH_REQUEST_PAUSE_FIRST_MS, JH_REQUEST_PAUSE_CAP_MS));
}

/* What people are told of it, in a line of their terminal. */
static const char *why_again(const struct jit_fetch_result *result)
{
	if (result->fault == JIT_FETCH_OK && result->status == 200)
		return "this host is short of memory: trying again (Ctrl-C cancels)";
	if (result->fault == JIT_FETCH_OK && result->status == 429)
		return "this host calls the broker too often: trying again (Ctrl-C cancels)";
	return "the broker is not there right now: trying again (Ctrl-C cancels)";
}

static void on_filed(void *arg, const struct jit_fetch_result *result)
{
	struct jh_request *r = arg;
	const struct jh_filing_facts facts = {
		.broker = jh_broker_url(r->helper->broker),
		.requester = r->question.requester,
		.role = r->question.role,
		.has_reason = r->question.reason[0] != '\0',
		.has_ticket = r->question.ticket[0] != '\0',
		.by_jit = r->ahead != NULL,
		.first = r->tries == 0,
	};
	const bool busy = result->fault == JIT_FETCH_OK && result->status == 429;
	struct jh_answer answer;

	r->call = NULL;
	enum jh_filed came = jh_judge_filing(result, &facts, &answer, &r->last);
	r->tries++;
	switch (came) {
	case JH_FILED_REQUEST:
		r->retry_after_s = result->retry_after;
		jh_request_filed(r, &answer);
		return;
	case JH_FILED_RETRY:
		r->maybe_filed |= !busy;
		retry(r, why_again(result));
		return;
	case JH_FILED_ASK_REASON:
	case JH_FILED_ASK_TICKET:
		r->maybe_filed = false;
		r->asking_ticket = came == JH_FILED_ASK_TICKET;
		jh_request_ask(r);
		return;
	case JH_FILED_UNKNOWN:
		r->maybe_filed = true;
		break;
	default: /* a refusal of this try says nothing of an earlier one that was lost */
		break;
	}
	if (r->maybe_filed)
		jh_request_withdraw(r);
	jh_request_refuse_all(r, &r->last);
}

void jh_request_send(struct jh_request *r)
{
	const struct jh_call call = {
		.method = "POST", .path = "/request-access", .body = r->body, .idempotency_key = r->idempotency};

	r->strangers = jh_changes_strangers(r->helper->changes);
	r->call = jh_broker_call(r->helper->broker, &call, on_filed, r);
	if (!r->call)
		jh_request_fail(r, "jit-helper is out of memory");
}

/* Makes the body of a new filing, after the facts have changed. */
static int prepare(struct jh_request *r)
{
	char login[JIT_NAME_SIZE];
	const struct jh_filing filing = {
		.question = &r->question,
		.session = &r->session,
		.login_user = jh_login_name(r->login_uid, login, sizeof(login)) ? login : NULL,
		.jwk = r->jwk,
		.for_host = r->for_host,
		.resume = r->resume,
	};

	free(r->body);
	r->body = jh_filing_body(&filing);
	r->tries = 0;
	r->last.text[0] = '\0';
	return r->body && jh_idempotency_new(r->idempotency) == 0 ? 0 : -1;
}

void jh_request_file(struct jh_request *r)
{
	r->stage = JH_REQUEST_FILING;
	if (r->helper->conf->demo) {
		jh_request_demo(r);
		return;
	}
	if (prepare(r) < 0)
		jh_request_fail(r, "jit-helper is out of memory");
	else
		jh_request_send(r);
}
