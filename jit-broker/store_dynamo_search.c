/*
 * Searches in the DynamoDB store. What is open is looked for in its own index, all
 * else in the list of all, newest first; what a query asks beside that is judged
 * by the records themselves.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "store_dynamo.h"

#define LOOK_MAX 5000 /* records that one search looks through */
#define PAGE	 100

/* What is gathered of a search. */
struct gather {
	struct jb_dynamodb *store;
	const struct jb_query *query;
	struct jb_request **found;
	size_t count;
};

/* What a search looks at: what every page shows of a request, and nothing (its code, its tokens) that none shows. */
static bool shows(const struct jb_request *r, const char *text)
{
	const char *const seen[] = {r->short_id, r->requester,	r->login_user, r->host,	  r->role,
				    r->service,	 r->target,	r->command,    r->reason, r->ticket,
				    r->comment,	 r->decided_by, r->ended_by,   r->rhost,  r->failure};

	for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++)
		if (seen[i] && strcasestr(seen[i], text))
			return true;
	return false;
}

static const char *filer_of(const struct jb_request *r)
{
	return r->filed_by ? r->filed_by : r->host;
}

static bool is_after_place(const struct jb_query *q, const struct jb_request *r)
{
	return r->requested_at < q->before_at ||
	       (r->requested_at == q->before_at && q->before_id && strcmp(r->id, q->before_id) < 0);
}

static bool matches(const struct jb_query *q, const struct jb_request *r)
{
	return (!q->host || strcmp(q->host, r->host) == 0 || strcmp(q->host, filer_of(r)) == 0) &&
	       (!q->filer || strcmp(q->filer, filer_of(r)) == 0) &&
	       (!q->requester || strcmp(q->requester, r->requester) == 0) &&
	       (!q->open_only || !jb_status_final(r->status)) && (q->status < 0 || (int)r->status == q->status) &&
	       (!q->due_until || jb_ddb_due(r) <= q->due_until) && (!q->before_at || is_after_place(q, r)) &&
	       (!q->text || shows(r, q->text));
}

static int gather(void *arg, json_object *item)
{
	struct gather *g = arg;
	struct jb_request *request;
	int r = jb_ddb_read_request(g->store, item, &request);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	struct jb_request **grown = reallocarray(g->found, g->count + 1, sizeof(struct jb_request *));
	if (grown)
		g->found = grown;
	if (!grown || !matches(g->query, request)) {
		jb_request_free(request);
		return grown ? 0 : -ENOMEM;
	}
	g->found[g->count++] = request;
	return 0;
}

static void gather_free(struct gather *g)
{
	for (size_t i = 0; i < g->count; i++)
		jb_request_free(g->found[i]);
	free(g->found);
}

static int newer_first(const void *a, const void *b)
{
	const struct jb_request *x = *(struct jb_request *const *)a, *y = *(struct jb_request *const *)b;

	if (x->requested_at != y->requested_at)
		return x->requested_at > y->requested_at ? -1 : 1;
	return strcmp(y->id, x->id);
}

static void cut(struct gather *g, size_t limit)
{
	while (limit && g->count > limit)
		jb_request_free(g->found[--g->count]);
}

/* What can be open alone is looked for there: by what is due first. */
static bool only_open(const struct jb_query *q)
{
	return q->open_only || q->due_until || (q->status >= 0 && !jb_status_final((enum jb_status)q->status));
}

static void add_filter(char *filter, size_t size, const char *clause)
{
	const size_t at = strlen(filter);

	snprintf(filter + at, size - at, "%s%s", at ? " AND " : "", clause);
}

/* A Query for what is open, by what never changes of a request; with_status: by its status too, as the index has it. */
static struct jb_doc ask_open(struct jb_dynamodb *store, const struct jb_query *q, bool with_status)
{
	struct jb_doc ask = jb_ddb_index(store, "open", JB_DDB_ONE, q->due_until ? "#due <= :due" : NULL);
	char filter[256] = "";

	if (q->due_until)
		jb_ask_number(&ask, ":due", q->due_until);
	if (q->host)
		add_filter(filter, sizeof(filter), "(#host = :host OR #filer = :host)");
	if (q->filer)
		add_filter(filter, sizeof(filter),
			   "(#filer = :from OR (#host = :from AND attribute_not_exists(#filer)))");
	if (q->requester)
		add_filter(filter, sizeof(filter), "#requester = :requester");
	if (with_status && q->status >= 0)
		add_filter(filter, sizeof(filter), "#status = :status");
	if (!*filter)
		return ask;
	jb_ask_expression(&ask, "FilterExpression", filter);
	if (q->host)
		jb_ask_text(&ask, ":host", q->host);
	if (q->filer)
		jb_ask_text(&ask, ":from", q->filer);
	if (q->requester)
		jb_ask_text(&ask, ":requester", q->requester);
	if (with_status && q->status >= 0)
		jb_ask_text(&ask, ":status", jb_status_name((enum jb_status)q->status));
	return ask;
}

