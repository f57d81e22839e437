/* See session_side.h. */
#include "session_side.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ahead.h"
#include "ahead_side.h"
#include "clock.h"
#include "helper.h"
#include "hush.h"
#include "json.h"
#include "log.h"
#include "place.h"
#include "status.h"

#define CONNECTIONS_MAX	    256
#define SHARED_CONNECTIONS  192 /* of them for whoever comes; the rest is kept for root and for users who have few */
#define FEW_CONNECTIONS	    4
#define UID_MAX_CONNECTIONS 32
#define CREDENTIALS_MS	    10000 /* how long an answer is held where there are no credentials */

static void fault(struct jh_peer *peer, enum jit_exit status, const char *sentence)
{
	struct jit_frame *out = peer->helper->out;

	jit_frame_start(out, JIT_F_FAULT);
	jit_frame_put_str(out, JIT_T_TEXT, sentence);
	jit_frame_put_u32(out, JIT_T_EXIT, status);
	(void)jit_frame_send(peer->fd, out); /* who does not read it is told no more, and fills no log */
}

void jh_fault_and_close(struct jh_peer *peer, enum jit_exit status, const char *sentence)
{
	fault(peer, status, sentence);
	jh_peer_close(peer);
}

bool jh_json_fits(struct json_object *json)
{
	const char *text = jit_json_text(json, NULL);

	return text && strlen(text) < JIT_FRAME_MAX - 64;
}

void jh_send_json(struct jh_peer *peer, struct json_object *json)
{
	struct jit_frame *out = peer->helper->out;
	const char *text = jit_json_text(json, NULL);

	jit_frame_start(out, JIT_F_DOCUMENT);
	jit_frame_put_str(out, JIT_T_JSON, text);
	if (!text || jit_frame_send(peer->fd, out) < 0)
		fault(peer, JIT_EXIT_INTERNAL, "jit-helper could not write its answer");
	json_object_put(json);
	jh_peer_close(peer);
}

/* Whoever waits for credentials of a grant. */
struct waiter {
	struct jh_peer *peer;
	struct jh_elevation *elevation;
	int64_t until_ms; /* boottime */
	LIST_ENTRY(waiter) link;
	struct jh_alarm patience;
};

static LIST_HEAD(jh_waiter_list, waiter) waiters = LIST_HEAD_INITIALIZER(waiters);

static void waiter_free(struct waiter *w)
{
	LIST_REMOVE(w, link);
	jh_alarm_clear(&w->patience);
	free(w);
}

static void on_waiter_gone(struct jh_peer *peer)
{
	waiter_free(peer->arg);
}

static void on_waiter_frame(struct jh_peer *peer, const struct jit_frame *frame)
{
	(void)frame; /* one frame, one answer: a second one ends it */
	waiter_free(peer->arg);
	jh_peer_close(peer);
}

static const struct jh_peer_owner waiting = {.frame = on_waiter_frame, .gone = on_waiter_gone};

static void answer_credentials(struct jh_peer *peer, const struct jh_elevation *e, const struct jh_creds *creds)
{
	struct jit_frame *out = peer->helper->out;
	const char *refusal;
	/* The peer may have waited: it must still be who it was. */
	int r = jh_elevation_judge(e, peer, &refusal);

	if (r < 0 || refusal) {
		jh_fault_and_close(peer, r < 0 ? JIT_EXIT_UNAVAILABLE : JIT_EXIT_REFUSED,
				   r < 0 ? JH_SHORTAGE : refusal);
		return;
	}
	jit_frame_start(out, JIT_F_DOCUMENT);
	jh_creds_put(creds, out);
	r = jit_frame_send(peer->fd, out);
	jit_frame_wipe(out);
	if (r < 0)
		jit_log(LOG_WARNING, "%s: credentials could not be handed over", e->grant->short_id);
	jh_peer_close(peer);
}

