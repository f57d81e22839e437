/*
 * The sealer of the DynamoDB store: it takes audit records out of the items that
 * they were written with and appends them to the chain, and their notices to the
 * outbox. One process at a time does so, the one that has the lease; the lease only
 * keeps others from doing the same work in vain. What keeps the chain whole is that
 * an item of it is written where there is none, and that a record is taken out of
 * its own item only after it stands in the chain.
 *
 * Whoever dies in between leaves records that are in both places. They are all in
 * the newest item of the chain, since nobody appends before they have themselves seen
 * to it that what was appended last is taken out everywhere; that item says what it
 * holds (`ids`) and from where (`from`). Where the chain ends is read before the
 * records are, so that a record that somebody else seals meanwhile is known, or the
 * next item is there: then it is theirs, and is finished before the next one as any
 * item is that somebody else has made.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "cleanup.h"
#include "json_read.h"
#include "store_dynamo.h"

#define LEASE_MS    6000
#define RENEW_MS    2000
#define ITEMS	    40	   /* looked at in one round: each is a call */
#define RECORDS	    100	   /* in one item of the chain */
#define CHAIN_BYTES 200000 /* of its texts: DynamoDB's limit is 400 kB an item */
#define BUDGET_MS   100	   /* for rounds at once: the loop has other things to do */

/* A record that waits, in its item. */
struct record {
	json_object *json; /* as jb_ddb_record made it */
	const char *text;  /* belongs to the item */
	int64_t us;
	size_t item; /* which of the items it lies in */
	size_t order;
};

struct round {
	struct jb_dynamodb *store;
	struct jb_ddb_head head;
	json_object *item[ITEMS]; /* those that have records */
	size_t items;
	struct record record[RECORDS];
	size_t records;
	size_t bytes;
	bool full;
};

static int lease(struct jb_dynamodb *store, int64_t now)
{
	JB_DOC ask = jb_dynamo_ask(store->table);
	JIT_JSON json_object *answer = NULL;
	json_object *item;

	jb_ask_key(&ask, JB_DDB_LEASE);
	jb_ask_expression(&ask, "UpdateExpression", "SET #owner = :owner, #until = :until");
	jb_ask_expression(&ask, "ConditionExpression",
			  "attribute_not_exists(#owner) OR #owner = :owner OR #until < :now");
	jb_ask_text(&ask, ":owner", store->owner);
	jb_ask_number(&ask, ":until", now + LEASE_MS);
	jb_ask_number(&ask, ":now", now);
	jb_doc_text(&ask, "ReturnValues", "ALL_NEW");
	int r = jb_ddb_call(store, "UpdateItem", &ask, &answer);
	if (r < 0)
		return r;
	if (json_object_object_get_ex(answer, "Attributes", &item))
		store->head = jb_item_number(item, "head", 0);
	return 0;
}

/* Do we have the lease, or get it? *ret_new: only now. */
static bool have_lease(struct jb_dynamodb *store, bool *ret_new)
{
	const int64_t now = jb_ddb_now_ms();
	const bool had = store->leased > now;

	*ret_new = false;
	if (now - store->looked < RENEW_MS && now >= store->looked)
		return had;
	store->looked = now;
	if (lease(store, now) < 0) {
		store->leased = 0;
		return false;
	}
	store->leased = now + LEASE_MS;
	*ret_new = !had;
	return true;
}

void jb_ddb_unseal(struct jb_dynamodb *store)
{
	JB_DOC ask = jb_dynamo_ask(store->table);

	if (!store->leased)
		return;
	store->leased = 0;
	jb_ask_key(&ask, JB_DDB_LEASE);
	jb_ask_expression(&ask, "UpdateExpression", "SET #until = :none");
	jb_ask_expression(&ask, "ConditionExpression", "#owner = :owner");
	jb_ask_text(&ask, ":owner", store->owner);
	jb_ask_number(&ask, ":none", 0);
	jb_ddb_call(store, "UpdateItem", &ask, NULL); /* else it ends by itself */
}

/* As jb_ddb_record makes them. */
static bool is_whole(json_object *record)
{
	static const char *const texts[] = {"id", "channel", "receiver", "about", "event", "doc"};
	json_object *notices = json_object_object_get(record, "notices");
	bool whole = jb_plain_text(record, "id") && jb_plain_text(record, "action");

	for (size_t i = 0; i < jb_plain_length(notices); i++)
		for (size_t n = 0; n < sizeof(texts) / sizeof(texts[0]); n++)
			whole = whole && jb_plain_text(json_object_array_get_idx(notices, i), texts[n]);
	return whole;
}

