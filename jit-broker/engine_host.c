/* What a host does with its requests once they are filed: look, start, withdraw, give back, listen for changes. */
#include <stdlib.h>
#include <string.h>

#include "engine_private.h"

#define CHANGES_MAX 100 /* requests in one answer of GET /changes */

int jb_engine_get(struct jb_engine *engine, const char *host, const char *id, int64_t now, struct jb_request **ret,
		  struct jb_fault *fault)
{
	return jb_engine_try(engine, host, id, NULL, NULL, now, ret, fault);
}

/* The host that acts knows already; only where two hosts share a request the other has to be told. */
static bool others_listen(const struct jb_request *request)
{
	return request->filed_by != NULL;
}

static enum jb_step start_step(struct jb_engine *engine, struct jb_request *request, void *host, int64_t now,
			       struct jb_fault *fault)
{
	char actor[128];
	enum jb_step went = jb_engine_usable_from(request, host, fault);

	if (went == JB_STEP_DONE)
		went = jb_engine_live(request, fault);
	if (went != JB_STEP_DONE || request->status == JB_ACTIVE)
		return went;
	went = jb_engine_recheck(engine, request, now, fault);
	if (went != JB_STEP_DONE)
		return went;
	jb_engine_start_clock(engine, request, now);
	jb_engine_host_actor(host, actor, sizeof(actor));
	const struct jb_change change = {.to = JB_ACTIVE,
					 .action = "grant.started",
					 .actor = actor,
					 .detail = JB_NO_DETAIL,
					 .announce = others_listen(request)};
	return jb_engine_commit(engine, request, &change, now, fault);
}

int jb_engine_start(struct jb_engine *engine, const char *host, const char *id, int64_t now, struct jb_request **ret,
		    struct jb_fault *fault)
{
	return jb_engine_try(engine, host, id, start_step, (void *)(uintptr_t)host, now, ret, fault);
}

/* Withdraws what has not begun, ends what has; what is over stays as it is. */
static enum jb_step end_step(struct jb_engine *engine, struct jb_request *request, void *host, int64_t now,
			     struct jb_fault *fault)
{
	const bool active = request->status == JB_ACTIVE;
	char actor[128];

	if (jb_status_final(request->status))
		return JB_STEP_DONE;
	jb_engine_host_actor(host, actor, sizeof(actor));
	if (!jb_engine_set_text(&request->ended_by, actor) ||
	    (request->status == JB_PENDING && !jb_engine_set_text(&request->decided_by, actor)))
		return JB_STEP_REFUSED;
	const struct jb_change change = {.to = active ? JB_ENDED : JB_CANCELLED,
					 .action = active ? "grant.ended" : "request.cancelled",
					 .actor = actor,
					 .detail = JB_NO_DETAIL,
					 .announce = others_listen(request)};
	return jb_engine_commit(engine, request, &change, now, fault);
}

int jb_engine_cancel(struct jb_engine *engine, const char *host, const char *id, int64_t now, struct jb_request **ret,
		     struct jb_fault *fault)
{
	return jb_engine_try(engine, host, id, end_step, (void *)(uintptr_t)host, now, ret, fault);
}

int jb_engine_end(struct jb_engine *engine, const char *host, const char *id, int64_t now, struct jb_request **ret,
		  struct jb_fault *fault)
{
	return jb_engine_try(engine, host, id, end_step, (void *)(uintptr_t)host, now, ret, fault);
}

int jb_engine_changes(struct jb_engine *engine, const char *host, int64_t after, struct jb_request ***ret,
		      size_t *ret_count, int64_t *ret_next, struct jb_fault *fault)
{
	struct jb_changes changes;

	if (jb_store_changes(engine->store, host, after, CHANGES_MAX, &changes) < 0)
		return jb_engine_store_fault(engine, fault);
	*ret = changes.request;
	*ret_count = changes.count;
	*ret_next = changes.next;
	return 0;
}
