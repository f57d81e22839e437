/*
 * What the broker writes while memory runs out is whole, or it is not there: no
 * record, notice or answer lacks a member, and none ends the process.
 */
#include "broker.h"

#include <json-c/json.h>

#include "api.h"
#include "audit.h"
#include "call_transport.h"
#include "engine_private.h"
#include "event.h"
#include "notice.h"
#include "outbox.h"
#include "reply.h"
#include "store_dynamo.h"
#include "sts.h"
#include "webhook.h"
#include "whole.h"
#include "workflow.h"

#ifdef JIT_TEST_NO_MEMORY

#define LONG  "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789"
#define NASTY "\"quoted\" \\ / \b\n\x1f " LONG
#define TOKEN "a task token"

static const char conf_text[] = "[broker]\n"
				"tls = off\n"
				"store = sqlite:DIR/broker.db\n"
				"issuer = demo\n"
				"mail_server = smtps://mail.example\n"
				"mail_from = jit@example.com\n"
				"[role admin]\n"
				"services = sudo\n"
				"requesters = op1\n"
				"hosts = *\n"
				"targets = root\n"
				"approvers = appr1\n"
				"reason = optional\n"
				"[person op1]\n"
				"[person appr1]\n"
				"[mail ops]\n"
				"to = ops@example.com\n";

static struct broker *b;
static struct jb_request *request;
static struct json_object *notice;

static int setup(void **state)
{
	if (setup_broker(state) != 0)
		return -1;
	b = *state;
	broker_configure(b, conf_text);
	request = make("web-1", NULL);
	request->reason = strdup(NASTY);
	request->command = strdup("/usr/bin/id " LONG LONG);
	request->services = strdup("sudo su a b c d e f g h i j k l m n o p q r s t u v w x y z A B C D E F G H I J K");
	request->targets = strdup("root self");
	request->approved_by = strdup("appr1 appr2");
	request->role_arn = strdup(ARN);
	request->scope = strdup("session");
	request->status = JB_APPROVED;
	notice = json_tokener_parse("{\"type\":\"request.filed\",\"timestamp\":\"2026-11-22T16:00:00Z\",\"data\":{"
				    "\"shortId\":\"R7KD-2M9Q\",\"status\":\"PENDING\",\"requester\":\"op1\",\"role\":"
				    "\"admin\",\"host\":\"web-1\",\"codeRequired\":true,\"approvedBy\":[\"appr1\"],"
				    "\"duration\":900,\"reason\":\"" LONG LONG "\"}}");
	return notice ? 0 : -1;
}

static int teardown(void **state)
{
	json_object_put(notice);
	jb_request_free(request);
	return teardown_broker(state);
}

static char *copy_of(const char *text)
{
	return text ? strdup(text) : NULL;
}

/* The text of a document that is let go; it is printed without a lack of its own. */
static char *text_of(struct json_object *json)
{
	char *text = copy_of(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN));

	if (!json) {
		free(text);
		text = NULL;
	}
	json_object_put(json);
	return text;
}

static char *audit_record(void)
{
	const struct jb_audit audit = {.at = NOW,
				       .action = "request.denied",
				       .actor = "appr1",
				       .request_id = request->id,
				       .detail = "{\"comment\":\"" LONG LONG "\",\"n\":12,\"why\":\"" LONG "\"}"};
	char *text = NULL, hash[JB_HASH_SIZE];

	begin();
	int r = jb_audit_format(7, JB_AUDIT_FIRST, &audit, &text, hash);
	end();
	assert_true((r == 0) == (text != NULL));
	return text;
}

/* What DynamoDB's store keeps of it until it is sealed; without the instant. */
static char *audit_record_that_waits(void)
{
	struct jb_notice one = {.id = "n",
				.channel = (char *)"webhook:chat",
				.receiver = (char *)"webhook:chat",
				.about = request->id,
				.event = (char *)"request.denied",
				.doc = (char *)"{\"data\":\"" LONG LONG "\"}"};
	struct jb_notices notices = {&one, 1};
	const struct jb_audit audit = {.at = NOW,
				       .action = "request.denied",
				       .actor = "appr1",
				       .detail = "{\"comment\":\"" LONG "\"}",
				       .notices = &notices};
	char *text = NULL, *us;

	begin();
	int r = jb_ddb_record(&audit, "id", &text);
	end();
	assert_true((r == 0) == (text != NULL));
	if (text && (us = strstr(text, "\"us\":")))
		for (us += 5; *us >= '0' && *us <= '9'; us++)
			*us = '0';
	return text;
}

