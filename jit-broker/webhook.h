/* The body of a webhook's message (docs/broker-api.md, "Webhooks"). No I/O. */
#ifndef JB_WEBHOOK_H
#define JB_WEBHOOK_H

#include "conf.h"

struct json_object;

/*
 * `doc`: the outbox's document. `link`: the page's address, signed; "" for none.
 * JSON of its own, or a message as Slack's incoming webhooks (and those of
 * others) take it. NULL: out of memory, or no such document. The caller frees.
 */
char *jb_webhook_body(enum jb_format format, struct json_object *doc, const char *link);

#endif
