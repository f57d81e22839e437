/* See grant.h. */
#include "grant.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "elevation.h"
#include "ending.h"
#include "glass.h"
#include "helper.h"
#include "log.h"
#include "place.h"
#include "state.h"
#include "verdict.h"
#include "withdraw.h"

static const char TIME_OVER[] = "its time is over", UNUSED[] = "nobody used it";

static bool same_role(const struct jh_grant *g, const struct jh_question *q)
{
	return strcmp(q->role, JH_ROLE_ANY) == 0 || strcmp(g->role, q->role) == 0;
}

/* A question without a service was asked ahead, and is answered by whatever its role gives. */
static bool same_asker(const struct jh_grant *g, const struct jh_question *q, int64_t now_ms)
{
	/* Of the last second jh_grant_left_s says 0, and no session can be opened for that long. */
	return now_ms + 1000 <= g->until_ms && strcmp(g->requester, q->requester) == 0 &&
	       (!q->service[0] || jh_words_have(g->services, q->service)) && same_role(g, q);
}

static bool is_theirs(const struct jh_grant *g, const struct jh_question *q, const struct jh_session *session)
{
	if (q->unattended != JH_UNATTENDED_NO) /* nobody logs in there, so no login session is meant */
		return q->unattended == JH_UNATTENDED_EXISTING && g->of_user &&
		       (g->ahead || jh_place_same(&g->session, session));
	return jh_session_same(&g->session, session) || (g->of_user && jh_place_same(&g->session, session));
}

bool jh_grant_covers(const struct jh_grant *g, const struct jh_question *q, const struct jh_session *session,
		     int64_t now_ms)
{
	return same_asker(g, q, now_ms) && q->uid == session->uid && g->session.uid == q->uid && !g->open &&
	       is_theirs(g, q, session);
}

bool jh_grant_is_of(const struct jh_grant *g, const struct jh_session *session)
{
	return jh_session_same(&g->session, session) ||
	       (g->of_user && !g->open && g->session.uid == session->uid && jh_place_same(&g->session, session));
}

bool jh_grant_answers(const struct jh_grant *g, const struct jh_question *q, int64_t now_ms)
{
	return same_asker(g, q, now_ms) && g->duration_s > 0 && (!q->target[0] || jh_grant_reaches(g, q->target));
}

bool jh_grant_claimable(const struct jh_grant *g, const struct jh_question *q, const struct jh_session *session,
			int64_t now_ms)
{
	if (!same_asker(g, q, now_ms) || q->uid != session->uid || q->unattended != JH_UNATTENDED_NO ||
	    now_ms < g->claimed_until_ms || (q->target[0] && !jh_grant_reaches(g, q->target)))
		return false;
	if (g->open)
		return !g->of_user || session->place[0];
	return !g->of_user && !g->session.known && g->session.uid == q->uid && jh_question_is_login(q) &&
	       jh_place_same(&g->session, session);
}

bool jh_grant_may_bind(const struct jh_grant *g, const struct jh_question *q, const struct jh_session *session,
		       int64_t now_ms)
{
	return same_asker(g, q, now_ms) && q->unattended == JH_UNATTENDED_NO && !g->of_user && !g->open &&
	       !g->session.known && g->session.uid == q->uid && jh_question_is_login(q) &&
	       strcmp(g->id, q->grant) == 0 && strcmp(g->session.place, session->place) == 0;
}

bool jh_grant_reaches(const struct jh_grant *g, const char *target)
{
	if (!target[0])
		return false;
	if (strcmp(target, g->requester) == 0 && jh_words_have(g->targets, "self"))
		return true;
	/* A user of that name is not meant by the word. */
	if (strcmp(target, "self") == 0)
		return jh_words_have(g->targets, "*") && !jh_words_have(g->targets, "self");
	return jh_words_have(g->targets, target);
}

void jh_grant_clock_start(struct jh_grant *g, int64_t now_ms)
{
	if (g->active)
		return;
	g->active = true;
	g->until_ms = now_ms + g->duration_s * 1000;
}

void jh_grant_clock_shorten(struct jh_grant *g, int64_t remaining_s, int64_t now_ms)
{
	int64_t until = now_ms + remaining_s * 1000;

	if (g->active && remaining_s >= 0 && until < g->until_ms)
		g->until_ms = until;
}

uint32_t jh_grant_left_s(const struct jh_grant *g, int64_t now_ms)
{
	if (!g->active)
		return (uint32_t)g->duration_s;
	return g->until_ms > now_ms ? (uint32_t)((g->until_ms - now_ms) / 1000) : 0;
}

