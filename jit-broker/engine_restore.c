/* After a store was restored: what was open in it ends, each in a transition of its own. */
#include <errno.h>
#include <stdlib.h>

#include "engine_private.h"

static enum jb_step end_step(struct jb_engine *engine, struct jb_request *request, void *arg, int64_t now,
			     struct jb_fault *fault)
{
	const bool pending = request->status == JB_PENDING;

	(void)arg;
	if (jb_status_final(request->status)) /* reading it has settled it */
		return JB_STEP_DONE;
	if ((pending && !jb_engine_set_text(&request->decided_by, "admin")) ||
	    !jb_engine_set_text(&request->ended_by, "admin") ||
	    !jb_engine_set_text(&request->comment, "the broker was restored from a back-up"))
		return JB_STEP_REFUSED;
	const struct jb_change change = {.to = pending ? JB_CANCELLED : JB_REVOKED,
					 .action = pending ? "request.cancelled" : "request.revoked",
					 .actor = "admin",
					 .detail = JB_DETAIL({"why", "the store was restored from a back-up"}),
					 .announce = true};
	return jb_engine_commit(engine, request, &change, now, fault);
}

int jb_engine_end_all(struct jb_engine *engine, int64_t now, size_t *ret_count, struct jb_fault *fault)
{
	const struct jb_query query = {.open_only = true, .status = -1};
	struct jb_request **found;
	size_t count;
	int r = 0;

	if (jb_store_find(engine->store, &query, &found, &count) < 0)
		return jb_engine_store_fault(engine, fault);
	for (size_t i = 0; i < count; i++) {
		struct jb_request *after = NULL;

		if (r == 0)
			r = jb_engine_try(engine, NULL, found[i]->id, end_step, NULL, now, &after, fault);
		jb_request_free(after);
		jb_request_free(found[i]);
	}
	free(found);
	*ret_count = count;
	return r;
}