static int find_open(struct gather *g)
{
	const struct jb_query *q = g->query;
	struct jb_ddb_keys keys = {0};
	JB_DOC ask = ask_open(g->store, q, false);
	int r = jb_ddb_query(g->store, &ask, jb_ddb_keep_key, &keys);

	/* Of what is due the first ones do: whoever asks asks again. */
	while (q->due_until && q->limit && keys.count > q->limit)
		free(keys.key[--keys.count]);
	if (r == 0)
		r = jb_ddb_items(g->store, &keys, gather, g);
	jb_ddb_keys_clear(&keys);
	if (r == 0 && g->count)
		qsort(g->found, g->count, sizeof(struct jb_request *), newer_first);
	cut(g, q->limit);
	return r;
}

/* One look at the list of all. */
struct look {
	struct jb_ddb_keys keys;
	char place[JB_DDB_PLACE_SIZE]; /* of the last of them; "": the beginning */
};

static int look_at(void *arg, json_object *item)
{
	struct look *look = arg;
	const char *place = jb_item_text(item, "place");
	int r = place ? jb_ddb_keep_key(&look->keys, item) : -EIO;

	if (r < 0)
		return r;
	snprintf(look->place, sizeof(look->place), "%s", place);
	return look->keys.count == PAGE; /* enough for one look */
}

/* The next PAGE ids, newest first, behind the place. */
static int look_on(struct jb_dynamodb *store, struct look *look)
{
	JB_DOC ask = jb_ddb_index(store, "list", "request", *look->place ? "#place < :place" : NULL);

	jb_ask_flag(&ask, "ScanIndexForward", false);
	jb_doc_put(&ask, "Limit", json_object_new_int(PAGE));
	if (*look->place)
		jb_ask_text(&ask, ":place", look->place);
	int r = jb_ddb_query(store, &ask, look_at, look);
	return r > 0 ? 0 : r;
}

static int find_all(struct gather *g)
{
	const struct jb_query *q = g->query;
	struct look look = {0};
	char at[JIT_ISO_SIZE];
	int r = 0;

	if (q->before_at) {
		jit_iso_format(q->before_at, at);
		snprintf(look.place, sizeof(look.place), "%s#%s", at, q->before_id ? q->before_id : "");
	}
	for (size_t looked = 0, count = PAGE; r == 0 && count == PAGE && (!q->limit || g->count < q->limit);) {
		r = look_on(g->store, &look);
		if (r == 0)
			r = jb_ddb_items(g->store, &look.keys, gather, g);
		count = look.keys.count;
		looked += count;
		jb_ddb_keys_clear(&look.keys);
		if (r == 0 && looked >= LOOK_MAX) {
			g->store->error = "too many records would have to be looked through; ask for less";
			r = -EIO;
		}
	}
	cut(g, q->limit);
	return r;
}

int jb_ddb_find(struct jb_store *base, const struct jb_query *query, struct jb_request ***ret, size_t *ret_count)
{
	struct gather g = {.store = jb_ddb_of(base),
			   .query = query,
			   .found = calloc(1, sizeof(struct jb_request *))}; /* never NULL for an empty answer */
	int r = !g.found ? -ENOMEM : only_open(query) ? find_open(&g) : find_all(&g);

	if (r < 0) {
		gather_free(&g);
		return -EIO;
	}
	*ret = g.found;
	*ret_count = g.count;
	return 0;
}

/* What is open is counted in the index: a write of the last moments may not be there yet. */
int jb_ddb_count_requests(struct jb_store *base, const struct jb_query *query, size_t *ret)
{
	struct jb_dynamodb *store = jb_ddb_of(base);
	struct jb_query all = *query;
	struct jb_request **found;

	all.limit = 0;
	if (only_open(query) && !query->text && !query->before_at) {
		JB_DOC ask = ask_open(store, query, true);

		return jb_ddb_count(store, &ask, ret) < 0 ? -EIO : 0;
	}
	int r = jb_ddb_find(base, &all, &found, ret);
	if (r < 0)
		return r;
	for (size_t i = 0; i < *ret; i++)
		jb_request_free(found[i]);
	free(found);
	return 0;
}
