/* Looking back: the requests that one person may see, filtered and page by page. */
#include <stdio.h>
#include <stdlib.h>

#include "engine_private.h"

#define LOOK_AT	    200	 /* records at once */
#define LOOK_AT_MAX 1000 /* in one call: what a page may cost */

struct search {
	struct jb_query query;
	const char *person;
	size_t limit, kept, seen;
	struct jb_request **found; /* `limit` places */
	struct jb_place *place;
	bool over;
};

static bool may_see(const struct jb_conf *conf, const struct jb_request *request, const char *name)
{
	const struct jb_person *person = jb_conf_person(conf, name);

	return person && (jb_policy_is_own(conf, request, person) || jb_policy_may_revoke(conf, request, name).allowed);
}

/* The next records, of which those are kept that count; the place moves behind the last one that was looked at. */
static int look(struct jb_engine *engine, struct search *search)
{
	struct jb_request **batch;
	size_t count;

	search->query.before_at = search->place->at;
	search->query.before_id = search->place->id;
	int r = jb_store_find(engine->store, &search->query, &batch, &count);
	if (r < 0)
		return r;
	search->over = count < search->query.limit;
	for (size_t i = 0; i < count; i++) {
		struct jb_request *request = batch[i];
		const bool full = search->kept == search->limit;

		if (!full) {
			search->seen++;
			search->place->at = request->requested_at;
			snprintf(search->place->id, sizeof(search->place->id), "%s", request->id);
		} else {
			search->over = false;
		}
		if (!full && may_see(engine->conf, request, search->person))
			search->found[search->kept++] = request;
		else
			jb_request_free(request);
	}
	free(batch);
	return 0;
}

int jb_engine_search(struct jb_engine *engine, const char *person, const char *status, const char *text, size_t limit,
		     struct jb_place *place, struct jb_request ***ret, size_t *ret_count, struct jb_fault *fault)
{
	struct search search = {.query = {.status = -1, .limit = LOOK_AT, .text = text},
				.person = person,
				.limit = limit,
				.place = place};
	enum jb_status wanted;
	int r = 0;

	if (status) {
		if (!jb_status_parse(status, &wanted))
			return jb_engine_fault(fault, 400, "request.field", "there is no status of that name");
		search.query.status = (int)wanted;
	}
	search.found = calloc(limit, sizeof(struct jb_request *));
	if (!search.found)
		return jb_engine_fault(fault, 503, "store.unavailable", "the broker is out of memory; try again");
	while (r == 0 && !search.over && search.kept < limit && search.seen < LOOK_AT_MAX)
		r = look(engine, &search);
	if (r < 0) {
		for (size_t i = 0; i < search.kept; i++)
			jb_request_free(search.found[i]);
		free(search.found);
		return jb_engine_store_fault(engine, fault);
	}
	if (search.over)
		place->at = 0;
	*ret = search.found;
	*ret_count = search.kept;
	return 0;
}
