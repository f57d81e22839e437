/* Requests in the DynamoDB store: each write conditional on what was read, its audit record in the same item. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "json_read.h"
#include "store_dynamo.h"
#include "uuid.h"

#define SLOW_MS 1000 /* a write that took longer is announced once more */

/* When this record changes by itself. */
int64_t jb_ddb_due(const struct jb_request *request)
{
	switch (request->status) {
	case JB_PENDING:
		return request->pending_until;
	case JB_APPROVED:
		return request->use_until;
	default:
		return request->granted_until;
	}
}

static void put_document(struct jb_doc *ask, const struct jb_request *request)
{
	JIT_JSON json_object *json = jb_request_to_json(request);
	const char *text = jit_json_text(json, NULL);

	if (text)
		jb_ask_text(ask, ":doc", text);
	else
		jb_doc_clear(ask);
}

/* What every write sets, and what it takes away. */
#define SET_ALWAYS "#doc = :doc, #version = :version, #status = :status, #feed = :one, #written = :written"

static void put_always(struct jb_doc *ask, const struct jb_request *request, int64_t written)
{
	put_document(ask, request);
	jb_ask_number(ask, ":version", (int64_t)request->version);
	jb_ask_text(ask, ":status", jb_status_name(request->status));
	jb_ask_number(ask, ":written", written);
}

/* ", #changed = …" and what stands for being open, or over. */
static void put_state(struct jb_doc *ask, const struct jb_request *request, bool announce, char *set, size_t size,
		      const char **ret_remove)
{
	const bool over = jb_status_final(request->status);

	if (announce)
		jb_ask_number(ask, ":changed", (int64_t)request->changed);
	jb_ask_number(ask, ":due", over ? request->expires_at : jb_ddb_due(request));
	snprintf(set, size, "%s%s%s", SET_ALWAYS, announce ? ", #changed = :changed" : "",
		 over ? ", #forgetAt = :due" : ", #due = :due, #open = :one");
	*ret_remove = over ? "#open, #due" : NULL;
}

static void put_once(struct jb_doc *ask, const struct jb_request *request)
{
	char at[JIT_ISO_SIZE], place[JB_DDB_PLACE_SIZE];

	jit_iso_format(request->requested_at, at);
	snprintf(place, sizeof(place), "%s#%s", at, request->id);
	jb_ask_text(ask, ":requester", request->requester);
	jb_ask_text(ask, ":role", request->role);
	jb_ask_text(ask, ":requestedAt", at);
	jb_ask_number(ask, ":duration", request->duration);
	jb_ask_text(ask, ":shortId", request->short_id);
	jb_ask_text(ask, ":host", request->host);
	if (request->filed_by)
		jb_ask_text(ask, ":filer", request->filed_by);
	jb_ask_text(ask, ":list", "request");
	jb_ask_text(ask, ":place", place);
}

#define SET_ONCE                                                                                                       \
	", #requester = :requester, #role = :role, #requestedAt = :requestedAt, #duration = :duration"                 \
	", #shortId = :shortId, #host = :host, #list = :list, #place = :place"

/* The ids of the requests with that short id: one, as a rule. */
static int find_short(struct jb_dynamodb *store, const char *short_id, struct jb_ddb_keys *ret)
{
	JB_DOC ask = jb_ddb_index(store, "shortId", short_id, NULL);

	return jb_ddb_query(store, &ask, jb_ddb_keep_key, ret);
}

static int short_is_taken(struct jb_dynamodb *store, const struct jb_request *request)
{
	struct jb_ddb_keys keys = {0};
	int r = find_short(store, request->short_id, &keys);

	for (size_t i = 0; r == 0 && i < keys.count; i++)
		if (strcmp(keys.key[i], request->id) != 0)
			r = -EEXIST;
	jb_ddb_keys_clear(&keys);
	return r;
}

/* A write that was slow may have come behind a look at the index that has passed over its stamp: it gets a new one. */
static void announce_late(struct jb_dynamodb *store, const struct jb_request *request, bool announce, int64_t begun)
{
	const int64_t now = jb_ddb_now_ms();

	if (now - begun < SLOW_MS)
		return;
	JB_DOC ask = jb_dynamo_ask(store->table);
	const struct jb_ddb_change change = {.key = request->id,
					     .condition = "#version = :version",
					     .set = announce ? "#written = :now, #changed = :now" : "#written = :now"};
	jb_ask_number(&ask, ":version", (int64_t)request->version);
	jb_ask_number(&ask, ":now", jb_ddb_stamp(now, request));
	/* Refused: somebody wrote after us, and that is announced. */
	jb_ddb_write(store, &ask, &change);
}

/*
 * Only what was written is known here: the one who won a race against us in the
 * same millisecond wrote with the very stamp that we should have had.
 */
static void written(struct jb_dynamodb *store, const struct jb_request *request, bool announce, int64_t begun)
{
	jb_ddb_wrote(store, jb_ddb_stamp(begun, request));
	announce_late(store, request, announce, begun);
}

