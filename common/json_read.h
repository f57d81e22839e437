/*
 * JSON (RFC 8259) read into json-c's objects: the whole document, or nothing.
 * json-c's own reader goes on where an allocation failed: a member, or a piece of a
 * text, is then missing, and it does not tell. No I/O.
 */
#ifndef JIT_JSON_READ_H
#define JIT_JSON_READ_H

#include <stddef.h>

struct json_object;

#define JIT_JSON_DEPTH 32 /* arrays and objects within each other */

/*
 * One document and nothing beside it but white space; of members of the same name the last one counts. 0 and *ret, the
 * caller's (NULL is the document "null"); -EINVAL: it is none, or deeper than `depth`, or a name has NUL in it;
 * -ENOMEM. That texts are UTF-8 is the caller's to ask.
 */
int jit_json_read(const char *text, size_t len, unsigned depth, struct json_object **ret);

/* The same for what ends with NUL, without the reason. NULL: there is no text, it is none, or there is no memory. */
struct json_object *jit_json_of(const char *text);

#endif
