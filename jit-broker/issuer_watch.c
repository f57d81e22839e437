/* See issuer_watch.h. */
#include "issuer_watch.h"

#include <errno.h>
#include <stdlib.h>

#include "clock.h"

const double jb_issue_bounds[JB_ISSUE_BUCKETS - 1] = {0.05, 0.1, 0.25, 0.5, 1, 2.5, 10};

struct watch {
	struct jb_issuer issuer;
	struct jb_issuer *inner;
	struct jb_issue_stats stats;
	struct watched *calls;
};

struct watched {
	struct watch *watch;
	struct watched *prev, *next;
	int64_t began_ms;
	jb_issued done;
	void *arg;
};

static void watched_free(struct watched *call)
{
	if (call->prev)
		call->prev->next = call->next;
	else
		call->watch->calls = call->next;
	if (call->next)
		call->next->prev = call->prev;
	free(call);
}

static void count(struct jb_issue_stats *stats, const struct jb_issue *issue, int64_t ms)
{
	double seconds = (double)ms / 1000;
	size_t i = 0;

	while (i < JB_ISSUE_BUCKETS - 1 && seconds > jb_issue_bounds[i])
		i++;
	stats->bucket[i]++;
	stats->seconds += seconds;
	if (issue->credentials)
		stats->issued++;
	else if (issue->passing)
		stats->failed++;
	else
		stats->refused++;
	stats->failing_since = !issue->credentials && issue->passing ? jit_boottime_ms() : 0;
}

static void on_issued(void *arg, const struct jb_issue *issue)
{
	struct watched *call = arg;
	jb_issued done = call->done;
	void *done_arg = call->arg;

	count(&call->watch->stats, issue, jit_boottime_ms() - call->began_ms);
	watched_free(call);
	done(done_arg, issue);
}

static int watch_issue(struct jb_issuer *issuer, const struct jb_request *request, const struct jb_role *role,
		       int64_t now, jb_issued done, void *arg)
{
	struct watch *watch = (struct watch *)issuer;
	struct watched *call = calloc(1, sizeof(*call));

	if (!call)
		return -ENOMEM;
	*call = (struct watched){
		.watch = watch, .next = watch->calls, .began_ms = jit_boottime_ms(), .done = done, .arg = arg};
	if (call->next)
		call->next->prev = call;
	watch->calls = call;
	int r = jb_issuer_issue(watch->inner, request, role, now, on_issued, call);
	if (r < 0)
		watched_free(call);
	return r;
}

static void watch_free(struct jb_issuer *issuer)
{
	struct watch *watch = (struct watch *)issuer;

	jb_issuer_free(watch->inner);
	while (watch->calls)
		watched_free(watch->calls);
	free(watch);
}

struct jb_issuer *jb_issuer_watch_new(struct jb_issuer *inner)
{
	struct watch *watch = inner ? calloc(1, sizeof(*watch)) : NULL;

	if (!watch) {
		jb_issuer_free(inner);
		return NULL;
	}
	/* Not instant: the calls of a process can wait. */
	watch->issuer = (struct jb_issuer){.issue = watch_issue, .free = watch_free};
	watch->inner = inner;
	return &watch->issuer;
}

const struct jb_issue_stats *jb_issuer_watch_stats(const struct jb_issuer *issuer)
{
	return &((const struct watch *)issuer)->stats;
}
