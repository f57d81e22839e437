/* See elevation.h. */
#include "elevation.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "helper.h"
#include "log.h"
#include "names.h"
#include "pam_side.h"
#include "place.h"
#include "session_side.h"
#include "state.h"
#include "terminal.h"

static void elevation_free(struct jh_elevation *e, enum jit_exit status, const char *sentence)
{
	jh_waiters_refuse(e, status, sentence);
	LIST_REMOVE(e, link);
	/* A process that lives on would be taken for elevated again by a helper that restarts within that moment. */
	if (e->stands && jh_pidfd_alive(e->peer->pidfd))
		jh_state_touch(e->grant->helper);
	else if (e->stands)
		jh_state_touch_later(e->grant->helper);
	if (e->terminal >= 0)
		close(e->terminal);
	jh_alarm_clear(&e->taken);
	OPENSSL_cleanse(e->hash, sizeof(e->hash));
	free(e);
}

static void elevation_end(struct jh_elevation *e)
{
	elevation_free(e, JIT_EXIT_REFUSED, "the elevation that this process belonged to has ended");
}

static void on_gone(struct jh_peer *peer)
{
	struct jh_elevation *e = peer->arg;

	if (e->stands)
		jit_log(LOG_INFO, "%s: elevation of %s to %s (pid %d) has ended", e->grant->short_id,
			e->grant->requester, e->target, (int)peer->proc.pid);
	else
		jit_log(LOG_NOTICE, "%s: elevation of %s to %s was not taken", e->grant->short_id, e->grant->requester,
			e->target);
	elevation_end(e);
}

static bool is_alive(const struct jh_trace *t)
{
	return !jh_proc_is_gone(t->pid, t->start);
}

static void stand(struct jh_elevation *e)
{
	struct jh_grant *g = e->grant;
	const struct jh_trace trace = {.audit = e->session.audit,
				       .uid = e->target_uid,
				       .descent = e->descent,
				       .pid = e->peer->proc.pid,
				       .start = e->peer->proc.start};

	e->stands = true;
	jit_log(LOG_NOTICE, "%s: elevation of %s to %s (pid %d) begins", g->short_id, g->requester, e->target,
		(int)e->peer->proc.pid);
	if (!jh_traces_add(&g->traces, &trace, is_alive))
		jit_log(LOG_WARNING, "%s: too many elevations to remember; what the oldest left is not ended with it",
			g->short_id);
	jh_grant_use(g);
	jh_collect_soon(g);
}

/* The token could be kept nowhere: does the session stand without? The module waits to be told. */
static void stand_without_keyring(struct jh_elevation *e)
{
	struct jh_peer *peer = e->peer;

	if (e->grant->helper->conf->keyless && jh_send_allow(peer, e->grant->id) == 0) {
		jit_log(LOG_WARNING,
			"%s: no session keyring: the session of pid %d is recognised by descent, which is weaker",
			e->grant->short_id, (int)peer->proc.pid);
		e->keyless = true;
		OPENSSL_cleanse(e->hash, sizeof(e->hash));
		stand(e);
		return;
	}
	jh_send_verdict(peer, JIT_UNAVAILABLE,
			"this session has no kernel keyring, and without_keyring = refuse in jit-helper.conf demands "
			"one; tell the operator of this host");
	on_gone(peer);
	jh_peer_close(peer);
}

static void on_frame(struct jh_peer *peer, const struct jit_frame *frame)
{
	struct jh_elevation *e = peer->arg;
	uint32_t keyring = 1;

	if (jit_frame_type(frame) == JIT_F_TAKEN && !e->stands) {
		int r = jit_frame_get_u32(frame, JIT_T_KEYRING, &keyring);
		jh_alarm_clear(&e->taken);
		if (r == -ENOENT || (r == 0 && keyring == 1)) {
			stand(e);
			return;
		}
		if (r == 0 && keyring == 0) {
			stand_without_keyring(e);
			return;
		}
	}
	/* CLOSE, or something that has no place here: either way it is over. */
	on_gone(peer);
	jh_peer_close(peer);
}

static const struct jh_peer_owner owner = {.frame = on_frame, .gone = on_gone};

