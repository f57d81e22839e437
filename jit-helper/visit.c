/* See visit.h. */
#include "visit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "grant.h"
#include "helper.h"
#include "log.h"
#include "pam_side.h"
#include "request.h"
#include "text.h"

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

static void refuse(struct jh_visit *v, const char *name, enum jit_outcome outcome, const char *sentence)
{
	struct jh_peer *peer = v->peer;

	jit_log(LOG_NOTICE, "%s: %s by %s, role %s: refused: %s", name, v->question.requester, v->question.service,
		v->question.role, sentence);
	jh_send_verdict(peer, outcome, sentence);
	visit_free(v);
	jh_peer_close(peer);
}

void jh_visit_refuse(struct jh_visit *v, enum jit_outcome outcome, const char *sentence)
{
	refuse(v, name_of(v), outcome, sentence);
}

/* Its request goes on without it, or is withdrawn with it. */
static void leave(struct jh_visit *v)
{
	if (v->request)
		jh_request_leave(v->request, v);
}

/* Of its own accord, while its request goes on or ends with it. */
static void leave_and_refuse(struct jh_visit *v, enum jit_outcome outcome, const char *sentence)
{
	char name[JIT_NAME_SIZE];

	snprintf(name, sizeof(name), "%s", name_of(v));
	leave(v);
	refuse(v, name, outcome, sentence);
}

static void on_gone(struct jh_peer *peer)
{
	struct jh_visit *v = peer->arg;

	if (v->request)
		jit_log(LOG_NOTICE, "%s: %s by %s, role %s: left by its requester", name_of(v), v->question.requester,
			v->question.service, v->question.role);
	leave(v);
	visit_free(v);
}

static void drop(struct jh_visit *v)
{
	struct jh_peer *peer = v->peer;

	on_gone(peer);
	jh_peer_close(peer);
}

static void on_deadline(void *arg)
{
	struct jh_visit *v = arg;
	const struct jh_request *r = v->request;
	char sentence[JIT_LINE_SIZE], span[32];

	if (v->stage == JH_VISIT_TOLD || !r) {
		drop(v);
	} else if (r->stage == JH_REQUEST_FILING) {
		snprintf(sentence, sizeof(sentence), "%s",
			 r->last.text[0] ? r->last.text
					 : "the broker did not answer in time; tell the operator of this host");
		leave_and_refuse(v, JIT_UNAVAILABLE, sentence);
	} else if (r->stage == JH_REQUEST_ASKING) {
		leave_and_refuse(v, JIT_TIMED_OUT, "no answer was typed in time; no request was made");
	} else {
		jit_format_duration((uint64_t)v->pending_s, span, sizeof(span));
		snprintf(sentence, sizeof(sentence), "request %s: nobody decided within %s", r->short_id, span);
		leave_and_refuse(v, JIT_TIMED_OUT, sentence);
	}
}

/* What cannot be sent here needs no care: the connection's end comes as an event, and a deadline stands. */

void jh_visit_say(struct jh_visit *v, const char *text)
{
	jh_send_say(v->peer, text);
}

void jh_visit_ask(struct jh_visit *v, const char *text)
{
	v->stage = JH_VISIT_ASKING;
	v->asked++;
	jh_send_ask(v->peer, text);
}

void jh_visit_show(struct jh_visit *v, const char *text)
{
	jh_send_wait(v->peer, text, v->deadline.when_ms - jit_boottime_ms());
}

void jh_visit_wait(struct jh_visit *v, int64_t until_ms)
{
	const struct jh_request *r = v->request;
	int64_t now = jit_boottime_ms();
	int64_t left_ms = (until_ms < v->deadline.when_ms ? until_ms : v->deadline.when_ms) - now;
	char text[JIT_LINE_SIZE];

	v->stage = JH_VISIT_WAITING;
	v->pending_s = left_ms > 0 ? (left_ms + 999) / 1000 : 0;
	/* With the time that the module puts behind it, it fits a terminal of 80 columns. */
	snprintf(text, sizeof(text), "request %s%s%s: waiting for approval (Ctrl-C cancels)", r->short_id,
		 r->code[0] ? ", code " : "", r->code);
	jh_send_wait(v->peer, text, left_ms);
}

void jh_visit_allow(struct jh_visit *v, const char *id)
{
	v->stage = JH_VISIT_TOLD;
	jh_alarm_in(&v->deadline, JH_TAKEN_MS);
	jh_send_allow(v->peer, id);
}