static void tell_none(struct jh_peer *peer, const struct jh_grant *g)
{
	const struct jh_collector *c = &g->collector;
	const char *none = c->creds.plain ? "the last credentials are over, and the broker gave no new ones"
					  : "no credentials from the broker yet";
	const char *colon = c->trouble[0] ? ": " : "";
	char sentence[JIT_LINE_SIZE];

	if (c->refused)
		snprintf(sentence, sizeof(sentence), "%s%s%.384s; tell the operator of this host", none, colon,
			 c->trouble);
	else
		snprintf(sentence, sizeof(sentence), "%s%s%.384s; try again in a moment", none, colon, c->trouble);
	jh_fault_and_close(peer, JIT_EXIT_UNAVAILABLE, sentence);
}

/* Those that were held back while others were on their way are better than none. */
static void on_patience(void *arg)
{
	struct waiter *w = arg;
	const struct jh_elevation *e = w->elevation;
	const struct jh_creds *creds = jh_collect_current(e->grant);
	struct jh_peer *peer = w->peer;

	if (!creds && jit_boottime_ms() < w->until_ms) {
		jh_alarm_at(&w->patience, w->until_ms);
		return;
	}
	waiter_free(w);
	if (creds)
		answer_credentials(peer, e, creds);
	else
		tell_none(peer, e->grant);
}

static void wait_for_credentials(struct jh_peer *peer, struct jh_elevation *e)
{
	struct waiter *w = calloc(1, sizeof(*w));

	if (!w) {
		jh_fault_and_close(peer, JIT_EXIT_INTERNAL, "jit-helper is out of memory");
		return;
	}
	w->peer = peer;
	w->elevation = e;
	jh_alarm_init(&w->patience, peer->helper->alarms, on_patience, w);
	w->until_ms = jit_boottime_ms() + CREDENTIALS_MS;
	jh_alarm_in(&w->patience, JH_HOLD_MS);
	LIST_INSERT_HEAD(&waiters, w, link);
	jh_peer_give(peer, &waiting, w);
	jh_collect_hurry(e->grant);
}

void jh_waiters_wake(struct jh_grant *grant)
{
	const struct jh_creds *creds = jh_collect_current(grant);
	struct waiter *w = LIST_FIRST(&waiters), *next;

	for (; w && (creds || grant->collector.refused); w = next) {
		struct jh_peer *peer = w->peer;
		struct jh_elevation *e = w->elevation;

		next = LIST_NEXT(w, link);
		if (e->grant != grant)
			continue;
		waiter_free(w);
		if (creds)
			answer_credentials(peer, e, creds);
		else
			tell_none(peer, grant);
	}
}

void jh_waiters_refuse(struct jh_elevation *elevation, enum jit_exit status, const char *sentence)
{
	struct waiter *w = LIST_FIRST(&waiters), *next;

	for (; w; w = next) {
		struct jh_peer *peer = w->peer;

		next = LIST_NEXT(w, link);
		if (w->elevation != elevation)
			continue;
		waiter_free(w);
		jh_fault_and_close(peer, status, sentence);
	}
}

/*
 * The elevation whose token the frame carries, if the peer is in its session;
 * without a token the one without a keyring that the peer is in. 0; NULL
 * otherwise, with the sentence (which may be NULL: no token came). -errno of a
 * shortage: it cannot be told now.
 */
static int proved(struct jh_peer *peer, const struct jit_frame *frame, struct jh_elevation **ret,
		  const char **ret_refusal)
{
	const uint8_t *token;
	size_t len;

	*ret = NULL;
	*ret_refusal = NULL;
	if (!jit_frame_get(frame, JIT_T_TOKEN, 0, &token, &len))
		return jh_elevation_around(peer->helper, peer, ret);
	*ret_refusal = "the elevation that this process belonged to has ended";
	struct jh_elevation *e = len == JIT_TOKEN_LEN ? jh_elevation_by_token(peer->helper, token) : NULL;
	if (!e)
		return 0;
	int r = jh_elevation_judge(e, peer, ret_refusal);
	if (r == 0 && !*ret_refusal)
		*ret = e;
	return r;
}

