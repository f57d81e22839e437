/*
 * What has changed, in the DynamoDB store: for hosts that ask with a cursor, and for
 * pages and callers of this process that wait for what another one writes.
 *
 * Nothing counts writes here. A write has a stamp of its writer's clock; it may
 * come after one with a later stamp, and an index may show it later still. So
 * whoever looks for news looks back over a window too. A host's cursor is the stamp
 * of the last change it was told, and a digest of all the stamps in the window
 * before it: where that window looks different the next time it is told again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store_dynamo.h"

#define AHEAD_MS 60000 /* a cursor that is so far in the future is none of ours */
#define LOW_BITS ((1 << JB_DDB_STAMP_BITS) - 1)

struct change {
	int64_t stamp;
	char *id;
};

struct change_list {
	const char *range; /* the attribute that is the stamp */
	struct change *change;
	size_t count;
};

int64_t jb_ddb_stamp(int64_t ms, const struct jb_request *request)
{
	uint32_t mixed = 2166136261U ^ (uint32_t)request->version; /* FNV-1a */

	for (const char *id = request->id; *id; id++)
		mixed = (mixed ^ (unsigned char)*id) * 16777619U;
	return ms << JB_DDB_STAMP_BITS | (mixed & LOW_BITS);
}

static int64_t ms_of(int64_t stamp)
{
	return stamp >> JB_DDB_STAMP_BITS;
}

static int add_change(void *arg, json_object *item)
{
	struct change_list *list = arg;
	const char *id = jb_item_text(item, "requestId");
	const int64_t stamp = jb_item_number(item, list->range, -1);
	struct change *grown = reallocarray(list->change, list->count + 1, sizeof(*grown));

	if (grown)
		list->change = grown;
	if (!grown || !id || stamp < 0 || !(grown[list->count].id = strdup(id)))
		return -ENOMEM;
	grown[list->count++].stamp = stamp;
	return 0;
}

static void list_clear(struct change_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->change[i].id);
	free(list->change);
	*list = (struct change_list){0};
}

static int by_stamp(const void *a, const void *b)
{
	const struct change *x = a, *y = b;

	return x->stamp < y->stamp ? -1 : x->stamp > y->stamp;
}

/* Everything in that index with a stamp after that instant, in order. */
static int list_after(struct jb_dynamodb *store, const char *index, const char *value, int64_t after_ms,
		      struct change_list *list)
{
	const bool feed = strcmp(index, "feed") == 0;
	JB_DOC ask = jb_ddb_index(store, index, value, feed ? "#written > :after" : "#changed > :after");

	list->range = feed ? "written" : "changed";
	jb_ask_number(&ask, ":after", after_ms << JB_DDB_STAMP_BITS | LOW_BITS);
	int r = jb_ddb_query(store, &ask, add_change, list);
	if (r == 0 && list->count)
		qsort(list->change, list->count, sizeof(*list->change), by_stamp);
	return r;
}

/* A host is concerned by what is good there and by what it filed. */
static int list_of_host(struct jb_dynamodb *store, const char *host, int64_t after_ms, struct change_list *list)
{
	int r = list_after(store, "host", host, after_ms, list);

	return r < 0 ? r : list_after(store, "filer", host, after_ms, list);
}

/* The instant, and a digest of what stands in the window before it. */
static int64_t cursor_at(const struct change_list *list, int64_t ms)
{
	uint64_t mixed = 1469598103934665603U; /* FNV-1a over the stamps */

	for (size_t i = 0; i < list->count; i++) {
		const struct change *c = &list->change[i];

		if (ms_of(c->stamp) <= ms - JB_DDB_HOST_WINDOW_MS || ms_of(c->stamp) > ms)
			continue;
		for (int byte = 0; byte < 8; byte++)
			mixed = (mixed ^ (uint64_t)(c->stamp >> byte * 8 & 255)) * 1099511628211U;
	}
	return ms << JB_DDB_STAMP_BITS | (int64_t)(mixed >> 20 & LOW_BITS);
}

struct reader {
	struct jb_dynamodb *store;
	struct jb_changes *changes;
};

static int read_change(void *arg, json_object *item)
{
	struct reader *reader = arg;
	struct jb_changes *changes = reader->changes;
	struct jb_request *request;
	int r = jb_ddb_read_request(reader->store, item, &request);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	struct jb_request **grown = reallocarray(changes->request, changes->count + 2, sizeof(struct jb_request *));
	if (!grown) {
		jb_request_free(request);
		return -ENOMEM;
	}
	changes->request = grown;
	grown[changes->count++] = request;
	return 0;
}

/* Of the changes those from `from` up to `to`, as they are now. */
static int read_changes(struct jb_dynamodb *store, const struct change_list *list, size_t from, size_t to,
			struct jb_changes *ret)
{
	struct reader reader = {store, ret};
	struct jb_ddb_keys keys = {.key = calloc(to - from + 1, sizeof(char *)), .count = to - from};
	int r = -ENOMEM;

