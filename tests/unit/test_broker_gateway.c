/* Events of API Gateways and direct invocations as calls, and answers in the form that a gateway takes. */
#include "unit.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway.h"

#define REST(more)                                                                                                     \
	"{\"resource\":\"/request-access\",\"path\":\"/request-access\",\"httpMethod\":\"POST\",\"requestContext\":{"  \
	"\"stage\":\"prod\",\"path\":\"/prod/request-access\",\"identity\":{\"sourceIp\":\"192.0.2.7\"}}" more "}"
#define HTTP(more)                                                                                                     \
	"{\"version\":\"2.0\",\"routeKey\":\"GET /changes\",\"rawPath\":\"/prod/changes\",\"requestContext\":{"        \
	"\"stage\":\"prod\",\"http\":{\"method\":\"GET\",\"sourceIp\":\"2001:db8::7\"},\"authorizer\":{\"iam\":{"      \
	"\"userArn\":\"arn:aws:sts::123456789012:assumed-role/hosts/i-0a\"}}}" more "}"

static struct jb_gateway_event event;
static char why[256];

static int read_event(const char *text)
{
	return jb_gateway_read(text, strlen(text), &event, why, sizeof(why));
}

static int clear(void **state)
{
	(void)state;
	jb_gateway_clear(&event);
	return 0;
}

static const char *query(const char *name)
{
	static char value[256];
	int r = jb_http_query(&event.head, name, value, sizeof(value));

	return r == 0 ? value : r == -ENOENT ? "(absent)" : "(refused)";
}

static void a_rest_event_is_a_call(void **state)
{
	char address[JB_ADDRESS_SIZE];

	(void)state;
	assert_int_equal(
		read_event(REST(",\"headers\":{\"X-Api-Key\":\"jitk_a\",\"n\":\"last\"},"
				"\"multiValueHeaders\":{\"X-Api-Key\":[\"jitk_a\"],\"n\":[\"one\",\"last\"]},"
				"\"multiValueQueryStringParameters\":{\"wait\":[\"25\"],\"m\":[\"a&b=c\",\"d e\"]},"
				"\"queryStringParameters\":{\"wait\":\"9\"},"
				"\"body\":\"{\\\"a\\\":1}\",\"isBase64Encoded\":false")),
		0);
	assert_int_equal(event.kind, JB_GATEWAY_REST);
	assert_string_equal(event.head.method, "POST");
	assert_string_equal(event.head.path, "/request-access");
	assert_string_equal(jb_http_header(&event.head, "x-api-key"), "jitk_a");
	assert_string_equal(jb_http_header(&event.head, "n"), "one");
	assert_string_equal(query("wait"), "25");
	assert_string_equal(query("m"), "(refused)");
	const char *at = NULL;
	char value[16];
	assert_int_equal(jb_http_query_next(&event.head, "m", &at, value, sizeof(value)), 0);
	assert_string_equal(value, "a&b=c");
	assert_int_equal(jb_http_query_next(&event.head, "m", &at, value, sizeof(value)), 0);
	assert_string_equal(value, "d e");
	assert_string_equal(event.body, "{\"a\":1}");
	assert_int_equal(event.head.content_length, 7);
	jb_address_text(&event.peer, address);
	assert_string_equal(address, "192.0.2.7");
}

static void what_a_rest_event_has_not_is_empty(void **state)
{
	(void)state;
	assert_int_equal(read_event(REST(",\"headers\":null,\"multiValueHeaders\":null,\"body\":null,"
					 "\"queryStringParameters\":null")),
			 0);
	assert_string_equal(event.head.query, "");
	assert_string_equal(event.body, "");
	assert_int_equal(event.head.content_length, 0);
	assert_int_equal(event.head.header_count, 0);
}

static void an_http_event_is_a_call_without_its_stage(void **state)
{
	char address[JB_ADDRESS_SIZE];

	(void)state;
	assert_int_equal(read_event(HTTP(",\"rawQueryString\":\"after=3&wait=0\",\"headers\":{\"n\":\"one,two\"}")), 0);
	assert_int_equal(event.kind, JB_GATEWAY_HTTP);
	assert_string_equal(event.head.method, "GET");
	assert_string_equal(event.head.path, "/changes");
	assert_string_equal(query("after"), "3");
	assert_string_equal(jb_http_header(&event.head, "N"), "one,two");
	jb_address_text(&event.peer, address);
	assert_string_equal(address, "2001:db8::7");
}

