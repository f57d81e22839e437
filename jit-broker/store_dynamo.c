/* See store_dynamo.h: opening the table, and how it is read and written. */
#include "store_dynamo.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit.h"
#include "cleanup.h"
#include "conf.h"
#include "notice.h"
#include "uuid.h"

#define SOON_MS	    10	/* where there is more to do */
#define ATTEND_MS   300 /* between two rounds of what has to be looked after */
#define BATCH	    100 /* items in one BatchGetItem */
#define BATCH_TRIES 10	/* rounds for what DynamoDB leaves undone of one */

_Static_assert(2 * ATTEND_MS < 1000, "who waits here is woken within a second by what another process writes");

int64_t jb_ddb_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t jb_ddb_now_ms(void)
{
	return jb_ddb_now_us() / 1000;
}

int jb_ddb_call(struct jb_dynamodb *store, const char *operation, const struct jb_doc *ask, json_object **ret)
{
	JIT_JSON json_object *answer = NULL;

	store->store.in_doubt = false;
	store->error = ask->json ? NULL : "out of memory";
	if (!ask->json)
		return -ENOMEM;
	int r = jb_dynamo_call(store->client, operation, ask->json, &answer);
	if (r == -ENOENT) /* no item is missing, but the table or an index */
		r = -EIO;
	if (r != -EIO) /* whatever fails from here on without a word of its own */
		store->error = "what the table holds makes no sense, or this process is out of memory";
	if (r == 0 && ret)
		*ret = JIT_TAKE(answer);
	return r;
}

char *jb_ddb_key(const char *format, ...)
{
	va_list args;
	char *key;

	va_start(args, format);
	if (vasprintf(&key, format, args) < 0)
		key = NULL;
	va_end(args);
	return key;
}

int jb_ddb_get(struct jb_dynamodb *store, const char *key, json_object **ret)
{
	JB_DOC ask = jb_dynamo_ask(store->table);
	JIT_JSON json_object *answer = NULL;
	json_object *item;

	jb_ask_key(&ask, key);
	jb_ask_flag(&ask, "ConsistentRead", true);
	int r = jb_ddb_call(store, "GetItem", &ask, &answer);
	if (r < 0)
		return r;
	if (!json_object_object_get_ex(answer, "Item", &item))
		return -ENOENT;
	*ret = json_object_get(item);
	return 0;
}

static json_object *notices_json(const struct jb_notices *notices)
{
	struct jb_doc list = {json_object_new_array()};

	for (size_t i = 0; i < notices->count; i++) {
		const struct jb_notice *n = &notices->notice[i];
		struct jb_doc doc = {json_object_new_object()};

		jb_doc_text(&doc, "id", n->id);
		jb_doc_text(&doc, "channel", n->channel);
		jb_doc_text(&doc, "receiver", n->receiver);
		jb_doc_text(&doc, "about", n->about);
		jb_doc_text(&doc, "event", n->event);
		jb_doc_text(&doc, "doc", n->doc);
		jb_doc_put(&doc, "at", json_object_new_int64(n->at));
		jb_doc_append(&list, doc.json);
	}
	return list.json;
}

int jb_ddb_record(const struct jb_audit *audit, const char *id, char **ret)
{
	JIT_JSON json_object *detail = NULL;
	JB_DOC doc = {json_object_new_object()};
	const struct {
		const char *name, *text;
	} texts[] = {{"id", id},
		     {"action", audit->action},
		     {"actor", audit->actor},
		     {"requestId", audit->request_id},
		     {"detail", audit->detail}};

	int r = jb_audit_detail(audit, &detail);
	if (r < 0)
		return r;
	jb_doc_put(&doc, "us", json_object_new_int64(jb_ddb_now_us()));
	jb_doc_put(&doc, "at", json_object_new_int64(audit->at));
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].text)
			jb_doc_text(&doc, texts[i].name, texts[i].text);
	if (audit->notices && audit->notices->count)
		jb_doc_put(&doc, "notices", notices_json(audit->notices));
	*ret = jb_doc_string(&doc);
	return *ret ? 0 : -ENOMEM;
}

/* Has the item seen this very write? The answer to it may have been lost, and the write repeated. */
static bool has_written(json_object *item, const char *write_id)
{
	const char *last = jb_item_text(item, "writeId");

	if (last && strcmp(last, write_id) == 0)
		return true;
	for (size_t i = jb_item_list_length(item, "audit"); i-- > 0;)
		if ((last = jb_item_list_text(item, "audit", i)) && strstr(last, write_id))
			return true;
	return false;
}

