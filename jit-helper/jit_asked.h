/* Requests in the helper's documents (docs/protocol-helper.md): what became of them, in a line and as an exit status.
 */
#ifndef JIT_ASKED_H
#define JIT_ASKED_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#include "proto.h"

/* The exit status for a request's `status`; JIT_EXIT_INTERNAL for one that is not known. */
enum jit_exit jit_asked_exit(const char *status);
/* Which of two exit statuses says more of what is wrong: 5, 13, 11, 12, 4, 10, 0. */
enum jit_exit jit_graver(enum jit_exit a, enum jit_exit b);
/* The gravest of all requests in the list. */
enum jit_exit jit_asked_gravest(struct json_object *list);

bool jit_asked_pending(struct json_object *request);

/* "approved by appr1, 1 h from its first use on": what is to be said behind its id. Returns buf. */
const char *jit_asked_text(struct json_object *request, char *buf, size_t size);

/* Takes over what `news` says about requests of `list`, by their ids; `changed` is called for each other status. */
void jit_asked_update(struct json_object *list, struct json_object *news,
		      void (*changed)(void *arg, struct json_object *request), void *arg);

#endif