static void a_stage_is_taken_off_once_and_whole(void **state)
{
	static const struct {
		const char *stage, *path, *expected;
	} cases[] = {
		{"$default", "/changes", "/changes"}, {"prod", "/production/x", "/production/x"},
		{"prod", "/prod/prod/x", "/prod/x"},  {"requests", "/requests/requests/1/start", "/requests/1/start"},
		{"prod", "/prod", "/prod"},
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		snprintf(text, sizeof(text),
			 "{\"version\":\"2.0\",\"rawPath\":\"%s\",\"requestContext\":{\"stage\":\"%s\",\"http\":{"
			 "\"method\":\"GET\"}}}",
			 cases[i].path, cases[i].stage);
		assert_int_equal(read_event(text), 0);
		assert_string_equal(event.head.path, cases[i].expected);
		jb_gateway_clear(&event);
	}
}

static void a_body_in_base64_is_decoded(void **state)
{
	(void)state;
	assert_int_equal(read_event(REST(",\"body\":\"eyJhIjoiPj9+fj4+P3gifQ==\",\"isBase64Encoded\":true")), 0);
	assert_string_equal(event.body, "{\"a\":\">?~~>>?x\"}");
	assert_int_equal(event.head.content_length, 16);
}

static void the_gateways_own_knowledge_of_the_key_counts(void **state)
{
	static const char known[] = "{\"path\":\"/changes\",\"httpMethod\":\"GET\",\"requestContext\":{\"identity\":{"
				    "\"apiKey\":\"jitk_a\",\"sourceIp\":\"192.0.2.7\"}},\"headers\":{%s}}";
	char text[512];

	(void)state;
	snprintf(text, sizeof(text), known, "");
	assert_int_equal(read_event(text), 0);
	assert_string_equal(jb_http_header(&event.head, "x-api-key"), "jitk_a");
	jb_gateway_clear(&event);
	snprintf(text, sizeof(text), known, "\"x-api-key\":\"jitk_a\"");
	assert_int_equal(read_event(text), 0);
	jb_gateway_clear(&event);
	snprintf(text, sizeof(text), known, "\"x-api-key\":\"jitk_b\"");
	assert_int_equal(read_event(text), 400);
}

static void a_direct_invocation_is_a_filing(void **state)
{
	static const char text[] =
		"{\"requester\":\"op1\",\"role\":\"admin\",\"duration\":\"900\",\"roleArn\":\"arn\"}";

	(void)state;
	assert_int_equal(read_event(text), 0);
	assert_int_equal(event.kind, JB_GATEWAY_DIRECT);
	assert_string_equal(event.head.method, "POST");
	assert_string_equal(event.head.path, "/request-access");
	assert_string_equal(event.body, text);
	assert_int_equal(event.head.header_count, 0);
	assert_false(event.peer.known);
}

/* What the connection's own reader refuses, an event cannot bring in either. */
static void what_two_could_understand_differently_is_refused(void **state)
{
	static const struct {
		const char *text;
		int status;
	} cases[] = {
		{REST(",\"multiValueHeaders\":{\"x-api-key\":[\"a\",\"b\"]}"), 400},
		{REST(",\"headers\":{\"x-api-key\":\"a\",\"X-Api-Key\":\"b\"}"), 400},
		{REST(",\"headers\":{\"n\":\"a\\r\\nx-api-key: b\"}"), 400},
		{REST(",\"headers\":{\"n\":\"a\\u0000b\"}"), 400},
		{REST(",\"headers\":{\"n m\":\"a\"}"), 400},
		{REST(",\"headers\":{\"n\":1}"), 400},
		{REST(",\"body\":\"%%%%\",\"isBase64Encoded\":true"), 400},
		{REST(",\"body\":\"YQ\",\"isBase64Encoded\":true"), 400},
		{REST(",\"body\":\"Y-__\",\"isBase64Encoded\":true"), 400},
		{HTTP(",\"rawQueryString\":\"a b\""), 400},
		{"{\"path\":\"x\",\"httpMethod\":\"GET\",\"requestContext\":{\"identity\":{}}}", 400},
		{"{\"path\":\"/\",\"httpMethod\":\"PUT\",\"requestContext\":{\"identity\":{}}}", 501},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		*why = '\0';
		if (read_event(cases[i].text) != cases[i].status)
			fail_msg("case %zu: expected %d, %s", i, cases[i].status, cases[i].text);
		assert_string_not_equal(why, "");
	}
}

