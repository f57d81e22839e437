/* See request.h. */
#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admit.h"
#include "ahead.h"
#include "changes.h"
#include "cleanup.h"
#include "clock.h"
#include "glass.h"
#include "grant.h"
#include "log.h"
#include "text.h"
#include "visit.h"
#include "withdraw.h"

#define ALL_MAX		 64 /* requests under way, of all requesters */
#define REQUESTER_MAX	 8  /* of one, its withdrawals included */
#define GRANTS_MAX	 64 /* of one: each takes a descriptor and locked memory until it ends */
#define BACKOFF_FIRST_MS 200
#define BACKOFF_CAP_MS	 5000
#define GLASS_TRIES	 3		  /* of a filing that gets no answer, before break-glass is offered */
#define LAST_WORD_MS	 1500		  /* after the broker's own deadline its word is awaited that long */
#define UNHEARD_MAX	 64		  /* refusals that wait for somebody to hear them */
#define UNHEARD_MS	 (10 * 60 * 1000) /* how long a refusal waits for somebody to hear it */
#define HEARD_MS	 10000		  /* and then for the others of the same storm of connections */

static void request_free(struct jh_request *r)
{
	LIST_REMOVE(r, link);
	if (r->ahead)
		r->ahead->request = NULL;
	jit_fetch_cancel(r->call);
	jh_alarm_clear(&r->again);
	jh_alarm_clear(&r->over);
	jh_grant_free(r->grant);
	EVP_PKEY_free(r->key);
	if (r->leader_fd >= 0)
		close(r->leader_fd);
	free(r->body);
	free(r);
}

/* For the log. */
static const char *asked_by(const struct jh_request *r)
{
	return r->question.service[0] ? r->question.service : r->open ? "another host" : "jit request";
}

/* The broker must not go on with it. */
static void withdraw(struct jh_request *r)
{
	if (r->id[0])
		jh_withdraw(r->helper, r->question.requester, r->id, r->short_id, JH_CANCEL);
	else if (r->maybe_filed || r->call)
		jh_withdraw_filing(r->helper, r->question.requester, r->body, r->idempotency);
}

static void detach(struct jh_request *r, struct jh_visit *v)
{
	LIST_REMOVE(v, beside);
	v->request = NULL;
	if (r->first == v)
		r->first = NULL;
}

/* A login that was sent away comes back for this answer: filing anew would page people who have said no. */
static bool is_unheard(const struct jh_request *r)
{
	return r->stage == JH_REQUEST_PENDING && r->resume && !r->open && !r->ahead && LIST_EMPTY(&r->visits);
}

static void keep_for_the_next(struct jh_request *r, const struct jh_verdict *verdict)
{
	struct jh_request *other, *oldest = NULL;
	size_t kept = 0;

	for (other = LIST_FIRST(&r->helper->requests); other; other = LIST_NEXT(other, link)) {
		if (other->stage != JH_REQUEST_UNHEARD)
			continue;
		kept++;
		if (!oldest || other->over.when_ms < oldest->over.when_ms)
			oldest = other;
	}
	if (kept >= UNHEARD_MAX)
		request_free(oldest);
	jit_log(LOG_NOTICE, "%s", verdict->text);
	r->stage = JH_REQUEST_UNHEARD;
	r->last = *verdict;
	jit_fetch_cancel(r->call); /* a look that is under way says nothing more about what is withdrawn */
	r->call = NULL;
	jh_alarm_clear(&r->again);
	jh_alarm_in(&r->over, UNHEARD_MS);
}

/* The end of a request that gave nothing: all who wait hear the same. */
static void refuse_all(struct jh_request *r, const struct jh_verdict *verdict)
{
	struct jh_visit *v;

	if (is_unheard(r)) {
		keep_for_the_next(r, verdict);
		return;
	}
	if (r->ahead)
		jh_ahead_refused(r->ahead, verdict);
	while ((v = LIST_FIRST(&r->visits))) {
		LIST_REMOVE(v, beside);
		jh_visit_refuse(v, verdict);
	}
	request_free(r);
}

