/* See dynamo_item.h. */
#include "dynamo_item.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_SIZE 40 /* of an attribute's name within an expression, '#' and NUL included */

/* {"S":"text"}; NULL: out of memory. */
static json_object *typed(const char *type, json_object *value)
{
	struct jb_doc doc = {json_object_new_object()};

	jb_doc_put(&doc, type, value);
	return doc.json;
}

static json_object *typed_text(const char *text)
{
	return typed("S", json_object_new_string(text));
}

static json_object *typed_number(int64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, number);
	return typed("N", json_object_new_string(text));
}

static json_object *typed_list(const char *text)
{
	struct jb_doc list = {json_object_new_array()};

	if (text)
		jb_doc_append(&list, typed_text(text));
	return typed("L", list.json);
}

void jb_item_put_text(struct jb_doc *item, const char *name, const char *text)
{
	if (text)
		jb_doc_put(item, name, typed_text(text));
}

void jb_item_put_number(struct jb_doc *item, const char *name, int64_t number)
{
	jb_doc_put(item, name, typed_number(number));
}

void jb_item_put_list(struct jb_doc *item, const char *name, const char *text)
{
	jb_doc_put(item, name, typed_list(text));
}

static json_object *value_of(json_object *item, const char *name, const char *type)
{
	json_object *attribute, *value;

	return json_object_object_get_ex(item, name, &attribute) && json_object_object_get_ex(attribute, type, &value)
		       ? value
		       : NULL;
}

static const char *as_text(json_object *value)
{
	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

const char *jb_plain_text(json_object *json, const char *name)
{
	json_object *value;

	return json_object_object_get_ex(json, name, &value) ? as_text(value) : NULL;
}

size_t jb_plain_length(json_object *array)
{
	return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

const char *jb_plain_text_at(json_object *array, size_t at)
{
	return at < jb_plain_length(array) ? as_text(json_object_array_get_idx(array, at)) : NULL;
}

const char *jb_item_text(json_object *item, const char *name)
{
	return as_text(value_of(item, name, "S"));
}

const char *jb_item_key(json_object *item, const char *kind)
{
	const char *key = jb_item_text(item, "requestId");
	const size_t len = strlen(kind);

	return key && strncmp(key, kind, len) == 0 && key[len] == ':' ? key + len + 1 : NULL;
}

int64_t jb_item_number(json_object *item, const char *name, int64_t otherwise)
{
	const char *text = as_text(value_of(item, name, "N"));
	char *end;

	if (!text)
		return otherwise;
	errno = 0;
	const long long number = strtoll(text, &end, 10);
	return errno || end == text || *end || number > JB_ITEM_NUMBER_MAX || number < -JB_ITEM_NUMBER_MAX ? otherwise
													   : number;
}

size_t jb_item_list_length(json_object *item, const char *name)
{
	return jb_plain_length(value_of(item, name, "L"));
}

const char *jb_item_list_text(json_object *item, const char *name, size_t at)
{
	return at < jb_item_list_length(item, name)
		       ? jb_plain_text(json_object_array_get_idx(value_of(item, name, "L"), at), "S")
		       : NULL;
}

struct jb_doc jb_dynamo_ask(const char *table)
{
	struct jb_doc ask = {json_object_new_object()};

	jb_doc_text(&ask, "TableName", table);
	return ask;
}

void jb_ask_key(struct jb_doc *ask, const char *key)
{
	jb_doc_put(ask, "Key", typed("requestId", typed_text(key)));
}

/* A member of the object `group` of the request, which is made where there is none. */
static void put_in(struct jb_doc *ask, const char *group, const char *name, json_object *value)
{
	json_object *members;

	if (!json_object_object_get_ex(ask->json, group, &members)) {
		members = json_object_new_object();
		jb_doc_put(ask, group, members);
	}
	if (!jit_json_add(ask->json ? members : NULL, name, value))
		jb_doc_clear(ask);
}

void jb_ask_expression(struct jb_doc *ask, const char *kind, const char *expression)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

	jb_doc_text(ask, kind, expression);
	for (const char *at = strchr(expression, '#'); at; at = strchr(at + 1, '#')) {
		char name[NAME_SIZE];
		const size_t len = 1 + strspn(at + 1, letters);

		if (len >= sizeof(name)) {
			jb_doc_clear(ask);
			return;
		}
		memcpy(name, at, len);
		name[len] = '\0';
		put_in(ask, "ExpressionAttributeNames", name, json_object_new_string(name + 1));
	}
}

void jb_ask_text(struct jb_doc *ask, const char *name, const char *text)
{
	put_in(ask, "ExpressionAttributeValues", name, typed_text(text));
}

void jb_ask_number(struct jb_doc *ask, const char *name, int64_t number)
{
	put_in(ask, "ExpressionAttributeValues", name, typed_number(number));
}

void jb_ask_list(struct jb_doc *ask, const char *name, const char *text)
{
	put_in(ask, "ExpressionAttributeValues", name, typed_list(text));
}

void jb_ask_flag(struct jb_doc *ask, const char *name, bool flag)
{
	jb_doc_put(ask, name, json_object_new_boolean(flag));
}
