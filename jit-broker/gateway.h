/*
 * The events with which AWS hands a call to a function, read into the same head
 * and body that a connection brings, and the answer in the form that it takes
 * back (https://docs.aws.amazon.com/apigateway/latest/developerguide/
 * http-api-develop-integrations-lambda.html). REST APIs send payload 1.0, HTTP
 * APIs 2.0; whoever invokes the function directly sends the fields of a filing.
 * No I/O.
 *
 * An event's word is as good as the permission to invoke the function is narrow:
 * it says from where and as whom the caller came.
 */
#ifndef JB_GATEWAY_H
#define JB_GATEWAY_H

#include <stddef.h>

#include "http.h"
#include "source.h"

struct json_object;

enum jb_gateway_kind {
	JB_GATEWAY_REST,   /* payload 1.0: REST APIs, and HTTP APIs that are set to it */
	JB_GATEWAY_HTTP,   /* payload 2.0 */
	JB_GATEWAY_DIRECT, /* no gateway: POST /request-access, its body the event itself */
};

struct jb_gateway_event {
	enum jb_gateway_kind kind;
	struct jb_http_head head;
	char *body; /* head.content_length bytes and a NUL; never NULL */
	size_t body_size;
	struct jb_address peer;
	char *query;		  /* what head.query points to */
	struct json_object *json; /* what the rest points into */
};

/*
 * 0; a status with which the caller is refused, with a sentence in why; -EINVAL:
 * it is no such event; -ENOMEM. *ret is to be cleared only after 0.
 */
int jb_gateway_read(const char *text, size_t len, struct jb_gateway_event *ret, char *why, size_t why_size);
/* Wipes what the event held: keys stand among its headers. */
void jb_gateway_clear(struct jb_gateway_event *event);

/*
 * {"statusCode":…,"headers":{…},"body":…,"isBase64Encoded":…}. `headers`: whole
 * lines, each name at most once. *ret_len bytes and a NUL; the caller wipes and frees
 * it. NULL: out of memory.
 */
char *jb_gateway_answer(int status, const char *headers, const char *body, size_t len, size_t *ret_len);

#endif
