/*
 * The table of the DynamoDB store: its key, its indexes, and how it is made where
 * nobody else makes it (AWS CloudFormation does as a rule).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store_dynamo.h"

#define CREATE_S 60 /* that a table may take until it can be used */

/* What open requests are counted by. */
static const char *const open_with[] = {"status", "host", "filer", "requester", NULL};

/* An index is called as its hash key is. */
static const struct {
	const char *name, *range; /* range NULL: none */
	const char *type;	  /* of the range */
	const char *const *with;  /* what else it holds; NULL: nothing */
} indexes[] = {
	{"open", "due", "N", open_with},  /* requests that are not over, by when they change by themselves */
	{"host", "changed", "N", NULL},	  /* what a host has to be told, */
	{"filer", "changed", "N", NULL},  /* and a host that filed for another */
	{"feed", "written", "N", NULL},	  /* every write of a request, for the other processes */
	{"shortId", NULL, NULL, NULL},	  /* a request by what people call it */
	{"list", "place", "S", NULL},	  /* what is listed in order: requests, keys, sessions, notices, the chain */
	{"unsealed", "since", "N", NULL}, /* what has audit records that are not in the chain yet */
};
#define COUNT (sizeof(indexes) / sizeof(indexes[0]))

static bool holds(json_object *names, const char *name)
{
	for (size_t i = 0; i < jb_plain_length(names); i++) {
		const char *held = jb_plain_text_at(names, i);

		if (held && strcmp(held, name) == 0)
			return true;
	}
	return false;
}

/* Is it that index, with all that it has to hold? */
static bool is_index(json_object *index, size_t which)
{
	const char *name = jb_plain_text(index, "IndexName");
	json_object *projection = json_object_object_get(index, "Projection");
	const char *type = jb_plain_text(projection, "ProjectionType");

	if (!name || strcmp(name, indexes[which].name) != 0)
		return false;
	for (const char *const *with = indexes[which].with; with && *with; with++)
		if (!type ||
		    (strcmp(type, "ALL") != 0 && !holds(json_object_object_get(projection, "NonKeyAttributes"), *with)))
			return false;
	return true;
}

/* The name of an index that the table does not have; NULL: it has them all. */
static const char *missing_index(json_object *table)
{
	json_object *list = json_object_object_get(table, "GlobalSecondaryIndexes");

	for (size_t i = 0; i < COUNT; i++) {
		bool found = false;

		for (size_t n = 0; n < jb_plain_length(list); n++)
			found |= is_index(json_object_array_get_idx(list, n), i);
		if (!found)
			return indexes[i].name;
	}
	return NULL;
}

/* What DynamoDB says of the table: its "Table". */
static int describe(struct jb_dynamodb *store, json_object **ret)
{
	JB_DOC ask = jb_dynamo_ask(store->table);
	JIT_JSON json_object *answer = NULL;
	json_object *table;
	int r = jb_ddb_call(store, "DescribeTable", &ask, &answer);

	if (r < 0)
		return r;
	if (!json_object_object_get_ex(answer, "Table", &table))
		return -EIO;
	*ret = json_object_get(table);
	return 0;
}

int jb_ddb_look_at_table(struct jb_dynamodb *store, char *why, size_t why_size)
{
	JIT_JSON json_object *table = NULL;

	if (describe(store, &table) < 0) {
		snprintf(why, why_size, "cannot use the store dynamodb:%s: %s", store->table,
			 jb_store_error(&store->store));
		return -1;
	}
	const char *missing = missing_index(table);
	if (!missing)
		return 0;
	snprintf(why, why_size, "the table %s has no index %s as this jit-broker needs it (docs/design.md lists them)",
		 store->table, missing);
	return -1;
}

static bool is_active(json_object *table)
{
	const char *status = jb_plain_text(table, "TableStatus");

	return status && strcmp(status, "ACTIVE") == 0;
}

/* A table can be used some seconds after it was asked for. */
static int wait_for_table(struct jb_dynamodb *store)
{
	const struct timespec pause = {.tv_nsec = 50000000};

	for (int i = 0; i < CREATE_S * 20; i++) {
		JIT_JSON json_object *table = NULL;
		int r = describe(store, &table);

		if (r < 0 || is_active(table))
			return r;
		nanosleep(&pause, NULL);
	}
	store->error = "it is not ready yet; it will be";
	return -EIO;
}

static void add(json_object *array, struct jb_doc *doc, struct jb_doc *whole)
{
	if (!jit_json_append(array, doc->json))
		jb_doc_clear(whole);
}

static void add_pair(json_object *array, const char *name, const char *value_name, const char *value,
		     struct jb_doc *whole)
{
	struct jb_doc one = {json_object_new_object()};

	jb_doc_text(&one, "AttributeName", name);
	jb_doc_text(&one, value_name, value);
	add(array, &one, whole);
}

static json_object *key_schema(const char *hash, const char *range, struct jb_doc *whole)
{
	json_object *schema = json_object_new_array();

	add_pair(schema, hash, "KeyType", "HASH", whole);
	if (range)
		add_pair(schema, range, "KeyType", "RANGE", whole);
	return schema;
}

/* Each attribute that is a key once, however many indexes have it. */
static json_object *attributes(struct jb_doc *whole)
{
	json_object *list = json_object_new_array();

	add_pair(list, "requestId", "AttributeType", "S", whole);
	for (size_t i = 0; i < COUNT; i++) {
		bool again = false;

		add_pair(list, indexes[i].name, "AttributeType", "S", whole);
		for (size_t n = 0; n < i; n++)
			again |=
				indexes[i].range && indexes[n].range && strcmp(indexes[i].range, indexes[n].range) == 0;
		if (indexes[i].range && !again)
			add_pair(list, indexes[i].range, "AttributeType", indexes[i].type, whole);
	}
	return list;
}

static json_object *texts(const char *const *text)
{
	struct jb_doc list = {json_object_new_array()};

	for (; *text; text++)
		jb_doc_append(&list, json_object_new_string(*text));
	return list.json;
}

int jb_ddb_create_table(struct jb_dynamodb *store)
{
	JB_DOC ask = jb_dynamo_ask(store->table);
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < COUNT; i++) {
		struct jb_doc index = {json_object_new_object()}, projection = {json_object_new_object()};

		jb_doc_text(&projection, "ProjectionType", indexes[i].with ? "INCLUDE" : "KEYS_ONLY");
		if (indexes[i].with)
			jb_doc_put(&projection, "NonKeyAttributes", texts(indexes[i].with));
		jb_doc_text(&index, "IndexName", indexes[i].name);
		jb_doc_put(&index, "KeySchema", key_schema(indexes[i].name, indexes[i].range, &ask));
		jb_doc_put(&index, "Projection", projection.json);
		add(list, &index, &ask);
	}
	jb_doc_put(&ask, "GlobalSecondaryIndexes", list);
	jb_doc_put(&ask, "KeySchema", key_schema("requestId", NULL, &ask));
	jb_doc_put(&ask, "AttributeDefinitions", attributes(&ask));
	jb_doc_text(&ask, "BillingMode", "PAY_PER_REQUEST");
	int r = jb_ddb_call(store, "CreateTable", &ask, NULL);
	return r < 0 ? r : wait_for_table(store);
}