static char *detail(void)
{
	begin();
	char *text = JB_DETAIL({"why", "wrong code"}, {"comment", NASTY}, {"line", NULL}, {"rule", LONG LONG});
	end();
	return text;
}

static char *stored_request(void)
{
	begin();
	struct json_object *json = jb_request_to_json(request);
	char *text = copy_of(jit_json_text(json, NULL));
	end();
	json_object_put(json);
	return text;
}

static char *request_of(struct json_object *(*form)(const struct jb_request *request, int64_t now))
{
	begin();
	struct json_object *json = form(request, NOW + 1);
	end();
	return text_of(json);
}

static char *request_for_its_host(void)
{
	return request_of(jb_request_for_host);
}

static char *request_for_an_approver(void)
{
	return request_of(jb_request_for_approver);
}

static char *list_of_requests(void)
{
	struct jb_request **list = calloc(2, sizeof(struct jb_request *));

	assert_non_null(list);
	list[0] = make("web-1", "a-key");
	list[1] = make("web-2", "b-key");
	begin();
	struct json_object *json = jb_api_list(list, 2, jb_request_for_host, "changes", NOW);
	end();
	return text_of(json);
}

static char *notices_doc(int r, struct jb_notices *notices)
{
	char *text = r == 0 && notices->count == 1 ? copy_of(notices->notice[0].doc) : NULL;

	assert_true((r == 0) == (text != NULL));
	jb_notices_clear(notices);
	return text;
}

static char *notice_of_a_request(void)
{
	struct jb_notices notices = {0};

	begin();
	int r = jb_notices_of_request(b->conf, request, JB_TOLD_APPROVED, NOW, &notices);
	end();
	return notices_doc(r, &notices);
}

static char *notice_of_a_host(void)
{
	struct jb_notices notices = {0};

	begin();
	int r = jb_notices_of_event(b->conf, "web-1", "id", "host.break_glass.begin",
				    "{\"requester\":\"op1\",\"reason\":\"" LONG LONG "\",\"service\":\"sudo\"}", NOW,
				    &notices);
	end();
	return notices_doc(r, &notices);
}

static char *notification_given_up(void)
{
	const struct jb_outbox_row row = {.notice = {.receiver = (char *)"mail",
						     .event = (char *)"request.filed",
						     .about = request->id,
						     .at = NOW},
					  .error = (char *)LONG LONG};

	begin();
	char *text = jb_outbox_given_up(&row);
	end();
	return text;
}

static char *webhook(enum jb_format format)
{
	struct json_object *data = json_object_object_get(notice, "data");

	json_object_object_del(data, "link");
	begin();
	char *text = jb_webhook_body(format, notice, "https://jit.example/r/" LONG);
	end();
	return text;
}

static char *webhook_in_json(void)
{
	return webhook(JB_FORMAT_JSON);
}

static char *webhook_for_people(void)
{
	return webhook(JB_FORMAT_SLACK);
}

static char *answer_to_a_workflow(void)
{
	struct jb_notices notices = {0};

	free(request->task_token);
	free(request->task_step);
	request->task_token = strdup(TOKEN LONG);
	request->task_step = strdup(JB_AWAIT_DECISION);
	begin();
	int r = jb_workflow_answer(request, NOW, &notices);
	end();
	assert_true(r == 0 || request->task_token);
	return notices_doc(r, &notices);
}

static char *call_of_a_workflow(void)
{
	const struct jb_notice answer = {.event = (char *)JB_WORKFLOW_ANSWER,
					 .doc = (char *)"{\"taskToken\":\"" TOKEN LONG "\",\"status\":\"APPROVED\"}"};
	struct jb_conf conf = *b->conf;
	const char *operation;

	conf.workflow = (char *)"arn:aws:states:eu-west-1:123456789012:stateMachine:jit";
	begin();
	char *text = jb_workflow_body(&conf, &answer, &operation);
	end();
	return text;
}