	*ret = (struct jb_changes){.request = calloc(1, sizeof(struct jb_request *))};
	if (!keys.key || !ret->request)
		goto out;
	for (size_t i = from; i < to; i++)
		keys.key[i - from] = list->change[i].id;
	r = jb_ddb_items(store, &keys, read_change, &reader);
out:
	free(keys.key); /* the ids are the list's */
	if (r == 0)
		return 0;
	for (size_t i = 0; i < ret->count; i++)
		jb_request_free(ret->request[i]);
	free(ret->request);
	*ret = (struct jb_changes){0};
	return r;
}

/* All that is open, and the cursor that was true before it was read. */
static int all_open(struct jb_store *base, const char *host, struct jb_changes *ret)
{
	const struct jb_query query = {.host = host, .status = -1, .open_only = true};
	const int64_t now = jb_ddb_now_ms();
	struct change_list list = {0};
	int r = list_of_host(jb_ddb_of(base), host, now - JB_DDB_HOST_WINDOW_MS, &list);

	if (r == 0) {
		ret->next = cursor_at(&list, now);
		r = base->ops->request->find(base, &query, &ret->request, &ret->count);
	}
	list_clear(&list);
	return r;
}

int jb_ddb_changes(struct jb_store *base, const char *host, int64_t after, size_t limit, struct jb_changes *ret)
{
	struct jb_dynamodb *store = jb_ddb_of(base);
	struct change_list list = {0};
	const int64_t told = ms_of(after);

	if (after < 0 || told > jb_ddb_now_ms() + AHEAD_MS)
		return all_open(base, host, ret) < 0 ? -EIO : 0;
	int r = list_of_host(store, host, told - JB_DDB_HOST_WINDOW_MS, &list);
	if (r < 0)
		goto out;
	size_t told_until = 0, from, to;
	while (told_until < list.count && ms_of(list.change[told_until].stamp) <= told)
		told_until++;
	/* A window that is told again is told whole: the limit is for what is new. */
	from = cursor_at(&list, told) == after ? told_until : 0;
	to = list.count - told_until > limit ? told_until + limit : list.count;
	/* The cursor stands between milliseconds. */
	while (to > told_until && to < list.count && ms_of(list.change[to].stamp) == ms_of(list.change[to - 1].stamp))
		to++;
	r = read_changes(store, &list, from, to, ret);
	if (r == 0)
		ret->next = cursor_at(&list, to > told_until ? ms_of(list.change[to - 1].stamp) : told);
out:
	list_clear(&list);
	return r < 0 ? -EIO : 0;
}

/* Where that stamp stands among those that have been told of, or would. */
static size_t place_of(const struct jb_ddb_seen *seen, int64_t stamp)
{
	size_t at = seen->count;

	while (at > 0 && seen->stamp[at - 1] >= stamp)
		at--;
	return at;
}

static bool is_seen(const struct jb_ddb_seen *seen, int64_t stamp)
{
	const size_t at = place_of(seen, stamp);

	return at < seen->count && seen->stamp[at] == stamp;
}

void jb_ddb_wrote(struct jb_dynamodb *store, int64_t stamp)
{
	struct jb_ddb_seen *seen = &store->seen;
	int64_t *grown;

	if (!store->watched || is_seen(seen, stamp) ||
	    !(grown = reallocarray(seen->stamp, seen->count + 1, sizeof(*grown)))) /* at worst it is told twice */
		return;
	seen->stamp = grown;
	const size_t at = place_of(seen, stamp);
	memmove(grown + at + 1, grown + at, (seen->count - at) * sizeof(*grown));
	grown[at] = stamp;
	seen->count++;
}

/* What is older than anything that a look at the index still shows. */
static void forget_seen(struct jb_ddb_seen *seen, int64_t before_ms)
{
	const size_t old = place_of(seen, before_ms << JB_DDB_STAMP_BITS);

	seen->count -= old;
	memmove(seen->stamp, seen->stamp + old, seen->count * sizeof(*seen->stamp));
}

int jb_ddb_watch(struct jb_dynamodb *store, jb_store_news each, void *arg)
{
	const int64_t now = jb_ddb_now_ms(), since = store->watched;
	struct change_list list = {0}, news = {0};
	struct jb_changes changes = {0};

	store->watched = now;
	if (!since)
		return 0;
	int r = list_after(store, "feed", JB_DDB_ONE, since - JB_DDB_WINDOW_MS, &list);
	news.change = calloc(list.count + 1, sizeof(*news.change));
	if (r == 0 && !news.change)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < list.count; i++)
		if (!is_seen(&store->seen, list.change[i].stamp))
			news.change[news.count++] = list.change[i];
	if (r == 0 && news.count)
		r = read_changes(store, &news, 0, news.count, &changes);
	if (r < 0)
		store->watched = since;
	for (size_t i = 0; r == 0 && i < news.count; i++)
		jb_ddb_wrote(store, news.change[i].stamp);
	if (r == 0 && store->seen.count)
		forget_seen(&store->seen, now - 2 * JB_DDB_WINDOW_MS);
	for (size_t i = 0; r == 0 && i < changes.count; i++) {
		each(arg, changes.request[i]);
		jb_request_free(changes.request[i]);
	}
	free(changes.request);
	free(news.change); /* the ids are the list's */
	list_clear(&list);
	return r;
}