static void on_end(void *arg)
{
	struct jh_grant *g = arg;

	/* The broker's own clock ends it there, if it was ever told that the clock runs. */
	if (g->active)
		jh_grant_end(g, TIME_OVER, !g->collector.started);
	else
		jh_grant_end(g, UNUSED, true);
}

static void on_leader_gone(evutil_socket_t fd, short what, void *arg)
{
	struct jh_grant *g = arg;

	(void)fd;
	(void)what;
	if (g->listed)
		jh_grant_end(g, "its login session has ended", true);
	else
		g->leader_over = true;
}

/* 0 or -ENOMEM. */
static int wire(struct jh_grant *g)
{
	g->leader_fd = -1;
	jh_alarm_init(&g->end, g->helper->alarms, on_end, g);
	jh_collect_init(g);
	jh_warning_init(g);
	g->ending = g->ends ? calloc(1, sizeof(*g->ending)) : NULL;
	return g->ends && !g->ending ? -ENOMEM : 0;
}

struct jh_grant *jh_grant_new(struct jh_helper *helper, const struct jh_answer *a, EVP_PKEY *key)
{
	struct jh_grant *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->helper = helper;
	memcpy(g->id, a->id, sizeof(g->id));
	memcpy(g->short_id, a->short_id, sizeof(g->short_id));
	memcpy(g->requester, a->requester, sizeof(g->requester));
	memcpy(g->role, a->role, sizeof(g->role));
	memcpy(g->approved_by, a->decided_by, sizeof(g->approved_by));
	memcpy(g->services, a->services, sizeof(g->services));
	memcpy(g->targets, a->targets, sizeof(g->targets));
	memcpy(g->region, a->region, sizeof(g->region));
	g->has_arn = a->has_arn;
	g->ends = strcmp(a->on_expiry, "end") == 0;
	g->of_user = strcmp(a->scope, "user") == 0;
	g->duration_s = a->remaining_s;
	g->until_ms = jit_boottime_ms() + JH_UNUSED_MS;
	if (wire(g) < 0) {
		free(g);
		return NULL;
	}
	g->key = key;
	return g;
}

int jh_grant_restore(struct jh_helper *helper, struct jh_grant *g)
{
	g->helper = helper;
	g->unconfirmed = !g->local;
	if (wire(g) < 0 || jit_key_new(&g->key) < 0)
		return -ENOMEM;
	if (!g->session.known || g->of_user)
		return 0;
	int fd = jh_pidfd_hold(g->session.leader, g->session.leader_start);
	return fd < 0 ? fd : jh_grant_bind(g, &g->session, fd) < 0 ? -ENOMEM : 0;
}

int jh_grant_bind(struct jh_grant *g, const struct jh_session *session, int leader_fd)
{
	if (leader_fd >= 0) {
		struct event *gone = event_new(g->helper->base, leader_fd, EV_READ, on_leader_gone, g);
		if (!gone || event_add(gone, NULL) < 0) {
			if (gone)
				event_free(gone);
			close(leader_fd);
			return -ENOMEM;
		}
		g->leader_fd = leader_fd;
		g->leader_gone = gone;
	}
	g->session = *session;
	return 0;
}

void jh_grant_list(struct jh_grant *g)
{
	g->listed = true;
	LIST_INSERT_HEAD(&g->helper->grants, g, link);
	jh_alarm_at(&g->end, g->until_ms);
	jh_state_touch(g->helper);
	if (g->leader_over)
		event_active(g->leader_gone, EV_READ, 0);
}

void jh_grant_use(struct jh_grant *g)
{
	if (!g->active)
		jh_warning_start(g);
	jh_grant_clock_start(g, jit_boottime_ms());
	jh_grant_rearm(g);
}

void jh_grant_resume(struct jh_grant *g)
{
	jh_grant_rearm(g);
	if (jh_elevations_of(g) > 0 || !g->collector.started)
		jh_collect_kick(g);
}

void jh_grant_rearm(struct jh_grant *g)
{
	jh_alarm_at(&g->end, g->until_ms);
	jh_warning_arm(g);
	jh_state_touch(g->helper);
}

