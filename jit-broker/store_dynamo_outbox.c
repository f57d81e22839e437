/*
 * The outbox in the DynamoDB store: one item for each notice, listed by its channel
 * in the order of its number. The process that seals is the one that empties it;
 * the others see it empty. Which channels there are stands in an item of its own.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_dynamo.h"

#define KEY_SIZE   (sizeof("outbox:") + JB_NOTICE_ID_SIZE)
#define PLACE_SIZE 24
#define LIST_SIZE  160
#define CHANNELS   "outbox:channels"
#define PER_RECORD 1000 /* notices that one record can have: their numbers follow from its own */
#define LOOK_MAX   1000 /* rows of a channel that are looked at for the heads of its queues */

/* By the id of the delivery: the same one is never there twice. */
static void key_of(const char *notice_id, char key[static KEY_SIZE])
{
	snprintf(key, KEY_SIZE, "outbox:%.36s", notice_id);
}

static void place_of(int64_t seq, char place[static PLACE_SIZE])
{
	snprintf(place, PLACE_SIZE, "%020" PRId64, seq);
}

static void list_of(const char *channel, char list[static LIST_SIZE])
{
	snprintf(list, LIST_SIZE, "outbox:%s", channel);
}

/* The channel is remembered first: a row that nobody looks for would be lost. */
static int add_channel(struct jb_dynamodb *store, const char *channel)
{
	JB_DOC ask = jb_dynamo_ask(store->table);
	struct jb_doc set = {json_object_new_object()}, values = {json_object_new_object()},
		      names = {json_object_new_array()};

	jb_doc_append(&names, json_object_new_string(channel));
	jb_doc_put(&set, "SS", names.json);
	jb_doc_put(&values, ":channel", set.json);
	jb_ask_key(&ask, CHANNELS);
	jb_ask_expression(&ask, "UpdateExpression", "ADD #channels :channel");
	jb_doc_put(&ask, "ExpressionAttributeValues", values.json);
	return jb_ddb_call(store, "UpdateItem", &ask, NULL);
}

static const char *text_of(json_object *notice, const char *name)
{
	return jb_plain_text(notice, name);
}

static int add_row(struct jb_dynamodb *store, json_object *notice, int64_t seq)
{
	static const char *const texts[] = {"channel", "receiver", "about", "event", "doc"};
	const int64_t at = json_object_get_int64(json_object_object_get(notice, "at"));
	JB_DOC ask = jb_dynamo_ask(store->table);
	struct jb_doc item = {json_object_new_object()};
	char key[KEY_SIZE], list[LIST_SIZE], place[PLACE_SIZE];

	key_of(text_of(notice, "id"), key);
	place_of(seq, place);
	list_of(text_of(notice, "channel"), list);
	jb_item_put_text(&item, "requestId", key);
	jb_item_put_text(&item, "list", list);
	jb_item_put_text(&item, "place", place);
	jb_item_put_text(&item, "notice", text_of(notice, "id"));
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		jb_item_put_text(&item, texts[i], text_of(notice, texts[i]));
	jb_item_put_number(&item, "seq", seq);
	jb_item_put_number(&item, "created", at);
	jb_item_put_number(&item, "due", at);
	jb_item_put_number(&item, "tries", 0);
	jb_doc_put(&ask, "Item", item.json);
	jb_ask_expression(&ask, "ConditionExpression", "attribute_not_exists(#requestId)");
	int r = jb_ddb_call(store, "PutItem", &ask, NULL);
	return r == -ECANCELED ? 0 : r;
}

int jb_ddb_outbox_add(struct jb_dynamodb *store, json_object *notices, int64_t seq)
{
	const size_t count = jb_plain_length(notices);
	int r = 0;

	for (size_t i = 0; r == 0 && i < count && i < PER_RECORD; i++) {
		json_object *notice = json_object_array_get_idx(notices, i);

		r = add_channel(store, text_of(notice, "channel"));
		if (r == 0)
			r = add_row(store, notice, seq * PER_RECORD + (int64_t)i);
	}
	if (r == 0 && store->store.on_outbox)
		store->store.on_outbox(store->store.on_outbox_arg);
	return r;
}

static char *copy(json_object *item, const char *name)
{
	const char *text = jb_item_text(item, name);

	return text ? strdup(text) : NULL;
}

static bool read_row(json_object *item, struct jb_outbox_row *ret)
{
	const char *id = jb_item_text(item, "notice");

	*ret = (struct jb_outbox_row){.seq = jb_item_number(item, "seq", 0),
				      .due = jb_item_number(item, "due", 0),
				      .tries = (unsigned)jb_item_number(item, "tries", 0),
				      .error = copy(item, "error"),
				      .notice = {.channel = copy(item, "channel"),
						 .receiver = copy(item, "receiver"),
						 .about = copy(item, "about"),
						 .event = copy(item, "event"),
						 .at = jb_item_number(item, "created", 0),
						 .doc = copy(item, "doc")}};
	const struct jb_notice *n = &ret->notice;
	if (id && strlen(id) < sizeof(n->id) && n->channel && n->receiver && n->about && n->event && n->doc) {
		memcpy(ret->notice.id, id, strlen(id) + 1);
		return true;
	}
	jb_outbox_row_clear(ret);
	return false;
}

