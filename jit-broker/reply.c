/* See reply.h. */
#include "reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "clock.h"
#include "doc.h"
#include "log.h"

#define TYPE "Content-Type: application/json\r\n"

const char *jb_reply_format(struct json_object *json, size_t *ret_len)
{
	return jit_json_text(json, ret_len);
}

static void reply_text(struct jb_call *call, int status, const char *text, size_t len)
{
	/* Whoever is told to come again is told when. */
	const char *headers = status == 429 || status == 503 ? TYPE "Retry-After: 1\r\n"
			      : status == 401		     ? TYPE "WWW-Authenticate: Bearer\r\n"
							     : TYPE;

	jb_call_reply(call, status, headers, text, len);
}

static void reply_no_memory(struct jb_call *call)
{
	static const char text[] = "{\"message\":\"The broker is out of memory.\",\"error\":\"broker.memory\"}";

	reply_text(call, 503, text, sizeof(text) - 1);
}

void jb_reply_formatted(struct jb_call *call, const char *text, size_t len)
{
	if (text)
		reply_text(call, 200, text, len);
	else
		reply_no_memory(call);
}

void jb_reply_json(struct jb_call *call, int status, struct json_object *json)
{
	size_t len = 0;
	const char *text = jb_reply_format(json, &len);

	if (text)
		reply_text(call, status, text, len);
	else
		reply_no_memory(call);
	json_object_put(json);
}

/* By hand, not by json-c: its buffers are never wiped. */
void jb_reply_credentials(struct jb_call *call, struct json_object *json, const struct jb_credentials *c)
{
	size_t len = 0, size;
	const char *document = jb_reply_format(json, &len);
	char expiration[JIT_ISO_SIZE], *text;
	int n;

	jit_iso_format(c->expiration, expiration);
	expiration[strcspn(expiration, "Z")] = '\0';
	size = len + sizeof(*c) + 256;
	text = document ? malloc(size) : NULL;
	if (!text) {
		reply_no_memory(call);
		json_object_put(json);
		return;
	}
	/* The document always has members; its closing brace is replaced. */
	n = snprintf(text, size,
		     "%.*s,\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"%s\",\"SessionToken\":\"%s\","
		     "\"Expiration\":\"%s+00:00\"}",
		     (int)len - 1, document, c->access_key_id, c->secret_access_key, c->session_token, expiration);
	reply_text(call, 200, text, (size_t)n);
	explicit_bzero(text, size);
	free(text);
	json_object_put(json);
}

void jb_reply_error(struct jb_call *call, int status, const char *code, const char *message)
{
	struct jb_doc doc = {json_object_new_object()};

	jb_doc_text(&doc, "message", message);
	if (*code)
		jb_doc_text(&doc, "error", code);
	jb_reply_json(call, status, doc.json);
}

void jb_reply_fault(struct jb_call *call, const struct jb_fault *fault)
{
	/* Who called may not come again: the cause is for whoever runs the broker. */
	if (strcmp(fault->code, "store.unavailable") == 0)
		jit_log(LOG_ERR, "%s %s was refused: %s", jb_call_method(call), jb_call_path(call), fault->message);
	jb_reply_error(call, fault->http, fault->code, fault->message);
}

void jb_reply_message(struct jb_call *call, int status, const char *message)
{
	jb_reply_error(call, status, "", message);
}

void jb_reply_later(struct jb_call *call, const char *message, unsigned seconds)
{
	char headers[96], body[128];

	snprintf(headers, sizeof(headers), TYPE "Retry-After: %u\r\n", seconds);
	const int len = snprintf(body, sizeof(body), "{\"message\":\"%s\"}", message);
	jb_call_reply(call, 429, headers, body, (size_t)len);
}
