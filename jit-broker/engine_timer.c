/*
 * What happens because nothing happened: deadlines that pass, hosts that fall
 * silent, records that are old enough to be forgotten.
 *
 * Silence is counted from when a host was last heard of by this process, at the
 * earliest from the process's own start: a broker that was away must not cancel
 * what waited for it, nor one that was stopped, suspended or set to another
 * time (jb_engine_awake). It is kept in memory, one entry for each host that has a
 * key; where several processes serve one store, the store knows whom the others
 * have heard.
 */
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "engine_private.h"

#define SILENT_S     30	  /* a host that says nothing for so long is gone */
#define TELL_MAX_S   3600 /* a store that need not be told is asked again by then */
#define EXPIRE_BATCH 100  /* records read at once */

struct host {
	char *name;
	int64_t heard;
	int64_t told; /* until when the store need not hear of it again */
	bool swept;   /* its waiting requests have been cancelled since */
};

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct host *)a)->name, ((const struct host *)b)->name);
}

static void host_free(void *node)
{
	struct host *host = node;

	free(host->name);
	free(host);
}

static struct host *host_of(struct jb_engine *engine, const char *name)
{
	struct host wanted = {.name = (char *)(uintptr_t)name};
	void *found = tfind(&wanted, &engine->hosts, compare);

	if (found)
		return *(struct host **)found;
	struct host *host = calloc(1, sizeof(*host));
	if (!host || !(host->name = strdup(name)) || !tsearch(host, &engine->hosts, compare)) {
		if (host)
			host_free(host);
		return NULL;
	}
	return host;
}

static bool is_known(struct jb_engine *engine, const char *name)
{
	struct host wanted = {.name = (char *)(uintptr_t)name};

	return tfind(&wanted, &engine->hosts, compare) != NULL;
}

void jb_engine_hosts_free(struct jb_engine *engine)
{
	tdestroy(engine->hosts, host_free);
	engine->hosts = NULL;
}

/* NULL: out of memory; at worst the host's waiting requests live until their own deadline. */
static struct host *hear(struct jb_engine *engine, const char *name, int64_t now)
{
	struct host *host = host_of(engine, name);

	if (!host)
		return NULL;
	if (now > host->heard)
		host->heard = now;
	host->swept = false;
	return host;
}

void jb_engine_heard(struct jb_engine *engine, const char *name, int64_t now)
{
	struct host *host = hear(engine, name, now);

	if (!host || (now < host->told && now >= host->told - TELL_MAX_S))
		return;
	/* Not told: whoever else serves this host asks for it later than they could. */
	const int enough = jb_store_heard(engine->store, name, now);
	host->told = now + (enough < 0 ? 0 : enough < TELL_MAX_S ? enough : TELL_MAX_S);
}

void jb_engine_awake(struct jb_engine *engine, int64_t now)
{
	engine->awake = now;
}

static const char *filer_of(const struct jb_request *request)
{
	return request->filed_by ? request->filed_by : request->host;
}

static void free_all(struct jb_request **requests, size_t count)
{
	for (size_t i = 0; i < count; i++)
		jb_request_free(requests[i]);
	free(requests);
}

/* Hosts that left requests waiting when the broker stopped get their 30 s from now. */
int jb_engine_hosts_load(struct jb_engine *engine, int64_t now)
{
	const struct jb_query query = {.status = (int)JB_PENDING};
	struct jb_request **found;
	size_t count;

	if (jb_store_find(engine->store, &query, &found, &count) < 0)
		return -EIO;
	for (size_t i = 0; i < count; i++)
		hear(engine, filer_of(found[i]), now);
	free_all(found, count);
	return 0;
}

int jb_engine_ask_of_hosts(struct jb_engine *engine, int64_t now)
{
	const struct jb_query query = {.status = (int)JB_PENDING};
	struct jb_request **found;
	size_t count;
	int r = 0;

	if (jb_store_find(engine->store, &query, &found, &count) < 0)
		return -EIO;
	for (size_t i = 0; r == 0 && i < count; i++) {
		int64_t at = 0;

		r = jb_store_last_heard(engine->store, filer_of(found[i]), &at);
		/* One of which the store knows nothing counts from when this process hears of it first. */
		if (r == 0 && (at > 0 || !is_known(engine, filer_of(found[i]))))
			hear(engine, filer_of(found[i]), at > 0 ? at : now);
	}
	free_all(found, count);
	return r < 0 ? -EIO : 0;
}

