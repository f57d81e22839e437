/* What an approver may call, known as a person by their token. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "clock.h"
#include "doc.h"
#include "draft.h"
#include "filing.h"
#include "reply.h"

#define CODE_MAX      8
#define AUDIT_RECORDS 200 /* an answer */

void jb_api_person_list(struct jb_ask *ask)
{
	struct jb_request **requests = NULL;
	struct jb_fault fault;
	char status[16] = "PENDING";
	size_t count = 0;
	int r = jb_call_query(ask->call, "status", status, sizeof(status));

	if (r < 0 && r != -ENOENT) {
		jb_reply_error(ask->call, 400, "request.field", "The parameter 'status' must be a request's status.");
		return;
	}
	if (jb_engine_list(ask->api->engine, ask->who, status, ask->now, &requests, &count, &fault) < 0)
		jb_reply_fault(ask->call, &fault);
	else
		jb_reply_json(ask->call, 200,
			      jb_api_list(requests, count, jb_request_for_approver, "requests", ask->now));
}

void jb_api_person_get(struct jb_ask *ask)
{
	struct jb_request *r = NULL;
	struct jb_fault fault;

	if (jb_engine_view(ask->api->engine, ask->who, ask->id, ask->now, &r, &fault) < 0)
		jb_reply_fault(ask->call, &fault);
	else
		jb_reply_json(ask->call, 200, jb_request_for_approver(r, ask->now));
	jb_request_free(r);
}

/* The body of a decision. NULL: has been answered with a 400. */
static struct json_object *read_decision(struct jb_ask *ask, const char **ret_code, const char **ret_comment)
{
	struct json_object *body = jb_api_body(ask, true);
	struct jb_fault fault;

	if (!body)
		return NULL;
	if (jb_json_text(body, "code", CODE_MAX, ret_code, &fault) == 0 &&
	    jb_json_text(body, "comment", JIT_LINE_SIZE - 1, ret_comment, &fault) == 0)
		return body;
	jb_reply_fault(ask->call, &fault);
	json_object_put(body);
	return NULL;
}

static void decide(struct jb_ask *ask, bool approve)
{
	const char *code = NULL, *comment = NULL;
	struct json_object *body = read_decision(ask, &code, &comment);
	struct jb_engine *engine = ask->api->engine;
	struct jb_request *r = NULL;
	struct jb_fault fault;

	if (!body)
		return;
	int went = approve ? jb_engine_approve(engine, ask->who, ask->id, code, comment, ask->now, &r, &fault)
			   : jb_engine_deny(engine, ask->who, ask->id, comment, ask->now, &r, &fault);
	jb_waiters_answer(ask->api->waiters); /* somebody sits at a terminal */
	if (went < 0)
		jb_reply_fault(ask->call, &fault);
	else
		jb_reply_json(ask->call, 200, jb_request_for_approver(r, ask->now));
	jb_request_free(r);
	json_object_put(body);
}

void jb_api_approve(struct jb_ask *ask)
{
	decide(ask, true);
}

void jb_api_deny(struct jb_ask *ask)
{
	decide(ask, false);
}

/* What was handed out lives on until its own end: the approver is told when that is. */
void jb_api_say_revoked(const struct jb_request *r, int64_t now, char *buf, size_t size)
{
	char end[JIT_ISO_SIZE];

	jit_iso_format(r->sealed_until, end);
	if (r->sealed_until > now)
		snprintf(buf, size, "Request %s is revoked; the last credential dies at %s.", r->short_id, end);
	else
		snprintf(buf, size, "Request %s is revoked; no credential of it is alive.", r->short_id);
}

void jb_api_revoke(struct jb_ask *ask)
{
	const char *code = NULL, *comment = NULL;
	struct json_object *body = read_decision(ask, &code, &comment);
	struct jb_request *r = NULL;
	char message[160];
	struct jb_fault fault;

	if (!body)
		return;
	if (jb_engine_revoke(ask->api->engine, ask->who, ask->id, comment, ask->now, &r, &fault) < 0) {
		jb_reply_fault(ask->call, &fault);
	} else {
		struct jb_doc doc = {jb_request_for_approver(r, ask->now)};

		jb_api_say_revoked(r, ask->now, message, sizeof(message));
		jb_doc_text(&doc, "message", message);
		jb_reply_json(ask->call, 200, doc.json);
	}
	jb_request_free(r);
	json_object_put(body);
}

struct records {
	struct jit_draft text;
	int64_t last;
	size_t count;
};

static void add_record(void *arg, int64_t seq, const char *json)
{
	struct records *records = arg;

	jit_draft_printf(&records->text, "%s%s", records->count++ ? "," : "", json);
	records->last = seq;
}

/* Records go out byte for byte as they were hashed. */
void jb_api_audit(struct jb_ask *ask)
{
	int64_t after = 0;
	size_t size;

	if (!jb_conf_lists(ask->api->conf, &ask->api->conf->auditors, ask->who)) {
		jb_reply_error(ask->call, 403, "audit.not_auditor",
			       "The audit chain is for the auditors that the broker's configuration names.");
		return;
	}
	if (jb_api_number(ask, "after", INT64_MAX - 1, &after) < 0)
		return;
	struct records records = {.last = after};
	jit_draft_text(&records.text, "{\"records\":[");
	int r = jb_store_audit_read(ask->api->store, after, AUDIT_RECORDS, add_record, &records);
	jit_draft_printf(&records.text, "],\"next\":%lld}", (long long)records.last);
	char *text = jit_draft_done(&records.text, &size);
	if (r < 0)
		jb_reply_error(ask->call, 503, "broker.store", "The broker cannot read its store; try again later.");
	else if (!text)
		jb_reply_json(ask->call, 503, NULL);
	else
		jb_call_reply(ask->call, 200, "Content-Type: application/json\r\n", text, size);
	free(text);
}
