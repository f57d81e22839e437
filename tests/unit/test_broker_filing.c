/* The body of POST /request-access: what is taken, what is refused, in which words. */
#include "unit.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filing.h"

#define PLAIN_CALL                                                                                                     \
	"{\"requester\":\"admin@example.com\",\"role\":\"admin\",\"roleArn\":\"arn:x\",\"duration\":900,"              \
	"\"simulateApproval\":true}"

static void read_body(const char *body, struct jb_filing *filing, struct jb_fault *fault, int expected)
{
	struct json_object *json = jb_json_object(body, strlen(body));

	if (!json)
		fail_msg("not taken for an object: %s", body);
	*fault = (struct jb_fault){0};
	int r = jb_filing_read(json, filing, fault);
	if (r != expected)
		fail_msg("%s: expected %d, got %d '%s'", body, expected, r, fault->message);
	json_object_put(json);
}

static void only_one_whole_json_object_is_taken(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"[]",
		"\"x\"",
		"null",
		"{\"a\":1",
		"{\"a\":1}x",
		"{\"a\":1}{}",
		"{'a':1}",
		"{a:1}",
		"{\"a\":1,}",
		"{\"a\":01}",
		"{\"a\":NaN}",
		"{\"a\":\"\xff\"}",
		"{\"a\":/*x*/1}",
		"[[[[[[[[[[[[[[[[[[[[",
		"{\"a\":\"line\nbreak\"}",
	};
	char deep[200] = "";

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (jb_json_object(bad[i], strlen(bad[i])))
			fail_msg("taken for an object: %s", bad[i]);
	for (int i = 0; i < 20; i++)
		memcpy(deep + strlen(deep), "{\"a\":", 6);
	memcpy(deep + strlen(deep), "1", 2);
	for (int i = 0; i < 20; i++)
		memcpy(deep + strlen(deep), "}", 2);
	assert_null(jb_json_object(deep, strlen(deep)));
	assert_null(jb_json_object("{}\0", 3));
	struct json_object *good = jb_json_object(" {\"a\":\"\xc3\xa9\"} \n", 13);
	assert_non_null(good);
	json_object_put(good);
}

static void the_first_missing_field_is_named_to_the_letter(void **state)
{
	static const struct {
		const char *body, *field;
	} cases[] = {
		{"{}", "requester"},
		{"{\"role\":\"a\",\"duration\":1}", "requester"},
		{"{\"requester\":\"op1\"}", "role"},
		{"{\"requester\":null,\"role\":\"a\",\"roleArn\":\"x\",\"duration\":1}", "requester"},
		{"{\"requester\":\"op1\",\"role\":\"a\",\"duration\":1}", "roleArn"},
		{"{\"requester\":\"op1\",\"role\":\"a\",\"roleArn\":\"x\"}", "duration"},
		{"{\"requester\":\"op1\",\"role\":\"a\",\"publicKey\":{}}", "duration"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct jb_filing filing;
		struct jb_fault fault;
		char expected[80];

		read_body(cases[i].body, &filing, &fault, -1);
		snprintf(expected, sizeof(expected), "Missing required field: '%s'", cases[i].field);
		assert_string_equal(fault.message, expected);
		assert_string_equal(fault.code, "");
		assert_int_equal(fault.http, 400);
	}
}

static void durations_are_numbers_or_numeric_strings_above_zero(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds; /* 0: refused */
	} cases[] = {
		{"900", 900}, {"\"900\"", 900}, {"\"900\\u0000x\"", 0}, {"900.7", 900},	    {"1", 1},	    {"0", 0},
		{"-5", 0},    {"0.5", 0},	{"\"0\"", 0},		{"\"-5\"", 0},	    {"\"9x\"", 0},  {"\"\"", 0},
		{"true", 0},  {"[]", 0},	{"1e300", 0},		{"99999999999", 0}, {"9e99999", 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char body[128];
		struct jb_filing filing;
		struct jb_fault fault;

		snprintf(body, sizeof(body), "{\"requester\":\"op1\",\"role\":\"a\",\"roleArn\":\"x\",\"duration\":%s}",
			 cases[i].text);
		read_body(body, &filing, &fault, cases[i].seconds ? 0 : -1);
		if (cases[i].seconds)
			assert_int_equal(filing.duration, cases[i].seconds);
		else
			assert_string_equal(fault.code, "request.field");
	}
}

static void wrong_types_and_oversized_texts_are_refused_by_name(void **state)
{
	static const struct {
		const char *member, *name;
	} cases[] = {
		{"\"reason\":5", "reason"},
		{"\"command\":[]", "command"},
		{"\"simulateApproval\":\"true\"", "simulateApproval"},
		{"\"resume\":1", "resume"},
		{"\"publicKey\":\"text\"", "publicKey"},
		{"\"tty\":\"a\\u0000b\"", "tty"},
	};
	struct jb_filing filing;
	struct jb_fault fault;
	char body[6000];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		snprintf(body, sizeof(body),
			 "{\"requester\":\"op1\",\"role\":\"a\",\"roleArn\":\"x\",\"duration\":1,%s}", cases[i].member);
		read_body(body, &filing, &fault, -1);
		assert_string_equal(fault.code, "request.field");
		assert_non_null(strstr(fault.message, cases[i].name));
	}
	for (int len = 511; len <= 512; len++) {
		snprintf(body, sizeof(body),
			 "{\"requester\":\"op1\",\"role\":\"a\",\"roleArn\":\"x\",\"duration\":1,\"reason\":\"%0*d\"}",
			 len, 0);
		read_body(body, &filing, &fault, len == 511 ? 0 : -1);
	}
	snprintf(body, sizeof(body),
		 "{\"requester\":\"op1\",\"role\":\"a\",\"roleArn\":\"x\",\"duration\":1,\"command\":\"%04097d\"}", 0);
	read_body(body, &filing, &fault, -1);
	assert_non_null(strstr(fault.message, "command"));
}

