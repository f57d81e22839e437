/* See request.h. */
#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "changes.h"
#include "cleanup.h"
#include "clock.h"
#include "filing.h"
#include "grant.h"
#include "helper.h"
#include "log.h"
#include "pam_side.h"
#include "text.h"
#include "verdict.h"
#include "withdraw.h"

#define ALL_MAX		 64 /* exchanges that need the broker, of all requesters */
#define REQUESTER_MAX	 8  /* of one, its withdrawals included */
#define GRANTS_MAX	 64 /* of one: each takes a descriptor and locked memory until it ends */
#define BACKOFF_FIRST_MS 200
#define BACKOFF_CAP_MS	 5000
#define LAST_WORD_MS	 1500 /* after the broker's own deadline its word is awaited that long */

enum stage {
	FILING,	 /* a call to the broker, or the pause before the next try */
	ASKING,	 /* the person types a reason or a ticket */
	WAITING, /* PENDING at the broker */
	TOLD,	 /* ALLOW was sent, TAKEN has not come */
};

struct jh_request {
	LIST_ENTRY(jh_request) link;
	struct jh_helper *helper;
	struct jh_peer *peer;
	struct jh_question question;
	struct jh_session session;
	int leader_fd; /* until a grant takes it */
	enum stage stage;
	EVP_PKEY *key; /* likewise */
	char jwk[JIT_JWK_SIZE];
	char idempotency[JH_IDEMPOTENCY_SIZE];
	char *body;
	bool maybe_filed; /* the broker may hold it although no answer came */
	bool asking_ticket;
	unsigned asked, tries;
	uint64_t strangers;   /* before the filing, see changes.h */
	char id[JIT_ID_SIZE]; /* "": not filed */
	char short_id[JH_SHORT_SIZE];
	char code[3];
	int64_t pending_s;
	struct jh_verdict last; /* what to say if no further try succeeds */
	struct jit_fetch_call *call;
	struct jh_alarm deadline, again;
	struct jh_grant *grant; /* TOLD: to be listed when taken; NULL when it was found, or is over again */
};

static void file(void *arg);

