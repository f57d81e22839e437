/*
 * The functions that `bootstrap` can be, by the name in _HANDLER, and which calls
 * of the API, or steps of the workflow, each serves: no other, so that the permissions of one are of no use
 * for what another does. No I/O.
 */
#ifndef JB_LAMBDA_FUNCTIONS_H
#define JB_LAMBDA_FUNCTIONS_H

#include <stdbool.h>
#include <stddef.h>

struct jb_function;

enum jb_function_kind {
	JB_FUNCTION_API,    /* serves calls of the API */
	JB_FUNCTION_STATUS, /* UpdateAccessStatus: steps of the workflow that ask the table */
	JB_FUNCTION_ISSUE,  /* AssumeJITRole: those that have to do with credentials */
	JB_FUNCTION_SWEEP,  /* Notify, Sweep: whatever is due */
};

/* NULL: there is none of that name. */
const struct jb_function *jb_function_find(const char *name);
/* "Approve, Cancel, …" */
void jb_function_names(char *buf, size_t size);
enum jb_function_kind jb_function_kind(const struct jb_function *function);
bool jb_function_serves(const struct jb_function *function, const char *method, const char *path);
/* May it be invoked with the fields of a filing alone, by whom IAM allows it? */
bool jb_function_is_direct(const struct jb_function *function);

#endif