static void every_field_arrives_where_it_belongs(void **state)
{
	static const char body[] =
		"{\"requester\":\"op1\",\"role\":\"admin\",\"duration\":900,\"publicKey\":{\"kty\":\"EC\"},"
		"\"loginUser\":null,\"service\":\"sudo\",\"tty\":\"/dev/pts/3\",\"rhost\":\"\",\"target\":\"root\","
		"\"command\":\"/usr/bin/id\",\"cwd\":\"/home/op1\",\"session\":\"3\",\"reason\":\"disk full\","
		"\"ticket\":\"INC-1\",\"resume\":true,\"forHost\":\"web-2\",\"unknown\":{\"x\":[1]}}";
	struct json_object *json = jb_json_object(body, sizeof(body) - 1);
	struct jb_filing f;
	struct jb_fault fault;

	(void)state;
	assert_int_equal(jb_filing_read(json, &f, &fault), 0);
	assert_string_equal(f.requester, "op1");
	assert_string_equal(f.role, "admin");
	assert_null(f.role_arn);
	assert_string_equal(f.public_key, "{\"kty\":\"EC\"}");
	assert_null(f.login_user);
	assert_string_equal(f.service, "sudo");
	assert_string_equal(f.tty, "/dev/pts/3");
	assert_string_equal(f.rhost, "");
	assert_string_equal(f.target, "root");
	assert_string_equal(f.command, "/usr/bin/id");
	assert_string_equal(f.cwd, "/home/op1");
	assert_string_equal(f.session, "3");
	assert_string_equal(f.reason, "disk full");
	assert_string_equal(f.ticket, "INC-1");
	assert_string_equal(f.for_host, "web-2");
	assert_true(f.resume);
	assert_false(f.simulate);
	json_object_put(json);
}

static void a_plain_callers_five_fields_are_read(void **state)
{
	struct json_object *json = jb_json_object(PLAIN_CALL "\n", sizeof(PLAIN_CALL));
	struct jb_filing f;
	struct jb_fault fault;

	(void)state;
	assert_int_equal(jb_filing_read(json, &f, &fault), 0);
	assert_string_equal(f.requester, "admin@example.com");
	assert_string_equal(f.role_arn, "arn:x");
	assert_null(f.public_key);
	assert_true(f.simulate);
	json_object_put(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_one_whole_json_object_is_taken),
		cmocka_unit_test(the_first_missing_field_is_named_to_the_letter),
		cmocka_unit_test(durations_are_numbers_or_numeric_strings_above_zero),
		cmocka_unit_test(wrong_types_and_oversized_texts_are_refused_by_name),
		cmocka_unit_test(every_field_arrives_where_it_belongs),
		cmocka_unit_test(a_plain_callers_five_fields_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