static char *event_of_a_host(void)
{
	struct json_object *json = json_tokener_parse(
		"{\"type\":\"break_glass.begin\",\"id\":\"0b6c1111-2222-4333-8444-555555555555\",\"at\":"
		"\"2026-11-22T16:00:00Z\",\"requester\":\"op1\",\"service\":\"sudo\",\"reason\":\"" LONG LONG "\"}");
	struct jb_event event = {0};
	struct jb_fault fault = {0};

	begin();
	int r = jb_event_read(json, &event, &fault);
	end();
	assert_true(r == 0 || fault.http == 503);
	char *text = r == 0 ? copy_of(event.detail) : NULL;
	jb_event_clear(&event);
	json_object_put(json);
	return text;
}

static char *policy_with(const char *own)
{
	const struct jb_role role = {
		.name = (char *)"admin", .arn = (char *)ARN, .credential_lifetime = 300, .session_policy = (char *)own};
	char *text = NULL;

	begin();
	int r = jb_sts_policy(&role, NOW + 300, &text);
	end();
	assert_true((r == 0) == (text != NULL));
	return text;
}

static char *session_policy(void)
{
	return policy_with(NULL);
}

static char *session_policy_of_a_role(void)
{
	return policy_with(
		"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Deny\",\"Action\":[\"iam:*\",\"sts:*\"],"
		"\"Resource\":\"*\"},{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"}]}");
}

/* Answers */

static char *answered;
static int answered_with;

static void keep(struct jb_call *call, int status, const char *headers, const char *body, size_t len)
{
	(void)call;
	(void)headers;
	end();
	answered = strndup(body, len);
	answered_with = status;
}

static const struct jb_transport transport = {.reply = keep};
static struct jb_call call = {.transport = &transport};

/* Nothing is what says so, with 503. */
static char *answer(int status)
{
	char *text = answered;

	answered = NULL;
	assert_non_null(text);
	if (answered_with == status)
		return text;
	assert_int_equal(answered_with, 503);
	assert_non_null(strstr(text, "\"broker.memory\""));
	free(text);
	return NULL;
}

static char *answer_with_a_document(void)
{
	struct json_object *json = jb_request_for_approver(request, NOW);

	assert_non_null(json);
	begin();
	jb_reply_json(&call, 200, json);
	return answer(200);
}

static char *answer_with_a_fault(void)
{
	const struct jb_fault fault = {.http = 403, .code = "policy.role", .message = NASTY LONG};

	begin();
	jb_reply_fault(&call, &fault);
	return answer(403);
}

static char *answer_with_credentials(void)
{
	const struct jb_credentials credentials = {
		.access_key_id = "ASIA", .secret_access_key = "secret", .session_token = LONG, .expiration = NOW};
	struct json_object *json = jb_request_for_host(request, NOW);

	assert_non_null(json);
	begin();
	jb_reply_credentials(&call, json, &credentials);
	return answer(200);
}

static const struct thing things[] = {
	THING(audit_record, 10),	  THING(audit_record_that_waits, 10),  THING(detail, 5),
	THING(stored_request, 20),	  THING(request_for_its_host, 20),     THING(request_for_an_approver, 20),
	THING(list_of_requests, 40),	  THING(notice_of_a_request, 20),      THING(notice_of_a_host, 10),
	THING(notification_given_up, 10), THING(webhook_in_json, 2),	       THING(webhook_for_people, 10),
	THING(answer_to_a_workflow, 6),	  THING(call_of_a_workflow, 6),	       THING(event_of_a_host, 10),
	THING(session_policy, 10),	  THING(session_policy_of_a_role, 10), THING(answer_with_a_document, 2),
	THING(answer_with_a_fault, 5),	  THING(answer_with_credentials, 2),
};

static void what_is_written_is_whole_or_not_there(void **state)
{
	(void)state;
	all_whole_or_not_there(things, COUNT_OF(things));
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef JIT_TEST_NO_MEMORY
		cmocka_unit_test_setup_teardown(what_is_written_is_whole_or_not_there, setup, teardown),
#else
		cmocka_unit_test(memory_cannot_run_out),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