/* Whoever keeps asking fills no log with it. */
static void log_refusal(const struct jh_peer *peer, const char *refusal)
{
	static struct jh_hush hush;
	char more[64] = "";
	unsigned kept;

	if (!jh_hush_lets(&hush, peer->uid, jit_boottime_ms(), &kept))
		return;
	if (kept)
		snprintf(more, sizeof(more), " (and %u more since the last of these lines)", kept);
	jit_log(LOG_NOTICE, "credentials refused to pid %d of uid %u: %s%s", (int)peer->proc.pid, (unsigned)peer->uid,
		refusal, more);
}

static void on_credentials(struct jh_peer *peer, const struct jit_frame *frame)
{
	struct jh_elevation *e;
	const char *refusal;

	if (proved(peer, frame, &e, &refusal) < 0) {
		jh_fault_and_close(peer, JIT_EXIT_UNAVAILABLE, JH_SHORTAGE);
		return;
	}
	if (!e) {
		if (refusal)
			log_refusal(peer, refusal);
		jh_fault_and_close(peer, JIT_EXIT_REFUSED,
				   refusal ? refusal
					   : "this process is not in an elevated session; run it under sudo, su or ssh "
					     "with an approval");
		return;
	}
	if (!e->grant->has_arn) {
		jh_fault_and_close(peer, JIT_EXIT_NOTHING, "the role of this session has no AWS credentials");
		return;
	}
	const struct jh_creds *creds = jh_collect_current(e->grant);
	jh_collect_kick(e->grant);
	if (creds)
		answer_credentials(peer, e, creds);
	else
		wait_for_credentials(peer, e);
}

/* 0; -ESRCH: gone, or from outside; another -errno. */
static int find_session(struct jh_peer *peer, struct jh_session *ret)
{
	int r = jh_session_of(peer, peer->uid, ret, NULL);

	if (r == 0 && !jh_pidfd_alive(peer->pidfd))
		r = -ESRCH;
	if (r == 0)
		jh_place_find(peer, NULL, ret);
	return r;
}

static void refuse_stranger(struct jh_peer *peer, int r)
{
	if (jh_proc_is_shortage(r))
		jh_fault_and_close(peer, JIT_EXIT_UNAVAILABLE, JH_SHORTAGE);
	else
		jh_fault_and_close(peer, JIT_EXIT_REFUSED,
				   "the login session of this process cannot be told; log in again");
}

static int find_speaker(struct jh_peer *peer, const struct jit_frame *frame, struct jh_speaker *ret)
{
	struct jh_elevation *e;
	const char *refusal;
	int r = proved(peer, frame, &e, &refusal);

	if (r < 0)
		return r;
	if (e) {
		*ret = (struct jh_speaker){.session = e->session, .under = e->grant};
		return 0;
	}
	ret->under = NULL;
	return find_session(peer, &ret->session);
}

static void on_status(struct jh_peer *peer, const struct jit_frame *frame)
{
	struct jh_speaker speaker;
	int r = find_speaker(peer, frame, &speaker);

	if (r < 0) {
		refuse_stranger(peer, r);
		return;
	}
	jh_send_json(peer, jh_status_json(peer->helper, &speaker));
}

