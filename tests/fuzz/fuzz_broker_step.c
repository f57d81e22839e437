/*
 * Steps of the workflow and what the function AssumeJITRole is asked, as events one after the other, on a broker whose
 * store has requests in several states. An event ends at a 0x1e; its first byte is 's' for UpdateAccessStatus, else it
 * is AssumeJITRole's and the byte says what becomes of its call of STS. Each gets one answer; nobody is let in by it;
 * credentials come for a live grant alone, no longer than the caller writes, sealed to the caller's key, and recorded.
 */
#include <event2/event.h>
#include <json-c/json.h>

#include "bob.h"
#include "broker_store.h"
#include "clock.h"
#include "credentials.h"
#include "engine.h"
#include "fuzz.h"
#include "json_read.h"
#include "lambda_call.h"
#include "lambda_functions.h"
#include "lambda_step.h"
#include "seal.h"

#define SECRET	"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define BOB_JWK "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" BOB_X "\",\"y\":\"" BOB_Y "\"}"

/* An event that nothing is wrong with. */
#define GOOD_ISSUE "g{\"step\":\"issue\",\"requestId\":\"$A\",\"publicKey\":$K,\"until\":$T}"

enum { PENDING, APPROVED, LIVE, DENIED, REQUESTS };

static struct {
	struct jb_conf *conf;
	struct jb_lambda_broker broker;
	char id[REQUESTS][37];
	/* of one input */
	unsigned given;
	bool denies;
	/* of one event */
	char letter; /* what becomes of the call of STS */
	json_object *event;
	bool knows; /* what STS gives */
	/* a call that is answered after the event that made it */
	jb_issued late;
	void *late_arg;
} lab;

static const char configuration[] =
	"[broker]\ntls = off\nstore = sqlite:%s/broker.db\nissuer = demo\n"
	"[role admin]\narn = arn:aws:iam::123456789012:role/JIT-Admin\nservices = sudo\nrequesters = op1\nhosts = *\n"
	"targets = root\napprovers = appr1\nauto_approve = simulated\npending = 1d\nuse_within = 1d\n"
	"max_duration = 12h\ncode = off\nreason = optional\n[person op1]\n[person appr1]\n";

/* The issuer: asked for nothing that nobody has approved. */

struct answer {
	jb_issued done;
	void *arg;
	char letter;
	struct jb_credentials credentials;
};

static void answer_issue(evutil_socket_t fd, short what, void *arg)
{
	struct answer *a = arg;
	const struct jb_issue issue = {.credentials = a->letter == 'r' || a->letter == 'p' ? NULL : &a->credentials,
				       .passing = a->letter == 'p',
				       .why = a->letter == 'r' ? "STS refused it" : NULL};

	(void)fd, (void)what;
	a->done(a->arg, &issue);
	free(a);
}

static int issue(struct jb_issuer *issuer, const struct jb_request *request, const struct jb_role *role, int64_t now,
		 jb_issued done, void *arg)
{
	static const struct timeval at_once;
	struct answer *a = malloc(sizeof(*a));
	struct jb_request *stored;
	json_object *until;

	(void)issuer;
	FUZZ_CHECK(a && lab.letter != 's' && strcmp(role->name, "admin") == 0);
	FUZZ_CHECK(jb_store_get(lab.broker.store, request->id, &stored) == 0);
	FUZZ_CHECK(stored->status == JB_APPROVED || stored->status == JB_ACTIVE);
	FUZZ_CHECK(request->granted_until > now && request->granted_until <= now + 43200);
	FUZZ_CHECK(stored->status != JB_ACTIVE || request->granted_until <= stored->granted_until);
	jb_request_free(stored);
	FUZZ_CHECK(json_object_object_get_ex(lab.event, "until", &until) && json_object_is_type(until, json_type_int) &&
		   request->granted_until <= json_object_get_int64(until));
	if (lab.letter == 'l') {
		free(a);
		lab.late = done;
		lab.late_arg = arg;
		return 0;
	}
	*a = (struct answer){done, arg, lab.letter, {.access_key_id = "ASIAFUZZ", .secret_access_key = SECRET}};
	a->credentials.expiration = request->granted_until;
	snprintf(a->credentials.session_token, sizeof(a->credentials.session_token), "token");
	FUZZ_CHECK(event_base_once(lab.broker.base, -1, EV_TIMEOUT, answer_issue, a, &at_once) == 0);
	return 0;
}

static struct jb_issuer issuer = {.issue = issue};