static void fail(struct jh_request *r, const char *sentence)
{
	struct jh_verdict verdict = {.outcome = JIT_UNAVAILABLE};

	snprintf(verdict.text, sizeof(verdict.text), "%s", sentence);
	refuse_all(r, &verdict);
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
		detach(r, v);
		LIST_INSERT_HEAD(&visits, v, beside);
	}
	jh_grant_list(JIT_TAKE(r->grant));
	request_free(r);
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
		withdraw(r);
		fail(r, why);
		return;
	}
	r->stage = JH_REQUEST_GRANTED;
	jit_log(LOG_NOTICE, "%s: %s by %s, role %s: %s", r->short_id, r->question.requester, asked_by(r),
		r->grant->role, verdict->text);
	for (v = LIST_FIRST(&r->visits); v; v = LIST_NEXT(v, beside))
		jh_visit_say(v, verdict->text);
	if (r->resume) {
		list_now(r);
		return;
	}
	for (v = LIST_FIRST(&r->visits); v; v = LIST_NEXT(v, beside))
		jh_visit_allow(v, r->grant);
}

static void decide(struct jh_request *r, const struct jh_answer *answer)
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
		request_free(r); /* that host uses it */
	else if (verdict.outcome == JIT_ALLOW)
		approve(r, answer, &verdict);
	else
		refuse_all(r, &verdict);
}

/* The broker's own deadline has passed and its word did not come. */
static void on_over(void *arg)
{
	struct jh_request *r = arg;
	struct jh_answer nothing = {.status = JH_EXPIRED};
	struct jh_verdict verdict;

	if (r->stage == JH_REQUEST_UNHEARD) {
		request_free(r);
		return;
	}
	memcpy(nothing.short_id, r->short_id, sizeof(nothing.short_id));
	jh_judge_decision(&nothing, r->pending_s, &verdict);
	withdraw(r);
	refuse_all(r, &verdict);
}

/* A decision may have come before we knew the id: asked for once more. */
static void on_looked(void *arg, const struct jit_fetch_result *result)
{
	struct jh_request *r = arg;
	struct jh_answer answer;

	r->call = NULL;
	if (result->fault == JIT_FETCH_OK && result->status == 200 &&
	    jh_answer_read(result->body, result->body_len, &answer) == 0) {
		if (strcmp(answer.id, r->id) == 0 && answer.status != JH_PENDING)
			decide(r, &answer);
		jh_answer_clear(&answer);
	} else if (jh_passing(result)) {
		jh_alarm_in(&r->again, jh_backoff_ms(r->tries++, BACKOFF_FIRST_MS, BACKOFF_CAP_MS));
	}
}

static void look(struct jh_request *r)
{
	char path[96];
	const struct jh_call call = {.method = "GET", .path = path};

	snprintf(path, sizeof(path), "/requests/%s", r->id);
	r->call = jh_broker_call(r->helper->broker, &call, on_looked, r);
}

static void wait_for_decision(struct jh_request *r, const struct jh_answer *answer)
{
	struct jh_visit *v, *next;

	if (answer->pending_s >= 0) {
		r->pending_s = answer->pending_s;
		r->until_ms = jit_boottime_ms() + answer->pending_s * 1000;
		jh_alarm_at(&r->over, r->until_ms + LAST_WORD_MS);
	}
	jit_log(LOG_NOTICE, "%s: %s by %s, role %s: waiting for approval", r->short_id, r->question.requester,
		asked_by(r), r->role);
	jh_changes_hurry(r->helper->changes);
	if (jh_changes_strangers(r->helper->changes) != r->strangers)
		look(r);
	/* The last that goes may take the request with it, so it is asked for nothing any more. */
	for (v = LIST_FIRST(&r->visits); v; v = next) {
		next = LIST_NEXT(v, beside);
		if (answer->pending_s < 0)
			r->pending_s = v->question.wait_s;
		jh_visit_wait(v, r->until_ms);
	}
}

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
		detach(r, v);
		LIST_INSERT_HEAD(&away, v, beside);
	}
	while ((v = LIST_FIRST(&away))) {
		LIST_REMOVE(v, beside);
		v->alone = true;
		jh_visit_seek(v);
	}
	if (!LIST_EMPTY(&r->visits) || r->resume)
		return true;
	withdraw(r);
	request_free(r);
	return false;
}

static void filed(struct jh_request *r, struct jh_answer *answer)
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
		if (answer->status == JH_PENDING)
			wait_for_decision(r, answer);
		else
			decide(r, answer);
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
	refuse_all(r, &r->last);
}

