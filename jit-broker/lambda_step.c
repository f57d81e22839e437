/* See lambda_step.h. */
#include "lambda_step.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "credentials.h"
#include "engine.h"
#include "json.h"
#include "json_read.h"
#include "lambda_call.h"
#include "lambda_functions.h"
#include "lambda_owed.h"
#include "log.h"
#include "seal.h"
#include "workflow.h"

/* One event: a step and what it is about. */
struct step {
	struct jb_lambda_broker *broker;
	const struct jb_lambda_event *event;
	struct jb_lambda_answer *answer;
	json_object *json;
	const char *name, *id, *token; /* token: NULL where there is none */
	int64_t now;
	/* of an issue */
	struct jb_request *request;
	bool done;
};

/* An issue under way, which may outlast the event that asked for it. */
struct issuing {
	struct step *step; /* NULL: nobody waits for it any more */
};

static void refuse(struct jb_lambda_answer *answer, const char *error, const char *message)
{
	answer->error = error;
	snprintf(answer->message, sizeof(answer->message), "%s", message);
}

/* What the table does not say is no answer: the workflow tries again, and then reads anew. */
static void refuse_fault(struct jb_lambda_answer *answer, const struct jb_fault *fault)
{
	refuse(answer,
	       fault->http == 404   ? "Request.Unknown"
	       : fault->http == 400 ? "Event.Field"
	       : fault->http >= 500 ? "Store.Unavailable"
				    : "Request.Refused",
	       fault->message);
}

static const char *text_of(json_object *json, const char *name)
{
	json_object *value;
	const char *text = json_object_object_get_ex(json, name, &value) && json_object_is_type(value, json_type_string)
				   ? json_object_get_string(value)
				   : NULL;

	return text && strlen(text) == (size_t)json_object_get_string_len(value) ? text : NULL;
}

static void answer_json(struct jb_lambda_answer *answer, json_object *json)
{
	const char *text = jit_json_text(json, NULL);

	answer->text = text ? strdup(text) : NULL;
	answer->len = answer->text ? strlen(answer->text) : 0;
	if (!answer->text)
		refuse(answer, "Function.OutOfMemory", "There is no memory for the answer.");
}

static void answer_status(struct step *s, const struct jb_request *request)
{
	const int64_t pending = jb_engine_pending_seconds(request, s->now);
	const int64_t use = jb_engine_use_seconds(s->broker->engine, request, s->now);
	JIT_JSON json_object *json = json_object_new_object();

	const bool whole = jit_json_add(json, "requestId", json_object_new_string(request->id)) &&
			   jit_json_add(json, "status", json_object_new_string(jb_status_name(request->status))) &&
			   jit_json_add(json, "pendingSeconds", json_object_new_int64(pending)) &&
			   jit_json_add(json, "useSeconds", json_object_new_int64(use));
	answer_json(s->answer, whole ? json : NULL);
}

/* Steps: each is one call of the engine. 0 or -1 as that. */

static int await(struct step *s, struct jb_request **ret, struct jb_fault *fault)
{
	return jb_engine_await(s->broker->engine, s->id, s->name, s->token, s->now, ret, fault);
}

static int look(struct step *s, struct jb_request **ret, struct jb_fault *fault)
{
	return jb_engine_read(s->broker->engine, s->id, s->now, ret, fault);
}

static int be_through(struct step *s, struct jb_request **ret, struct jb_fault *fault)
{
	return jb_engine_through(s->broker->engine, s->id, s->now, ret, fault);
}

static int deny(struct step *s, struct jb_request **ret, struct jb_fault *fault)
{
	return jb_engine_deny_instant(s->broker->engine, s->id, s->now, ret, fault);
}

static const struct known {
	const char *name;
	enum jb_function_kind kind;
	bool waits; /* it brings a task token */
	int (*run)(struct step *s, struct jb_request **ret, struct jb_fault *fault);
} steps[] = {
	{JB_AWAIT_DECISION, JB_FUNCTION_STATUS, true, await},
	{"expire", JB_FUNCTION_STATUS, false, look}, /* what is over by the clock ends whenever it is looked at */
	{"read", JB_FUNCTION_STATUS, false, look},
	{"approved", JB_FUNCTION_STATUS, false, be_through},
	{"denied", JB_FUNCTION_STATUS, false, be_through},
	{"deny", JB_FUNCTION_STATUS, false, deny},
	{JB_AWAIT_COLLECTION, JB_FUNCTION_ISSUE, true, await},
	{"issue", JB_FUNCTION_ISSUE, false, NULL},
};

/* Issuing */

static void audit_issue(struct step *s, const struct jb_credentials *credentials)
{
	char until[JIT_ISO_SIZE], detail[384];

	jit_iso_format(credentials->expiration, until);
	snprintf(detail, sizeof(detail), "{\"accessKeyId\":\"%s\",\"until\":\"%s\"}", credentials->access_key_id,
		 until);
	const struct jb_audit audit = {.at = s->now,
				       .action = "role.assumed",
				       .actor = "function:AssumeJITRole",
				       .request_id = s->request->id,
				       .detail = detail};
	if (jb_store_audit(s->broker->store, &audit) < 0)
		refuse(s->answer, "Store.Unavailable",
		       "What was issued could not be recorded, so it is not given out.");
}