static void on_end(struct jh_peer *peer, const struct jit_frame *frame)
{
	struct jh_helper *helper = peer->helper;
	struct jh_speaker speaker;
	char id[JIT_ID_SIZE];
	int r = jit_frame_get_str(frame, JIT_T_GRANT, id, sizeof(id));
	int known = r < 0 && r != -ENOENT ? r : find_speaker(peer, frame, &speaker);

	if (known < 0) {
		refuse_stranger(peer, known);
		return;
	}
	JIT_JSON struct json_object *json = json_object_new_object();
	struct json_object *ended = json_object_new_array(), *withdrawn = json_object_new_array();
	/* The lists are json's, or nobody's. What ends, ends without memory too, and is counted. */
	bool whole = jit_json_add(json, "ended", ended);
	whole = jit_json_add(json, "withdrawn", withdrawn) && whole;
	size_t count = 0;
	struct jh_grant *g = LIST_FIRST(&helper->grants), *next;
	for (; g; g = next) {
		next = LIST_NEXT(g, link);
		if (!jh_speaker_holds(&speaker, g) || (r == 0 && !jh_id_matches(id, g->id, g->short_id)))
			continue;
		whole = whole && jit_json_append(ended, json_object_new_string(g->short_id));
		count++;
		jh_grant_end(g, "given back by its requester", true);
	}
	struct jh_ahead *a = LIST_FIRST(&helper->ahead), *after;
	for (; a; a = after) {
		after = LIST_NEXT(a, link);
		if (!jh_session_same(&a->session, &speaker.session) ||
		    (r == 0 && !jh_id_matches(id, a->id, a->short_id)))
			continue;
		struct json_object *list = jh_ahead_pending(a) ? withdrawn : ended;
		if (!jh_ahead_end(a))
			continue;
		whole = whole && jit_json_append(list, json_object_new_string(a->short_id));
		count++;
	}
	if (!count) {
		jh_fault_and_close(peer, JIT_EXIT_NOTHING,
				   r == 0 ? "this login session holds no grant and no request of that id"
					  : "this login session holds no grant, and no request of jit waits in it");
		return;
	}
	jh_send_json(peer, whole ? JIT_TAKE(json) : NULL);
}

/* Asked for and followed in the login session of the process itself, whichever elevation it stands in. */
static void on_ahead(struct jh_peer *peer, const struct jit_frame *frame,
		     void (*take)(struct jh_peer *peer, const struct jit_frame *frame,
				  const struct jh_session *session))
{
	struct jh_session session;
	int r = find_session(peer, &session);

	if (r < 0) {
		refuse_stranger(peer, r);
		return;
	}
	take(peer, frame, &session);
}

/* Some users together, each with as many as one may have, leave room for the others. */
static bool too_many(const struct jh_peer *peer)
{
	return peer->uid != 0 && jh_peers_of_uid(peer) > FEW_CONNECTIONS && jh_peers_heard(peer) > SHARED_CONNECTIONS;
}

static void first_frame(struct jh_peer *peer, const struct jit_frame *frame)
{
	if (too_many(peer)) {
		jh_fault_and_close(peer, JIT_EXIT_UNAVAILABLE,
				   "you have too many connections to jit-helper; try again in a moment");
		return;
	}
	switch (jit_frame_type(frame)) {
	case JIT_F_CREDENTIALS:
		on_credentials(peer, frame);
		break;
	case JIT_F_STATUS:
		on_status(peer, frame);
		break;
	case JIT_F_REQUEST:
		on_ahead(peer, frame, jh_asking_request);
		break;
	case JIT_F_FOLLOW:
		on_ahead(peer, frame, jh_asking_follow);
		break;
	case JIT_F_END:
		on_end(peer, frame);
		break;
	default:
		jh_fault_and_close(peer, JIT_EXIT_INTERNAL,
				   "jit-helper does not know this question: install the same "
				   "version of both");
	}
}

static const struct jh_peer_owner nobody = {.frame = first_frame};

static void refuse(struct jh_peer *peer, bool senseless, const char *sentence)
{
	fault(peer, senseless ? JIT_EXIT_INTERNAL : JIT_EXIT_UNAVAILABLE, sentence);
}

struct jh_listener *jh_session_side_new(struct jh_helper *helper, int fd)
{
	const struct jh_listener_options options = {
		.first = &nobody, .refuse = refuse, .max = CONNECTIONS_MAX, .max_of_uid = UID_MAX_CONNECTIONS};

	return jh_listener_new(helper, fd, &options);
}
