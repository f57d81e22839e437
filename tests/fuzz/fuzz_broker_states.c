/*
 * What Step Functions answers to a message of the outbox: it is told once, in one clean phrase, and counts as brought
 * where it was taken, or can never be taken any more. What is asked is JSON with what the operation needs, whatever the
 * message is. 's' is the start of an execution, anything else the answer of a step; then the message, up to the next
 * 0x1e, and the answer (calls.h).
 */
#include <event2/event.h>

#include "calls.h"
#include "conf.h"
#include "json.h"
#include "states.h"
#include "text.h"
#include "workflow.h"

#define ID  "0b6c1f6e-0000-4000-8000-000000000001"
#define ARN "arn:aws:states:eu-west-1:123456789012:stateMachine:jit"

static struct jb_states *states;
static unsigned told;
static char answer; /* the letter of it */
static const char *body;

static void start(void)
{
	static char arn[] = ARN, credentials[] = "environment";
	static const struct jb_conf conf = {.workflow = arn, .workflow_credentials = credentials};
	struct event_base *base = event_base_new();
	char why[256];

	fuzz_be_a_function();
	FUZZ_CHECK(base && (states = jb_states_new(base, &conf, why, sizeof(why))));
}

static const char *text_of(json_object *json, const char *name)
{
	json_object *value;

	FUZZ_CHECK(json_object_object_get_ex(json, name, &value) && json_object_is_type(value, json_type_string));
	return json_object_get_string(value);
}

static void check_call(const struct fuzz_call *call, bool starts)
{
	JIT_JSON json_object *json = json_tokener_parse(call->body), *output = NULL;

	FUZZ_CHECK(strcmp(call->url, "https://states.eu-west-1.amazonaws.com/") == 0 && json);
	FUZZ_CHECK(strstr(call->headers,
			  starts ? "AWSStepFunctions.StartExecution\n" : "AWSStepFunctions.SendTaskSuccess\n"));
	if (starts) {
		FUZZ_CHECK(strcmp(text_of(json, "stateMachineArn"), ARN) == 0);
		FUZZ_CHECK(strcmp(text_of(json, "name"), ID) == 0 && text_of(json, "input"));
		return;
	}
	FUZZ_CHECK(text_of(json, "taskToken"));
	output = json_tokener_parse(text_of(json, "output"));
	FUZZ_CHECK(text_of(output, "status"));
}

/* As good as taken: it is there already, or nobody waits for it. */
static bool is_past(void)
{
	static const char *const words[] = {"ExecutionAlreadyExists", "TaskTimedOut", "TaskDoesNotExist",
					    "InvalidToken"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strstr(body, words[i]))
			return answer == 'b';
	return false;
}

static void on_brought(void *arg, const struct jb_brought_result *result)
{
	char clean[sizeof(result->why)];

	(void)arg;
	told++;
	jit_text_clean_str(clean, sizeof(clean), result->why);
	FUZZ_CHECK(*result->why && strcmp(clean, result->why) == 0);
	if (result->how == JB_BROUGHT)
		FUZZ_CHECK(answer == '2' || answer == 'd' || is_past() || strchr(body, '\\'));
	else
		FUZZ_CHECK(answer != '2' && answer != 'd');
	FUZZ_CHECK(result->how != JB_BROUGHT_REFUSED || answer == 'b');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char channel[] = JB_CHANNEL_WORKFLOW, about[] = ID, first[] = JB_WORKFLOW_START,
		    other[] = JB_WORKFLOW_ANSWER;
	struct fuzz_input in = {data, size};
	const bool starts = fuzz_byte(&in) == 's';
	char why[256] = "", *rest;
	size_t len;
	struct jb_notice notice = {
		.channel = channel, .receiver = channel, .about = about, .event = starts ? first : other};

	if (!states)
		start();
	notice.doc = fuzz_part(&in, &len);
	rest = fuzz_all(in.at, in.left);
	answer = *rest;
	body = *rest ? rest + 1 : rest;
	told = 0;
	struct jb_states_call *call = jb_states_send(states, &notice, on_brought, NULL, why, sizeof(why));
	FUZZ_CHECK(call || *why);
	if (call) {
		check_call(fuzz_fetch_first(), starts);
		FUZZ_CHECK(fuzz_fetch_answer(&in) && told == 1);
	}
	FUZZ_CHECK(!fuzz_fetch_first());
	free(notice.doc);
	free(rest);
	return 0;
}
