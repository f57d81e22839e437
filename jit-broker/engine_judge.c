/*
 * Live grants under another configuration: a rule that is taken away ends what it
 * gave, whether or not anybody asks for credentials under it. Judged are all of
 * them, some at each tick, after a start (the file may have changed meanwhile) and
 * after a reload.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine_private.h"

#define JUDGED_AT_ONCE 50 /* records in one tick: others wait for no more than that */

/* One that is approved becomes active only by a use, which judges it as well: none is missed between the two. */
static const enum jb_status judged[] = {JB_ACTIVE, JB_APPROVED};
#define JUDGED_COUNT (sizeof(judged) / sizeof(judged[0]))

void jb_engine_judge_anew(struct jb_engine *engine)
{
	engine->judging = (struct jb_judging){.left = JUDGED_COUNT};
}

static enum jb_step judge_step(struct jb_engine *engine, struct jb_request *request, void *arg, int64_t now,
			       struct jb_fault *fault)
{
	(void)arg;
	if (request->status != JB_APPROVED && request->status != JB_ACTIVE)
		return JB_STEP_DONE;
	struct jb_decision d = jb_policy_allows(engine->conf, request, NULL, now);
	return d.allowed ? JB_STEP_DONE : jb_engine_end_by_policy(engine, request, &d, now, fault);
}

/* 0, or -EIO: what was not written is judged again. */
static int judge(struct jb_engine *engine, const struct jb_request *request, int64_t now)
{
	struct jb_request *after = NULL;
	struct jb_fault fault;

	if (jb_policy_allows(engine->conf, request, NULL, now).allowed)
		return 0;
	int r = jb_engine_try(engine, NULL, request->id, judge_step, NULL, now, &after, &fault);
	jb_request_free(after);
	return r < 0 && fault.http != 404 ? -EIO : 0;
}

/* The next ones of one state; *ret_count: how many there were. */
static int judge_some(struct jb_engine *engine, int64_t now, size_t *ret_count)
{
	struct jb_judging *judging = &engine->judging;
	const struct jb_query query = {.status = (int)judged[JUDGED_COUNT - judging->left],
				       .limit = JUDGED_AT_ONCE,
				       .before_at = judging->place.at,
				       .before_id = judging->place.id};
	struct jb_request **found;
	size_t count;
	int r = 0;

	if (jb_store_find(engine->store, &query, &found, &count) < 0)
		return -EIO;
	for (size_t i = 0; i < count; i++) {
		if (r == 0)
			r = judge(engine, found[i], now);
		if (r == 0) {
			judging->place.at = found[i]->requested_at;
			memcpy(judging->place.id, found[i]->id, sizeof(judging->place.id));
		}
		jb_request_free(found[i]);
	}
	free(found);
	*ret_count = count;
	return r;
}

int jb_engine_judge_some(struct jb_engine *engine, int64_t now)
{
	size_t count = 0;
	int r = 0;

	while (r == 0 && count < JUDGED_AT_ONCE && engine->judging.left > 0) {
		r = judge_some(engine, now, &count);
		if (r == 0 && count < JUDGED_AT_ONCE)
			engine->judging = (struct jb_judging){.left = engine->judging.left - 1};
	}
	return r < 0 ? r : engine->judging.left > 0;
}