static void on_not_taken(void *arg)
{
	struct jh_elevation *e = arg;
	struct jh_peer *peer = e->peer;

	on_gone(peer);
	jh_peer_close(peer);
}

static void put_env(struct jit_frame *frame, const char *name, const char *value)
{
	char line[1280];

	if (snprintf(line, sizeof(line), "%s=%s", name, value) < (int)sizeof(line))
		jit_frame_put_str(frame, JIT_T_ENV, line);
}

/* OpenSSL looks for the digest in its providers at each call that does not bring it along. */
static bool hash_token(const uint8_t token[static JIT_TOKEN_LEN], uint8_t ret[static JH_HASH_LEN])
{
	static EVP_MD *sha256;

	if (!sha256)
		sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	return sha256 && EVP_Digest(token, JIT_TOKEN_LEN, ret, NULL, sha256, NULL) == 1;
}

/* The verdict with a new token, of which only the hash stays here. */
static int offer(struct jh_elevation *e)
{
	struct jh_grant *g = e->grant;
	struct jit_frame *out = g->helper->out;
	uint8_t *token = OPENSSL_secure_malloc(JIT_TOKEN_LEN);
	int r = -1;

	if (token && getrandom(token, JIT_TOKEN_LEN, 0) == JIT_TOKEN_LEN && hash_token(token, e->hash)) {
		jit_frame_start(out, JIT_F_VERDICT);
		jit_frame_put_u32(out, JIT_T_OUTCOME, JIT_ALLOW);
		jit_frame_put_str(out, JIT_T_GRANT, g->id);
		jit_frame_put(out, JIT_T_TOKEN, token, JIT_TOKEN_LEN);
		jit_frame_put_u32(out, JIT_T_REMAINING, jh_grant_left_s(g, jit_boottime_ms()));
		put_env(out, "JIT_REQUEST_ID", g->id);
		put_env(out, "JIT_SESSION_ROLE", g->role);
		if (g->has_arn)
			put_env(out, "AWS_SHARED_CREDENTIALS_FILE", g->helper->conf->aws_credentials_file);
		if (g->has_arn && g->region[0]) {
			put_env(out, "AWS_REGION", g->region);
			put_env(out, "AWS_DEFAULT_REGION", g->region);
		}
		r = jit_frame_send(e->peer->fd, out);
		jit_frame_wipe(out);
	}
	if (token)
		OPENSSL_secure_clear_free(token, JIT_TOKEN_LEN);
	return r;
}

static void refuse(struct jh_peer *peer, const struct jh_question *q, enum jit_outcome outcome, const char *sentence)
{
	jit_log(LOG_NOTICE, "%s to %s by %s refused: %s", q->requester, q->target, q->service, sentence);
	jh_send_verdict(peer, outcome, sentence);
	jh_peer_close(peer);
}

/*
 * A grant that a login service asked for before its session existed belongs to this one from now on. 0 and it, or
 * NULL where there is none; -errno.
 */
static int bind_waiting(struct jh_peer *peer, const struct jh_question *q, const struct jh_session *session,
			struct jh_grant **ret)
{
	struct jh_session again;
	struct jh_grant *g;
	int leader_fd;

	for (g = LIST_FIRST(&peer->helper->grants); g; g = LIST_NEXT(g, link)) {
		if (!jh_grant_may_bind(g, q, session, jit_boottime_ms()))
			continue;
		int r = jh_session_of(peer, session->uid, &again, &leader_fd);
		if (r < 0)
			return r;
		memcpy(again.place, session->place, sizeof(again.place));
		if (jh_grant_bind(g, &again, leader_fd) < 0)
			return -ENOMEM;
		break;
	}
	*ret = g;
	return 0;
}

