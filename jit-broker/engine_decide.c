/* What a person decides: approve, deny, revoke, and what they may see for it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "engine_private.h"
#include "secret.h"

#define LIST_MAX       100  /* requests in one answer */
#define LIST_LOOKED_AT 1000 /* newest records that are looked through for it */

struct said {
	const char *person, *code, *comment;
};

static enum jb_step refused(const struct jb_decision *d, struct jb_fault *fault)
{
	jb_engine_fault(fault, 403, d->code, "%s", d->message);
	return JB_STEP_REFUSED;
}

static enum jb_step already_decided(const struct jb_request *request, struct jb_fault *fault)
{
	const char *by = request->ended_by ? request->ended_by : request->decided_by;

	jb_engine_fault(fault, 409, "request.decided", "request %s is %s already%s%s", request->short_id,
			jb_status_name(request->status), by ? ", by " : "", by ? by : "");
	return JB_STEP_REFUSED;
}

/* Counts a wrong code; the last one ends the request. */
static enum jb_step wrong_code(struct jb_engine *engine, struct jb_request *request, const struct said *said,
			       int64_t now, struct jb_fault *fault)
{
	char id[sizeof(request->short_id)];
	const bool last = ++request->wrong_codes >= JB_WRONG_CODES_MAX;
	const int left = (int)(JB_WRONG_CODES_MAX - request->wrong_codes);

	memcpy(id, request->short_id, sizeof(id));
	if (last) {
		request->decided_at = now;
		if (!jb_engine_set_text(&request->decided_by, "policy") ||
		    !jb_engine_set_text(&request->ended_by, "policy") ||
		    !jb_engine_set_text(&request->comment, "three wrong codes were given for it"))
			return JB_STEP_REFUSED;
	}
	const struct jb_change change = {.to = last ? JB_DENIED : JB_PENDING,
					 .action = last ? "request.denied" : "approval.wrong_code",
					 .actor = said->person,
					 .detail = JB_DETAIL({"why", "wrong code"}),
					 .announce = last};
	enum jb_step went = jb_engine_commit(engine, request, &change, now, fault);
	if (went != JB_STEP_DONE)
		return went;
	if (last)
		jb_engine_fault(fault, 403, "approval.wrong_code",
				"that was the third wrong code: request %s is denied, a new one has to be filed", id);
	else
		jb_engine_fault(fault, 403, "approval.wrong_code",
				"that is not the code on the requester's terminal; ask for it, %d %s left", left,
				left == 1 ? "try is" : "tries are");
	return JB_STEP_REFUSED;
}

static bool add_approval(struct jb_request *request, const char *person)
{
	char *words;

	if (!request->approved_by)
		return (request->approved_by = strdup(person)) != NULL;
	if (asprintf(&words, "%s %s", request->approved_by, person) < 0)
		return false;
	free(request->approved_by);
	request->approved_by = words;
	return true;
}

/* One more approval; the last one that is wanted approves. */
static enum jb_step add_and_commit(struct jb_engine *engine, struct jb_request *request, const struct said *said,
				   int64_t now, struct jb_fault *fault)
{
	const struct jb_role *role = jb_conf_role(engine->conf, request->role);
	bool enough;

	if (!role || !add_approval(request, said->person) || !jb_engine_set_text(&request->comment, said->comment))
		return JB_STEP_REFUSED;
	/* The stricter of what was wanted at filing and what is wanted today. */
	unsigned count = jb_policy_count_approvals(engine->conf, request);
	enough = count >= role->approvals && (int64_t)count >= request->approvals_needed;
	if (enough) {
		request->decided_at = now;
		request->use_until = now + role->use_within;
		free(request->decided_by);
		if (!(request->decided_by = strdup(request->approved_by)))
			return JB_STEP_REFUSED;
	}
	const struct jb_change change = {.to = enough ? JB_APPROVED : JB_PENDING,
					 .action = enough ? "request.approved" : "request.approval",
					 .actor = said->person,
					 .detail = JB_DETAIL({"comment", request->comment}),
					 .announce = enough};
	return jb_engine_commit(engine, request, &change, now, fault);
}

/* Waiting, and this person's to decide? */
static enum jb_step is_theirs(struct jb_engine *engine, const struct jb_request *request, const struct said *said,
			      struct jb_fault *fault)
{
	struct jb_decision may = jb_policy_may_decide(engine->conf, request, said->person);

	if (!may.allowed)
		return refused(&may, fault);
	return request->status == JB_PENDING ? JB_STEP_DONE : already_decided(request, fault);
}

static enum jb_step approve_step(struct jb_engine *engine, struct jb_request *request, void *arg, int64_t now,
				 struct jb_fault *fault)
{
	const struct said *said = arg;
	enum jb_step went = is_theirs(engine, request, said, fault);

	if (went != JB_STEP_DONE)
		return went;
	struct jb_decision policy = jb_policy_allows(engine->conf, request, said->person, now);
	if (!policy.allowed)
		return refused(&policy, fault);
	if (request->code[0]) {
		if (!said->code || !*said->code) { /* forgotten, not guessed */
			jb_engine_fault(fault, 403, "approval.wrong_code",
					"this role wants the code that the requester's terminal shows; ask for it");
			return JB_STEP_REFUSED;
		}
		if (!jb_secret_same(said->code, request->code))
			return wrong_code(engine, request, said, now, fault);
	}
	if (jb_request_approved_by(request, said->person)) /* a repeated call changes nothing */
		return JB_STEP_DONE;
	return add_and_commit(engine, request, said, now, fault);
}