static void give(struct step *s, const struct jb_credentials *credentials)
{
	json_object *key = json_object_object_get(s->json, "publicKey");
	JIT_JSON json_object *json = json_object_new_object();
	JIT_KEY EVP_PKEY *to = NULL;
	JIT_FREE char *sealed = NULL;

	if (jit_jwk_parse(jit_json_text(key, NULL), &to) < 0 || jb_credentials_seal(credentials, NULL, to, &sealed) < 0)
		return refuse(s->answer, "Event.Field", "publicKey must be a P-256 public key as a JWK.");
	audit_issue(s, credentials);
	if (s->answer->error)
		return;
	const bool whole = jit_json_add(json, "sealedCredentials", json_object_new_string(sealed));
	answer_json(s->answer, whole ? json : NULL);
}

static void on_issued(void *arg, const struct jb_issue *issue)
{
	struct issuing *issuing = arg;
	struct step *s = issuing->step;

	free(issuing);
	if (!s)
		return;
	if (issue->credentials)
		give(s, issue->credentials);
	else
		refuse(s->answer, issue->passing ? "Issuer.Unavailable" : JB_ERROR_REFUSED,
		       issue->why ? issue->why : "No reason was given.");
	s->done = true;
	event_base_loopbreak(s->broker->base);
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

/* Whether the issuer has answered, or the time is over: the platform ends what answers later. */
static void wait_for_issuer(struct step *s)
{
	const int64_t left_ms = s->event->deadline_ms - JB_LAMBDA_MARGIN_MS - jit_boottime_ms();
	const struct timeval tv = {.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000};
	bool is_late = left_ms <= 0;
	struct event *late = evtimer_new(s->broker->base, on_late, &is_late);

	is_late |= !late || event_add(late, &tv) < 0;
	while (!s->done && !is_late && event_base_loop(s->broker->base, EVLOOP_ONCE) == 0)
		;
	if (late)
		event_free(late);
}

/* What is issued ends with what the caller will write, whose clock may be another one. */
static bool end_with_the_caller(struct step *s)
{
	json_object *until;

	if (!json_object_object_get_ex(s->json, "until", &until) || !json_object_is_type(until, json_type_int))
		return false;
	if (json_object_get_int64(until) < s->request->granted_until)
		s->request->granted_until = json_object_get_int64(until);
	return s->request->granted_until > s->now;
}

static void ask_issuer(struct step *s)
{
	const struct jb_role *role = jb_conf_role(s->broker->conf, s->request->role);
	struct issuing *issuing = malloc(sizeof(*issuing));

	if (!role || !issuing || jb_issuer_issue(s->broker->issuer, s->request, role, s->now, on_issued, issuing) < 0) {
		free(issuing);
		return refuse(s->answer, "Function.OutOfMemory", "There is no memory for the call of STS.");
	}
	issuing->step = s;
	wait_for_issuer(s);
	if (s->done)
		return;
	issuing->step = NULL;
	refuse(s->answer, "Issuer.Unavailable", "STS did not answer in time.");
}

static void issue(struct step *s)
{
	json_object *key = json_object_object_get(s->json, "publicKey");
	struct jb_fault fault;

	if (!json_object_is_type(key, json_type_object))
		return refuse(s->answer, "Event.Field", "publicKey must be a P-256 public key as a JWK.");
	if (jb_engine_to_issue(s->broker->engine, s->id, s->now, &s->request, &fault) < 0)
		return refuse_fault(s->answer, &fault);
	if (end_with_the_caller(s))
		ask_issuer(s);
	else
		refuse(s->answer, "Event.Field", "until must be an instant to come, in epoch seconds.");
	jb_request_free(s->request);
}

static const struct known *find(const struct step *s, enum jb_function_kind kind)
{
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (s->name && steps[i].kind == kind && strcmp(steps[i].name, s->name) == 0)
			return &steps[i];
	return NULL;
}

static void take(struct step *s)
{
	const struct known *known = find(s, jb_function_kind(s->broker->function));
	struct jb_request *request = NULL;
	struct jb_fault fault;

	if (!known || !s->id || known->waits != (s->token != NULL))
		return refuse(s->answer, "Event.Unknown",
			      "The event is no step of the workflow that this function serves.");
	if (!known->run)
		return issue(s);
	if (known->run(s, &request, &fault) < 0)
		return refuse_fault(s->answer, &fault);
	answer_status(s, request);
	jb_request_free(request);
}

void jb_lambda_step(void *arg, const struct jb_lambda_event *event, struct jb_lambda_answer *answer)
{
	struct jb_lambda_broker *broker = arg;
	JIT_JSON json_object *json = jit_json_of(event->text);
	struct step s = {.broker = broker, .event = event, .answer = answer, .json = json, .now = jit_wall_s()};

	if (json_object_is_type(json, json_type_object)) {
		s.name = text_of(json, "step");
		s.id = text_of(json, "requestId");
		s.token = text_of(json, "taskToken");
	}
	jb_engine_awake(broker->engine, s.now); /* as lambda_call.c: nobody is silent to an instance that slept */
	take(&s);
	if (answer->error)
		jit_log(LOG_WARNING, "%.20s of %.40s: %s: %s", s.name ? s.name : "?", s.id ? s.id : "?", answer->error,
			answer->message);
	jb_lambda_owed_bring(broker->owed, event->deadline_ms - JB_LAMBDA_MARGIN_MS);
}