/* The grant for this OPEN; NULL with what is to be answered, and the sentence that says why there is none. */
static struct jh_grant *choose(struct jh_peer *peer, const struct jh_question *q, struct jh_session *session,
			       enum jit_outcome *ret_outcome, char *why, size_t size)
{
	struct jh_grant *g = NULL;
	int r = jh_session_of(peer, q->uid, session, NULL);
	if (r == 0 && !jh_pidfd_alive(peer->pidfd))
		r = -ESRCH;
	if (r == 0) {
		jh_place_find(peer, q, session);
		g = jh_grant_find(peer->helper, q, session);
		if (!g)
			r = bind_waiting(peer, q, session, &g);
	}
	*ret_outcome = jh_proc_is_shortage(r) ? JIT_UNAVAILABLE : JIT_DENIED;
	if (r < 0) {
		snprintf(why, size, "%s",
			 jh_proc_is_shortage(r) ? JH_SHORTAGE
						: "the login session of this process cannot be told; log in again");
		return NULL;
	}
	if (!g) {
		snprintf(why, size, "no approval that lives covers %.128s with role %.128s in this login session",
			 q->service, q->role);
		return NULL;
	}
	if (!jh_grant_reaches(g, q->target)) {
		snprintf(why, size, "the grant %s covers %.128s, not %.128s", g->short_id, g->targets, q->target);
		return NULL;
	}
	return g;
}

static struct jh_elevation *elevation_new(struct jh_peer *peer, struct jh_grant *g, const struct jh_question *q)
{
	struct jh_elevation *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->grant = g;
	e->peer = peer;
	e->terminal = -1;
	memcpy(e->target, q->target, sizeof(e->target));
	jh_alarm_init(&e->taken, peer->helper->alarms, on_not_taken, e);
	LIST_INSERT_HEAD(&peer->helper->elevations, e, link);
	return e;
}

void jh_elevation_begin(struct jh_peer *peer, const struct jh_question *q)
{
	struct jh_session session;
	enum jit_outcome outcome;
	struct jh_elevation *e;
	char why[JIT_LINE_SIZE];
	uid_t uid;

	struct jh_grant *g = choose(peer, q, &session, &outcome, why, sizeof(why));
	if (!g) {
		refuse(peer, q, outcome, why);
		return;
	}
	if (jh_names_uid(q->target, &uid) < 0) {
		refuse(peer, q, JIT_UNAVAILABLE,
		       "the target user is not known to jit-helper; tell the operator of "
		       "this host");
		return;
	}
	e = elevation_new(peer, g, q);
	if (!e) {
		refuse(peer, q, JIT_UNAVAILABLE, "jit-helper is out of memory");
		return;
	}
	e->target_uid = uid;
	e->session = session;
	e->descent = uid == session.uid && !jh_question_is_login(q);
	e->terminal = jh_peer_take_passed(peer);
	if (e->terminal >= 0 && !jh_terminal_usable(e->terminal))
		close(jit_take_fd(&e->terminal));
	/* Nothing may fail once it is offered: a second verdict is read by nobody. */
	int r = jh_peer_look(peer);
	if (r < 0 || offer(e) < 0) {
		elevation_end(e);
		refuse(peer, q, JIT_UNAVAILABLE,
		       jh_proc_is_shortage(r) ? JH_SHORTAGE
					      : "the session could not be begun: this process is gone, or jit-helper "
						"is out of memory or random numbers");
		return;
	}
	jh_peer_give(peer, &owner, e);
	jh_alarm_in(&e->taken, JH_TAKEN_MS);
}

void jh_elevations_end(struct jh_grant *grant, const char *why)
{
	struct jh_elevation *e = LIST_FIRST(&grant->helper->elevations), *next;

	for (; e; e = next) {
		struct jh_peer *peer = e->peer;

		next = LIST_NEXT(e, link);
		if (e->grant != grant)
			continue;
		jit_log(LOG_NOTICE, "%s: elevation of %s to %s (pid %d) has ended: %s", grant->short_id,
			grant->requester, e->target, (int)peer->proc.pid, why);
		elevation_end(e);
		jh_peer_close(peer);
	}
}

void jh_elevations_leave(struct jh_helper *helper)
{
	while (!LIST_EMPTY(&helper->elevations)) {
		struct jh_elevation *e = LIST_FIRST(&helper->elevations);
		struct jh_peer *peer = e->peer;

		elevation_free(e, JIT_EXIT_UNAVAILABLE, "jit-helper is stopping; try again in a moment");
		jh_peer_close(peer);
	}
}

