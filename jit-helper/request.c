/* See request.h. This file has its life: made, joined and left, taken, gone. */
#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "changes.h"
#include "cleanup.h"
#include "grant.h"
#include "log.h"
#include "request_decision.h"
#include "request_end.h"
#include "request_filing.h"
#include "saved.h"
#include "spare.h"
#include "text.h"
#include "visit.h"
#include "withdraw.h"

#define ALL_MAX		128  /* requests under way, of all requesters */
#define SHARED_MAX	64   /* of them for whoever asks; the rest is kept for requesters who have none */
#define REQUESTER_MAX	8    /* of one, its withdrawals included */
#define GRANTS_MAX	64   /* of one: each takes a descriptor and locked memory until it ends */
#define HOST_GRANTS_MAX 1200 /* of all; what is under way can become one too */
#define SHARED_GRANTS	1000 /* of them for whoever asks; the rest is kept for requesters who have few */
#define FEW_GRANTS	4
#define HEARD_MS	10000 /* how long a refusal that was heard waits for the others of the same storm of connections */

_Static_assert(HOST_GRANTS_MAX <= JH_SAVED_LIST_MAX, "a restart must read them all");

static void on_again(void *arg)
{
	struct jh_request *r = arg;

	if (r->stage == JH_REQUEST_PENDING)
		jh_request_look(r);
	else
		jh_request_send(r);
}

const char *jh_request_host_limit(const struct jh_helper *helper, const char *requester)
{
	const struct jh_request *r;
	const struct jh_grant *g;
	size_t all = 0, theirs = 0;

	for (g = LIST_FIRST(&helper->grants); g; g = LIST_NEXT(g, link)) {
		all++;
		theirs += strcmp(g->requester, requester) == 0;
	}
	for (r = LIST_FIRST(&helper->requests); r; r = LIST_NEXT(r, link)) {
		if (r->stage == JH_REQUEST_UNHEARD || r->for_host[0])
			continue;
		all++;
		theirs += strcmp(r->question.requester, requester) == 0;
	}
	return all < SHARED_GRANTS || (all < HOST_GRANTS_MAX && theirs < FEW_GRANTS)
		       ? NULL
		       : "too many grants stand on this host; close sessions that need none, or wait for some to end";
}

const char *jh_request_limit(const struct jh_helper *helper, const char *requester)
{
	const struct jh_request *r;
	const struct jh_grant *g;
	size_t all = 0, grants = 0, theirs = jh_withdrawals_of(helper, requester);

	for (r = LIST_FIRST(&helper->requests); r; r = LIST_NEXT(r, link)) {
		/* Those for or from other hosts have limits of their own there. */
		if (r->stage == JH_REQUEST_UNHEARD || r->for_host[0] || r->open)
			continue;
		all++;
		theirs += strcmp(r->question.requester, requester) == 0;
	}
	for (g = LIST_FIRST(&helper->grants); g; g = LIST_NEXT(g, link))
		grants += strcmp(g->requester, requester) == 0;
	if (grants >= GRANTS_MAX)
		return "you hold too many grants on this host; give some back with jit end, or end their sessions";
	if (theirs >= REQUESTER_MAX)
		return "you have too many requests under way; wait for one to be decided or cancel it";
	if (all >= ALL_MAX || (all >= SHARED_MAX && theirs > 0))
		return "too many requests are under way on this host; try again in a moment";
	return jh_request_host_limit(helper, requester);
}

struct jh_request *jh_request_new(struct jh_helper *helper, const struct jh_request_plan *plan)
{
	struct jh_request *r = calloc(1, sizeof(*r));

	if (!r || jh_spare_take(helper->spare, &r->key) < 0 || jit_jwk_format(r->key, r->jwk) < 0) {
		if (r)
			EVP_PKEY_free(r->key);
		if (plan->leader_fd >= 0)
			close(plan->leader_fd);
		free(r);
		return NULL;
	}
	r->helper = helper;
	r->question = *plan->question;
	r->session = *plan->session;
	r->leader_fd = plan->leader_fd;
	r->login_uid = plan->login_uid;
	r->resume = plan->resume;
	snprintf(r->for_host, sizeof(r->for_host), "%s", plan->for_host ? plan->for_host : "");
	r->until_ms = INT64_MAX;
	LIST_INIT(&r->visits);
	jh_alarm_init(&r->again, helper->alarms, on_again, r);
	jh_alarm_init(&r->over, helper->alarms, jh_request_over, r);
	LIST_INSERT_HEAD(&helper->requests, r, link);
	return r;
}