static int settle_doubt(struct jb_dynamodb *store, const char *key, const char *write_id, int r)
{
	JIT_JSON json_object *item = NULL;

	return jb_ddb_get(store, key, &item) == 0 && has_written(item, write_id) ? 0 : r;
}

/* An answer that was lost is made good by a look at the item. */
static int send_write(struct jb_dynamodb *store, struct jb_doc *values, const char *key, const char *write_id)
{
	int r = jb_ddb_call(store, "UpdateItem", values, NULL);
	const bool unsure = jb_dynamo_unsure(store->client);

	/* libcurl too repeats what it has sent, once, where a kept connection broke: a condition may fail by our own
	 * write. */
	if (r == -ECANCELED || (r < 0 && unsure))
		r = settle_doubt(store, key, write_id, r);
	store->store.in_doubt = r < 0 && unsure;
	if (r == -EIO)
		store->store.failures++;
	return r;
}

/* The record's part of an update: its values, and how they go in. */
static int add_record(struct jb_doc *values, const struct jb_audit *audit, const char *write_id)
{
	JIT_FREE char *record = NULL;
	int r = jb_ddb_record(audit, write_id, &record);

	if (r < 0)
		return r;
	jb_ask_list(values, ":none", NULL);
	jb_ask_list(values, ":record", record);
	jb_ask_text(values, ":one", JB_DDB_ONE);
	jb_ask_number(values, ":now", jb_ddb_now_us());
	return 0;
}

static void add_update(struct jb_doc *values, const struct jb_ddb_change *change)
{
	static const char with_record[] = ", #audit = list_append(if_not_exists(#audit, :none), :record)"
					  ", #unsealed = :one, #since = if_not_exists(#since, :now)";
	char *update = NULL;

	/* While something of it is unsealed DynamoDB must not forget it. */
	if (asprintf(&update, "SET %s, #writeId = :writeId%s%s%s%s%s", change->set, change->audit ? with_record : "",
		     change->audit || change->remove ? " REMOVE " : "", change->audit ? "#expiresAt" : "",
		     change->audit && change->remove ? ", " : "", change->remove ? change->remove : "") < 0) {
		jb_doc_clear(values);
		return;
	}
	jb_ask_expression(values, "UpdateExpression", update);
	free(update);
}

/* Makes `values` the whole update, and sends it. */
static int write_as(struct jb_dynamodb *store, struct jb_doc *values, const struct jb_ddb_change *change,
		    char write_id[static JIT_UUID_SIZE])
{
	char unused[JIT_SHORT_SIZE];
	int r = jit_uuid_new(write_id, unused);

	if (r == 0 && change->audit)
		r = add_record(values, change->audit, write_id);
	if (r < 0)
		return r;
	jb_ask_key(values, change->key);
	jb_ask_text(values, ":writeId", write_id);
	add_update(values, change);
	if (change->condition)
		jb_ask_expression(values, "ConditionExpression", change->condition);
	return send_write(store, values, change->key, write_id);
}

int jb_ddb_write(struct jb_dynamodb *store, struct jb_doc *values, const struct jb_ddb_change *change)
{
	char write_id[JIT_UUID_SIZE];

	return write_as(store, values, change, write_id);
}

/* Gone already counts as well: the removal too may be sent twice. */
static int delete_expired(struct jb_dynamodb *store, const char *key, int64_t now)
{
	JB_DOC ask = jb_dynamo_ask(store->table);

	jb_ask_key(&ask, key);
	jb_ask_expression(&ask, "ConditionExpression", "attribute_not_exists(#requestId) OR #expiresAt <= :now");
	jb_ask_number(&ask, ":now", now);
	return jb_ddb_call(store, "DeleteItem", &ask, NULL);
}

int jb_ddb_insert(struct jb_dynamodb *store, struct jb_doc *values, const struct jb_ddb_change *change, int64_t now)
{
	struct jb_ddb_change insert = *change;
	char write_id[JIT_UUID_SIZE];

	insert.condition = "attribute_not_exists(#requestId)";
	int r = write_as(store, values, &insert, write_id);
	if (r != -ECANCELED)
		return r;
	/* What has expired counts as gone, whether DynamoDB came by to remove it or not. */
	r = delete_expired(store, change->key, now > store->pruned ? now : store->pruned);
	if (r == 0)
		r = send_write(store, values, change->key, write_id);
	return r == -ECANCELED ? -EEXIST : r;
}

int jb_ddb_delete(struct jb_dynamodb *store, const char *key)
{
	JB_DOC ask = jb_dynamo_ask(store->table);

	jb_ask_key(&ask, key);
	jb_ask_expression(&ask, "ConditionExpression", "attribute_not_exists(#unsealed)");
	return jb_ddb_call(store, "DeleteItem", &ask, NULL);
}

