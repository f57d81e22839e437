/*
 * Issuing by the function AssumeJITRole, which alone may take on the roles: it
 * judges the request once more, asks STS and seals what it gets to a key that is
 * made here for this one call. For a caller without a key of its own (the instant
 * return) the Express workflow is run, which invokes that function, and denies what
 * nobody has approved. Neither puts a
 * credential in clear into an input, an output or a history.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws_post.h"
#include "cleanup.h"
#include "credentials.h"
#include "issuer_call.h"
#include "issuer_kinds.h"
#include "json.h"
#include "json_read.h"
#include "lambda_step.h"
#include "seal.h"
#include "text.h"

#define TIMEOUT_MS 25000 /* the Express workflow's own, and more than STS is given */
#define ANSWER_MAX 131072

struct jb_issuer_function {
	struct jb_issuer issuer;
	struct event_base *base;
	const struct jb_conf *conf;
	struct jit_fetch *fetch;
	struct jb_arn function, workflow;
	char *invoke_url, *states_url; /* NULL: there is no such function, no Express workflow */
	struct jb_issuer_call *calls;
};

struct function_call {
	struct jb_issuer_call call;
	struct jb_issuer_function *by;
	EVP_PKEY *key;
	bool instant;  /* by the Express workflow, which ... */
	bool approved; /* ... denies it where it is not */
	int64_t until;
};

static void clear(struct jb_issuer_call *call)
{
	EVP_PKEY_free(((struct function_call *)call)->key);
}

static const char *text_of(json_object *json, const char *name)
{
	json_object *value;

	return json_object_object_get_ex(json, name, &value) && json_object_is_type(value, json_type_string)
		       ? json_object_get_string(value)
		       : NULL;
}

/* The error's name and its sentence, from wherever the service puts them. */
static void take_error(struct function_call *call, const char *error, const char *message)
{
	char said[sizeof(call->call.why)];

	call->call.passing = !error || strcmp(error, JB_ERROR_REFUSED) != 0;
	snprintf(said, sizeof(said), "%s",
		 message && *message ? message
		 : error && *error   ? error
				     : "No reason was given.");
	jit_text_clean_str(call->call.why, sizeof(call->call.why), said);
}

/* What the function answered, or what the workflow put out, which is the same; NULL with the reason in its why. */
static json_object *answer_of(struct function_call *call, const struct jit_fetch_result *result)
{
	JIT_JSON json_object *json = result->fault == JIT_FETCH_OK ? jit_json_of(result->body) : NULL;
	const char *output = text_of(json, "output"), *cause = text_of(json, "cause");

	call->call.passing = true;
	if (result->fault != JIT_FETCH_OK) {
		snprintf(call->call.why, sizeof(call->call.why), "AssumeJITRole cannot be asked: %s.", result->why);
		return NULL;
	}
	if (result->status != 200 || !json) {
		const char *message = text_of(json, "message"), *said = message ? message : text_of(json, "Message");
		char clean[201];

		jit_text_clean_str(clean, sizeof(clean), said);
		snprintf(call->call.why, sizeof(call->call.why), "AssumeJITRole cannot be asked: status %ld%s%s.",
			 result->status, said ? ": " : "", clean);
		return NULL;
	}
	if (!call->instant)
		return json_object_get(json);
	snprintf(call->call.why, sizeof(call->call.why), "What the workflow put out makes no sense.");
	if (output)
		return jit_json_of(output);
	JIT_JSON json_object *inner = jit_json_of(cause);
	take_error(call, text_of(json, "error"),
		   text_of(inner, "errorMessage") ? text_of(inner, "errorMessage") : cause);
	return NULL;
}

static void on_answer(void *arg, const struct jit_fetch_result *result)
{
	struct function_call *call = arg;
	struct jb_credentials credentials = {0};
	JIT_JSON json_object *json = answer_of(call, result);
	const char *sealed = text_of(json, "sealedCredentials");
	bool ok = false;

	call->call.fetch = NULL; /* freed by the fetcher after this */
	if (sealed) {
		ok = jb_credentials_open(call->key, sealed, &credentials) == 0 && credentials.expiration <= call->until;
		snprintf(call->call.why, sizeof(call->call.why),
			 "What AssumeJITRole sealed is not what was asked for.");
	} else if (json) {
		take_error(call, text_of(json, "errorType"), text_of(json, "errorMessage"));
	}
	jb_issuer_call_finish(&call->call, ok ? &credentials : NULL);
	OPENSSL_cleanse(&credentials, sizeof(credentials));
}

/* What the function is asked; by way of the workflow: the input of that. */
static json_object *question(const struct function_call *call, const struct jb_request *request)
{
	char jwk[JIT_JWK_SIZE];
	json_object *json = json_object_new_object();

	if (json && jit_jwk_format(call->key, jwk) == 0 &&
	    jit_json_add(json, "requestId", json_object_new_string(request->id)) &&
	    jit_json_add(json, "publicKey", jit_json_of(jwk)) &&
	    jit_json_add(json, "until", json_object_new_int64(call->until)) &&
	    (call->instant ? jit_json_add(json, "simulateApproval", json_object_new_boolean(call->approved))
			   : jit_json_add(json, "step", json_object_new_string("issue"))))
		return json;
	json_object_put(json);
	return NULL;
}

