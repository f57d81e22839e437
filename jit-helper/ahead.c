/* See ahead.h. */
#include "ahead.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ahead_side.h"
#include "clock.h"
#include "json.h"
#include "withdraw.h"

#define KEEP_MS	   (60 * 60 * 1000) /* how long it is told what became of one */
#define ALL_MAX	   256		    /* under way, of all persons */
#define SHARED_MAX 192		    /* of them for whoever asks; the rest is kept for persons who have few */
#define FEW	   4
#define TOLD_MAX   JH_AHEAD_HOSTS /* of one person, that are over: the latest */
#define PENDING	   "PENDING"

static const char *status_name(enum jh_status status)
{
	static const char *const names[] = {PENDING,	 "APPROVED", "ACTIVE",	"DENIED", "EXPIRED",
					    "CANCELLED", "ENDED",    "REVOKED", "FAILED"};

	return names[status];
}

bool jh_ahead_pending(const struct jh_ahead *a)
{
	return a->status && strcmp(a->status, PENDING) == 0;
}

static void ahead_free(struct jh_ahead *a)
{
	LIST_REMOVE(a, link);
	if (a->request)
		a->request->ahead = NULL;
	free(a);
}

static bool is_over(const struct jh_ahead *a)
{
	return !a->request && !jh_ahead_pending(a);
}

/*
 * Forgets what nobody will ask for any more: what was never filed, what is over for long, and of that person's what is
 * more than is kept. How many are under way, and how many of them are that person's.
 */
static size_t sweep(struct jh_helper *helper, const char *requester, size_t *ret_theirs)
{
	int64_t now = jit_boottime_ms();
	struct jh_ahead *a = LIST_FIRST(&helper->ahead), *next;
	size_t all = 0, theirs = 0, told = 0;

	for (; a; a = next) { /* the latest come first */
		bool their = strcmp(a->requester, requester) == 0;

		next = LIST_NEXT(a, link);
		if (!is_over(a)) {
			all++;
			theirs += their;
			continue;
		}
		told += their && a->id[0];
		if (!a->watched && (!a->id[0] || now > a->since_ms + KEEP_MS || (their && told > TOLD_MAX)))
			ahead_free(a);
	}
	*ret_theirs = theirs + jh_withdrawals_of(helper, requester);
	return all;
}

static const char *limit_of(struct jh_helper *helper, const struct jh_request_plan *plan)
{
	size_t theirs, all = sweep(helper, plan->question->requester, &theirs);

	if (all >= ALL_MAX || theirs >= JH_AHEAD_HOSTS || (all >= SHARED_MAX && theirs >= FEW))
		return "too many requests are under way already; wait for one to be decided, or give some back with "
		       "jit end";
	return plan->for_host ? NULL : jh_request_limit(helper, plan->question->requester);
}

static struct jh_ahead *ahead_new(struct jh_helper *helper, const struct jh_request_plan *plan)
{
	struct jh_ahead *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->helper = helper;
	a->session = *plan->session;
	a->since_ms = jit_boottime_ms();
	a->remaining_s = -1;
	memcpy(a->requester, plan->question->requester, sizeof(a->requester));
	memcpy(a->role, plan->question->role, sizeof(a->role));
	snprintf(a->for_host, sizeof(a->for_host), "%s", plan->for_host ? plan->for_host : "");
	snprintf(a->host, sizeof(a->host), "%s", plan->for_host ? plan->for_host : "this host");
	LIST_INSERT_HEAD(&helper->ahead, a, link);
	return a;
}

struct jh_ahead *jh_ahead_file(struct jh_helper *helper, const struct jh_request_plan *plan)
{
	const char *trouble = limit_of(helper, plan);
	struct jh_ahead *a = ahead_new(helper, plan);

	if (a && !trouble) {
		a->request = jh_request_new(helper, plan);
		trouble = a->request ? NULL : "jit-helper is out of memory";
	} else if (plan->leader_fd >= 0) {
		close(plan->leader_fd);
	}
	if (a && trouble) {
		a->status = "UNAVAILABLE";
		snprintf(a->message, sizeof(a->message), "%s", trouble);
	} else if (a) {
		a->request->ahead = a;
		jh_request_file(a->request);
	}
	return a;
}

static void learn(struct jh_ahead *a, const struct jh_answer *answer)
{
	int64_t now = jit_boottime_ms();

	a->status = status_name(answer->status);
	a->remaining_s = answer->remaining_s;
	if (answer->status == JH_PENDING && answer->pending_s >= 0)
		a->until_ms = now + answer->pending_s * 1000;
	memcpy(a->decided_by, answer->decided_by, sizeof(a->decided_by));
	memcpy(a->ended_by, answer->ended_by, sizeof(a->ended_by));
	memcpy(a->comment, answer->comment, sizeof(a->comment));
	memcpy(a->message, answer->failure, sizeof(a->message));
	jh_asking_look();
}