/* The next page of a Query; *ret_more: there is another behind it, which `ask` asks for then. */
static int next_page(struct jb_dynamodb *store, struct jb_doc *ask, json_object **ret, bool *ret_more)
{
	json_object *last;
	int r = jb_ddb_call(store, "Query", ask, ret);

	if (r < 0)
		return r;
	*ret_more = json_object_object_get_ex(*ret, "LastEvaluatedKey", &last);
	if (*ret_more)
		jb_doc_put(ask, "ExclusiveStartKey", json_object_get(last));
	return 0;
}

int jb_ddb_query(struct jb_dynamodb *store, struct jb_doc *ask, jb_ddb_each each, void *arg)
{
	int r = 0;

	for (bool more = true; r == 0 && more;) {
		JIT_JSON json_object *answer = NULL;
		json_object *items;

		r = next_page(store, ask, &answer, &more);
		if (r < 0 || !json_object_object_get_ex(answer, "Items", &items))
			return r < 0 ? r : -EIO;
		for (size_t i = 0; r == 0 && i < jb_plain_length(items); i++)
			r = each(arg, json_object_array_get_idx(items, i));
	}
	return r;
}

int jb_ddb_count(struct jb_dynamodb *store, struct jb_doc *ask, size_t *ret)
{
	size_t count = 0;

	jb_doc_text(ask, "Select", "COUNT");
	for (bool more = true; more;) {
		JIT_JSON json_object *answer = NULL;
		int r = next_page(store, ask, &answer, &more);

		if (r < 0)
			return r;
		count += (size_t)json_object_get_int64(json_object_object_get(answer, "Count"));
	}
	*ret = count;
	return 0;
}

struct jb_doc jb_ddb_index(struct jb_dynamodb *store, const char *index, const char *value, const char *more)
{
	struct jb_doc ask = jb_dynamo_ask(store->table);
	char condition[160];

	snprintf(condition, sizeof(condition), "#%s = :%s%s%s", index, index, more ? " AND " : "", more ? more : "");
	jb_doc_text(&ask, "IndexName", index);
	jb_ask_expression(&ask, "KeyConditionExpression", condition);
	snprintf(condition, sizeof(condition), ":%s", index);
	jb_ask_text(&ask, condition, value);
	return ask;
}

int jb_ddb_keep_key(void *arg, json_object *item)
{
	struct jb_ddb_keys *keys = arg;
	const char *key = jb_item_text(item, "requestId");
	char **grown = reallocarray(keys->key, keys->count + 1, sizeof(*grown));

	if (grown)
		keys->key = grown;
	if (!grown || !key || !(grown[keys->count] = strdup(key)))
		return -ENOMEM;
	keys->count++;
	return 0;
}

void jb_ddb_keys_clear(struct jb_ddb_keys *keys)
{
	for (size_t i = 0; i < keys->count; i++)
		free(keys->key[i]);
	free(keys->key);
	*keys = (struct jb_ddb_keys){0};
}

/* {"RequestItems":{table:{"ConsistentRead":true,"Keys":[…]}}} */
static struct jb_doc batch_ask(struct jb_dynamodb *store, char *const *key, size_t count)
{
	struct jb_doc ask = {json_object_new_object()}, tables = {json_object_new_object()},
		      table = {json_object_new_object()}, list = {json_object_new_array()};

	for (size_t i = 0; i < count; i++) {
		struct jb_doc one = {json_object_new_object()};

		jb_item_put_text(&one, "requestId", key[i]);
		jb_doc_append(&list, one.json);
	}
	jb_doc_put(&table, "Keys", list.json);
	jb_ask_flag(&table, "ConsistentRead", true);
	jb_doc_put(&tables, store->table, table.json);
	jb_doc_put(&ask, "RequestItems", tables.json);
	return ask;
}

/* The items of one batch by their keys: {"key":item}. */
static int read_batch(struct jb_dynamodb *store, struct jb_doc *ask, json_object *ret)
{
	for (int i = 0; i < BATCH_TRIES; i++) {
		JIT_JSON json_object *answer = NULL;
		json_object *responses, *items = NULL, *left;
		int r = jb_ddb_call(store, "BatchGetItem", ask, &answer);

		if (r < 0)
			return r;
		if (json_object_object_get_ex(answer, "Responses", &responses))
			json_object_object_get_ex(responses, store->table, &items);
		for (size_t n = 0; n < jb_plain_length(items); n++) {
			json_object *item = json_object_array_get_idx(items, n);
			const char *key = jb_item_text(item, "requestId");

			if (key && !jit_json_add(ret, key, json_object_get(item)))
				return -ENOMEM;
		}
		if (!json_object_object_get_ex(answer, "UnprocessedKeys", &left) ||
		    !json_object_is_type(left, json_type_object) || !json_object_object_length(left))
			return 0;
		jb_doc_put(ask, "RequestItems", json_object_get(left));
	}
	store->error = "DynamoDB reads too slowly for what is asked of it";
	return -EIO;
}