void jh_request_join(struct jh_request *r, struct jh_visit *v)
{
	v->request = r;
	if (r->stage == JH_REQUEST_UNHEARD) {
		jh_visit_refuse(v, &r->last);
		jh_alarm_in(&r->over, HEARD_MS);
		return;
	}
	if (LIST_EMPTY(&r->visits))
		r->first = v;
	LIST_INSERT_HEAD(&r->visits, v, beside);
	if (r->stage == JH_REQUEST_PENDING)
		jh_visit_wait(v, r->until_ms);
	else if (r->stage == JH_REQUEST_GRANTED)
		jh_visit_allow(v, r->grant);
}

void jh_request_leave(struct jh_request *r, struct jh_visit *v)
{
	jh_request_detach(r, v);
	if (!LIST_EMPTY(&r->visits)) {
		if (r->stage == JH_REQUEST_ASKING && r->asking == v)
			jh_request_ask(r);
	} else if (!r->resume || r->stage != JH_REQUEST_PENDING) {
		jh_request_withdraw(r);
		jh_request_free(r);
	}
}

void jh_request_answered(struct jh_request *r, const char *typed)
{
	jit_text_clean_str(r->asking_ticket ? r->question.ticket : r->question.reason, JIT_LINE_SIZE, typed);
	jh_request_file(r);
}

void jh_request_unanswered(struct jh_request *r)
{
	jh_request_ask(r);
}

/* Whoever was told ALLOW takes it, or not, without the request. */
static void let_go(struct jh_request *r)
{
	while (!LIST_EMPTY(&r->visits))
		jh_request_detach(r, LIST_FIRST(&r->visits));
	jh_request_free(r);
}

void jh_request_taken(struct jh_request *r)
{
	jh_grant_list(JIT_TAKE(r->grant));
	let_go(r);
}

void jh_request_adopt(struct jh_helper *helper, const struct jh_request_plan *plan, bool open, struct jh_answer *answer)
{
	struct jh_request *r = jh_request_new(helper, plan);

	if (!r) {
		jit_log(LOG_ERR, "%s: out of memory: it cannot be taken up", answer->short_id);
		return;
	}
	r->open = open;
	r->strangers = jh_changes_strangers(helper->changes);
	jh_request_filed(r, answer);
}

void jh_request_give_back(struct jh_request *r)
{
	struct jh_verdict verdict = {.outcome = JIT_CANCELLED};

	snprintf(verdict.text, sizeof(verdict.text), "request %s: withdrawn", r->short_id);
	jh_request_withdraw(r);
	jh_request_refuse_all(r, &verdict);
}

bool jh_request_changed(struct jh_helper *helper, const struct jh_answer *answer)
{
	struct jh_request *r;

	for (r = LIST_FIRST(&helper->requests); r; r = LIST_NEXT(r, link))
		if (r->id[0] && strcmp(r->id, answer->id) == 0)
			break;
	if (!r)
		return false;
	if (r->stage == JH_REQUEST_PENDING && answer->status != JH_PENDING) {
		jh_request_decide(r, answer);
	} else if (r->stage == JH_REQUEST_GRANTED && answer->status > JH_ACTIVE) {
		/* Over before it was taken: there will be nothing to open a session under. */
		jit_log(LOG_NOTICE, "%s: over before it was taken", r->short_id);
		let_go(r);
	}
	return true;
}

void jh_requests_cancel_all(struct jh_helper *helper)
{
	jh_visits_refuse_all(helper, "jit-helper is stopping; try again in a moment");
	/* What may be taken up again is left to the broker. */
	while (!LIST_EMPTY(&helper->requests))
		jh_request_free(LIST_FIRST(&helper->requests));
}
