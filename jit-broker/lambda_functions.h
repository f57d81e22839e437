/*
 * The functions that `bootstrap` can be, by the name in _HANDLER, and which calls
 * of the API each serves: no other, so that the permissions of one are of no use
 * for what another does. No I/O.
 */
#ifndef JB_LAMBDA_FUNCTIONS_H
#define JB_LAMBDA_FUNCTIONS_H

#include <stdbool.h>
#include <stddef.h>

struct jb_function;

/* NULL: there is none of that name. */
const struct jb_function *jb_function_find(const char *name);
/* "Approve, Cancel, …" */
void jb_function_names(char *buf, size_t size);
bool jb_function_serves(const struct jb_function *function, const char *method, const char *path);
/* May it be invoked with the fields of a filing alone, by whom IAM allows it? */
bool jb_function_is_direct(const struct jb_function *function);

#endif