/* STS answers when nobody waits any more. */
static void answer_late(void)
{
	const struct jb_issue refused = {.why = "too late"};

	if (lab.late)
		lab.late(lab.late_arg, &refused);
	lab.late = NULL;
}

static void file(struct jb_engine *engine, unsigned which, const char *key)
{
	const struct jb_filing filing = {.requester = "op1",
					 .role = "admin",
					 .duration = 40000,
					 .simulate = which != PENDING && which != DENIED,
					 .public_key = BOB_JWK,
					 .login_user = "op1",
					 .service = "sudo",
					 .target = "root",
					 .command = "/usr/bin/id",
					 .idempotency_key = key,
					 .body_hash = "00"};
	const int64_t now = jit_wall_s();
	struct jb_request *r, *after = NULL;
	struct jb_fault fault;
	bool replayed;

	FUZZ_CHECK(jb_engine_file(engine, "web-1", &filing, now, &r, &replayed, &fault) == 0);
	snprintf(lab.id[which], sizeof(lab.id[which]), "%s", r->id);
	if (which == LIVE)
		FUZZ_CHECK(jb_engine_start(engine, "web-1", r->id, now, &after, &fault) == 0);
	if (which == DENIED)
		FUZZ_CHECK(jb_engine_deny(engine, "appr1", r->id, NULL, now, &after, &fault) == 0);
	jb_request_free(after);
	jb_request_free(r);
}

/* Once: a store with a request in each state, kept as it is then. */
static void build(void)
{
	static const char *const keys[REQUESTS] = {"a", "b", "c", "d"};
	char text[1024], why[256];
	struct jb_store *store;

	snprintf(text, sizeof(text), configuration, fuzz_store_folder());
	lab.conf = fuzz_store_conf(text);
	FUZZ_CHECK((lab.broker.base = event_base_new()) && (store = jb_store_open(lab.conf, why, sizeof(why))));
	struct jb_engine *engine = jb_engine_new(lab.conf, store, &issuer, jit_wall_s());
	FUZZ_CHECK(engine);
	for (unsigned i = 0; i < REQUESTS; i++)
		file(engine, i, keys[i]);
	jb_engine_free(engine);
	jb_store_close(store);
	fuzz_store_keep();
}

static void start(void)
{
	if (!lab.conf)
		build();
	lab.given = 0;
	lab.denies = false;
	lab.broker.conf = lab.conf;
	lab.broker.store = fuzz_store_begin(lab.conf);
	lab.broker.issuer = &issuer;
	FUZZ_CHECK((lab.broker.engine = jb_engine_new(lab.conf, lab.broker.store, &issuer, jit_wall_s())));
}

static void stop(void)
{
	answer_late();
	jb_engine_free(lab.broker.engine);
	jb_store_close(lab.broker.store);
}

/* $P, $A, $L and $D are the ids of the requests, $K Bob's key, $T an instant in ten minutes. */
static char *fill_in(const char *input)
{
	static const char letters[REQUESTS + 1] = "PALD";
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	FUZZ_CHECK(out);
	for (; *input; input++) {
		const char *which = *input == '$' && input[1] ? strchr(letters, input[1]) : NULL;

		if (which)
			fputs(lab.id[which - letters], out);
		else if (*input == '$' && input[1] == 'K')
			fputs(BOB_JWK, out);
		else if (*input == '$' && input[1] == 'T')
			fprintf(out, "%lld", (long long)jit_wall_s() + 600);
		else {
			fputc(*input, out);
			continue;
		}
		input++;
	}
	FUZZ_CHECK(fclose(out) == 0);
	return text;
}

static bool is_step(const char *name)
{
	json_object *step;

	return json_object_object_get_ex(lab.event, "step", &step) && json_object_is_type(step, json_type_string) &&
	       strcmp(json_object_get_string(step), name) == 0;
}

/* What is sealed to Bob is what STS gave, and to nobody it is in clear. */
static void check_given(json_object *sealed)
{
	EVP_PKEY *key = NULL;
	struct jb_credentials got;
	json_object *asked;

	FUZZ_CHECK(is_step("issue"));
	FUZZ_CHECK(lab.letter != 's' && lab.letter != 'r' && lab.letter != 'p' && lab.letter != 'l');
	FUZZ_CHECK(json_object_object_get_ex(lab.event, "publicKey", &asked));
	FUZZ_CHECK(jit_jwk_parse(json_object_to_json_string(asked), &key) == 0);
	if (EVP_PKEY_eq(key, bob()) == 1)
		FUZZ_CHECK(jb_credentials_open(bob(), json_object_get_string(sealed), &got) == 0 &&
			   strcmp(got.secret_access_key, SECRET) == 0);
	EVP_PKEY_free(key);
	lab.given++;
}

