/* See workflow.h. */
#include "workflow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "json.h"
#include "json_read.h"

static bool put_text(json_object *json, const char *name, const char *text)
{
	return jit_json_add(json, name, json_object_new_string(text));
}

static char *text_of(json_object *json)
{
	const char *text = jit_json_text(json, NULL);

	return text ? strdup(text) : NULL;
}

bool jb_workflow_is_past(const struct jb_request *request, const char *step)
{
	if (strcmp(step, JB_AWAIT_COLLECTION) == 0)
		return request->status != JB_PENDING && request->status != JB_APPROVED;
	return request->status != JB_PENDING;
}

/* `id_of`: what makes this delivery another one than the request's others. Takes the document over. */
static int add(struct jb_notices *notices, const struct jb_request *request, const char *event, const char *id_of,
	       char *doc, int64_t now)
{
	struct jb_notice *grown = doc ? reallocarray(notices->notice, notices->count + 1, sizeof(*grown)) : NULL;

	if (!grown) {
		free(doc);
		return -ENOMEM;
	}
	notices->notice = grown;
	struct jb_notice *n = &grown[notices->count++];
	*n = (struct jb_notice){.at = now, .doc = doc};
	n->channel = strdup(JB_CHANNEL_WORKFLOW);
	n->receiver = strdup(JB_CHANNEL_WORKFLOW);
	n->about = strdup(request->id);
	n->event = strdup(event);
	if (!n->channel || !n->receiver || !n->about || !n->event)
		return -ENOMEM;
	return jb_notice_id(id_of, JB_CHANNEL_WORKFLOW, event, n->id);
}

static int64_t one_at_least(int64_t seconds)
{
	return seconds > 1 ? seconds : 1;
}

int jb_workflow_start(const struct jb_conf *conf, const struct jb_request *request, int64_t now,
		      struct jb_notices *notices)
{
	const struct jb_role *role = jb_conf_role(conf, request->role);
	JIT_JSON json_object *input = json_object_new_object();
	json_object *payload = json_object_new_object();

	if (!conf->workflow) {
		json_object_put(payload);
		return 0;
	}
	/* Under "Payload", as in the calls of functions: interpreters differ in where they look for the seconds. */
	if (!input || !jit_json_add(input, "Payload", payload) || !put_text(input, "requestId", request->id) ||
	    !jit_json_add(input, "simulateApproval", json_object_new_boolean(request->status == JB_APPROVED)) ||
	    !jit_json_add(payload, "pendingSeconds",
			  json_object_new_int64(one_at_least(request->pending_until - now))) ||
	    !jit_json_add(payload, "useSeconds", json_object_new_int64(one_at_least(role ? role->use_within : 1))))
		return -ENOMEM;
	return add(notices, request, JB_WORKFLOW_START, request->id, text_of(input), now);
}

int jb_workflow_answer(struct jb_request *request, int64_t now, struct jb_notices *notices)
{
	if (!request->task_token || !request->task_step || !jb_workflow_is_past(request, request->task_step))
		return 0;
	JIT_JSON json_object *doc = json_object_new_object();
	if (!doc || !put_text(doc, "taskToken", request->task_token) ||
	    !put_text(doc, "status", jb_status_name(request->status)))
		return -ENOMEM;
	int r = add(notices, request, JB_WORKFLOW_ANSWER, request->task_token, text_of(doc), now);
	if (r < 0)
		return r;
	explicit_bzero(request->task_token, strlen(request->task_token));
	free(request->task_token);
	request->task_token = NULL;
	return 0;
}

static const char *member(json_object *doc, const char *name)
{
	json_object *value;

	return json_object_object_get_ex(doc, name, &value) && json_object_is_type(value, json_type_string)
		       ? json_object_get_string(value)
		       : NULL;
}

/* {"status": …} as a text within the text: what the step puts out. */
static bool put_output(json_object *body, const char *status)
{
	JIT_JSON json_object *output = json_object_new_object();

	const char *text = status && put_text(output, "status", status) ? jit_json_text(output, NULL) : NULL;
	return text && put_text(body, "output", text);
}

char *jb_workflow_body(const struct jb_conf *conf, const struct jb_notice *notice, const char **ret_operation)
{
	JIT_JSON json_object *doc = jit_json_of(notice->doc);
	JIT_JSON json_object *body = json_object_new_object();
	const char *token = member(doc, "taskToken");

	if (!doc || !body || !conf->workflow)
		return NULL;
	if (strcmp(notice->event, JB_WORKFLOW_START) == 0) {
		/* Named by the request: that it is started twice is refused by Step Functions itself. */
		*ret_operation = "StartExecution";
		return put_text(body, "stateMachineArn", conf->workflow) && put_text(body, "name", notice->about) &&
				       put_text(body, "input", notice->doc)
			       ? text_of(body)
			       : NULL;
	}
	*ret_operation = "SendTaskSuccess";
	return token && put_text(body, "taskToken", token) && put_output(body, member(doc, "status")) ? text_of(body)
												      : NULL;
}
