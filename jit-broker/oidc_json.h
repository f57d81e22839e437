/*
 * jansson, the JSON library that libjose speaks, for the files oidc*.c alone; all
 * else uses json-c. Two of their functions have the same name, and in a program
 * that links both the linker gives that name to json-c: jansson's may not be
 * called here, and jb_oidc_member stands in for it.
 */
#ifndef JB_OIDC_JSON_H
#define JB_OIDC_JSON_H

#include <jansson.h>

#include "cleanup.h"

#undef json_object_foreach /* of the two functions */
#undef json_object_foreach_safe
#pragma GCC poison json_object_get json_object_iter_next

/* A member of an object; NULL when there is none, or no object. Not to be released. */
static inline json_t *jb_oidc_member(const json_t *object, const char *name)
{
	json_t *member = NULL;

	json_unpack_ex((json_t *)object, NULL, 0, "{s?o}", name, &member);
	return member;
}

/* The same where it is a text; else NULL. It lives as long as the object. */
static inline const char *jb_oidc_text(const json_t *object, const char *name)
{
	return json_string_value(jb_oidc_member(object, name));
}

static inline void jb_oidc_putp(json_t **json)
{
	json_decref(*json);
}

#define JB_OIDC_JSON JIT_CLEANUP(jb_oidc_putp)

#endif