/* What is, as the store has it; and what is to be denied does not wait any more. */
static void check_status(json_object *json)
{
	json_object *id, *status, *pending, *use;
	struct jb_request *r;

	FUZZ_CHECK(json_object_object_get_ex(json, "requestId", &id) &&
		   json_object_object_get_ex(json, "status", &status) &&
		   json_object_object_get_ex(json, "pendingSeconds", &pending) &&
		   json_object_object_get_ex(json, "useSeconds", &use));
	FUZZ_CHECK(json_object_get_int64(pending) > 0 && json_object_get_int64(use) > 0);
	FUZZ_CHECK(jb_store_get(lab.broker.store, json_object_get_string(id), &r) == 0);
	FUZZ_CHECK(strcmp(json_object_get_string(status), jb_status_name(r->status)) == 0);
	FUZZ_CHECK(!is_step("deny") || r->status != JB_PENDING);
	jb_request_free(r);
}

static void check_answer(const struct jb_lambda_answer *answer)
{
	static const char *const errors[] = {"Event.Unknown",	"Event.Field",	  "Request.Unknown",
					     "Request.Refused", "Issuer.Refused", "Issuer.Unavailable"};
	bool is_known = false;

	FUZZ_CHECK(!answer->text == (answer->error != NULL));
	if (!answer->text) {
		for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
			is_known |= strcmp(answer->error, errors[i]) == 0;
		FUZZ_CHECK(is_known && answer->message[0] && (lab.knows || !strstr(answer->message, SECRET)));
		return;
	}
	json_object *json = json_tokener_parse(answer->text), *value;
	FUZZ_CHECK(strlen(answer->text) == answer->len && json_object_is_type(json, json_type_object));
	FUZZ_CHECK(lab.knows || !strstr(answer->text, SECRET));
	if (json_object_object_get_ex(json, "sealedCredentials", &value))
		check_given(value);
	else
		check_status(json);
	json_object_put(json);
}

static void take(const char *input)
{
	struct jb_lambda_answer answer = {0};
	char *text = fill_in(*input ? input + 1 : input);

	answer_late();
	lab.letter = *input;
	lab.event = jit_json_of(text);
	lab.knows = strstr(text, SECRET) != NULL;
	lab.denies |= is_step("deny");
	lab.broker.function = jb_function_find(*input == 's' ? "UpdateAccessStatus" : "AssumeJITRole");
	const struct jb_lambda_event event = {
		.request_id = "1",
		.deadline_ms = *input == 'l' ? 0 : jit_boottime_ms() + JB_LAMBDA_MARGIN_MS + 5000,
		.text = text,
		.len = strlen(text)};
	jb_lambda_step(&lab.broker, &event, &answer);
	check_answer(&answer);
	FUZZ_CHECK(answer.text || strcmp(input, GOOD_ISSUE) != 0); /* what is right is given */
	json_object_put(lab.event);
	free(answer.text);
	free(text);
}

static int count_assumed(void *arg, int64_t seq, const char *text, const char *hash)
{
	(void)seq, (void)hash;
	*(unsigned *)arg += strstr(text, "\"role.assumed\"") != NULL;
	return 0;
}

/* No step approves: what is pending may be denied by the one that says so, and all else is as it was. */
static void check_store(void)
{
	static const enum jb_status before[REQUESTS] = {JB_PENDING, JB_APPROVED, JB_ACTIVE, JB_DENIED};
	struct jb_audit_break broken;
	unsigned assumed = 0;

	for (unsigned i = 0; i < REQUESTS; i++) {
		struct jb_request *r;

		FUZZ_CHECK(jb_store_get(lab.broker.store, lab.id[i], &r) == 0);
		FUZZ_CHECK(r->status == before[i] || (i == PENDING && lab.denies && r->status == JB_DENIED));
		jb_request_free(r);
	}
	FUZZ_CHECK(jb_store_audit_walk(lab.broker.store, count_assumed, &assumed, &broken) == 0);
	FUZZ_CHECK(assumed == lab.given);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	size_t len;

	start();
	while (in.left) {
		char *event = fuzz_part(&in, &len);

		take(event);
		free(event);
	}
	check_store();
	stop();
	return 0;
}