/* Resume: ssh's second connection takes it up. Without a key: a caller that never polls. */
static enum jb_step silent_step(struct jb_engine *engine, struct jb_request *request, void *arg, int64_t now,
				struct jb_fault *fault)
{
	(void)arg;
	if (request->status != JB_PENDING || request->resume || !request->public_key)
		return JB_STEP_DONE;
	if (!jb_engine_set_text(&request->decided_by, "timer") || !jb_engine_set_text(&request->ended_by, "timer"))
		return JB_STEP_REFUSED;
	const struct jb_change change = {.to = JB_CANCELLED,
					 .action = "request.cancelled",
					 .actor = "timer",
					 .detail = JB_DETAIL({"why", "the host fell silent"}),
					 .announce = true};
	return jb_engine_commit(engine, request, &change, now, fault);
}

struct sweep {
	int64_t now;
	int64_t awake;
	int64_t next; /* when the next host will have been silent for too long */
	struct host **silent;
	size_t count;
	bool failed;
};

static int cancel_silent(struct jb_engine *engine, const char *name, int64_t now)
{
	const struct jb_query query = {.host = name, .status = (int)JB_PENDING};
	struct jb_request **found;
	struct jb_fault fault;
	size_t count;
	int r = 0;

	if (jb_store_find(engine->store, &query, &found, &count) < 0)
		return -EIO;
	for (size_t i = 0; i < count; i++) {
		struct jb_request *after = NULL;

		if (strcmp(filer_of(found[i]), name) != 0)
			continue;
		if (jb_engine_try(engine, NULL, found[i]->id, silent_step, NULL, now, &after, &fault) < 0)
			r = -EIO;
		jb_request_free(after);
	}
	free_all(found, count);
	return r;
}

static void visit(const void *node, VISIT which, void *arg)
{
	struct host *host = *(struct host *const *)node;
	struct sweep *sweep = arg;

	if ((which != postorder && which != leaf) || host->swept)
		return;
	int64_t gone = (host->heard > sweep->awake ? host->heard : sweep->awake) + SILENT_S;
	if (gone > sweep->now) {
		if (gone < sweep->next)
			sweep->next = gone;
		return;
	}
	struct host **grown = reallocarray(sweep->silent, sweep->count + 1, sizeof(struct host *));
	if (!grown) {
		sweep->failed = true;
		return;
	}
	sweep->silent = grown;
	sweep->silent[sweep->count++] = host;
}

/* Silent here: has it spoken to another process meanwhile? Where the store cannot say, nobody is cancelled. */
static bool spoke_elsewhere(struct jb_engine *engine, struct host *host, struct sweep *sweep)
{
	int64_t at;

	if (jb_store_last_heard(engine->store, host->name, &at) < 0) {
		sweep->failed = true;
		return true;
	}
	if (at <= host->heard || at + SILENT_S <= sweep->now)
		return false;
	host->heard = at;
	if (at + SILENT_S < sweep->next)
		sweep->next = at + SILENT_S;
	return true;
}

/* The tree is walked first and left alone then: whoever is told of a change may call back into the engine. */
static void sweep_hosts(struct jb_engine *engine, struct sweep *sweep)
{
	twalk_r(engine->hosts, visit, sweep);
	for (size_t i = 0; i < sweep->count; i++) {
		if (spoke_elsewhere(engine, sweep->silent[i], sweep))
			continue;
		if (cancel_silent(engine, sweep->silent[i]->name, sweep->now) < 0)
			sweep->failed = true;
		else
			sweep->silent[i]->swept = true;
	}
	free(sweep->silent);
}

/* Everything open whose instant has come. 0, or -EIO when something could not be written. */
static int expire_due(struct jb_engine *engine, int64_t now)
{
	const struct jb_query query = {.open_only = true, .status = -1, .due_until = now, .limit = EXPIRE_BATCH};
	struct jb_fault fault;
	size_t count = EXPIRE_BATCH;

	while (count == EXPIRE_BATCH) {
		struct jb_request **found;
		bool failed = false;

		if (jb_store_find(engine->store, &query, &found, &count) < 0)
			return -EIO;
		for (size_t i = 0; i < count; i++) {
			struct jb_request *after = NULL;

			/* Without a step: reading it settles it. */
			failed |= jb_engine_try(engine, NULL, found[i]->id, NULL, NULL, now, &after, &fault) < 0;
			jb_request_free(after);
		}
		free_all(found, count);
		if (failed)
			return -EIO;
	}
	return 0;
}

int64_t jb_engine_tick(struct jb_engine *engine, int64_t now)
{
	struct sweep sweep = {.now = now, .awake = engine->awake, .next = INT64_MAX};
	int64_t due = INT64_MAX;
	int r = expire_due(engine, now);
	int more = 0;

	if (r == 0)
		r = more = jb_engine_judge_some(engine, now);
	sweep_hosts(engine, &sweep);
	if (r >= 0)
		r = jb_store_prune(engine->store, now);
	if (r == 0)
		r = jb_store_next_due(engine->store, &due);
	if (r < 0 || sweep.failed) /* the store is in trouble: again soon, what is due stays due */
		return now + 1;
	if (more)
		return now;
	return due < sweep.next ? due : sweep.next;
}
