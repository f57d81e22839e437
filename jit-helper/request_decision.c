/* See request_decision.h. */
#include "request_decision.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ahead.h"
#include "changes.h"
#include "cleanup.h"
#include "clock.h"
#include "grant.h"
#include "log.h"
#include "request_demo.h"
#include "request_end.h"
#include "visit.h"

#define WORD_MS	     500  /* after the broker's own deadline its word is awaited that long; then it is asked for it, */
#define LAST_WORD_MS 1500 /* and its answer awaited that long */

/* For the log. */
static const char *asked_by(const struct jh_request *r)
{
	return r->question.service[0] ? r->question.service : r->open ? "another host" : "jit request";
}

/* Whose it is: the login session's that asked, that person's from that place, or whoever's comes first. */
static int give_to(struct jh_request *r, struct jh_grant *g)
{
	g->ahead = !r->question.service[0];
	g->open = r->open;
	g->of_user &= r->open || g->ahead || r->session.place[0];
	if (g->of_user || g->open) { /* no login session's end ends it */
		g->session = r->session;
		return 0;
	}
	return jh_grant_bind(g, &r->session, jit_take_fd(&r->leader_fd));
}

/* What an approval gives; NULL with the sentence that says why it cannot be. */
static struct jh_grant *make_grant(struct jh_request *r, const struct jh_answer *answer, const char **ret_why)
{
	struct jh_grant *g;

	*ret_why = "jit-helper is out of memory";
	if (!r->key && jit_key_new(&r->key) < 0)
		return NULL;
	g = jh_grant_new(r->helper, answer, r->key);
	if (!g)
		return NULL;
	r->key = NULL;
	if (answer->status == JH_ACTIVE) { /* begun before it came here */
		jh_grant_clock_start(g, jit_boottime_ms());
		g->collector.started = true;
	}
	if (r->creds.plain)
		jh_demo_own(r, g);
	if (!jh_grant_answers(g, &r->question, jit_boottime_ms()))
		*ret_why = "the broker's approval is not for what was asked; tell the operator of this host";
	else if (give_to(r, g) == 0)
		return g;
	jh_grant_free(g);
	return NULL;
}

/* Its visits find the grant by themselves, as whoever comes later does. */
static void list_now(struct jh_request *r)
{
	struct jh_visit_list visits = LIST_HEAD_INITIALIZER(visits);
	struct jh_visit *v;

	while ((v = LIST_FIRST(&r->visits))) {
		jh_request_detach(r, v);
		LIST_INSERT_HEAD(&visits, v, beside);
	}
	jh_grant_list(JIT_TAKE(r->grant));
	jh_request_free(r);
	while ((v = LIST_FIRST(&visits))) {
		LIST_REMOVE(v, beside);
		jh_visit_seek(v);
	}
}

static void approve(struct jh_request *r, const struct jh_answer *answer, const struct jh_verdict *verdict)
{
	struct jh_visit *v;
	const char *why;

	r->grant = make_grant(r, answer, &why);
	if (!r->grant) {
		jh_request_withdraw(r);
		jh_request_fail(r, why);
		return;
	}
	r->stage = JH_REQUEST_GRANTED;
	for (v = LIST_FIRST(&r->visits); v; v = LIST_NEXT(v, beside)) {
		jh_visit_say(v, verdict->text);
		if (!r->resume)
			jh_visit_allow(v, r->grant);
	}
	/* Nobody waits for the log. */
	jit_log(r->grant->demo ? LOG_WARNING : LOG_NOTICE, "%s: %s by %s, role %s: %s", r->short_id,
		r->question.requester, asked_by(r), r->grant->role, verdict->text);
	if (r->resume)
		list_now(r);
}

void jh_request_decide(struct jh_request *r, const struct jh_answer *answer)
{
	struct jh_verdict verdict;

	jh_judge_decision(answer, r->pending_s, &verdict);
	jh_alarm_clear(&r->again);
	jh_alarm_clear(&r->over);
	jit_fetch_cancel(r->call); /* a look that is under way would bring the same decision once more */
	r->call = NULL;
	if (r->ahead)
		jh_ahead_filed(r->ahead, answer);
	if (verdict.outcome == JIT_ALLOW && r->for_host[0])
		jh_request_free(r); /* that host uses it */
	else if (verdict.outcome == JIT_ALLOW)
		approve(r, answer, &verdict);
	else
		jh_request_refuse_all(r, &verdict);
}

static void look_later(struct jh_request *r)
{
	jh_alarm_in(&r->again, jh_backoff_ms(r->tries++, JH_REQUEST_PAUSE_FIRST_MS, JH_REQUEST_PAUSE_CAP_MS));
}

/* A decision may have come before we knew the id: asked for once more. */
static void on_looked(void *arg, const struct jit_fetch_result *result)
{
	struct jh_request *r = arg;
	const bool told = result->fault == JIT_FETCH_OK && result->status == 200;
	struct jh_answer answer;

	r->call = NULL;
	int heard = told ? jh_answer_read(result->body, result->body_len, &answer) : -EINVAL;
	if (heard == 0) {
		if (strcmp(answer.id, r->id) == 0 && answer.status != JH_PENDING)
			jh_request_decide(r, &answer);
		jh_answer_clear(&answer);
	} else if (heard == -ENOMEM || jh_passing(result)) {
		look_later(r);
	}
}

void jh_request_look(struct jh_request *r)
{
	char path[96];
	const struct jh_call call = {.method = "GET", .path = path};

	snprintf(path, sizeof(path), "/requests/%s", r->id);
	r->call = jh_broker_call(r->helper->broker, &call, on_looked, r);
	if (!r->call)
		look_later(r);
}

static void look_once_more(struct jh_request *r)
{
	r->asked_last = true;
	jh_alarm_in(&r->over, LAST_WORD_MS);
	jh_alarm_clear(&r->again);
	if (!r->call)
		jh_request_look(r);
}

/* The broker's own deadline has passed and its word did not come: one that holds no poll is asked seldom. */
void jh_request_over(void *arg)
{
	struct jh_request *r = arg;
	const char *trouble = jh_changes_trouble(r->helper->changes);
	struct jh_verdict verdict;

	if (r->stage == JH_REQUEST_UNHEARD) {
		jh_request_free(r);
		return;
	}
	if (!r->asked_last) {
		look_once_more(r);
		return;
	}
	/* One that answers would have told that nobody decided. */
	jh_judge_silence(r->short_id, r->pending_s, trouble ? trouble : "the broker did not say what became of it",
			 &verdict);
	jh_request_withdraw(r);
	jh_request_refuse_all(r, &verdict);
}

void jh_request_wait(struct jh_request *r, const struct jh_answer *answer)
{
	struct jh_visit *v, *next;

	if (answer->pending_s >= 0) {
		r->pending_s = answer->pending_s;
		r->until_ms = jit_boottime_ms() + answer->pending_s * 1000;
		jh_alarm_at(&r->over, r->until_ms + WORD_MS);
	}
	jit_log(LOG_NOTICE, "%s: %s by %s, role %s: waiting for approval", r->short_id, r->question.requester,
		asked_by(r), r->role);
	jh_changes_hurry(r->helper->changes, r->retry_after_s);
	if (jh_changes_strangers(r->helper->changes) != r->strangers)
		jh_request_look(r);
	/* The last that goes may take the request with it, so it is asked for nothing any more. */
	for (v = LIST_FIRST(&r->visits); v; v = next) {
		next = LIST_NEXT(v, beside);
		if (answer->pending_s < 0)
			r->pending_s = v->question.wait_s;
		jh_visit_wait(v, r->until_ms);
	}
}
