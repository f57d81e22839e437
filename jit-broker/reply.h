/* Answers in JSON: a document, a fault with its stable code, or a plain message to the letter. */
#ifndef JB_REPLY_H
#define JB_REPLY_H

#include "call.h"
#include "engine.h"

struct json_object;

/* Takes `json` over; NULL (out of memory) becomes a 503. */
void jb_reply_json(struct jb_call *call, int status, struct json_object *json);

/* The same document for several calls: its text, made once and the document's own (NULL: out of memory), and 200 with
 * it for each of them. */
const char *jb_reply_format(struct json_object *json, size_t *ret_len);
void jb_reply_formatted(struct jb_call *call, const char *text, size_t len);

/*
 * 200, the document, and at its top level the four credential fields in clear,
 * Expiration as "2026-11-22T16:15:00+00:00". Takes `json` over; the credentials'
 * characters are those that issuers let through (visible ASCII, no quotes).
 */
void jb_reply_credentials(struct jb_call *call, struct json_object *json, const struct jb_credentials *credentials);

/* {"message":…,"error":…} */
void jb_reply_error(struct jb_call *call, int status, const char *code, const char *message);
/* The same for a fault; one without code is {"message":…} alone, and one of the store stands in the log, too. */
void jb_reply_fault(struct jb_call *call, const struct jb_fault *fault);
/* {"message":…} to the letter, as an API-key front door says it. */
void jb_reply_message(struct jb_call *call, int status, const char *message);

/* 429 likewise: come again after so many seconds. */
void jb_reply_later(struct jb_call *call, const char *message, unsigned seconds);

#endif