static void ask(struct jh_request *r)
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
		detach(r, v);
		LIST_INSERT_HEAD(&going, v, beside);
	}
	while ((v = LIST_FIRST(&going))) {
		LIST_REMOVE(v, beside);
		jh_visit_refuse(v, &r->last);
	}
	if (!LIST_EMPTY(&r->visits))
		return true;
	withdraw(r);
	request_free(r);
	return false;
}

static void retry(struct jh_request *r)
{
	static const char away[] = "the broker is not there right now: trying again (Ctrl-C cancels)";
	struct jh_visit *v;

	if (r->tries == 1) { /* said once: a module takes only so many frames */
		jit_log(LOG_WARNING, "%s: %s; trying again", r->question.requester, r->last.text);
		for (v = LIST_FIRST(&r->visits); v; v = LIST_NEXT(v, beside))
			jh_visit_show(v, away);
	}
	if (r->tries == GLASS_TRIES && r->last.no_answer && !LIST_EMPTY(&r->visits) && !offer_glass(r))
		return;
	jh_alarm_in(&r->again, jh_backoff_ms(r->tries - 1, BACKOFF_FIRST_MS, BACKOFF_CAP_MS));
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
	struct jh_answer answer;

	r->call = NULL;
	enum jh_filed came = jh_judge_filing(result, &facts, &answer, &r->last);
	r->tries++;
	switch (came) {
	case JH_FILED_REQUEST:
		filed(r, &answer);
		return;
	case JH_FILED_RETRY:
		r->maybe_filed = true;
		retry(r);
		return;
	case JH_FILED_ASK_REASON:
	case JH_FILED_ASK_TICKET:
		r->maybe_filed = false;
		r->asking_ticket = came == JH_FILED_ASK_TICKET;
		ask(r);
		return;
	case JH_FILED_UNKNOWN:
		r->maybe_filed = true;
		break;
	default: /* a refusal of this try says nothing of an earlier one that was lost */
		break;
	}
	if (r->maybe_filed)
		withdraw(r);
	refuse_all(r, &r->last);
}

static void send_filing(struct jh_request *r)
{
	const struct jh_call call = {
		.method = "POST", .path = "/request-access", .body = r->body, .idempotency_key = r->idempotency};

	r->strangers = jh_changes_strangers(r->helper->changes);
	r->call = jh_broker_call(r->helper->broker, &call, on_filed, r);
	if (!r->call)
		fail(r, "jit-helper is out of memory");
}

static void on_again(void *arg)
{
	struct jh_request *r = arg;

	if (r->stage == JH_REQUEST_PENDING)
		look(r);
	else
		send_filing(r);
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
	if (prepare(r) < 0)
		fail(r, "jit-helper is out of memory");
	else
		send_filing(r);
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
	if (all >= ALL_MAX)
		return "too many requests are under way on this host; try again in a moment";
	return NULL;
}

struct jh_request *jh_request_new(struct jh_helper *helper, const struct jh_request_plan *plan)
{
	struct jh_request *r = calloc(1, sizeof(*r));

	if (!r || jit_key_new(&r->key) < 0 || jit_jwk_format(r->key, r->jwk) < 0) {
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
	jh_alarm_init(&r->over, helper->alarms, on_over, r);
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
	detach(r, v);
	if (!LIST_EMPTY(&r->visits)) {
		if (r->stage == JH_REQUEST_ASKING && r->asking == v)
			ask(r);
	} else if (!r->resume || r->stage != JH_REQUEST_PENDING) {
		withdraw(r);
		request_free(r);
	}
}

void jh_request_answered(struct jh_request *r, const char *typed)
{
	jit_text_clean_str(r->asking_ticket ? r->question.ticket : r->question.reason, JIT_LINE_SIZE, typed);
	jh_request_file(r);
}

void jh_request_unanswered(struct jh_request *r)
{
	ask(r);
}

/* Whoever was told ALLOW takes it, or not, without the request. */
static void let_go(struct jh_request *r)
{
	while (!LIST_EMPTY(&r->visits))
		detach(r, LIST_FIRST(&r->visits));
	request_free(r);
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
	filed(r, answer);
}

void jh_request_give_back(struct jh_request *r)
{
	struct jh_verdict verdict = {.outcome = JIT_CANCELLED};

	snprintf(verdict.text, sizeof(verdict.text), "request %s: withdrawn", r->short_id);
	withdraw(r);
	refuse_all(r, &verdict);
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
		decide(r, answer);
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
		request_free(LIST_FIRST(&helper->requests));
}
