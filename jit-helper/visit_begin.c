/* How a visit begins: what it may pass under, whom it may wait with, and what it is filed as. */
#include <string.h>

#include "admit.h"
#include "clock.h"
#include "grant.h"
#include "helper.h"
#include "log.h"
#include "pam_side.h"
#include "place.h"
#include "request.h"
#include "visit_private.h"

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

/* One that belongs to nobody yet: a login has it for a minute, a login session at once. 0 and it, or NULL where there
 * is none; -errno. */
static int claim(struct jh_visit *v, struct jh_grant **ret)
{
	struct jh_grant *g = jh_grant_to_claim(v->helper, &v->question, &v->session);
	int leader_fd = -1, r = 0;

	if (g && v->session.known && !g->of_user) {
		r = jh_visit_session(v, &leader_fd);
		if (r == 0)
			r = jh_grant_bind(g, &v->session, leader_fd);
	}
	if (r < 0)
		return r;
	if (g)
		jh_grant_claim(g, &v->session);
	*ret = g;
	return 0;
}

static struct jh_request *to_join(const struct jh_visit *v)
{
	struct jh_request *r;

	for (r = LIST_FIRST(&v->helper->requests); r; r = LIST_NEXT(r, link))
		if (jh_request_admits(r, &v->question, &v->session, v->alone))
			return r;
	return NULL;
}

static void refuse_unavailable(struct jh_visit *v, const char *trouble)
{
	const struct jh_verdict verdict = jh_verdict_of(JIT_UNAVAILABLE, "%s", trouble);

	jh_visit_refuse(v, &verdict);
}

void jh_visit_seek(struct jh_visit *v)
{
	const struct jh_question *q = &v->question;
	struct jh_grant *g = covering(v);
	struct jh_request *r;

	if (!g && jh_proc_is_shortage(claim(v, &g))) { /* nobody is asked for what was approved already */
		refuse_unavailable(v, JH_SHORTAGE);
		return;
	}
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
	if (trouble)
		refuse_unavailable(v, trouble);
}

/* Why it is not even begun; ALLOW: it is. */
static struct jh_verdict judge_first(const struct jh_visit *v)
{
	const struct jh_question *q = &v->question;

	if (q->unattended == JH_UNATTENDED_DENY)
		return jh_verdict_of(JIT_DENIED,
				     "nobody can be asked in %.128s: see non_interactive in [service %.128s] of "
				     "jit-helper.conf",
				     q->service, q->service);
	if (q->unattended == JH_UNATTENDED_EXISTING && !covering(v))
		return jh_verdict_of(JIT_DENIED,
				     "nobody is asked in %.128s, and no live grant of scope user covers it for %.128s: "
				     "ask with jit request first",
				     q->service, q->requester);
	return jh_verdict_of(JIT_ALLOW, "%s", "");
}

/* Nothing is done and nobody is asked. */
static struct jh_verdict foresee(const struct jh_visit *v)
{
	const struct jh_question *q = &v->question;
	const struct jh_grant *g = covering(v);
	const struct jh_verdict first = judge_first(v);
	const char *limit = jh_request_limit(v->helper, q->requester);

	if (first.outcome != JIT_ALLOW)
		return jh_verdict_of(JIT_IGNORE, "would be refused: %.480s", first.text);
	if (g)
		return jh_verdict_of(JIT_IGNORE, "would be allowed by grant %s", g->short_id);
	if (limit)
		return jh_verdict_of(JIT_IGNORE, "would be refused: %.480s", limit);
	return jh_verdict_of(JIT_IGNORE, "would be asked for %s%.128s at %.256s",
			     strcmp(q->role, JH_ROLE_ANY) == 0 ? "a role that the policy chooses" : "role ",
			     strcmp(q->role, JH_ROLE_ANY) == 0 ? "" : q->role, jh_broker_url(v->helper->broker));
}

static void begin(struct jh_visit *v)
{
	const struct jh_verdict verdict = v->question.observe ? foresee(v) : judge_first(v);

	if (verdict.outcome == JIT_ALLOW) {
		jh_visit_seek(v);
	} else if (verdict.outcome == JIT_IGNORE) {
		jh_visit_end(v, &verdict);
	} else {
		jh_visit_refuse(v, &verdict);
	}
}

static void turn_away(struct jh_peer *peer, const struct jh_question *q, enum jit_outcome outcome, const char *sentence)
{
	const struct jh_verdict observed = jh_verdict_of(JIT_IGNORE, "would be refused: %.480s", sentence);

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
	struct jh_visit *v = jh_visit_new(peer, q, &session);
	if (v)
		begin(v);
	else
		turn_away(peer, q, JIT_UNAVAILABLE, "jit-helper is out of memory");
}