static void other_services_events_are_none(void **state)
{
	static const char *const others[] = {
		"",
		"[]",
		"{}",
		"{\"Records\":[{\"body\":\"{}\"}]}",
		"{\"source\":\"aws.events\",\"detail\":{\"requester\":\"op1\"}}",
		"{\"httpMethod\":\"GET\",\"path\":\"/\",\"requestContext\":{\"elb\":{\"targetGroupArn\":\"x\"}}}",
		"{\"version\":\"2.0\",\"rawPath\":\"/\",\"requestContext\":{}}",
		"{\"requester\":\"op1\"} x",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(others); i++)
		assert_int_equal(read_event(others[i]), -EINVAL);
}

static void a_body_over_64_kib_is_refused(void **state)
{
	size_t size = 200000;
	char *text = malloc(size);

	(void)state;
	for (size_t len = 65535; len <= 65537; len++) {
		int n = snprintf(text, size, "%.*s,\"body\":\"", (int)strlen(REST("")) - 1, REST(""));
		memset(text + n, 'a', len);
		strcpy(text + n + len, "\"}");
		assert_int_equal(read_event(text), len <= 65536 ? 0 : 413);
		jb_gateway_clear(&event);
	}
	free(text);
}

static struct json_object *answer(int status, const char *headers, const char *body, size_t body_len)
{
	size_t len = 0;
	char *text = jb_gateway_answer(status, headers, body, body_len, &len);

	assert_non_null(text);
	for (size_t i = 0; i < len; i++) /* json-c would take them */
		assert_true((unsigned char)text[i] >= 0x20);
	struct json_object *json = json_tokener_parse(text);
	assert_non_null(json);
	free(text);
	return json;
}

static void an_answer_keeps_status_headers_and_every_character(void **state)
{
	static const char body[] = "{\"a\":\"\\\"\\n\xc3\xa4 \x7f\"}\n\t\\";
	struct json_object *json =
		answer(429, "Content-Type: application/json\r\nRetry-After: 1\r\n", body, sizeof(body) - 1);

	(void)state;
	assert_int_equal(json_object_get_int(json_object_object_get(json, "statusCode")), 429);
	struct json_object *headers = json_object_object_get(json, "headers");
	assert_int_equal(json_object_object_length(headers), 2);
	assert_string_equal(json_object_get_string(json_object_object_get(headers, "Content-Type")),
			    "application/json");
	assert_string_equal(json_object_get_string(json_object_object_get(headers, "Retry-After")), "1");
	assert_string_equal(json_object_get_string(json_object_object_get(json, "body")), body);
	assert_false(json_object_get_boolean(json_object_object_get(json, "isBase64Encoded")));
	json_object_put(json);
}

static void bytes_that_are_no_text_are_answered_in_base64(void **state)
{
	struct json_object *json = answer(200, "", "\xff\x00\xfe", 3);

	(void)state;
	assert_string_equal(json_object_get_string(json_object_object_get(json, "body")), "/wD+");
	assert_true(json_object_get_boolean(json_object_object_get(json, "isBase64Encoded")));
	json_object_put(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_rest_event_is_a_call, clear),
		cmocka_unit_test_teardown(what_a_rest_event_has_not_is_empty, clear),
		cmocka_unit_test_teardown(an_http_event_is_a_call_without_its_stage, clear),
		cmocka_unit_test_teardown(a_stage_is_taken_off_once_and_whole, clear),
		cmocka_unit_test_teardown(a_body_in_base64_is_decoded, clear),
		cmocka_unit_test_teardown(the_gateways_own_knowledge_of_the_key_counts, clear),
		cmocka_unit_test_teardown(a_direct_invocation_is_a_filing, clear),
		cmocka_unit_test_teardown(what_two_could_understand_differently_is_refused, clear),
		cmocka_unit_test_teardown(other_services_events_are_none, clear),
		cmocka_unit_test_teardown(a_body_over_64_kib_is_refused, clear),
		cmocka_unit_test(an_answer_keeps_status_headers_and_every_character),
		cmocka_unit_test(bytes_that_are_no_text_are_answered_in_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