void jh_ahead_filed(struct jh_ahead *a, const struct jh_answer *answer)
{
	memcpy(a->id, answer->id, sizeof(a->id));
	memcpy(a->short_id, answer->short_id, sizeof(a->short_id));
	memcpy(a->code, answer->code, sizeof(a->code));
	memcpy(a->role, answer->role, sizeof(a->role));
	if (!answer->filed_by[0]) /* that host is this one */
		a->for_host[0] = '\0';
	if (answer->host[0])
		memcpy(a->host, answer->host, sizeof(a->host));
	learn(a, answer);
}

void jh_ahead_refused(struct jh_ahead *a, const struct jh_verdict *verdict)
{
	if (a->id[0] && !jh_ahead_pending(a))
		return; /* it knows better already, from the broker */
	a->status = a->id[0] && verdict->outcome == JIT_TIMED_OUT   ? "EXPIRED"
		    : a->id[0] && verdict->outcome == JIT_CANCELLED ? "CANCELLED"
		    : verdict->outcome == JIT_DENIED		    ? "NOT_ELIGIBLE"
								    : "UNAVAILABLE";
	memcpy(a->message, verdict->text, sizeof(a->message));
	memcpy(a->error, verdict->error, sizeof(a->error));
	jh_asking_look();
}

bool jh_ahead_changed(struct jh_helper *helper, const struct jh_answer *answer)
{
	struct jh_ahead *a;

	for (a = LIST_FIRST(&helper->ahead); a; a = LIST_NEXT(a, link)) {
		if (a->id[0] && strcmp(a->id, answer->id) == 0) {
			learn(a, answer);
			return true;
		}
	}
	return false;
}

struct jh_ahead *jh_ahead_find(struct jh_helper *helper, const struct jh_session *session, const char *id)
{
	struct jh_ahead *a;

	for (a = LIST_FIRST(&helper->ahead); a; a = LIST_NEXT(a, link))
		if (a->id[0] && jh_id_matches(id, a->id, a->short_id) && jh_session_same(&a->session, session))
			break;
	return a;
}

static bool put_text(struct json_object *json, const char *name, const char *text)
{
	return !text[0] || jit_json_add(json, name, json_object_new_string(text));
}

static bool put_seconds(struct json_object *json, const char *name, int64_t seconds)
{
	return seconds < 0 || jit_json_add(json, name, json_object_new_int64(seconds));
}

static bool put_times(struct json_object *json, const struct jh_ahead *a)
{
	const int64_t now = jit_boottime_ms();

	if (!jh_ahead_pending(a))
		return put_seconds(json, "remaining", a->remaining_s);
	return put_text(json, "code", a->code) && put_seconds(json, "waiting", (now - a->since_ms) / 1000) &&
	       put_seconds(json, "remaining", a->until_ms > now ? (a->until_ms - now) / 1000 : -1);
}

struct json_object *jh_ahead_json(const struct jh_ahead *a)
{
	JIT_JSON struct json_object *json = json_object_new_object();

	const bool whole = put_text(json, "host", a->host) && put_text(json, "role", a->role) &&
			   put_text(json, "status", a->status ? a->status : "UNAVAILABLE") &&
			   put_text(json, "requester", a->requester) && put_text(json, "requestId", a->id) &&
			   put_text(json, "shortId", a->short_id) && put_times(json, a) &&
			   put_text(json, "decidedBy", a->decided_by) && put_text(json, "endedBy", a->ended_by) &&
			   put_text(json, "comment", a->comment) && put_text(json, "error", a->error) &&
			   put_text(json, "message",
				    a->status ? a->message : "the broker has not answered yet; look with jit status");
	return whole ? JIT_TAKE(json) : NULL;
}

struct json_object *jh_ahead_list_json(const struct jh_helper *helper, const struct jh_session *session)
{
	JIT_JSON struct json_object *list = json_object_new_array();
	const struct jh_ahead *a;
	bool whole = list != NULL;

	for (a = LIST_FIRST(&helper->ahead); whole && a; a = LIST_NEXT(a, link))
		if (jh_ahead_pending(a) && jh_session_same(&a->session, session))
			whole = jit_json_append(list, jh_ahead_json(a));
	return whole ? JIT_TAKE(list) : NULL;
}

bool jh_ahead_end(struct jh_ahead *a)
{
	const bool pending = jh_ahead_pending(a);
	const bool elsewhere =
		a->for_host[0] && a->status && (strcmp(a->status, "APPROVED") == 0 || strcmp(a->status, "ACTIVE") == 0);

	if (pending && a->request)
		jh_request_give_back(a->request);
	else if (pending || elsewhere)
		jh_withdraw(a->helper, a->requester, a->id, a->short_id, pending ? JH_CANCEL : JH_END);
	if (pending || elsewhere)
		a->status = pending ? "CANCELLED" : "ENDED";
	jh_asking_look();
	return pending || elsewhere;
}

void jh_ahead_free_all(struct jh_helper *helper)
{
	jh_asking_free_all();
	while (!LIST_EMPTY(&helper->ahead))
		ahead_free(LIST_FIRST(&helper->ahead));
}
