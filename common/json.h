/* Scope-bound release of json-c objects, beside cleanup.h for what needs no library. */
#ifndef JIT_JSON_H
#define JIT_JSON_H

#include <json-c/json.h>

#include "cleanup.h"

static inline void jit_json_putp(struct json_object **object)
{
	json_object_put(*object);
}

#define JIT_JSON JIT_CLEANUP(jit_json_putp)

#endif