int jb_ddb_items(struct jb_dynamodb *store, const struct jb_ddb_keys *keys, jb_ddb_each each, void *arg)
{
	int r = 0;

	for (size_t at = 0; r == 0 && at < keys->count; at += BATCH) {
		const size_t count = keys->count - at < BATCH ? keys->count - at : BATCH;
		JB_DOC ask = batch_ask(store, keys->key + at, count);
		JIT_JSON json_object *found = json_object_new_object();

		r = found ? read_batch(store, &ask, found) : -ENOMEM;
		for (size_t i = 0; r == 0 && i < count; i++) {
			json_object *item;

			if (json_object_object_get_ex(found, keys->key[at + i], &item))
				r = each(arg, item);
		}
	}
	return r;
}

static void ddb_close(struct jb_store *base)
{
	struct jb_dynamodb *store = jb_ddb_of(base);

	if (store->client)
		jb_ddb_unseal(store);
	jb_dynamo_free(store->client);
	free(store->seen.stamp);
	free(store->table);
	free(store);
}

static const char *ddb_error(struct jb_store *base)
{
	struct jb_dynamodb *store = jb_ddb_of(base);

	return store->error ? store->error : jb_dynamo_error(store->client);
}

static int ddb_ping(struct jb_store *base)
{
	JIT_JSON json_object *lease = NULL;
	int r = jb_ddb_get(jb_ddb_of(base), JB_DDB_LEASE, &lease);

	return r == 0 || r == -ENOENT ? 0 : -EIO;
}

/* What every process does now and then: seals where that is its task, and tells of what the others wrote. */
static int ddb_attend(struct jb_store *base, jb_store_news each, void *arg)
{
	struct jb_dynamodb *store = jb_ddb_of(base);
	bool more;
	const int sealed = jb_ddb_seal(store, &more);
	const char *error = store->error;
	const int told = jb_ddb_watch(store, each, arg);

	if (sealed < 0 && told >= 0) /* of the two it is the first one's cause that is told */
		store->error = error;
	return sealed < 0 || told < 0 ? -EIO : more ? SOON_MS : ATTEND_MS;
}

static const struct jb_store_ops ops = {
	.close = ddb_close,
	.error = ddb_error,
	.ping = ddb_ping,
	.attend = ddb_attend,
	.heard = jb_ddb_heard,
	.last_heard = jb_ddb_last_heard,
	.request = &jb_ddb_requests,
	.audit = &jb_ddb_chain,
	.secret = &jb_ddb_secrets,
	.calls = &jb_ddb_calls,
	.session = &jb_ddb_sessions,
	.outbox = &jb_ddb_outbox,
};

static struct jb_dynamodb *new_store(const struct jb_conf *conf, char *why, size_t why_size)
{
	const struct jb_dynamo_options options = {.region = conf->store_region,
						  .endpoint = conf->store_endpoint,
						  .credentials = conf->store_credentials,
						  .ca = conf->store_ca,
						  .plain_loopback = conf->store_plain_loopback};
	struct jb_dynamodb *store = calloc(1, sizeof(*store));
	char unused[JIT_SHORT_SIZE];

	snprintf(why, why_size, "out of memory");
	if (!store || jit_uuid_new(store->owner, unused) < 0 ||
	    !(store->table = strdup(conf->store + strlen(JB_DDB_PREFIX)))) {
		free(store);
		return NULL;
	}
	store->store.ops = &ops;
	store->store.remote = true;
	store->client = jb_dynamo_new(&options, why, why_size);
	if (store->client)
		return store;
	ddb_close(&store->store);
	return NULL;
}

struct jb_store *jb_ddb_open(const struct jb_conf *conf, char *why, size_t why_size)
{
	struct jb_dynamodb *store = new_store(conf, why, why_size);

	if (!store || jb_ddb_look_at_table(store, why, why_size) == 0)
		return store ? &store->store : NULL;
	ddb_close(&store->store);
	return NULL;
}

int jb_ddb_create(const struct jb_conf *conf, char *why, size_t why_size)
{
	struct jb_dynamodb *store = new_store(conf, why, why_size);
	int r = store ? jb_ddb_create_table(store) : -1;

	if (store && r < 0)
		snprintf(why, why_size, "cannot make the table %s: %s", store->table, ddb_error(&store->store));
	if (store)
		ddb_close(&store->store);
	return r < 0 ? -1 : 0;
}
