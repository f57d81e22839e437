/* See request.h. */
#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "changes.h"
#include "cleanup.h"
#include "clock.h"
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
#define LAST_WORD_MS	 1500 /* after the broker's own deadline its word is awaited that long */

static void request_free(struct jh_request *r)
{
	LIST_REMOVE(r, link);
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

/* The broker must not go on with it. */
static void withdraw(struct jh_request *r)
{
	if (r->id[0])
		jh_withdraw(r->helper, r->question.requester, r->id, r->short_id, JH_CANCEL);
	else if (r->maybe_filed || r->call)
		jh_withdraw_filing(r->helper, r->question.requester, r->body, r->idempotency);
}

static void detach(struct jh_visit *v)
{
	LIST_REMOVE(v, beside);
	v->request = NULL;
}

/* The end of a request that gave nothing: all who wait hear the same. */
static void refuse_all(struct jh_request *r, enum jit_outcome outcome, const char *sentence)
{
	struct jh_visit *v;

	while ((v = LIST_FIRST(&r->visits))) {
		LIST_REMOVE(v, beside);
		jh_visit_refuse(v, outcome, sentence);
	}
	request_free(r);
}

/* What an approval gives, bound to the login session that asked; NULL with the sentence that says why it cannot be. */
static struct jh_grant *make_grant(struct jh_request *r, const struct jh_answer *answer, const char **ret_why)
{
	struct jh_grant *g = jh_grant_new(r->helper, answer, r->key);

	*ret_why = "jit-helper is out of memory";
	if (!g)
		return NULL;
	r->key = NULL;
	memcpy(g->rhost, r->question.rhost, sizeof(g->rhost));
	if (!jh_grant_answers(g, &r->question, jit_boottime_ms()))
		*ret_why = "the broker's approval is not for what was asked; tell the operator of this host";
	else if (jh_grant_bind(g, &r->session, jit_take_fd(&r->leader_fd)) == 0)
		return g;
	jh_grant_free(g);
	return NULL;
}

static void approve(struct jh_request *r, const struct jh_answer *answer, const struct jh_verdict *verdict)
{
	struct jh_visit *v;
	const char *why;

	r->grant = make_grant(r, answer, &why);
	if (!r->grant) {
		withdraw(r);
		refuse_all(r, JIT_UNAVAILABLE, why);
		return;
	}
	r->stage = JH_REQUEST_GRANTED;
	jit_log(LOG_NOTICE, "%s: %s by %s, role %s: %s", r->short_id, r->question.requester, r->question.service,
		r->question.role, verdict->text);
	for (v = LIST_FIRST(&r->visits); v; v = LIST_NEXT(v, beside)) {
		jh_visit_say(v, verdict->text);
		jh_visit_allow(v, r->grant->id);
	}
}

static void decide(struct jh_request *r, const struct jh_answer *answer)
{
	struct jh_verdict verdict;

	jh_judge_decision(answer, r->pending_s, &verdict);
	jh_alarm_clear(&r->again);
	jh_alarm_clear(&r->over);
	jit_fetch_cancel(r->call); /* a look that is under way would bring the same decision once more */
	r->call = NULL;
	if (verdict.outcome == JIT_ALLOW)
		approve(r, answer, &verdict);
	else
		refuse_all(r, verdict.outcome, verdict.text);
}

/* The broker's own deadline has passed and its word did not come. */
static void on_over(void *arg)
{
	struct jh_request *r = arg;
	char sentence[JIT_LINE_SIZE], span[32];

	jit_format_duration((uint64_t)r->pending_s, span, sizeof(span));
	snprintf(sentence, sizeof(sentence), "request %s: nobody decided within %s", r->short_id, span);
	withdraw(r);
	refuse_all(r, JIT_TIMED_OUT, sentence);
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
	struct jh_visit *v;

	r->stage = JH_REQUEST_PENDING;
	if (answer->pending_s >= 0) {
		r->pending_s = answer->pending_s;
		r->until_ms = jit_boottime_ms() + answer->pending_s * 1000;
		jh_alarm_at(&r->over, r->until_ms + LAST_WORD_MS);
	}
	jit_log(LOG_NOTICE, "%s: %s by %s, role %s: waiting for approval", r->short_id, r->question.requester,
		r->question.service, r->question.role);
	for (v = LIST_FIRST(&r->visits); v; v = LIST_NEXT(v, beside))
		jh_visit_wait(v, r->until_ms);
	if (answer->pending_s < 0 && !LIST_EMPTY(&r->visits))
		r->pending_s = LIST_FIRST(&r->visits)->pending_s;
	jh_changes_hurry(r->helper->changes);
	if (jh_changes_strangers(r->helper->changes) != r->strangers)
		look(r);
}

static void filed(struct jh_request *r, struct jh_answer *answer)
{
	memcpy(r->id, answer->id, sizeof(r->id));
	memcpy(r->short_id, answer->short_id, sizeof(r->short_id));
	memcpy(r->code, answer->code, sizeof(r->code));
	r->tries = 0;
	if (answer->status == JH_PENDING)
		wait_for_decision(r, answer);
	else
		decide(r, answer);
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

/* Nobody can be asked: what the broker said stands. */
static void ask(struct jh_request *r)
{
	struct jh_visit *v = who_can_be_asked(r);
	char text[JIT_LINE_SIZE];

	if (!v) {
		refuse_all(r, r->last.outcome, r->last.text);
		return;
	}
	r->stage = JH_REQUEST_ASKING;
	r->asking = v;
	/* Why the one that was given will not do. */
	if (r->asking_ticket ? r->question.ticket[0] : r->question.reason[0])
		jh_visit_say(v, r->last.text);
	snprintf(text, sizeof(text), "%s for role %.200s: ", r->asking_ticket ? "Ticket" : "Reason", r->question.role);
	jh_visit_ask(v, text);
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
	refuse_all(r, r->last.outcome, r->last.text);
}

static void send_filing(struct jh_request *r)
{
	const struct jh_call call = {
		.method = "POST", .path = "/request-access", .body = r->body, .idempotency_key = r->idempotency};

	r->strangers = jh_changes_strangers(r->helper->changes);
	r->call = jh_broker_call(r->helper->broker, &call, on_filed, r);
	if (!r->call)
		refuse_all(r, JIT_UNAVAILABLE, "jit-helper is out of memory");
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
	bool known = jh_login_name(r->login_uid, login, sizeof(login));

	free(r->body);
	r->body = jh_filing_body(&r->question, &r->session, known ? login : NULL, r->jwk);
	r->tries = 0;
	r->last.text[0] = '\0';
	return r->body && jh_idempotency_new(r->idempotency) == 0 ? 0 : -1;
}

void jh_request_file(struct jh_request *r)
{
	r->stage = JH_REQUEST_FILING;
	if (prepare(r) < 0)
		refuse_all(r, JIT_UNAVAILABLE, "jit-helper is out of memory");
	else
		send_filing(r);
}

const char *jh_request_limit(const struct jh_helper *helper, const char *requester)
{
	const struct jh_request *r;
	const struct jh_grant *g;
	size_t all = 0, grants = 0, theirs = jh_withdrawals_of(helper, requester);

	for (r = LIST_FIRST(&helper->requests); r; r = LIST_NEXT(r, link)) {
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

struct jh_request *jh_request_new(struct jh_helper *helper, const struct jh_question *q,
				  const struct jh_session *session, int leader_fd, uint32_t login_uid)
{
	struct jh_request *r = calloc(1, sizeof(*r));

	if (!r || jit_key_new(&r->key) < 0 || jit_jwk_format(r->key, r->jwk) < 0) {
		if (r)
			EVP_PKEY_free(r->key);
		if (leader_fd >= 0)
			close(leader_fd);
		free(r);
		return NULL;
	}
	r->helper = helper;
	r->question = *q;
	r->session = *session;
	r->leader_fd = leader_fd;
	r->login_uid = login_uid;
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
	LIST_INSERT_HEAD(&r->visits, v, beside);
	if (r->stage == JH_REQUEST_PENDING)
		jh_visit_wait(v, r->until_ms);
	else if (r->stage == JH_REQUEST_GRANTED)
		jh_visit_allow(v, r->grant->id);
}

void jh_request_leave(struct jh_request *r, struct jh_visit *v)
{
	detach(v);
	if (LIST_EMPTY(&r->visits)) {
		withdraw(r);
		request_free(r);
	} else if (r->stage == JH_REQUEST_ASKING && r->asking == v) {
		ask(r);
	}
}

void jh_request_answered(struct jh_request *r, const char *typed)
{
	jit_text_clean_str(r->asking_ticket ? r->question.ticket : r->question.reason, JIT_LINE_SIZE, typed);
	jh_request_file(r);
}

/* Whoever was told ALLOW takes it, or not, without the request. */
static void let_go(struct jh_request *r)
{
	while (!LIST_EMPTY(&r->visits))
		detach(LIST_FIRST(&r->visits));
	request_free(r);
}

void jh_request_taken(struct jh_request *r)
{
	jh_grant_list(JIT_TAKE(r->grant));
	let_go(r);
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
}