bool jh_visit_can_ask(const struct jh_visit *v)
{
	return v->question.can_ask && v->asked < v->helper->conf->ask_attempts;
}

static void on_taken(struct jh_visit *v)
{
	struct jh_peer *peer = v->peer;

	if (v->request)
		jh_request_taken(v->request);
	visit_free(v);
	jh_peer_close(peer);
}

static void on_reply(struct jh_visit *v, const struct jit_frame *frame)
{
	char typed[JIT_LINE_SIZE];

	if (jit_frame_get_str(frame, JIT_T_TEXT, typed, sizeof(typed)) < 0)
		typed[0] = '\0';
	v->stage = JH_VISIT_WAITING;
	jh_request_answered(v->request, typed);
}

static void on_frame(struct jh_peer *peer, const struct jit_frame *frame)
{
	struct jh_visit *v = peer->arg;
	uint8_t type = jit_frame_type(frame);

	if (type == JIT_F_TAKEN && v->stage == JH_VISIT_TOLD)
		on_taken(v);
	else if (type == JIT_F_REPLY && v->stage == JH_VISIT_ASKING)
		on_reply(v, frame);
	else /* out of turn: the module is not what it should be */
		drop(v);
}

static const struct jh_peer_owner owner = {.frame = on_frame, .gone = on_gone};

/* The login session; login services have none of their own before open_session, and match nothing until then. */
static int find_session(const struct jh_peer *peer, const struct jh_question *q, struct jh_session *ret,
			int *ret_leader_fd)
{
	*ret = (struct jh_session){.uid = q->uid};
	if (jh_question_is_login(q))
		return 0;
	return jh_session_of(&peer->proc, q->uid, ret, ret_leader_fd);
}

static const char *file_own(struct jh_visit *v)
{
	const char *limit = jh_request_limit(v->helper, v->question.requester);
	/* sshd and login have not set the login uid of the person yet: it is that of whoever started them. */
	uint32_t login_uid = jh_question_is_login(&v->question) ? JH_NO_AUDIT : v->peer->proc.login_uid;
	int leader_fd = -1;

	if (limit)
		return limit;
	if (find_session(v->peer, &v->question, &v->session, &leader_fd) < 0)
		return "the first process of your login session is gone; log in again";
	struct jh_request *r = jh_request_new(v->helper, &v->question, &v->session, leader_fd, login_uid);
	if (!r)
		return "jit-helper could not make a request: out of memory";
	jh_request_join(r, v);
	jh_request_file(r);
	return NULL;
}

/* A live grant, a request that others wait for, or one of its own. */
static void seek(struct jh_visit *v)
{
	const struct jh_question *q = &v->question;
	const struct jh_grant *live = jh_grant_find(v->helper, q, &v->session);

	if (live && (!q->target[0] || jh_grant_reaches(live, q->target))) {
		jit_log(LOG_INFO, "%s: %s by %s, role %s: covered", live->short_id, q->requester, q->service, q->role);
		jh_visit_allow(v, live->id);
		return;
	}
	const char *trouble = file_own(v);
	if (trouble)
		jh_visit_refuse(v, JIT_UNAVAILABLE, trouble);
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

static void turn_away(struct jh_peer *peer, const struct jh_question *q, enum jit_outcome outcome, const char *sentence)
{
	jit_log(LOG_WARNING, "%s by %s, role %s: refused: %s", q->requester, q->service, q->role, sentence);
	jh_send_verdict(peer, outcome, sentence);
	jh_peer_close(peer);
}

void jh_visit_begin(struct jh_peer *peer, const struct jh_question *q)
{
	struct jh_session session;

	if (find_session(peer, q, &session, NULL) < 0 || !jh_pidfd_alive(peer->pidfd)) {
		turn_away(peer, q, JIT_INVALID,
			  "your login session cannot be told: its first process is gone or outside this container; log "
			  "in again");
		return;
	}
	struct jh_visit *v = visit_new(peer, q, &session);
	if (v)
		seek(v);
	else
		turn_away(peer, q, JIT_UNAVAILABLE, "jit-helper is out of memory");
}

void jh_visits_refuse_all(struct jh_helper *helper, const char *sentence)
{
	while (!LIST_EMPTY(&helper->visits))
		leave_and_refuse(LIST_FIRST(&helper->visits), JIT_CANCELLED, sentence);
}
