/*
 * The audit chain in the DynamoDB store. Sealed records lie in items of up to a
 * hundred, whose keys follow from the numbers of their records: "chain:" and the
 * number of the first one. So the chain is read from one item to the next, and an
 * item that is missing is missed. An item's `lines` are texts "HASH TEXT", and its
 * `ids` what the sealer knows its records by.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "cleanup.h"
#include "store_dynamo.h"
#include "uuid.h"

#define HASH_LEN (JB_HASH_SIZE - 1)
#define SEQ_MAX	 999999999999 /* what a key has room for */

void jb_ddb_chain_key(int64_t first, char key[static JB_DDB_CHAIN_KEY_SIZE])
{
	snprintf(key, JB_DDB_CHAIN_KEY_SIZE, "chain:%012" PRId64, first);
}

/* A record of its own, in an item that is removed when it is sealed. */
static int chain_add(struct jb_store *base, const struct jb_audit *audit)
{
	struct jb_dynamodb *store = jb_ddb_of(base);
	JB_DOC ask = jb_dynamo_ask(store->table);
	char id[JIT_UUID_SIZE], unused[JIT_SHORT_SIZE], key[sizeof("audit:") + JIT_UUID_SIZE];
	const struct jb_ddb_change change = {.key = key, .set = "#at = :at", .audit = audit};
	int r = jit_uuid_new(id, unused);

	if (r < 0)
		return r;
	snprintf(key, sizeof(key), "audit:%s", id);
	jb_ask_number(&ask, ":at", audit->at);
	return jb_ddb_write(store, &ask, &change);
}

static int chain_event(struct jb_store *base, const char *host, const char *id, int64_t until,
		       const struct jb_audit *audit)
{
	struct jb_dynamodb *store = jb_ddb_of(base);
	JB_DOC ask = jb_dynamo_ask(store->table);
	JIT_FREE char *key = jb_ddb_key("event:%s:%s", host, id);

	if (!key)
		return -ENOMEM;
	const struct jb_ddb_change change = {.key = key, .set = "#forgetAt = :until", .audit = audit};
	jb_ask_number(&ask, ":until", until);
	return jb_ddb_insert(store, &ask, &change, audit->at);
}

/* The item that begins with that record: 0, -ENOENT: there is none, -EIO. */
static int get_item(struct jb_dynamodb *store, int64_t first, json_object **ret)
{
	char key[JB_DDB_CHAIN_KEY_SIZE];

	jb_ddb_chain_key(first, key);
	return jb_ddb_get(store, key, ret);
}

/* Can it be a record's number? */
static bool is_place(int64_t seq)
{
	return seq > 0 && seq <= SEQ_MAX;
}

static int64_t last_of(json_object *item)
{
	return jb_item_number(item, "first", 0) + (int64_t)jb_item_list_length(item, "lines") - 1;
}

int jb_ddb_head(struct jb_dynamodb *store, int64_t hint, struct jb_ddb_head *ret)
{
	struct jb_ddb_head head = {.hash = JB_AUDIT_FIRST};
	int r = 0;

	for (int64_t first = is_place(hint) ? hint : 1; r == 0;) {
		json_object *item;

		r = get_item(store, first, &item);
		if (r < 0)
			break;
		json_object_put(head.item);
		head.item = item;
		head.first = first;
		head.last = last_of(item);
		const char *line = jb_item_list_text(item, "lines", jb_item_list_length(item, "lines") - 1);
		if (!line || strlen(line) < HASH_LEN || jb_item_number(item, "first", 0) != first) {
			store->error = "the newest item of the audit chain is damaged";
			r = -EIO;
			break;
		}
		memcpy(head.hash, line, HASH_LEN);
		first = head.last + 1;
	}
	if (r != -ENOENT) {
		json_object_put(head.item);
		return r;
	}
	*ret = head;
	return 0;
}

/* What the lease says of the chain: its newest item, and the highest number that was ever given out. */
static int noted(struct jb_dynamodb *store, int64_t *ret_head, int64_t *ret_last)
{
	JIT_JSON json_object *lease = NULL;
	int r = jb_ddb_get(store, JB_DDB_LEASE, &lease);

	if (r < 0 && r != -ENOENT)
		return r;
	*ret_head = jb_item_number(lease, "head", 0);
	*ret_last = jb_item_number(lease, "last", 0);
	return 0;
}

static int chain_last(struct jb_store *base, int64_t *ret)
{
	struct jb_dynamodb *store = jb_ddb_of(base);
	struct jb_ddb_head head;
	int64_t hint, last;
	int r = noted(store, &hint, &last);

	if (r == 0)
		r = jb_ddb_head(store, hint, &head);
	if (r != 0)
		return -EIO;
	*ret = head.last;
	json_object_put(head.item);
	return 0;
}

static int keep_first(void *arg, json_object *item)
{
	const char *place = jb_item_text(item, "place");

	const int64_t first = place ? strtoll(place, NULL, 10) : 1;

	*(int64_t *)arg = is_place(first) ? first : 1;
	return 1;
}