struct reader {
	struct jb_outbox_rows rows;
	int64_t created; /* those made by then; INT64_MAX: all */
	bool heads;	 /* the first of each receiver and request alone */
};

static bool has_head(const struct jb_outbox_rows *rows, const struct jb_outbox_row *row)
{
	for (size_t i = 0; i < rows->count; i++)
		if (strcmp(rows->row[i].notice.receiver, row->notice.receiver) == 0 &&
		    strcmp(rows->row[i].notice.about, row->notice.about) == 0)
			return true;
	return false;
}

static int take_row(void *arg, json_object *item)
{
	struct reader *reader = arg;
	struct jb_outbox_rows *rows = &reader->rows;
	struct jb_outbox_row row;

	if (!jb_item_text(item, "list")) /* it has left the outbox */
		return 0;
	if (!read_row(item, &row))
		return -EIO;
	if (row.notice.at > reader->created || (reader->heads && has_head(rows, &row))) {
		jb_outbox_row_clear(&row);
		return 0;
	}
	struct jb_outbox_row *grown = reallocarray(rows->row, rows->count + 1, sizeof(*grown));
	if (!grown) {
		jb_outbox_row_clear(&row);
		return -ENOMEM;
	}
	rows->row = grown;
	grown[rows->count++] = row;
	return 0;
}

static int keep_some(void *arg, json_object *item)
{
	struct jb_ddb_keys *keys = arg;
	int r = jb_ddb_keep_key(keys, item);

	return r == 0 && keys->count == LOOK_MAX ? 1 : r;
}

/* A channel's rows behind that one, in order. */
static int read_channel(struct jb_dynamodb *store, const char *channel, int64_t after, struct reader *reader)
{
	struct jb_ddb_keys keys = {0};
	char list[LIST_SIZE], place[PLACE_SIZE];

	if (!channel)
		return -EIO;
	list_of(channel, list);
	place_of(after, place);
	JB_DOC ask = jb_ddb_index(store, "list", list, "#place > :place");
	jb_ask_text(&ask, ":place", place);
	int r = jb_ddb_query(store, &ask, keep_some, &keys);
	if (r >= 0)
		r = jb_ddb_items(store, &keys, take_row, reader);
	jb_ddb_keys_clear(&keys);
	return r;
}

static void cut(struct jb_outbox_rows *rows, size_t limit)
{
	while (rows->count > limit)
		jb_outbox_row_clear(&rows->row[--rows->count]);
}

static int give(struct reader *reader, int r, size_t limit, struct jb_outbox_rows *ret)
{
	if (r < 0)
		jb_outbox_rows_clear(&reader->rows);
	cut(&reader->rows, limit);
	*ret = reader->rows;
	return r;
}

