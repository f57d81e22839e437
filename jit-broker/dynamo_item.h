/*
 * DynamoDB's JSON: items, whose attributes each name their type ({"S":"text"},
 * {"N":"1"}, {"L":[…]}), and requests with their expressions. No I/O.
 *
 * Every name in an expression is written #name and every value :name. The names
 * are declared by jb_ask_expression, so that no word that DynamoDB reserves is in
 * the way.
 */
#ifndef JB_DYNAMO_ITEM_H
#define JB_DYNAMO_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "doc.h"

/* An attribute of an item under construction; a NULL text is left out. */
void jb_item_put_text(struct jb_doc *item, const char *name, const char *text);
void jb_item_put_number(struct jb_doc *item, const char *name, int64_t number);
/* A list of texts with one element. */
void jb_item_put_list(struct jb_doc *item, const char *name, const char *text);

/*
 * What an item holds; NULL, `otherwise` and 0 where it has no such attribute of that type. A number is within
 * ±JB_ITEM_NUMBER_MAX, so that something can be added to it.
 */
#define JB_ITEM_NUMBER_MAX ((int64_t)1 << 62)
const char *jb_item_text(json_object *item, const char *name);
int64_t jb_item_number(json_object *item, const char *name, int64_t otherwise);
size_t jb_item_list_length(json_object *item, const char *name);
const char *jb_item_list_text(json_object *item, const char *name, size_t at);

/* The key of an item of that kind ("secret") without its kind and colon; NULL: it is of another one. */
const char *jb_item_key(json_object *item, const char *kind);

/* Of plain JSON: a member that is a text, how long an array is, a text in it; NULL and 0 where they are none. */
const char *jb_plain_text(json_object *json, const char *name);
size_t jb_plain_length(json_object *array);
const char *jb_plain_text_at(json_object *array, size_t at);

/* {"TableName":…} */
struct jb_doc jb_dynamo_ask(const char *table);
/* The item that is meant: "Key". */
void jb_ask_key(struct jb_doc *ask, const char *key);
/* kind: "ConditionExpression". Declares its #names. */
void jb_ask_expression(struct jb_doc *ask, const char *kind, const char *expression);
/* A value ":name" of the expressions. */
void jb_ask_text(struct jb_doc *ask, const char *name, const char *text);
void jb_ask_number(struct jb_doc *ask, const char *name, int64_t number);
/* A list of texts: none where text is NULL, else one. */
void jb_ask_list(struct jb_doc *ask, const char *name, const char *text);
void jb_ask_flag(struct jb_doc *ask, const char *name, bool flag);

#endif