/* A person says that it is over. */
static enum jb_step end_and_commit(struct jb_engine *engine, struct jb_request *request, const struct said *said,
				   enum jb_status to, const char *action, int64_t now, struct jb_fault *fault)
{
	if (!jb_engine_set_text(&request->ended_by, said->person) ||
	    !jb_engine_set_text(&request->comment, said->comment))
		return JB_STEP_REFUSED;
	const struct jb_change change = {.to = to,
					 .action = action,
					 .actor = said->person,
					 .detail = JB_DETAIL({"comment", request->comment}),
					 .announce = true};
	return jb_engine_commit(engine, request, &change, now, fault);
}

static enum jb_step deny_step(struct jb_engine *engine, struct jb_request *request, void *arg, int64_t now,
			      struct jb_fault *fault)
{
	const struct said *said = arg;
	enum jb_step went = is_theirs(engine, request, said, fault);

	if (went != JB_STEP_DONE)
		return went;
	request->decided_at = now;
	if (!jb_engine_set_text(&request->decided_by, said->person))
		return JB_STEP_REFUSED;
	return end_and_commit(engine, request, said, JB_DENIED, "request.denied", now, fault);
}

static enum jb_step revoke_step(struct jb_engine *engine, struct jb_request *request, void *arg, int64_t now,
				struct jb_fault *fault)
{
	const struct said *said = arg;
	struct jb_decision may = jb_policy_may_revoke(engine->conf, request, said->person);

	if (!may.allowed)
		return refused(&may, fault);
	if (request->status == JB_PENDING) {
		jb_engine_fault(fault, 409, "request.pending", "request %s has not been decided yet; deny it instead",
				request->short_id);
		return JB_STEP_REFUSED;
	}
	if (jb_status_final(request->status))
		return already_decided(request, fault);
	return end_and_commit(engine, request, said, JB_REVOKED, "request.revoked", now, fault);
}

int jb_engine_approve(struct jb_engine *engine, const char *person, const char *id, const char *code,
		      const char *comment, int64_t now, struct jb_request **ret, struct jb_fault *fault)
{
	struct said said = {person, code, comment};

	return jb_engine_try(engine, NULL, id, approve_step, &said, now, ret, fault);
}

int jb_engine_deny(struct jb_engine *engine, const char *person, const char *id, const char *comment, int64_t now,
		   struct jb_request **ret, struct jb_fault *fault)
{
	struct said said = {person, NULL, comment};

	return jb_engine_try(engine, NULL, id, deny_step, &said, now, ret, fault);
}

int jb_engine_revoke(struct jb_engine *engine, const char *person, const char *id, const char *comment, int64_t now,
		     struct jb_request **ret, struct jb_fault *fault)
{
	struct said said = {person, NULL, comment};

	return jb_engine_try(engine, NULL, id, revoke_step, &said, now, ret, fault);
}

struct look {
	const char *person, *id;
};

/* Somebody who neither approves it nor asked for it learns no more than of one that is not there. */
static enum jb_step view_step(struct jb_engine *engine, struct jb_request *request, void *arg, int64_t now,
			      struct jb_fault *fault)
{
	const struct look *look = arg;
	const struct jb_person *person = jb_conf_person(engine->conf, look->person);

	(void)now;
	if (person && (jb_policy_is_own(engine->conf, request, person) ||
		       jb_policy_may_revoke(engine->conf, request, person->name).allowed))
		return JB_STEP_DONE;
	jb_engine_unknown(look->id, fault);
	return JB_STEP_REFUSED;
}

int jb_engine_view(struct jb_engine *engine, const char *person, const char *id, int64_t now, struct jb_request **ret,
		   struct jb_fault *fault)
{
	struct look look = {person, id};

	return jb_engine_try(engine, NULL, id, view_step, &look, now, ret, fault);
}

static bool is_listed(struct jb_engine *engine, const struct jb_request *request, const char *person, int64_t now)
{
	if (request->status != JB_PENDING)
		return jb_policy_may_revoke(engine->conf, request, person).allowed;
	return now < request->pending_until && jb_policy_may_decide(engine->conf, request, person).allowed;
}

int jb_engine_list(struct jb_engine *engine, const char *person, const char *status, int64_t now,
		   struct jb_request ***ret, size_t *ret_count, struct jb_fault *fault)
{
	struct jb_query query = {.limit = LIST_LOOKED_AT};
	enum jb_status wanted = JB_PENDING;
	struct jb_request **found;
	size_t count, kept = 0;

	if (status && *status && !jb_status_parse(status, &wanted))
		return jb_engine_fault(fault, 400, "request.field",
				       "status is one of PENDING, APPROVED, ACTIVE, DENIED, EXPIRED, CANCELLED, ENDED, "
				       "REVOKED, FAILED");
	query.status = (int)wanted;
	if (jb_store_find(engine->store, &query, &found, &count) < 0)
		return jb_engine_store_fault(engine, fault);
	for (size_t i = 0; i < count; i++) {
		if (kept < LIST_MAX && is_listed(engine, found[i], person, now))
			found[kept++] = found[i];
		else
			jb_request_free(found[i]);
	}
	*ret = found;
	*ret_count = kept;
	return 0;
}
