/*
 * Sessions in the DynamoDB store: hashes alone; beginning and end stand in the
 * session's own item until they are sealed. One that is over leaves the list of
 * sessions at once, and the table with its last record.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_dynamo.h"

#define KEY_SIZE 40

static void key_of(const char *id, char key[static KEY_SIZE])
{
	snprintf(key, KEY_SIZE, "session:%s", id);
}

/* Ids and persons are names without quotes. */
static bool detail_of(char *buf, size_t size, const char *person, const char *how, const char *id)
{
	int n = snprintf(buf, size, "{\"person\":\"%s\",%s%s%s\"session\":\"%s\"}", person, how ? "\"how\":\"" : "",
			 how ? how : "", how ? "\"," : "", id);

	return n > 0 && (size_t)n < size;
}

static int session_add(struct jb_store *base, const struct jb_session_row *row)
{
	struct jb_dynamodb *store = jb_ddb_of(base);
	JB_DOC ask = jb_dynamo_ask(store->table);
	char key[KEY_SIZE], place[64], detail[512];
	const struct jb_audit audit = {
		.at = row->begun, .action = "session.begun", .actor = row->person, .detail = detail};
	const struct jb_ddb_change change = {
		.key = key,
		.set = "#person = :person, #how = :how, #hash = :hash, #begun = :begun, #used = :used, #list = :list, "
		       "#place = :place",
		.audit = &audit};

	if (!detail_of(detail, sizeof(detail), row->person, row->how, row->id))
		return -EINVAL;
	key_of(row->id, key);
	snprintf(place, sizeof(place), "%012lld#%s", (long long)row->begun, row->id);
	jb_ask_text(&ask, ":person", row->person);
	jb_ask_text(&ask, ":how", row->how);
	jb_ask_text(&ask, ":hash", row->hash);
	jb_ask_number(&ask, ":begun", row->begun);
	jb_ask_number(&ask, ":used", row->used);
	jb_ask_text(&ask, ":list", "session");
	jb_ask_text(&ask, ":place", place);
	return jb_ddb_insert(store, &ask, &change, row->begun);
}

/* False: there is none, or it is no such thing. */
static bool copy(char *buf, size_t size, const char *text)
{
	return text && snprintf(buf, size, "%s", text) < (int)size;
}

/* False: it is over. */
static bool read_row(json_object *item, struct jb_session_row *ret)
{
	*ret = (struct jb_session_row){.begun = jb_item_number(item, "begun", 0),
				       .used = jb_item_number(item, "used", 0)};
	return jb_item_text(item, "list") && copy(ret->id, sizeof(ret->id), jb_item_key(item, "session")) &&
	       copy(ret->person, sizeof(ret->person), jb_item_text(item, "person")) &&
	       copy(ret->how, sizeof(ret->how), jb_item_text(item, "how")) &&
	       copy(ret->hash, sizeof(ret->hash), jb_item_text(item, "hash"));
}

static int session_get(struct jb_store *base, const char *id, struct jb_session_row *ret)
{
	JIT_JSON json_object *item = NULL;
	char key[KEY_SIZE];

	key_of(id, key);
	int r = jb_ddb_get(jb_ddb_of(base), key, &item);
	return r < 0 ? r : read_row(item, ret) ? 0 : -ENOENT;
}

static int session_end(struct jb_store *base, const char *id, const char *actor, int64_t now)
{
	struct jb_dynamodb *store = jb_ddb_of(base);
	JB_DOC ask = jb_dynamo_ask(store->table);
	struct jb_session_row row;
	char key[KEY_SIZE], detail[512];
	const struct jb_audit audit = {.at = now, .action = "session.ended", .actor = actor, .detail = detail};
	const struct jb_ddb_change change = {.key = key,
					     .condition = "attribute_exists(#list)",
					     .set = "#forgetAt = :forget",
					     .remove = "#list, #place, #hash",
					     .audit = &audit};
	int r = session_get(base, id, &row);

	if (r < 0)
		return r;
	if (!detail_of(detail, sizeof(detail), row.person, NULL, id))
		return -EINVAL;
	key_of(id, key);
	jb_ask_number(&ask, ":forget", now);
	r = jb_ddb_write(store, &ask, &change);
	return r == -ECANCELED ? -ENOENT : r;
}

static int session_use(struct jb_store *base, const char *id, int64_t now)
{
	struct jb_dynamodb *store = jb_ddb_of(base);
	JB_DOC ask = jb_dynamo_ask(store->table);
	char key[KEY_SIZE];
	const struct jb_ddb_change change = {
		.key = key, .condition = "attribute_exists(#list)", .set = "#used = :used"};

	key_of(id, key);
	jb_ask_number(&ask, ":used", now);
	int r = jb_ddb_write(store, &ask, &change);
	return r == -ECANCELED ? 0 : r; /* over meanwhile */
}

struct visit {
	struct jb_dynamodb *store;
	const char *person; /* NULL: everybody's */
	int64_t after, begun, used;
	size_t count;
	void (*each)(void *arg, const struct jb_session_row *row);
	void *arg;
};

/* Each session that is not over, oldest first. */
static int visit_all(struct visit *visit, jb_ddb_each each)
{
	struct jb_ddb_keys keys = {0};
	JB_DOC ask = jb_ddb_index(visit->store, "list", "session", NULL);
	int r = jb_ddb_query(visit->store, &ask, jb_ddb_keep_key, &keys);

	if (r == 0)
		r = jb_ddb_items(visit->store, &keys, each, visit);
	jb_ddb_keys_clear(&keys);
	return r < 0 ? -EIO : 0;
}

static int count_row(void *arg, json_object *item)
{
	struct visit *visit = arg;
	struct jb_session_row row;

	visit->count += read_row(item, &row) && strcmp(row.person, visit->person) == 0 && row.begun > visit->after;
	return 0;
}

static int session_count(struct jb_store *base, const char *person, int64_t after, size_t *ret)
{
	struct visit visit = {.store = jb_ddb_of(base), .person = person, .after = after};
	int r = visit_all(&visit, count_row);

	if (r == 0)
		*ret = visit.count;
	return r;
}

static int prune_row(void *arg, json_object *item)
{
	struct visit *visit = arg;
	struct jb_session_row row;

	if (!read_row(item, &row) || (row.begun > visit->begun && row.used > visit->used))
		return 0;
	int r = jb_ddb_delete(visit->store, jb_item_text(item, "requestId"));
	return r == -ECANCELED ? 0 : r; /* its record is not sealed yet: the next time */
}

static int session_prune(struct jb_store *base, int64_t begun, int64_t used)
{
	struct visit visit = {.store = jb_ddb_of(base), .begun = begun, .used = used};

	return visit_all(&visit, prune_row);
}

static int tell_row(void *arg, json_object *item)
{
	struct visit *visit = arg;
	struct jb_session_row row;

	if (read_row(item, &row) && (!visit->person || strcmp(row.person, visit->person) == 0))
		visit->each(visit->arg, &row);
	return 0;
}

static int session_list(struct jb_store *base, const char *person,
			void (*each)(void *arg, const struct jb_session_row *row), void *arg)
{
	struct visit visit = {.store = jb_ddb_of(base), .person = person, .each = each, .arg = arg};

	return visit_all(&visit, tell_row);
}

const struct jb_session_ops jb_ddb_sessions = {
	.add = session_add,
	.end = session_end,
	.get = session_get,
	.use = session_use,
	.count = session_count,
	.prune = session_prune,
	.list = session_list,
};