void jh_grant_free(struct jh_grant *g)
{
	if (!g)
		return;
	if (g->listed)
		LIST_REMOVE(g, link);
	jh_collect_stop(g);
	jh_warning_stop(g);
	jh_alarm_clear(&g->end);
	if (g->leader_gone)
		event_free(g->leader_gone);
	if (g->leader_fd >= 0)
		close(g->leader_fd);
	EVP_PKEY_free(g->key);
	free(g->ending);
	free(g);
}

static enum jh_withdraw_verb end_verb(const struct jh_grant *g)
{
	if (!g->active)
		return JH_CANCEL;
	return g->collector.started ? JH_END : JH_BEGIN_AND_END;
}

void jh_grant_end(struct jh_grant *g, const char *why, bool tell)
{
	jit_log(LOG_NOTICE, "%s: grant of role %s for %s has ended: %s", g->short_id, g->role, g->requester, why);
	struct jh_helper *helper = g->helper;

	jh_warning_over(g, why);
	jh_elevations_end(g, why);
	if (g->local && !g->demo)
		jh_glass_ended(g, why);
	else if (tell && !g->demo)
		jh_withdraw(helper, g->requester, g->id, g->short_id, end_verb(g));
	if (g->ending && g->traces.count) {
		memcpy(g->ending->short_id, g->short_id, sizeof(g->short_id));
		memcpy(g->ending->requester, g->requester, sizeof(g->requester));
		g->ending->traces = g->traces;
		jh_ending_begin(helper, g->ending);
		g->ending = NULL;
	}
	jh_grant_free(g);
	jh_endings_look(helper);
	jh_state_touch(helper);
}

bool jh_grant_changed(struct jh_helper *helper, const struct jh_answer *a)
{
	struct jh_verdict verdict;
	struct jh_grant *g = jh_grant_by_id(helper, a->id);

	if (!g)
		return false;
	g->unconfirmed = false;
	if (a->status > JH_ACTIVE) {
		jh_judge_decision(a, 0, &verdict);
		/* Of a request EXPIRED says that nobody decided; of what was approved, that its time has passed. */
		jh_grant_end(g, a->status != JH_EXPIRED ? verdict.text : g->active ? TIME_OVER : UNUSED, false);
	} else if (a->status == JH_ACTIVE && g->active) {
		jh_grant_clock_shorten(g, a->remaining_s, jit_boottime_ms());
		jh_grant_rearm(g);
	}
	return true;
}

void jh_grants_end_unconfirmed(struct jh_helper *helper)
{
	struct jh_grant *g = LIST_FIRST(&helper->grants), *next;

	for (; g; g = next) {
		next = LIST_NEXT(g, link);
		if (g->unconfirmed)
			jh_grant_end(g, "it is over at the broker", false);
	}
}

void jh_grant_claim(struct jh_grant *g, const struct jh_session *session)
{
	g->claimed_until_ms = jit_boottime_ms() + JH_CLAIM_MS;
	if (g->open) {
		g->open = false;
		g->session.uid = session->uid;
		memcpy(g->session.place, session->place, sizeof(g->session.place));
	}
	jh_state_touch(g->helper);
}

void jh_grant_unclaim(struct jh_grant *g)
{
	g->claimed_until_ms = 0;
	jh_state_touch(g->helper);
}

struct jh_grant *jh_grant_by_id(struct jh_helper *helper, const char *id)
{
	struct jh_grant *g;

	for (g = LIST_FIRST(&helper->grants); g; g = LIST_NEXT(g, link))
		if (strcmp(g->id, id) == 0)
			break;
	return g;
}

struct jh_grant *jh_grant_to_claim(struct jh_helper *helper, const struct jh_question *q,
				   const struct jh_session *session)
{
	int64_t now = jit_boottime_ms();
	struct jh_grant *g;

	for (g = LIST_FIRST(&helper->grants); g; g = LIST_NEXT(g, link))
		if (jh_grant_claimable(g, q, session, now))
			break;
	return g;
}

struct jh_grant *jh_grant_find(struct jh_helper *helper, const struct jh_question *q, const struct jh_session *session)
{
	int64_t now = jit_boottime_ms();
	struct jh_grant *g, *found = NULL;
	int best = -1;

	for (g = LIST_FIRST(&helper->grants); g; g = LIST_NEXT(g, link)) {
		if (!jh_grant_covers(g, q, session, now))
			continue;
		/* Of several, one that reaches the target, and of those the one that account found. */
		int rank = (!q->target[0] || jh_grant_reaches(g, q->target)) * 2 + (strcmp(g->id, q->grant) == 0);
		if (rank > best) {
			best = rank;
			found = g;
		}
	}
	return found;
}
