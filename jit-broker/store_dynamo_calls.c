/*
 * How many calls a host made on a day, in the DynamoDB store: one item a host, added
 * to by every broker. A batch is as many writes: of one that breaks off, or whose
 * answer is lost, some calls are counted twice, never left out.
 */
#include <errno.h>
#include <stdlib.h>

#include "cleanup.h"
#include "store_dynamo.h"

static int calls_get(struct jb_store *base, const char *host, int64_t day, int64_t *ret)
{
	JIT_JSON json_object *item = NULL;
	JIT_FREE char *key = jb_ddb_key("calls:%s", host);

	if (!key)
		return -ENOMEM;
	int r = jb_ddb_get(jb_ddb_of(base), key, &item);
	if (r < 0 && r != -ENOENT)
		return r;
	*ret = r == 0 && jb_item_number(item, "day", -1) == day ? jb_item_number(item, "calls", 0) : 0;
	return 0;
}

/* On the day that the item has, or on a later one from nothing. -ECANCELED: it has the other. */
static int add(struct jb_dynamodb *store, const char *key, struct jb_calls *row, bool same_day)
{
	JB_DOC ask = jb_dynamo_ask(store->table);
	JIT_JSON json_object *answer = NULL;
	json_object *item;

	jb_ask_key(&ask, key);
	jb_ask_expression(&ask, "UpdateExpression",
			  same_day ? "ADD #calls :calls" : "SET #day = :day, #calls = :calls");
	jb_ask_expression(&ask, "ConditionExpression",
			  same_day ? "#day = :day" : "attribute_not_exists(#day) OR #day <> :day");
	jb_ask_number(&ask, ":day", row->day);
	jb_ask_number(&ask, ":calls", row->calls);
	jb_doc_text(&ask, "ReturnValues", "ALL_NEW");
	int r = jb_ddb_call(store, "UpdateItem", &ask, &answer);
	if (r == 0 && json_object_object_get_ex(answer, "Attributes", &item))
		row->calls = jb_item_number(item, "calls", row->calls);
	return r;
}

static int add_row(struct jb_dynamodb *store, struct jb_calls *row)
{
	JIT_FREE char *key = jb_ddb_key("calls:%s", row->host);

	if (!key)
		return -ENOMEM;
	int r = add(store, key, row, true);
	if (r == -ECANCELED)
		r = add(store, key, row, false);
	if (r == -ECANCELED) /* another broker has just begun the day */
		r = add(store, key, row, true);
	return r == -ECANCELED ? -EIO : r;
}

static int calls_add(struct jb_store *base, struct jb_calls *rows, size_t count)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = add_row(jb_ddb_of(base), &rows[i]);
	return r;
}

const struct jb_calls_ops jb_ddb_calls = {
	.get = calls_get,
	.add = calls_add,
};
