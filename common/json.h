/*
 * json-c where memory may run out. By itself it then ends the process (something is added to an object that could not
 * be made), writes null for a value that could not be made, or prints a text with pieces missing, and says nothing.
 * Through these a document is whole, or not at all. Beside it, as in cleanup.h, the release of what a scope held.
 */
#ifndef JIT_JSON_H
#define JIT_JSON_H

#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>

#include "cleanup.h"

static inline void jit_json_putp(struct json_object **object)
{
	json_object_put(*object);
}

#define JIT_JSON JIT_CLEANUP(jit_json_putp)

/* Takes the value over, whatever comes of it; false where there is no object, no value, or no memory. */
static inline bool jit_json_add(struct json_object *to, const char *name, struct json_object *value)
{
	if (to && value && json_object_object_add(to, name, value) == 0)
		return true;
	json_object_put(value);
	return false;
}

/* The same for an array. */
static inline bool jit_json_append(struct json_object *to, struct json_object *value)
{
	if (to && value && json_object_array_add(to, value) == 0)
		return true;
	json_object_put(value);
	return false;
}

/* The whole text, which is the document's own; NULL: there is no document, or no memory. ret_len may be NULL. */
static inline const char *jit_json_text(struct json_object *json, size_t *ret_len)
{
	const int before = errno;
	size_t len = 0;

	errno = 0; /* json-c passes over an allocation that failed; who allocates says so here */
	const char *text = json ? json_object_to_json_string_length(
					  json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len)
				: NULL;
	if (!text || errno == ENOMEM)
		return NULL;
	errno = before;
	if (ret_len)
		*ret_len = len;
	return text;
}

#endif