static int take_item(void *arg, json_object *item)
{
	struct round *round = arg;
	int64_t us = 0;

	if (round->items == ITEMS || jb_item_list_length(item, "audit") == 0)
		return 0;
	for (size_t i = 0; i < jb_item_list_length(item, "audit"); i++) {
		const char *text = jb_item_list_text(item, "audit", i);
		const size_t len = text ? strlen(text) : 0;
		struct record *record = &round->record[round->records];

		round->full |= round->records == RECORDS || (round->records && round->bytes + len > CHAIN_BYTES);
		if (round->full)
			break;
		json_object *json = NULL;
		const int r = text ? jit_json_read(text, len, JIT_JSON_DEPTH, &json) : -EINVAL;
		if (r == -ENOMEM)
			return r;
		if (!is_whole(json)) {
			json_object_put(json);
			round->store->error = "an audit record that waits in the table is damaged";
			return -EIO;
		}
		/* An item's own records keep their order, whatever their writers' clocks said. */
		const int64_t own = json_object_get_int64(json_object_object_get(json, "us"));
		us = own > us ? own : us;
		*record = (struct record){
			.json = json, .text = text, .us = us, .item = round->items, .order = round->records++};
		round->bytes += len;
	}
	round->item[round->items++] = json_object_get(item);
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct record *x = a, *y = b;

	if (x->us != y->us)
		return x->us < y->us ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static int keep_some(void *arg, json_object *item)
{
	struct jb_ddb_keys *keys = arg;
	int r = jb_ddb_keep_key(keys, item);

	return r == 0 && keys->count == ITEMS ? 1 : r;
}

/* Where the records lie that have waited longest. */
static int find_waiting(struct jb_dynamodb *store, struct jb_ddb_keys *ret)
{
	JB_DOC ask = jb_ddb_index(store, "unsealed", JB_DDB_ONE, NULL);

	jb_doc_put(&ask, "Limit", json_object_new_int(ITEMS));
	int r = jb_ddb_query(store, &ask, keep_some, ret);
	return r > 0 ? 0 : r;
}

static int gather(struct round *round, const struct jb_ddb_keys *keys)
{
	int r = jb_ddb_items(round->store, keys, take_item, round);

	round->full |= keys->count == ITEMS;
	if (r == 0 && round->records)
		qsort(round->record, round->records, sizeof(round->record[0]), by_time);
	return r;
}

static void round_clear(struct round *round)
{
	for (size_t i = 0; i < round->records; i++)
		json_object_put(round->record[i].json);
	for (size_t i = 0; i < round->items; i++)
		json_object_put(round->item[i]);
	round->records = round->items = round->bytes = 0;
	round->full = false;
}

static const char *member(const struct record *record, const char *name)
{
	return jb_plain_text(record->json, name);
}

/* The number under which the newest item of the chain has that record; 0: it has not. */
static int64_t sealed_as(const struct jb_ddb_head *head, const struct record *record)
{
	const char *id = member(record, "id");

	for (size_t i = 0; id && i < jb_item_list_length(head->item, "ids"); i++) {
		const char *its = jb_item_list_text(head->item, "ids", i);

		if (its && strcmp(its, id) == 0)
			return head->first + (int64_t)i;
	}
	return 0;
}

static bool add_text(json_object *list, const char *text)
{
	struct jb_doc one = {json_object_new_object()};

	jb_doc_text(&one, "S", text);
	return jit_json_append(list, one.json);
}

/* One more line of the item that is to be; seq and hash go on with it. */
static int add_line(const struct record *record, json_object *lines, json_object *ids, int64_t *seq,
		    char hash[static JB_HASH_SIZE])
{
	const struct jb_audit audit = {.at = json_object_get_int64(json_object_object_get(record->json, "at")),
				       .action = member(record, "action"),
				       .actor = member(record, "actor"),
				       .request_id = member(record, "requestId"),
				       .detail = member(record, "detail")};
	JIT_FREE char *text = NULL, *line = NULL;
	int r = jb_audit_format(*seq + 1, hash, &audit, &text, hash);

	if (r < 0)
		return r;
	if (asprintf(&line, "%s %s", hash, text) < 0) {
		line = NULL;
		return -ENOMEM;
	}
	++*seq;
	return add_text(lines, line) && add_text(ids, member(record, "id")) ? 0 : -ENOMEM;
}

static json_object *as_list(json_object *array)
{
	struct jb_doc doc = {json_object_new_object()};

	jb_doc_put(&doc, "L", array);
	return doc.json;
}

/* The keys of the items that the records lie in. NULL: out of memory. */
static json_object *sources(const struct round *round)
{
	struct jb_doc list = {json_object_new_array()};

	for (size_t i = 0; i < round->items; i++)
		if (!add_text(list.json, jb_item_text(round->item[i], "requestId")))
			jb_doc_clear(&list);
	return list.json;
}

/* The next item of the chain, with these lines and ids. */
static struct jb_doc chain_item(const struct round *round, int64_t first, json_object *lines, json_object *ids)
{
	struct jb_doc item = {json_object_new_object()};
	char key[JB_DDB_CHAIN_KEY_SIZE], place[24];

	jb_ddb_chain_key(first, key);
	snprintf(place, sizeof(place), "%012" PRId64, first);
	jb_item_put_text(&item, "requestId", key);
	jb_item_put_number(&item, "first", first);
	jb_item_put_text(&item, "list", "chain");
	jb_item_put_text(&item, "place", place);
	jb_doc_put(&item, "lines", as_list(lines));
	jb_doc_put(&item, "ids", as_list(ids));
	jb_doc_put(&item, "from", as_list(sources(round)));
	return item;
}

/* Writes it. -ECANCELED: there is one: somebody else's, or ours, and an answer was lost. */
static int put_item(struct jb_dynamodb *store, json_object *item)
{
	JB_DOC ask = jb_dynamo_ask(store->table);

	jb_doc_put(&ask, "Item", json_object_get(item));
	jb_ask_expression(&ask, "ConditionExpression", "attribute_not_exists(#requestId)");
	return jb_ddb_call(store, "PutItem", &ask, NULL);
}

/* Appends the records; afterwards the head is the item that has them. -ECANCELED: the chain ends elsewhere by now. */
static int append(struct round *round)
{
	json_object *lines = json_object_new_array(), *ids = json_object_new_array();
	struct jb_ddb_head next = {.first = round->head.last + 1, .last = round->head.last};
	int r = lines && ids ? 0 : -ENOMEM;

	memcpy(next.hash, round->head.hash, sizeof(next.hash));
	for (size_t i = 0; r == 0 && i < round->records; i++)
		r = add_line(&round->record[i], lines, ids, &next.last, next.hash);
	if (r < 0) {
		json_object_put(lines);
		json_object_put(ids);
		return r;
	}
	JB_DOC item = chain_item(round, next.first, lines, ids);
	r = item.json ? put_item(round->store, item.json) : -ENOMEM;
	if (r < 0)
		return r;
	json_object_put(round->head.item);
	next.item = JIT_TAKE(item.json);
	round->head = next;
	return 0;
}

static int tell(struct round *round)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < round->records; i++) {
		const struct record *record = &round->record[i];
		json_object *notices = json_object_object_get(record->json, "notices");
		const int64_t seq = sealed_as(&round->head, record);

		if (notices && seq)
			r = jb_ddb_outbox_add(round->store, notices, seq);
	}
	return r;
}