static int request_insert(struct jb_store *base, struct jb_request *request, bool announce,
			  const struct jb_audit *audit)
{
	struct jb_dynamodb *store = jb_ddb_of(base);
	JB_DOC ask = jb_dynamo_ask(store->table);
	const uint64_t changed = request->changed;
	const int64_t begun = jb_ddb_now_ms(), stamp = jb_ddb_stamp(begun, request);
	char set[640];
	const char *remove;
	int r = short_is_taken(store, request);

	if (r < 0)
		return r;
	if (announce)
		request->changed = (uint64_t)stamp;
	put_always(&ask, request, stamp);
	put_state(&ask, request, announce, set, sizeof(set), &remove);
	put_once(&ask, request);
	const size_t at = strlen(set);
	snprintf(set + at, sizeof(set) - at, "%s%s", SET_ONCE, request->filed_by ? ", #filer = :filer" : "");
	const struct jb_ddb_change change = {.key = request->id, .set = set, .remove = remove, .audit = audit};
	r = jb_ddb_insert(store, &ask, &change, audit->at);
	if (r < 0)
		request->changed = changed;
	else
		written(store, request, announce, begun);
	return r;
}

static int is_there(struct jb_dynamodb *store, const char *id)
{
	JIT_JSON json_object *item = NULL;
	int r = jb_ddb_get(store, id, &item);

	return r == 0 ? -ESTALE : r;
}

static int request_update(struct jb_store *base, struct jb_request *request, bool announce,
			  const struct jb_audit *audit)
{
	struct jb_dynamodb *store = jb_ddb_of(base);
	JB_DOC ask = jb_dynamo_ask(store->table);
	const uint64_t version = request->version, changed = request->changed;
	const int64_t begun = jb_ddb_now_ms();
	char set[640];
	const char *remove;

	request->version++;
	const int64_t stamp = jb_ddb_stamp(begun, request);
	if (announce)
		request->changed = (uint64_t)stamp;
	put_always(&ask, request, stamp);
	put_state(&ask, request, announce, set, sizeof(set), &remove);
	jb_ask_number(&ask, ":before", (int64_t)version);
	const struct jb_ddb_change change = {
		.key = request->id, .condition = "#version = :before", .set = set, .remove = remove, .audit = audit};
	int r = jb_ddb_write(store, &ask, &change);
	if (r == -ECANCELED)
		r = is_there(store, request->id);
	if (r == 0) {
		written(store, request, announce, begun);
		return 0;
	}
	request->version = version;
	request->changed = changed;
	return r;
}

int jb_ddb_read_request(const struct jb_dynamodb *store, json_object *item, struct jb_request **ret)
{
	const char *doc = jb_item_text(item, "doc");
	JIT_JSON json_object *json = jit_json_of(doc);
	struct jb_request *request = json ? jb_request_from_json(json) : NULL;

	if (!request)
		return -EIO;
	if (jb_status_final(request->status) && store->pruned && request->expires_at <= store->pruned) {
		jb_request_free(request);
		return -ENOENT;
	}
	*ret = request;
	return 0;
}

static int get_one(struct jb_dynamodb *store, const char *id, struct jb_request **ret)
{
	JIT_JSON json_object *item = NULL;
	int r = jb_ddb_get(store, id, &item);

	if (r == 0)
		r = jb_ddb_read_request(store, item, ret);
	if (r == -EIO && item)
		store->error = "a stored record cannot be read, or this process is out of memory";
	return r;
}

static int request_get(struct jb_store *base, const char *id, struct jb_request **ret)
{
	struct jb_dynamodb *store = jb_ddb_of(base);
	struct jb_ddb_keys keys = {0};
	char normal[37];
	bool is_short;

	if (!jb_request_parse_id(id, normal, &is_short))
		return -ENOENT;
	if (!is_short)
		return get_one(store, normal, ret);
	int r = find_short(store, normal, &keys);
	if (r == 0) /* filed in the same instant twice: nobody can say which is meant */
		r = keys.count == 1 ? get_one(store, keys.key[0], ret) : -ENOENT;
	jb_ddb_keys_clear(&keys);
	return r;
}

static int request_get_idempotent(struct jb_store *base, const char *host, const char *key, struct jb_request **ret)
{
	struct jb_request *request;
	char id[JIT_UUID_SIZE], short_id[JIT_SHORT_SIZE];
	int r = jb_request_id_of_key(host, key, id, short_id);

	if (r == 0)
		r = get_one(jb_ddb_of(base), id, &request);
	if (r != 0)
		return r;
	if (!request->idempotency_key || strcmp(request->idempotency_key, key) != 0) {
		jb_request_free(request);
		return -ENOENT;
	}
	*ret = request;
	return 0;
}

static int keep_due(void *arg, json_object *item)
{
	*(int64_t *)arg = jb_item_number(item, "due", INT64_MAX);
	return 1;
}

static int request_next_due(struct jb_store *base, int64_t *ret)
{
	struct jb_dynamodb *store = jb_ddb_of(base);
	JB_DOC ask = jb_ddb_index(store, "open", JB_DDB_ONE, NULL);
	int64_t due_at = INT64_MAX;

	jb_doc_put(&ask, "Limit", json_object_new_int(1));
	int r = jb_ddb_query(store, &ask, keep_due, &due_at);
	if (r < 0)
		return -EIO;
	*ret = due_at;
	return 0;
}

/* DynamoDB removes what has expired by itself, within days; here it is passed over from now on. */
static int request_prune(struct jb_store *base, int64_t now)
{
	struct jb_dynamodb *store = jb_ddb_of(base);

	if (now > store->pruned)
		store->pruned = now;
	return 0;
}

const struct jb_request_ops jb_ddb_requests = {
	.insert = request_insert,
	.update = request_update,
	.get = request_get,
	.get_idempotent = request_get_idempotent,
	.find = jb_ddb_find,
	.count = jb_ddb_count_requests,
	.changes = jb_ddb_changes,
	.next_due = request_next_due,
	.prune = request_prune,
};