/* The workflow's input is a text within the call's. */
static char *body_of(const struct function_call *call, const struct jb_request *request)
{
	JIT_JSON json_object *asked = question(call, request);
	JIT_JSON json_object *start = json_object_new_object();
	const char *text = jit_json_text(asked, NULL);

	if (!text || !start)
		return NULL;
	if (!call->instant)
		return strdup(text);
	if (!jit_json_add(start, "stateMachineArn", json_object_new_string(call->by->conf->issue_workflow)) ||
	    !jit_json_add(start, "input", json_object_new_string(text)))
		return NULL;
	const char *whole = jit_json_text(start, NULL);
	return whole ? strdup(whole) : NULL;
}

static void start(struct function_call *call, const struct jb_request *request)
{
	struct jb_issuer_function *by = call->by;
	JIT_FREE char *body = jit_key_new(&call->key) == 0 ? body_of(call, request) : NULL;
	const struct jb_aws_post post = {
		.url = call->instant ? by->states_url : by->invoke_url,
		.region = call->instant ? by->workflow.region : by->function.region,
		.service = call->instant ? "states" : "lambda",
		.content_type = call->instant ? "application/x-amz-json-1.0" : "application/json",
		.target = call->instant ? "AWSStepFunctions.StartSyncExecution" : NULL,
		.body = body,
		.timeout_ms = TIMEOUT_MS,
		.max_body = ANSWER_MAX,
	};
	char why[448] = "the broker is out of memory";

	call->call.passing = true;
	if (body && !post.url)
		snprintf(why, sizeof(why), "the configuration names no issue_function");
	else if (body)
		call->call.fetch =
			jb_aws_post(by->fetch, by->conf->issuer_credentials, &post, on_answer, call, why, sizeof(why));
	if (!call->call.fetch)
		snprintf(call->call.why, sizeof(call->call.why), "AssumeJITRole cannot be asked: %s.", why);
}

static int function_issue(struct jb_issuer *issuer, const struct jb_request *request, const struct jb_role *role,
			  int64_t now, jb_issued done, void *arg)
{
	struct jb_issuer_function *by = (struct jb_issuer_function *)issuer;
	struct function_call *call = calloc(1, sizeof(*call));

	(void)role;
	(void)now;
	if (!call || jb_issuer_call_begin(&call->call, &by->calls, by->base, NULL, done, arg) < 0)
		return -ENOMEM;
	call->call.clear = clear;
	call->by = by;
	call->instant = by->states_url && !request->public_key;
	call->approved = request->status != JB_PENDING;
	call->until = request->granted_until;
	start(call, request);
	if (!call->call.fetch)
		jb_issuer_call_soon(&call->call);
	return 0;
}

static void function_free(struct jb_issuer *issuer)
{
	struct jb_issuer_function *by = (struct jb_issuer_function *)issuer;

	jb_issuer_calls_drop(by->calls);
	jit_fetch_free(by->fetch);
	free(by->invoke_url);
	free(by->states_url);
	free(by);
}

/* The URLs of what the configuration names; a path of plain letters alone is signed rightly. */
static bool find_places(struct jb_issuer_function *by, char *why, size_t why_size)
{
	const struct jb_conf *conf = by->conf;
	char endpoint[80], path[160];

	snprintf(why, why_size, "issue_endpoint is scheme, host and port, and nothing after them");
	if ((conf->issue_function &&
	     !jb_arn_parse_function(conf->issue_function, conf->issuer_region, &by->function)) ||
	    (conf->issue_workflow && !jb_arn_parse(conf->issue_workflow, "states", "stateMachine", &by->workflow))) {
		snprintf(why, why_size, "issue_function is no function, or issue_workflow no state machine");
		return false;
	}
	if (conf->issue_function) {
		snprintf(path, sizeof(path), "/2015-03-31/functions/%s/invocations", by->function.name);
		snprintf(endpoint, sizeof(endpoint), "https://lambda.%s.amazonaws.com", by->function.region);
		by->invoke_url = jb_aws_url(conf->issue_endpoint ? conf->issue_endpoint : endpoint, path);
		if (!by->invoke_url)
			return false;
	}
	if (!conf->issue_workflow)
		return true;
	snprintf(endpoint, sizeof(endpoint), "https://sync-states.%s.amazonaws.com", by->workflow.region);
	by->states_url = jb_aws_url(conf->issue_endpoint ? conf->issue_endpoint : endpoint, "/");
	return by->states_url != NULL;
}

struct jb_issuer *jb_issuer_function_new(struct event_base *base, const struct jb_conf *conf, char *why,
					 size_t why_size)
{
	const struct jit_fetch_options options = {
		.ca_file = conf->issuer_ca,
		.plain_loopback = conf->issuer_plain_loopback,
		.user_agent = "jit-broker/" JIT_VERSION,
	};
	struct jb_issuer_function *by = calloc(1, sizeof(*by));

	snprintf(why, why_size, "out of memory");
	if (!by)
		return NULL;
	by->issuer = (struct jb_issuer){.issue = function_issue, .free = function_free};
	by->base = base;
	by->conf = conf;
	if (find_places(by, why, why_size) && (by->fetch = jit_fetch_new(base, &options))) {
		by->issuer.instant = by->states_url != NULL;
		return &by->issuer;
	}
	function_free(&by->issuer);
	return NULL;
}