/* How many of an item's records, from its first on, are in the chain. */
static size_t sealed_of(const struct round *round, size_t item)
{
	size_t count = 0;

	for (size_t i = 0; i < round->records; i++)
		count += round->record[i].item == item && sealed_as(&round->head, &round->record[i]);
	return count;
}

static struct jb_doc take_out_ask(struct round *round, json_object *item)
{
	struct jb_doc ask = jb_dynamo_ask(round->store->table);

	jb_ask_key(&ask, jb_item_text(item, "requestId"));
	jb_ask_text(&ask, ":first", jb_item_list_text(item, "audit", 0));
	return ask;
}

/* All of them: then DynamoDB may forget the item in time, and one that was made for its record alone goes at once. */
static int take_out_all(struct round *round, json_object *item, size_t count)
{
	JB_DOC ask = take_out_ask(round, item);
	const bool alone = strncmp(jb_item_text(item, "requestId"), "audit:", 6) == 0;
	const int64_t forget = jb_item_number(item, "forgetAt", -1);

	jb_ask_expression(&ask, "ConditionExpression", "#audit[0] = :first AND size(#audit) = :count");
	jb_ask_number(&ask, ":count", (int64_t)count);
	if (alone)
		return jb_ddb_call(round->store, "DeleteItem", &ask, NULL);
	if (forget >= 0)
		jb_ask_number(&ask, ":forget", forget);
	jb_ask_expression(&ask, "UpdateExpression",
			  forget >= 0 ? "SET #expiresAt = :forget REMOVE #audit, #unsealed, #since"
				      : "REMOVE #audit, #unsealed, #since");
	return jb_ddb_call(round->store, "UpdateItem", &ask, NULL);
}

/* The first ones, where others have come behind them meanwhile. */
static int take_out_first(struct round *round, json_object *item, size_t count)
{
	JB_DOC ask = take_out_ask(round, item);
	char update[32 + RECORDS * sizeof("#audit[100], ")];
	size_t at = (size_t)snprintf(update, sizeof(update), "REMOVE ");

	/* From the last one on: right also where each step moves what is behind it up. DynamoDB does not, others do. */
	for (size_t i = count; i-- > 0;)
		at += (size_t)snprintf(update + at, sizeof(update) - at, "#audit[%zu]%s", i, i ? ", " : "");
	jb_ask_expression(&ask, "UpdateExpression", update);
	jb_ask_expression(&ask, "ConditionExpression", "#audit[0] = :first");
	return jb_ddb_call(round->store, "UpdateItem", &ask, NULL);
}