static int by_due(const void *a, const void *b)
{
	const struct jb_outbox_row *x = a, *y = b;

	if (x->due != y->due)
		return x->due < y->due ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static int by_seq(const void *a, const void *b)
{
	const struct jb_outbox_row *x = a, *y = b;

	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static int outbox_next(struct jb_store *base, const char *channel, size_t limit, struct jb_outbox_rows *ret)
{
	struct jb_dynamodb *store = jb_ddb_of(base);
	struct reader reader = {.created = INT64_MAX, .heads = true};

	*ret = (struct jb_outbox_rows){0};
	if (store->leased <= jb_ddb_now_ms())
		return 0;
	int r = read_channel(store, channel, 0, &reader);
	if (reader.rows.count)
		qsort(reader.rows.row, reader.rows.count, sizeof(*reader.rows.row), by_due);
	return give(&reader, r, limit, ret);
}

static int outbox_old(struct jb_store *base, const char *channel, int64_t created, size_t limit,
		      struct jb_outbox_rows *ret)
{
	struct jb_dynamodb *store = jb_ddb_of(base);
	struct reader reader = {.created = created};

	*ret = (struct jb_outbox_rows){0};
	if (store->leased <= jb_ddb_now_ms())
		return 0;
	return give(&reader, read_channel(store, channel, 0, &reader), limit, ret);
}

/* The channels that ever had something. */
static int channels(struct jb_dynamodb *store, json_object **ret_item, json_object **ret_names)
{
	json_object *set;
	int r = jb_ddb_get(store, CHANNELS, ret_item);

	*ret_names = NULL;
	if (r == -ENOENT)
		return 0;
	if (r == 0 && json_object_object_get_ex(*ret_item, "channels", &set))
		json_object_object_get_ex(set, "SS", ret_names);
	return r;
}

static int outbox_list(struct jb_store *base, int64_t after, size_t limit, struct jb_outbox_rows *ret)
{
	struct jb_dynamodb *store = jb_ddb_of(base);
	struct reader reader = {.created = INT64_MAX};
	JIT_JSON json_object *item = NULL;
	json_object *names;
	int r = channels(store, &item, &names);

	for (size_t i = 0; r == 0 && i < jb_plain_length(names); i++)
		r = read_channel(store, jb_plain_text_at(names, i), after, &reader);
	if (reader.rows.count)
		qsort(reader.rows.row, reader.rows.count, sizeof(*reader.rows.row), by_seq);
	return give(&reader, r, limit, ret);
}

static int64_t oldest(const struct jb_outbox_rows *rows)
{
	int64_t at = INT64_MAX;

	for (size_t i = 0; i < rows->count; i++)
		at = rows->row[i].notice.at < at ? rows->row[i].notice.at : at;
	return at;
}

/* Of a very long queue as many are counted as are looked at. */
static int outbox_channels(struct jb_store *base, jb_outbox_each each, void *arg)
{
	struct jb_dynamodb *store = jb_ddb_of(base);
	JIT_JSON json_object *item = NULL;
	json_object *names;
	int r = channels(store, &item, &names);

	for (size_t i = 0; r == 0 && i < jb_plain_length(names); i++) {
		const char *name = jb_plain_text_at(names, i);
		struct reader reader = {.created = INT64_MAX};

		r = read_channel(store, name, 0, &reader);
		if (r == 0 && reader.rows.count)
			each(arg, name, reader.rows.count, oldest(&reader.rows));
		jb_outbox_rows_clear(&reader.rows);
	}
	return r < 0 ? -EIO : 0;
}

static int outbox_done(struct jb_store *base, const struct jb_outbox_row *row)
{
	char key[KEY_SIZE];

	key_of(row->notice.id, key);
	return jb_ddb_delete(jb_ddb_of(base), key);
}

static int outbox_failed(struct jb_store *base, const struct jb_outbox_row *row, int64_t due, const char *error)
{
	struct jb_dynamodb *store = jb_ddb_of(base);
	JB_DOC ask = jb_dynamo_ask(store->table);
	char key[KEY_SIZE];
	const struct jb_ddb_change change = {.key = key,
					     .condition = "attribute_exists(#list)",
					     .set = "#due = :due, #error = :error, #tries = #tries + :more"};

	key_of(row->notice.id, key);
	jb_ask_number(&ask, ":due", due);
	jb_ask_text(&ask, ":error", error ? error : "");
	jb_ask_number(&ask, ":more", 1);
	int r = jb_ddb_write(store, &ask, &change);
	return r == -ECANCELED ? 0 : r;
}

static int hurry_row(struct jb_dynamodb *store, const struct jb_outbox_row *row, int64_t now)
{
	JB_DOC ask = jb_dynamo_ask(store->table);
	char key[KEY_SIZE];
	const struct jb_ddb_change change = {.key = key, .condition = "#due > :due", .set = "#due = :due"};

	key_of(row->notice.id, key);
	jb_ask_number(&ask, ":due", now);
	int r = jb_ddb_write(store, &ask, &change);
	return r == -ECANCELED ? 0 : r;
}

static int outbox_hurry(struct jb_store *base, const char *channel, int64_t now)
{
	struct jb_dynamodb *store = jb_ddb_of(base);
	struct reader reader = {.created = INT64_MAX};
	int r = read_channel(store, channel, 0, &reader);

	for (size_t i = 0; r == 0 && i < reader.rows.count; i++)
		if (reader.rows.row[i].due > now)
			r = hurry_row(store, &reader.rows.row[i], now);
	jb_outbox_rows_clear(&reader.rows);
	return r;
}

/* It leaves the outbox in the write that says so; the item goes when that record is sealed. */
static int outbox_give_up(struct jb_store *base, const struct jb_outbox_row *row, int64_t now)
{
	struct jb_dynamodb *store = jb_ddb_of(base);
	JB_DOC ask = jb_dynamo_ask(store->table);
	JIT_FREE char *detail = jb_outbox_given_up(row);
	char key[KEY_SIZE];
	const struct jb_audit audit = {
		.at = now, .action = "notification.given_up", .actor = "timer", .detail = detail};
	const struct jb_ddb_change change = {.key = key,
					     .condition = "attribute_exists(#list)",
					     .set = "#forgetAt = :forget",
					     .remove = "#list, #place",
					     .audit = &audit};

	if (!detail)
		return -ENOMEM;
	key_of(row->notice.id, key);
	jb_ask_number(&ask, ":forget", now);
	int r = jb_ddb_write(store, &ask, &change);
	return r == -ECANCELED ? 0 : r;
}

const struct jb_outbox_ops jb_ddb_outbox = {
	.next = outbox_next,
	.old = outbox_old,
	.list = outbox_list,
	.channels = outbox_channels,
	.done = outbox_done,
	.failed = outbox_failed,
	.hurry = outbox_hurry,
	.give_up = outbox_give_up,
};
