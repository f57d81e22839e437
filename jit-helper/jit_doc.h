/* Documents of jit-helper as jit reads them (json-c): what is missing is empty, texts come out safe for a terminal. */
#ifndef JIT_DOC_H
#define JIT_DOC_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto.h"

struct jit_frame;

/* The object in a DOCUMENT frame; the caller puts it. NULL: it makes no sense, and the sentence is told on stderr. */
struct json_object *jit_doc_read(const struct jit_frame *frame);
/* The sentence that jit_doc_read tells, for a document that lacks something. JIT_EXIT_INTERNAL. */
enum jit_exit jit_doc_senseless(void);

/* An array of the object; NULL where there is none. */
struct json_object *jit_doc_list(struct json_object *json, const char *name);
/* An object in it; NULL where there is none. */
struct json_object *jit_doc_object(struct json_object *json, const char *name);
/* A text, cleaned; "" where there is none. Returns buf. */
const char *jit_doc_text(struct json_object *json, const char *name, char *buf, size_t size);
int64_t jit_doc_number(struct json_object *json, const char *name);
/* A member that is there and true. */
bool jit_doc_true(struct json_object *json, const char *name);
/* A member that is there and false. */
bool jit_doc_false(struct json_object *json, const char *name);
/* An array of texts as "root, postgres", cleaned. Returns buf. */
const char *jit_doc_join(struct json_object *json, const char *name, char *buf, size_t size);

#endif