/* The first record of an item at or before that one; the index may be late, and then it is an earlier one. */
static int item_before(struct jb_dynamodb *store, int64_t seq, int64_t *ret)
{
	JB_DOC ask = jb_ddb_index(store, "list", "chain", "#place <= :place");
	char place[24];

	snprintf(place, sizeof(place), "%012" PRId64, seq > 0 ? seq : 1);
	jb_ask_text(&ask, ":place", place);
	jb_ask_flag(&ask, "ScanIndexForward", false);
	jb_doc_put(&ask, "Limit", json_object_new_int(1));
	*ret = 1;
	int r = jb_ddb_query(store, &ask, keep_first, ret);
	return r > 0 ? 0 : r;
}

static int chain_read(struct jb_store *base, int64_t after, size_t limit,
		      void (*each)(void *arg, int64_t seq, const char *json), void *arg)
{
	struct jb_dynamodb *store = jb_ddb_of(base);
	int64_t first;
	size_t told = 0;
	int r = item_before(store, after + 1, &first);

	while (r == 0 && told < limit) {
		JIT_JSON json_object *item = NULL;

		r = get_item(store, first, &item);
		const size_t count = jb_item_list_length(item, "lines");
		if (r == 0 && count == 0)
			r = -EIO;
		for (size_t i = 0; r == 0 && i < count && told < limit; i++) {
			const char *line = jb_item_list_text(item, "lines", i);
			char hash[JB_HASH_SIZE];

			if (first + (int64_t)i <= after)
				continue;
			if (!line || strlen(line) <= HASH_LEN)
				return -EIO;
			snprintf(hash, sizeof(hash), "%.*s", HASH_LEN, line);
			JIT_FREE char *shown = jb_audit_show(line + HASH_LEN + 1, hash);
			if (!shown)
				return -EIO;
			each(arg, first + (int64_t)i, shown);
			told++;
		}
		first += (int64_t)count;
	}
	return r == 0 || r == -ENOENT ? 0 : -EIO;
}

static int broken(struct jb_audit_break *ret, int64_t seq, const char *why)
{
	ret->seq = seq;
	ret->why = why;
	return -EBADMSG;
}

struct walk {
	jb_audit_each each;
	void *arg;
	struct jb_audit_break *ret;
	int64_t expected;
	char prev[JB_HASH_SIZE];
};

/* The records of one item. */
static int walk_item(struct walk *w, json_object *item)
{
	const size_t count = jb_item_list_length(item, "lines");

	if (count == 0)
		return broken(w->ret, w->expected, "it is missing");
	for (size_t i = 0; i < count; i++, w->expected++) {
		const char *line = jb_item_list_text(item, "lines", i);
		char hash[JB_HASH_SIZE];

		if (!line || strlen(line) <= HASH_LEN || line[HASH_LEN] != ' ')
			return broken(w->ret, w->expected, "it is no record");
		snprintf(hash, sizeof(hash), "%.*s", HASH_LEN, line);
		const char *text = line + HASH_LEN + 1;
		const struct jb_audit_row row = {.seq = w->expected, .text = text, .len = strlen(text), .hash = hash};
		const char *why = jb_audit_flaw(&row, w->expected, w->prev);
		int went = why ? broken(w->ret, w->expected, why) : w->each ? w->each(w->arg, row.seq, text, hash) : 0;
		if (went)
			return went;
		memcpy(w->prev, hash, sizeof(w->prev));
	}
	return 0;
}

static int chain_walk(struct jb_store *base, jb_audit_each each, void *arg, struct jb_audit_break *ret)
{
	struct jb_dynamodb *store = jb_ddb_of(base);
	struct walk w = {.each = each, .arg = arg, .ret = ret, .expected = 1, .prev = JB_AUDIT_FIRST};
	int64_t head, last;
	int r = noted(store, &head, &last);

	while (r == 0) {
		JIT_JSON json_object *item = NULL;

		r = get_item(store, w.expected, &item);
		if (r == 0 && (r = walk_item(&w, item)) != 0)
			return r;
	}
	if (r == -ENOENT)
		return w.expected > last ? 0 : broken(ret, w.expected, "it is missing");
	ret->seq = w.expected;
	ret->why = jb_store_error(base);
	return -EIO;
}

struct waiting {
	size_t count;
	int64_t since; /* microseconds; 0: none */
};

static int count_waiting(void *arg, json_object *item)
{
	struct waiting *waiting = arg;
	const int64_t since = jb_item_number(item, "since", 0);

	waiting->count += jb_item_list_length(item, "audit");
	if (since && (!waiting->since || since < waiting->since))
		waiting->since = since;
	return 0;
}

static int chain_waiting(struct jb_store *base, size_t *ret_count, int64_t *ret_since)
{
	struct jb_dynamodb *store = jb_ddb_of(base);
	struct jb_ddb_keys keys = {0};
	struct waiting waiting = {0};
	JB_DOC ask = jb_ddb_index(store, "unsealed", JB_DDB_ONE, NULL);
	int r = jb_ddb_query(store, &ask, jb_ddb_keep_key, &keys);

	if (r == 0)
		r = jb_ddb_items(store, &keys, count_waiting, &waiting);
	jb_ddb_keys_clear(&keys);
	if (r < 0)
		return -EIO;
	*ret_count = waiting.count;
	*ret_since = waiting.since / 1000000;
	return 0;
}

const struct jb_audit_ops jb_ddb_chain = {
	.add = chain_add,
	.event = chain_event,
	.read = chain_read,
	.last = chain_last,
	.walk = chain_walk,
	.waiting = chain_waiting,
};
