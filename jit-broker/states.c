/* See states.h. */
#include "states.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws_post.h"
#include "json.h"
#include "json_read.h"
#include "text.h"
#include "workflow.h"

#define TIMEOUT_MS 5000
#define ANSWER_MAX 65536

struct jb_states {
	const struct jb_conf *conf;
	struct jit_fetch *fetch;
	struct jb_arn arn;
	char *url;
};

struct jb_states_call {
	struct jit_fetch_call *fetch;
	jb_brought_fn done;
	void *arg;
};

struct jb_states *jb_states_new(struct event_base *base, const struct jb_conf *conf, char *why, size_t why_size)
{
	const struct jit_fetch_options options = {
		.ca_file = conf->workflow_ca,
		.plain_loopback = conf->workflow_plain_loopback,
		.user_agent = "jit-broker/" JIT_VERSION,
	};
	struct jb_states *states = calloc(1, sizeof(*states));
	char endpoint[64];

	snprintf(why, why_size, "out of memory");
	if (!states)
		return NULL;
	states->conf = conf;
	if (!jb_arn_parse(conf->workflow, "states", "stateMachine", &states->arn)) {
		snprintf(why, why_size, "workflow = %s is no state machine", conf->workflow);
		goto fail;
	}
	snprintf(endpoint, sizeof(endpoint), "https://states.%s.amazonaws.com", states->arn.region);
	states->url = jb_aws_url(conf->workflow_endpoint ? conf->workflow_endpoint : endpoint, "/");
	if (!states->url) {
		snprintf(why, why_size, "workflow_endpoint is scheme, host and port, and nothing after them");
		goto fail;
	}
	if ((states->fetch = jit_fetch_new(base, &options)))
		return states;
fail:
	jb_states_free(states);
	return NULL;
}

void jb_states_free(struct jb_states *states)
{
	if (!states)
		return;
	jit_fetch_free(states->fetch);
	free(states->url);
	free(states);
}

/* "com.amazonaws.states#TaskTimedOut" and what it means for a message. */
static enum jb_brought judge(const char *type, long status)
{
	static const char *const delivered[] = {"ExecutionAlreadyExists", "TaskTimedOut", "TaskDoesNotExist",
						"InvalidToken"};
	static const char *const refused[] = {"ValidationException", "InvalidExecutionInput", "InvalidOutput",
					      "InvalidName", "SerializationException"};
	const char *hash = strrchr(type, '#'), *name = hash ? hash + 1 : type;

	for (size_t i = 0; i < sizeof(delivered) / sizeof(delivered[0]); i++)
		if (status == 400 && strcmp(name, delivered[i]) == 0)
			return JB_BROUGHT;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (status == 400 && strcmp(name, refused[i]) == 0)
			return JB_BROUGHT_REFUSED;
	return JB_BROUGHT_TROUBLE;
}

static const char *text_of(json_object *json, const char *name)
{
	json_object *value;

	return json_object_object_get_ex(json, name, &value) && json_object_is_type(value, json_type_string)
		       ? json_object_get_string(value)
		       : "";
}

static void on_answer(void *arg, const struct jit_fetch_result *answer)
{
	struct jb_states_call *call = arg;
	struct jb_brought_result result = {.how = JB_BROUGHT_TROUBLE, .retry_after = answer->retry_after};
	char why[sizeof(result.why)];

	call->fetch = NULL; /* freed by the fetcher after this */
	snprintf(why, sizeof(why), "%s", answer->why);
	if (answer->fault == JIT_FETCH_OK && answer->status == 200) {
		result.how = JB_BROUGHT;
		snprintf(why, sizeof(why), "Step Functions took it");
	} else if (answer->fault == JIT_FETCH_OK) {
		JIT_JSON json_object *json = jit_json_of(answer->body);
		const char *type = text_of(json, "__type"), *message = text_of(json, "message");

		result.how = judge(type, answer->status);
		snprintf(why, sizeof(why), "Step Functions: status %ld%s%s%s%s", answer->status, *type ? ", " : "",
			 type, *message ? ": " : "", message);
	}
	jit_text_clean_str(result.why, sizeof(result.why), why);
	jb_brought_fn done = call->done;
	void *done_arg = call->arg;
	free(call);
	done(done_arg, &result);
}

struct jb_states_call *jb_states_send(struct jb_states *states, const struct jb_notice *notice, jb_brought_fn done,
				      void *arg, char *why, size_t why_size)
{
	struct jb_states_call *call = calloc(1, sizeof(*call));
	const char *operation = "";
	char target[64];
	char *body = call ? jb_workflow_body(states->conf, notice, &operation) : NULL;

	snprintf(why, why_size, "the broker could not write the message for the workflow");
	if (body) {
		const struct jb_aws_post post = {
			.url = states->url,
			.region = states->arn.region,
			.service = "states",
			.content_type = "application/x-amz-json-1.0",
			.target = target,
			.body = body,
			.timeout_ms = TIMEOUT_MS,
			.max_body = ANSWER_MAX,
		};

		snprintf(target, sizeof(target), "AWSStepFunctions.%s", operation);
		call->done = done;
		call->arg = arg;
		call->fetch = jb_aws_post(states->fetch, states->conf->workflow_credentials, &post, on_answer, call,
					  why, why_size);
		OPENSSL_cleanse(body, strlen(body));
		free(body);
	}
	if (call && call->fetch)
		return call;
	free(call);
	return NULL;
}

void jb_states_cancel(struct jb_states_call *call)
{
	if (!call)
		return;
	jit_fetch_cancel(call->fetch);
	free(call);
}