int jh_elevation_restore(struct jh_grant *g, const struct jh_elevation *facts, pid_t pid, uint64_t start)
{
	struct jh_elevation *e;
	struct jh_proc proc;
	JIT_CLOSE int fd = jh_pidfd_hold(pid, start);

	if (fd < 0)
		return fd;
	int r = jh_proc_read(pid, &proc);
	if (r < 0)
		return r;
	if (proc.start != start)
		return -ESRCH;
	struct jh_peer *peer = jh_peer_known(g->helper->pam, &proc, jit_take_fd(&fd));
	if (!peer)
		return -ENOMEM;
	e = calloc(1, sizeof(*e));
	if (!e) {
		jh_peer_close(peer);
		return -ENOMEM;
	}
	*e = *facts;
	e->grant = g;
	e->peer = peer;
	e->stands = true;
	e->terminal = -1;
	jh_alarm_init(&e->taken, g->helper->alarms, on_not_taken, e);
	memcpy(peer->requester, g->requester, sizeof(peer->requester));
	jh_peer_give(peer, &owner, e);
	LIST_INSERT_HEAD(&g->helper->elevations, e, link);
	return 0;
}

bool jh_elevations_offered(const struct jh_helper *helper)
{
	const struct jh_elevation *e;

	for (e = LIST_FIRST(&helper->elevations); e; e = LIST_NEXT(e, link))
		if (!e->stands)
			return true;
	return false;
}

unsigned jh_elevations_of(const struct jh_grant *grant)
{
	const struct jh_elevation *e;
	unsigned n = 0;

	for (e = LIST_FIRST(&grant->helper->elevations); e; e = LIST_NEXT(e, link))
		n += e->grant == grant && e->stands;
	return n;
}

bool jh_elevations_keyless(const struct jh_grant *grant)
{
	const struct jh_elevation *e;

	for (e = LIST_FIRST(&grant->helper->elevations); e; e = LIST_NEXT(e, link))
		if (e->grant == grant && e->stands && e->keyless)
			return true;
	return false;
}

struct jh_elevation *jh_elevation_by_token(struct jh_helper *helper, const uint8_t token[static JIT_TOKEN_LEN])
{
	struct jh_elevation *e, *found = NULL;
	uint8_t hash[JH_HASH_LEN];

	if (!hash_token(token, hash))
		return NULL;
	for (e = LIST_FIRST(&helper->elevations); e; e = LIST_NEXT(e, link))
		if (CRYPTO_memcmp(e->hash, hash, sizeof(hash)) == 0 && e->stands && !e->keyless)
			found = e;
	OPENSSL_cleanse(hash, sizeof(hash));
	return found;
}

int jh_elevation_judge(const struct jh_elevation *e, const struct jh_peer *peer, const char **ret_refusal)
{
	int inside = e->session.audit == JH_NO_AUDIT || peer->proc.audit_session == e->session.audit;

	if (peer->uid != e->target_uid) {
		*ret_refusal = "this process runs as another user than the elevated session";
		return 0;
	}
	if (inside && (e->session.audit == JH_NO_AUDIT || e->keyless))
		inside = jh_proc_descends(peer->proc.pid, e->peer->proc.pid, e->peer->proc.start);
	if (inside < 0)
		return inside;
	/* What /proc said counts only if neither number has been given to another process meanwhile. */
	inside = inside && jh_pidfd_alive(peer->pidfd) && jh_pidfd_alive(e->peer->pidfd);
	*ret_refusal = inside ? NULL : "this process is not in the elevated session";
	return 0;
}

int jh_elevation_around(struct jh_helper *helper, const struct jh_peer *peer, struct jh_elevation **ret)
{
	struct jh_elevation *e, *found = NULL;
	const char *refusal;
	unsigned count = 0;

	for (e = LIST_FIRST(&helper->elevations); e; e = LIST_NEXT(e, link)) {
		if (!e->stands || !e->keyless)
			continue;
		int r = jh_elevation_judge(e, peer, &refusal);
		if (r < 0)
			return r;
		if (!refusal) {
			found = e;
			count++;
		}
	}
	*ret = count == 1 ? found : NULL;
	return 0;
}