static void request_free(struct jh_request *r)
{
	LIST_REMOVE(r, link);
	jit_fetch_cancel(r->call);
	jh_alarm_clear(&r->deadline);
	jh_alarm_clear(&r->again);
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

static const char *name_of(const struct jh_request *r)
{
	return r->short_id[0] ? r->short_id : "(not filed)";
}

/* The end of an exchange that grants nothing. */
static void refuse(struct jh_request *r, enum jit_outcome outcome, const char *sentence)
{
	struct jh_peer *peer = r->peer;

	jit_log(LOG_NOTICE, "%s: %s by %s, role %s: refused: %s", name_of(r), r->question.requester,
		r->question.service, r->question.role, sentence);
	jh_send_verdict(peer, outcome, sentence);
	request_free(r);
	jh_peer_close(peer);
}

static void on_gone(struct jh_peer *peer)
{
	struct jh_request *r = peer->arg;

	if (r->stage != TOLD || r->grant) { /* a grant that had been found lives on */
		jit_log(LOG_NOTICE, "%s: %s by %s, role %s: withdrawn by its requester", name_of(r),
			r->question.requester, r->question.service, r->question.role);
		withdraw(r);
	}
	request_free(r);
}

static void on_deadline(void *arg)
{
	struct jh_request *r = arg;
	struct jh_peer *peer = r->peer;
	char sentence[JIT_LINE_SIZE], span[32];

	if (r->stage == TOLD) {
		on_gone(peer);
		jh_peer_close(peer);
		return;
	}
	withdraw(r);
	if (r->stage == FILING) {
		refuse(r, JIT_UNAVAILABLE,
		       r->last.text[0] ? r->last.text
				       : "the broker did not answer in time; tell the operator of this host");
		return;
	}
	if (r->stage == ASKING) {
		refuse(r, JIT_TIMED_OUT, "no answer was typed in time; no request was made");
		return;
	}
	jit_format_duration((uint64_t)r->pending_s, span, sizeof(span));
	snprintf(sentence, sizeof(sentence), "request %s: nobody decided within %s", r->short_id, span);
	refuse(r, JIT_TIMED_OUT, sentence);
}

/* ALLOW for a grant that stands already (grant NULL), or for a new one that is listed when TAKEN comes. */
static void allow(struct jh_request *r, const char *id, struct jh_grant *grant)
{
	r->stage = TOLD;
	r->grant = grant;
	jh_alarm_in(&r->deadline, JH_TAKEN_MS);
	if (jh_send_allow(r->peer, id) < 0) {
		struct jh_peer *peer = r->peer;
		on_gone(peer);
		jh_peer_close(peer);
	}
}

static void on_taken(struct jh_request *r)
{
	struct jh_grant *g = JIT_TAKE(r->grant);
	struct jh_peer *peer = r->peer;

	if (g)
		jh_grant_list(g);
	request_free(r);
	jh_peer_close(peer);
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
	const char *why;
	struct jh_grant *g = make_grant(r, answer, &why);

	if (!g) {
		withdraw(r);
		refuse(r, JIT_UNAVAILABLE, why);
		return;
	}
	jit_log(LOG_NOTICE, "%s: %s by %s, role %s: %s", r->short_id, r->question.requester, r->question.service,
		r->question.role, verdict->text);
	jh_send_say(r->peer, verdict->text);
	allow(r, g->id, g);
}

static void decide(struct jh_request *r, const struct jh_answer *answer)
{
	struct jh_verdict verdict;

	jh_judge_decision(answer, r->pending_s, &verdict);
	jh_alarm_clear(&r->again);
	jit_fetch_cancel(r->call); /* a look that is under way would bring the same decision once more */
	r->call = NULL;
	if (verdict.outcome == JIT_ALLOW)
		approve(r, answer, &verdict);
	else
		refuse(r, verdict.outcome, verdict.text);
}

static void show_waiting(struct jh_request *r)
{
	char text[JIT_LINE_SIZE];

	/* With the time that the module puts behind it, it fits a terminal of 80 columns. */
	snprintf(text, sizeof(text), "request %s%s%s: waiting for approval (Ctrl-C cancels)", r->short_id,
		 r->code[0] ? ", code " : "", r->code);
	jh_send_wait(r->peer, text, r->deadline.when_ms - jit_boottime_ms());
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
	int64_t now = jit_boottime_ms();
	int64_t theirs = answer->pending_s >= 0 ? now + answer->pending_s * 1000 + LAST_WORD_MS : INT64_MAX;

	r->stage = WAITING;
	r->pending_s = (r->deadline.when_ms - now + 999) / 1000;
	if (theirs < r->deadline.when_ms) {
		r->pending_s = answer->pending_s;
		jh_alarm_at(&r->deadline, theirs);
	}
	jit_log(LOG_NOTICE, "%s: %s by %s, role %s: waiting for approval", r->short_id, r->question.requester,
		r->question.service, r->question.role);
	show_waiting(r);
	jh_changes_hurry(r->helper->changes);
	if (jh_changes_strangers(r->helper->changes) != r->strangers)
		look(r);
}

static void ask(struct jh_request *r, bool ticket)
{
	char text[JIT_LINE_SIZE];

	r->stage = ASKING;
	r->asking_ticket = ticket;
	r->asked++;
	snprintf(text, sizeof(text), "%s for role %.200s: ", ticket ? "Ticket" : "Reason", r->question.role);
	if (jh_send_ask(r->peer, text) < 0)
		refuse(r, JIT_UNAVAILABLE, "the question for a reason could not be shown");
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

static void retry(struct jh_request *r)
{
	if (r->tries == 1) { /* said once: a module takes only so many frames */
		jit_log(LOG_WARNING, "%s: %s; trying again", r->question.requester, r->last.text);
		jh_send_wait(r->peer, "the broker is not there right now: trying again (Ctrl-C cancels)",
			     r->deadline.when_ms - jit_boottime_ms());
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
		if (r->question.can_ask && r->asked < r->helper->conf->ask_attempts) {
			if (came == JH_FILED_ASK_TICKET ? facts.has_ticket : facts.has_reason)
				jh_send_say(r->peer, r->last.text); /* why the one that was given will not do */
			ask(r, came == JH_FILED_ASK_TICKET);
			return;
		}
		break;
	case JH_FILED_UNKNOWN:
		r->maybe_filed = true;
		break;
	default: /* a refusal of this try says nothing of an earlier one that was lost */
		break;
	}
	if (r->maybe_filed)
		withdraw(r);
	refuse(r, r->last.outcome, r->last.text);
}

/* Makes body and key of a new filing, after the facts have changed. */
static int prepare(struct jh_request *r)
{
	char login[JIT_NAME_SIZE];
	/* sshd and login have not set the login uid of the person yet: it is that of whoever started them. */
	bool known =
		!jh_question_is_login(&r->question) && jh_login_name(r->peer->proc.login_uid, login, sizeof(login));

	free(r->body);
	r->body = jh_filing_body(&r->question, &r->session, known ? login : NULL, r->jwk);
	r->tries = 0;
	r->last.text[0] = '\0';
	return r->body && jh_idempotency_new(r->idempotency) == 0 ? 0 : -1;
}

static void file(void *arg)
{
	struct jh_request *r = arg;
	const struct jh_call call = {
		.method = "POST", .path = "/request-access", .body = r->body, .idempotency_key = r->idempotency};

	if (r->stage == WAITING) { /* the pause was one before a look */
		look(r);
		return;
	}
	r->stage = FILING;
	r->strangers = jh_changes_strangers(r->helper->changes);
	r->call = jh_broker_call(r->helper->broker, &call, on_filed, r);
	if (!r->call)
		refuse(r, JIT_UNAVAILABLE, "jit-helper is out of memory");
}

static void on_reply(struct jh_request *r, const struct jit_frame *frame)
{
	char *slot = r->asking_ticket ? r->question.ticket : r->question.reason;
	char typed[JIT_LINE_SIZE];

	if (jit_frame_get_str(frame, JIT_T_TEXT, typed, sizeof(typed)) < 0)
		typed[0] = '\0';
	jit_text_clean_str(slot, JIT_LINE_SIZE, typed);
	if (prepare(r) < 0)
		refuse(r, JIT_UNAVAILABLE, "jit-helper is out of memory");
	else
		file(r);
}

static void on_frame(struct jh_peer *peer, const struct jit_frame *frame)
{
	struct jh_request *r = peer->arg;
	uint8_t type = jit_frame_type(frame);

	if (type == JIT_F_TAKEN && r->stage == TOLD) {
		on_taken(r);
	} else if (type == JIT_F_REPLY && r->stage == ASKING) {
		on_reply(r, frame);
	} else { /* out of turn: the module is not what it should be */
		on_gone(peer);
		jh_peer_close(peer);
	}
}

static const struct jh_peer_owner owner = {.frame = on_frame, .gone = on_gone};

static const char *over_limit(const struct jh_helper *helper, const char *requester)
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

static struct jh_request *request_new(struct jh_peer *peer, const struct jh_question *q,
				      const struct jh_session *session, int leader_fd)
{
	struct jh_request *r = calloc(1, sizeof(*r));

	if (!r) {
		if (leader_fd >= 0)
			close(leader_fd);
		return NULL;
	}
	r->helper = peer->helper;
	r->peer = peer;
	r->question = *q;
	r->session = *session;
	r->leader_fd = leader_fd;
	jh_alarm_init(&r->deadline, peer->helper->alarms, on_deadline, r);
	jh_alarm_init(&r->again, peer->helper->alarms, file, r);
	LIST_INSERT_HEAD(&peer->helper->requests, r, link);
	jh_peer_give(peer, &owner, r);
	return r;
}

static void turn_away(struct jh_peer *peer, const struct jh_question *q, enum jit_outcome outcome, const char *sentence)
{
	jit_log(LOG_WARNING, "%s by %s, role %s: refused: %s", q->requester, q->service, q->role, sentence);
	jh_send_verdict(peer, outcome, sentence);
	jh_peer_close(peer);
}

/* The login session; login services have none of their own before open_session, and match nothing until then. */
static int find_session(const struct jh_peer *peer, const struct jh_question *q, struct jh_session *ret,
			int *ret_leader_fd)
{
	*ret_leader_fd = -1;
	*ret = (struct jh_session){.uid = q->uid};
	if (jh_question_is_login(q))
		return 0;
	return jh_session_of(&peer->proc, q->uid, ret, ret_leader_fd);
}

void jh_request_begin(struct jh_peer *peer, const struct jh_question *q)
{
	struct jh_helper *helper = peer->helper;
	struct jh_session session;
	int leader_fd;

	if (find_session(peer, q, &session, &leader_fd) < 0 || !jh_pidfd_alive(peer->pidfd)) {
		turn_away(peer, q, JIT_INVALID,
			  "your login session cannot be told: its first process is gone or outside this container; log "
			  "in again");
		return;
	}
	const struct jh_grant *live = jh_grant_find(helper, q, &session);
	bool covered = live && (!q->target[0] || jh_grant_reaches(live, q->target));
	const char *limit = covered ? NULL : over_limit(helper, q->requester);
	struct jh_request *r = limit ? NULL : request_new(peer, q, &session, leader_fd);
	if (limit || !r) {
		if (limit && leader_fd >= 0)
			close(leader_fd);
		turn_away(peer, q, JIT_UNAVAILABLE, limit ? limit : "jit-helper is out of memory");
		return;
	}
	if (covered) {
		jit_log(LOG_INFO, "%s: %s by %s, role %s: covered", live->short_id, q->requester, q->service, q->role);
		allow(r, live->id, NULL);
		return;
	}
	jh_alarm_at(&r->deadline, jh_question_deadline(jit_boottime_ms(), q->wait_s, helper->conf->timeout_s));
	if (jit_key_new(&r->key) < 0 || jit_jwk_format(r->key, r->jwk) < 0 || prepare(r) < 0)
		refuse(r, JIT_UNAVAILABLE, "jit-helper could not make a key");
	else
		file(r);
}

bool jh_request_changed(struct jh_helper *helper, const struct jh_answer *answer)
{
	struct jh_request *r;

	for (r = LIST_FIRST(&helper->requests); r; r = LIST_NEXT(r, link))
		if (r->id[0] && strcmp(r->id, answer->id) == 0)
			break;
	if (!r)
		return false;
	if (r->stage == WAITING && answer->status != JH_PENDING) {
		decide(r, answer);
	} else if (r->stage == TOLD && answer->status > JH_ACTIVE) {
		/* Over before it was taken: there will be nothing to open a session under. */
		jit_log(LOG_NOTICE, "%s: over before it was taken", r->short_id);
		jh_grant_free(JIT_TAKE(r->grant));
	}
	return true;
}

void jh_requests_cancel_all(struct jh_helper *helper)
{
	while (!LIST_EMPTY(&helper->requests)) {
		struct jh_request *r = LIST_FIRST(&helper->requests);

		if (r->stage != TOLD || r->grant)
			withdraw(r);
		refuse(r, JIT_CANCELLED, "jit-helper is stopping; try again in a moment");
	}
}
