/*
 * The body of POST /request-access, read strictly into a filing: types and sizes,
 * and nothing about policy. No I/O.
 */
#ifndef JB_FILING_H
#define JB_FILING_H

#include <stddef.h>

#include "engine.h"

struct json_object;

/*
 * A JSON object from untrusted text: UTF-8, no NUL, nesting at most 16, nothing
 * after it. NULL with errno: EINVAL, it is none; ENOMEM. The caller puts it.
 */
struct json_object *jb_json_object(const char *text, size_t len);

/*
 * The text member `name` of at most `max` bytes. 0 and *ret, NULL when it is
 * absent or null; -1 with a 400 request.field in *fault.
 */
int jb_json_text(struct json_object *json, const char *name, size_t max, const char **ret, struct jb_fault *fault);
/* An object member (publicKey) as compact JSON text of at most `max` bytes. As jb_json_text; 503 when out of memory. */
int jb_json_member(struct json_object *json, const char *name, size_t max, const char **ret, struct jb_fault *fault);

/* -1, with a 503 in *fault. */
int jb_no_memory(struct jb_fault *fault);

/*
 * Fills the filing from the body; its strings lie in `json`. idempotency_key and
 * body_hash are the caller's part. 0, or -1 with a 400 in *fault; its code is ""
 * for the errors whose text is all there is: {"message":"Missing required field: 'role'"}.
 */
int jb_filing_read(struct json_object *json, struct jb_filing *ret, struct jb_fault *fault);

#endif
