/* One call of an approver's command to the broker. */
#ifndef JB_CLIENT_CALL_H
#define JB_CLIENT_CALL_H

#include "client_conf.h"

struct json_object;

/*
 * One call. `path` from "/"; `body` is JSON text or NULL for a GET. 0 and the
 * answer's document (the caller puts it) for a 200; else an enum
 * jb_client_exit, and a sentence has been printed on standard error.
 */
int jb_client_call(const struct jb_client_conf *conf, const char *path, const char *body, struct json_object **ret);

#endif