static int take_out(struct round *round)
{
	for (size_t i = 0; i < round->items; i++) {
		json_object *item = round->item[i];
		const size_t count = sealed_of(round, i), all = jb_item_list_length(item, "audit");
		int r = count && count == all ? take_out_all(round, item, count) : -ECANCELED;

		if (count && r == -ECANCELED)
			r = take_out_first(round, item, count);
		if (r < 0 && r != -ECANCELED) /* cancelled: somebody else took them out */
			return r;
	}
	return 0;
}

/* The newest item is finished. Where it is, for whoever comes next; and that what stands there once stood there. */
static int note_head(struct round *round)
{
	struct jb_dynamodb *store = round->store;
	JB_DOC ask = jb_dynamo_ask(store->table);

	jb_ask_key(&ask, JB_DDB_LEASE);
	jb_ask_expression(&ask, "UpdateExpression", "SET #head = :head, #last = :last");
	jb_ask_expression(&ask, "ConditionExpression", "attribute_not_exists(#last) OR #last < :last");
	jb_ask_number(&ask, ":head", round->head.first);
	jb_ask_number(&ask, ":last", round->head.last);
	int r = jb_ddb_call(store, "UpdateItem", &ask, NULL);
	if (r == -ECANCELED) /* somebody is ahead of us */
		r = 0;
	if (r == 0)
		store->head = store->finished = round->head.first;
	return r;
}

/*
 * Of what the newest item of the chain holds, those records that were gathered are
 * told, and taken out. Not by whoever was held up for longer than the lease: what
 * the next one has told since would be told again.
 */
static int clear_out(struct round *round)
{
	if (round->store->leased <= jb_ddb_now_ms())
		return -ECANCELED;
	int r = tell(round);
	return r == 0 ? take_out(round) : r;
}

/*
 * Whoever appended that item may not have come so far, or may be at it. One item
 * after the other: of one alone all that was sealed is gathered, however much has
 * come behind it.
 */
static int finish_newest(struct round *round)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < jb_item_list_length(round->head.item, "from"); i++) {
		JB_DOC one = {json_object_new_object()};
		struct jb_ddb_keys keys = {0};

		jb_item_put_text(&one, "requestId", jb_item_list_text(round->head.item, "from", i));
		r = one.json ? jb_ddb_keep_key(&keys, one.json) : -ENOMEM;
		if (r == 0)
			r = gather(round, &keys);
		if (r == 0)
			r = clear_out(round);
		jb_ddb_keys_clear(&keys);
		round_clear(round);
	}
	return r == 0 ? note_head(round) : r;
}

/* -ECANCELED: somebody else seals by now. */
static int seal_round(struct round *round, const struct jb_ddb_keys *keys)
{
	struct jb_dynamodb *store = round->store;
	int r = jb_ddb_head(store, store->head, &round->head);

	if (r == 0 && round->head.first && store->finished != round->head.first)
		r = finish_newest(round);
	if (r == 0)
		r = gather(round, keys);
	if (r < 0 || !round->records)
		return r;
	r = append(round);
	if (r == 0)
		r = clear_out(round);
	return r == 0 ? note_head(round) : r;
}

static int seal_once(struct jb_dynamodb *store, bool *ret_more)
{
	struct round *round = calloc(1, sizeof(*round));
	struct jb_ddb_keys keys = {0};
	int r = round ? find_waiting(store, &keys) : -ENOMEM;

	*ret_more = false;
	if (r == 0 && keys.count) {
		round->store = store;
		r = seal_round(round, &keys);
		*ret_more = r == -ECANCELED || (r == 0 && round->full);
		r = r == -ECANCELED ? 0 : r;
		round_clear(round);
		json_object_put(round->head.item);
	}
	jb_ddb_keys_clear(&keys);
	free(round);
	return r;
}

int jb_ddb_seal(struct jb_dynamodb *store, bool *ret_more)
{
	const int64_t begun = jb_ddb_now_ms();
	bool now_ours;
	int r = 0;

	*ret_more = have_lease(store, &now_ours);
	if (!*ret_more)
		return 0;
	while (r == 0 && *ret_more && jb_ddb_now_ms() - begun < BUDGET_MS && jb_ddb_now_ms() >= begun)
		r = seal_once(store, ret_more);
	/* Whoever had the outbox before may have left something in it. */
	if (now_ours && store->store.on_outbox)
		store->store.on_outbox(store->store.on_outbox_arg);
	return r;
}
