/* See visit.h. */
#include "visit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admit.h"
#include "clock.h"
#include "collect.h"
#include "glass.h"
#include "grant.h"
#include "helper.h"
#include "log.h"
#include "pam_side.h"
#include "place.h"
#include "request.h"
#include "text.h"

static const char *name_of(const struct jh_visit *v)
{
	return v->request && v->request->short_id[0] ? v->request->short_id : "(not filed)";
}

__attribute__((format(printf, 2, 3))) static struct jh_verdict verdict_of(enum jit_outcome outcome, const char *format,
									  ...)
{
	struct jh_verdict verdict = {.outcome = outcome};
	va_list ap;

	va_start(ap, format);
	vsnprintf(verdict.text, sizeof(verdict.text), format, ap);
	va_end(ap);
	return verdict;
}

static void visit_free(struct jh_visit *v)
{
	LIST_REMOVE(v, link);
	jh_alarm_clear(&v->deadline);
	free(v);
}

/* The one that the policy chose, once it has. */
static const char *role_of(const struct jh_visit *v)
{
	return v->request && v->request->role[0] ? v->request->role : v->question.role;
}

static void refuse(struct jh_visit *v, const char *name, const struct jh_verdict *verdict)
{
	struct jh_peer *peer = v->peer;

	jit_log(LOG_NOTICE, "%s: %s by %s, role %s: refused: %s", name, v->question.requester, v->question.service,
		role_of(v), verdict->text);
	jh_send_verdict(peer, verdict->outcome, verdict->text);
	visit_free(v);
	jh_peer_close(peer);
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
	const struct jh_request *r = v->request;
	char span[32];

	if (r->resume && jh_question_is_login(&v->question))
		return verdict_of(JIT_LATER, "request %s%s%s, waits for approval: connect again once it is approved",
				  r->short_id, r->code[0] ? ", code " : "", r->code);
	if (!waited)
		return verdict_of(JIT_TIMED_OUT,
				  "request %s was withdrawn: nothing can be shown on this connection, so nobody waits "
				  "on it; log in with keyboard-interactive",
				  r->short_id);
	jit_format_duration((uint64_t)v->pending_s, span, sizeof(span));
	return verdict_of(JIT_TIMED_OUT, "request %s: nobody decided within %s", r->short_id, span);
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
		verdict = verdict_of(JIT_TIMED_OUT, "no answer was typed in time; no request was made");
	} else if (r->stage == JH_REQUEST_FILING && r->last.text[0]) {
		verdict = r->last;
	} else if (r->stage == JH_REQUEST_FILING) {
		verdict = verdict_of(JIT_UNAVAILABLE,
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

/* The login session; login services have none of their own before open_session, and match nothing until then. */
static int find_session(struct jh_peer *peer, const struct jh_question *q, struct jh_session *ret)
{
	*ret = (struct jh_session){.uid = q->uid};
	if (!jh_question_is_login(q)) {
		int r = jh_session_of(peer, q->uid, ret, NULL);
		if (r < 0)
			return r;
	}
	jh_place_find(peer, q, ret);
	return 0;
}

int jh_visit_session(struct jh_visit *v, int *ret_leader_fd)
{
	struct jh_session session;

	*ret_leader_fd = -1;
	if (jh_question_is_login(&v->question))
		return 0;
	int r = jh_session_of(v->peer, v->question.uid, &session, ret_leader_fd);
	if (r < 0)
		return r;
	memcpy(session.place, v->session.place, sizeof(session.place));
	v->session = session;
	return 0;
}

/* NULL, or why it cannot be. */
static const char *file_own(struct jh_visit *v)
{
	const struct jh_question *q = &v->question;
	const char *limit = jh_request_limit(v->helper, q->requester);
	struct jh_request_plan plan = {
		.question = q,
		.session = &v->session,
		.leader_fd = -1,
		.login_uid = JH_NO_AUDIT,
		.resume = q->resume && v->session.place[0],
	};

	if (limit)
		return limit;
	/* sshd and login have not set the login uid of the person yet: it is that of whoever started them. */
	int found = jh_question_is_login(q) ? 0 : jh_peer_look_login(v->peer);
	if (found == 0)
		found = jh_visit_session(v, &plan.leader_fd);
	if (jh_proc_is_shortage(found))
		return JH_SHORTAGE;
	if (found < 0)
		return "the first process of your login session is gone; log in again";
	if (!jh_question_is_login(q))
		plan.login_uid = v->peer->proc.login_uid;
	struct jh_request *r = jh_request_new(v->helper, &plan);
	if (!r)
		return "jit-helper is out of memory";
	jh_request_join(r, v);
	jh_request_file(r);
	return NULL;
}

/* A grant that reaches where this visit goes, as far as that is known. */
static struct jh_grant *covering(const struct jh_visit *v)
{
	const struct jh_question *q = &v->question;
	struct jh_grant *g = jh_grant_find(v->helper, q, &v->session);

	return g && (!q->target[0] || jh_grant_reaches(g, q->target)) ? g : NULL;
}

/* One that belongs to nobody yet: a login has it for a minute, a login session at once. */
static struct jh_grant *claim(struct jh_visit *v)
{
	struct jh_grant *g = jh_grant_to_claim(v->helper, &v->question, &v->session);
	int leader_fd = -1;

	if (!g)
		return NULL;
	if (v->session.known && !g->of_user &&
	    (jh_visit_session(v, &leader_fd) < 0 || jh_grant_bind(g, &v->session, leader_fd) < 0))
		return NULL;
	jh_grant_claim(g, &v->session);
	return g;
}

static struct jh_request *to_join(const struct jh_visit *v)
{
	struct jh_request *r;

	for (r = LIST_FIRST(&v->helper->requests); r; r = LIST_NEXT(r, link))
		if (jh_request_admits(r, &v->question, &v->session, v->alone))
			return r;
	return NULL;
}

void jh_visit_seek(struct jh_visit *v)
{
	const struct jh_question *q = &v->question;
	struct jh_grant *g = covering(v);
	struct jh_request *r;

	if (!g)
		g = claim(v);
	if (g) {
		jh_visit_allow(v, g);
		jit_log(LOG_INFO, "%s: %s by %s, role %s: covered", g->short_id, q->requester, q->service, q->role);
		return;
	}
	r = to_join(v);
	if (r) {
		jh_request_join(r, v);
		return;
	}
	const char *trouble = file_own(v);
	if (trouble) {
		const struct jh_verdict verdict = verdict_of(JIT_UNAVAILABLE, "%s", trouble);
		jh_visit_refuse(v, &verdict);
	}
}

static struct jh_visit *visit_new(struct jh_peer *peer, const struct jh_question *q, const struct jh_session *session)
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

/* Why it is not even begun; ALLOW: it is. */
static struct jh_verdict judge_first(const struct jh_visit *v)
{
	const struct jh_question *q = &v->question;

	if (q->unattended == JH_UNATTENDED_DENY)
		return verdict_of(JIT_DENIED,
				  "nobody can be asked in %.128s: see non_interactive in [service %.128s] of "
				  "jit-helper.conf",
				  q->service, q->service);
	if (q->unattended == JH_UNATTENDED_EXISTING && !covering(v))
		return verdict_of(JIT_DENIED,
				  "nobody is asked in %.128s, and no live grant of scope user covers it for %.128s: "
				  "ask with jit request first",
				  q->service, q->requester);
	return verdict_of(JIT_ALLOW, "%s", "");
}

/* Nothing is done and nobody is asked. */
static struct jh_verdict foresee(const struct jh_visit *v)
{
	const struct jh_question *q = &v->question;
	const struct jh_grant *g = covering(v);
	const struct jh_verdict first = judge_first(v);
	const char *limit = jh_request_limit(v->helper, q->requester);

	if (first.outcome != JIT_ALLOW)
		return verdict_of(JIT_IGNORE, "would be refused: %.480s", first.text);
	if (g)
		return verdict_of(JIT_IGNORE, "would be allowed by grant %s", g->short_id);
	if (limit)
		return verdict_of(JIT_IGNORE, "would be refused: %.480s", limit);
	return verdict_of(JIT_IGNORE, "would be asked for %s%.128s at %.256s",
			  strcmp(q->role, JH_ROLE_ANY) == 0 ? "a role that the policy chooses" : "role ",
			  strcmp(q->role, JH_ROLE_ANY) == 0 ? "" : q->role, jh_broker_url(v->helper->broker));
}

static void begin(struct jh_visit *v)
{
	const struct jh_verdict verdict = v->question.observe ? foresee(v) : judge_first(v);
	struct jh_peer *peer = v->peer;

	if (verdict.outcome == JIT_ALLOW) {
		jh_visit_seek(v);
	} else if (verdict.outcome == JIT_IGNORE) {
		jh_send_verdict(peer, verdict.outcome, verdict.text);
		visit_free(v);
		jh_peer_close(peer);
	} else {
		jh_visit_refuse(v, &verdict);
	}
}

static void turn_away(struct jh_peer *peer, const struct jh_question *q, enum jit_outcome outcome, const char *sentence)
{
	const struct jh_verdict observed = verdict_of(JIT_IGNORE, "would be refused: %.480s", sentence);

	jit_log(LOG_WARNING, "%s by %s, role %s: refused: %s", q->requester, q->service, q->role, sentence);
	jh_send_verdict(peer, q->observe ? JIT_IGNORE : outcome, q->observe ? observed.text : sentence);
	jh_peer_close(peer);
}

void jh_visit_begin(struct jh_peer *peer, const struct jh_question *q)
{
	struct jh_session session;

	int r = find_session(peer, q, &session);
	if (jh_proc_is_shortage(r)) {
		turn_away(peer, q, JIT_UNAVAILABLE, JH_SHORTAGE);
		return;
	}
	if (r < 0 || !jh_pidfd_alive(peer->pidfd)) {
		turn_away(peer, q, JIT_INVALID,
			  "your login session cannot be told: its first process is gone or outside this container; "
			  "log in again");
		return;
	}
	struct jh_visit *v = visit_new(peer, q, &session);
	if (v)
		begin(v);
	else
		turn_away(peer, q, JIT_UNAVAILABLE, "jit-helper is out of memory");
}

/* Under a grant that lives; its word that it took it is on its way. */
static bool is_let_in(const struct jh_visit *v)
{
	return v->stage == JH_VISIT_TOLD && !v->request && !v->reply_due;
}

void jh_visits_refuse_all(struct jh_helper *helper, const char *sentence)
{
	const struct jh_verdict verdict = verdict_of(JIT_CANCELLED, "%s", sentence);
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
