/* What is said to STS, against AWS's own patterns, and what is made of its answers. */
#include "unit.h"

#include <curl/curl.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aws_keys.h"
#include "issuer.h"
#include "no_memory.h"
#include "sts.h"

#define NOW 1795363200 /* 2026-11-22T16:00:00Z */

static struct jb_request *a_request(void)
{
	struct jb_request *r = jb_request_new();

	snprintf(r->id, sizeof(r->id), "0b6cbd46-1a8b-4dd3-9a48-7f8f8a1c2d3e");
	snprintf(r->short_id, sizeof(r->short_id), "R7KD-2M9Q");
	r->requester = strdup("op1");
	r->host = strdup("web-1");
	r->approved_by = strdup("appr1");
	r->ticket = strdup("INC-4711");
	r->granted_until = NOW + 3600;
	return r;
}

static struct jb_role a_role(void)
{
	return (struct jb_role){.name = (char *)"admin",
				.arn = (char *)"arn:aws:iam::123456789012:role/JIT-ElevatedAdminRole",
				.credential_lifetime = 300};
}

/* The decoded value of a form field; NULL when it is not there. The caller frees. */
static char *field(const char *form, const char *name)
{
	char key[64];
	const char *at = form;

	snprintf(key, sizeof(key), "%s=", name);
	while (at && strncmp(at, key, strlen(key)) != 0) {
		at = strchr(at, '&');
		at = at ? at + 1 : NULL;
	}
	if (!at)
		return NULL;
	at += strlen(key);
	char *decoded = curl_easy_unescape(NULL, at, (int)strcspn(at, "&"), NULL), *copy = strdup(decoded);
	curl_free(decoded);
	return copy;
}

static void expect_field(const char *form, const char *name, const char *expected)
{
	char *value = field(form, name);

	if (expected) {
		assert_non_null(value);
		assert_string_equal(value, expected);
	} else {
		assert_null(value);
	}
	free(value);
}

static void expect_pattern(const char *form, const char *name, const char *pattern)
{
	char *value = field(form, name);
	regex_t regex;

	assert_non_null(value);
	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	if (regexec(&regex, value, 0, NULL, 0) != 0)
		fail_msg("%s = '%s' does not match AWS's pattern %s", name, value, pattern);
	regfree(&regex);
	free(value);
}

static void the_form_names_requester_request_host_approver_and_ticket(void **state)
{
	struct jb_request *request = a_request();
	struct jb_role role = a_role();
	char *form;

	(void)state;
	role.external_id = (char *)"broker/1";
	assert_int_equal(jb_sts_form(request, &role, NOW + 300, &form), 0);
	expect_field(form, "Action", "AssumeRole");
	expect_field(form, "Version", "2011-06-15");
	expect_field(form, "RoleArn", role.arn);
	expect_field(form, "RoleSessionName", "op1-R7KD-2M9Q");
	expect_field(form, "SourceIdentity", "op1");
	expect_field(form, "DurationSeconds", "900");
	expect_field(form, "ExternalId", "broker/1");
	expect_field(form, "Tags.member.1.Key", "jit:requestId");
	expect_field(form, "Tags.member.1.Value", request->id);
	expect_field(form, "Tags.member.2.Key", "jit:host");
	expect_field(form, "Tags.member.2.Value", "web-1");
	expect_field(form, "Tags.member.3.Key", "jit:approver");
	expect_field(form, "Tags.member.3.Value", "appr1");
	expect_field(form, "Tags.member.4.Key", "jit:ticket");
	expect_field(form, "Tags.member.4.Value", "INC-4711");
	expect_field(form, "Tags.member.5.Key", NULL);
	free(form);
	jb_request_free(request);
}

#ifdef JIT_TEST_NO_MEMORY
/* A form without its Policy would ask for all that the role may. */
static void a_form_is_whole_or_there_is_none(void **state)
{
	struct jb_role role = a_role();
	unsigned failed = 0;
	char *policy, *whole;

	(void)state;
	if (!memory_can_run_out())
		skip();
	struct jb_request *request = a_request();
	assert_int_equal(jb_sts_form(request, &role, NOW + 300, &whole), 0);
	/* Not while the policy is made: json-c itself does not live through that, and then nothing is sent either. */
	left = LONG_MAX;
	assert_int_equal(jb_sts_policy(&role, NOW + 300, &policy), 0);
	free(policy);
	for (long nth = LONG_MAX - left; nth < 10000; nth++) {
		char *form = NULL;

		left = nth;
		int r = jb_sts_form(request, &role, NOW + 300, &form);
		bool all = left >= 0;
		left = LONG_MAX;
		failed += r < 0;
		assert_true(r == 0 ? strcmp(form, whole) == 0 : r == -ENOMEM && !form);
		free(form);
		if (all)
			break;
	}
	assert_true(failed > 0);
	free(whole);
	jb_request_free(request);
}
#endif

static void empty_tags_are_left_out_and_the_rest_numbered_on(void **state)
{
	struct jb_request *request = a_request();
	struct jb_role role = a_role();
	char *form;

	(void)state;
	free(request->approved_by);
	request->approved_by = NULL;
	assert_int_equal(jb_sts_form(request, &role, NOW + 300, &form), 0);
	expect_field(form, "Tags.member.3.Key", "jit:ticket");
	expect_field(form, "Tags.member.4.Key", NULL);
	free(form);
	request->decided_by = strdup("policy");
	assert_int_equal(jb_sts_form(request, &role, NOW + 300, &form), 0);
	expect_field(form, "Tags.member.3.Value", "policy");
	free(form);
	jb_request_free(request);
}

static void whatever_is_filed_what_is_sent_fits_AWS_patterns(void **state)
{
	char longest[301];
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	const char *const texts[] = {
		"op1",
		"a b",
		"Jos\xc3\xa9 \xe2\x82\xac",
		"x;y&z=1'\"<>",
		"tab\tline\nend",
		longest,
		"admin@example.com",
		"*?#%{}[]|\\^~`!$",
		"\xf0\x9f\x94\x91 key",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct jb_request *request = a_request();
		struct jb_role role = a_role();
		char *form;

		free(request->requester);
		free(request->host);
		free(request->ticket);
		request->requester = strdup(texts[i]);
		request->host = strdup(texts[i]);
		request->ticket = strdup(texts[i]);
		assert_int_equal(jb_sts_form(request, &role, NOW + 300, &form), 0);
		expect_pattern(form, "RoleSessionName", "^[A-Za-z0-9_+=,.@-]{2,64}$");
		expect_pattern(form, "RoleSessionName", "-R7KD-2M9Q$");
		expect_pattern(form, "Tags.member.2.Value", "^[A-Za-z0-9 _.:/=+@-]{0,255}[A-Za-z0-9 _.:/=+@-]?$");
		expect_pattern(form, "Tags.member.4.Value", "^[A-Za-z0-9 _.:/=+@-]{0,255}[A-Za-z0-9 _.:/=+@-]?$");
		free(form);
		jb_request_free(request);
	}
}

static void only_names_that_can_be_a_source_identity_are_accepted(void **state)
{
	char name[66];

	(void)state;
	assert_true(jb_issuer_accepts_requester("op1"));
	assert_true(jb_issuer_accepts_requester("admin@example.com"));
	assert_false(jb_issuer_accepts_requester(""));
	assert_false(jb_issuer_accepts_requester("x"));
	assert_false(jb_issuer_accepts_requester("a b"));
	assert_false(jb_issuer_accepts_requester("a/b"));
	assert_false(jb_issuer_accepts_requester("jos\xc3\xa9"));
	memset(name, 'x', 65);
	name[65] = '\0';
	assert_false(jb_issuer_accepts_requester(name));
	name[64] = '\0';
	assert_true(jb_issuer_accepts_requester(name));
}

static void the_duration_stays_between_900_and_3600(void **state)
{
	static const struct {
		uint32_t lifetime;
		const char *sent;
	} cases[] = {{60, "900"}, {900, "900"}, {1800, "1800"}, {3600, "3600"}, {7200, "3600"}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct jb_request *request = a_request();
		struct jb_role role = a_role();
		char *form;

		role.credential_lifetime = cases[i].lifetime;
		assert_int_equal(jb_sts_form(request, &role, NOW + 300, &form), 0);
		expect_field(form, "DurationSeconds", cases[i].sent);
		free(form);
		jb_request_free(request);
	}
}

static void access_ends_with_the_lifetime_or_the_grant_whichever_is_first(void **state)
{
	struct jb_request *request = a_request();
	struct jb_role role = a_role();

	(void)state;
	assert_int_equal(jb_sts_end(request, &role, NOW), NOW + 300);
	request->granted_until = NOW + 120;
	assert_int_equal(jb_sts_end(request, &role, NOW), NOW + 120);
	jb_request_free(request);
}

static void the_session_policy_denies_all_from_the_end_on_and_chaining(void **state)
{
	struct jb_role role = a_role();
	char *policy;

	(void)state;
	assert_int_equal(jb_sts_policy(&role, NOW, &policy), 0);
	assert_string_equal(policy, "{\"Version\":\"2012-10-17\",\"Statement\":["
				    "{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"},"
				    "{\"Effect\":\"Deny\",\"Action\":\"*\",\"Resource\":\"*\",\"Condition\":"
				    "{\"DateGreaterThanEquals\":{\"aws:CurrentTime\":\"2026-11-22T16:00:00Z\"}}},"
				    "{\"Effect\":\"Deny\",\"Action\":\"sts:Assume*\",\"Resource\":\"*\"}]}");
	free(policy);
	role.chaining_allowed = true;
	role.session_policy =
		(char *)"{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"s3:Get*\",\"Resource\":\"*\"}}";
	assert_int_equal(jb_sts_policy(&role, NOW, &policy), 0);
	assert_non_null(strstr(policy, "s3:Get*"));
	assert_null(strstr(policy, "\"Action\":\"*\",\"Resource\":\"*\"},")); /* the default is replaced */
	assert_non_null(strstr(policy, "DateGreaterThanEquals"));
	assert_null(strstr(policy, "sts:Assume"));
	free(policy);
}

static void a_role_policy_that_is_none_or_too_long_issues_nothing(void **state)
{
	struct jb_role role = a_role();
	char text[2100], *policy = NULL;

	(void)state;
	role.session_policy = (char *)"not JSON";
	assert_int_equal(jb_sts_policy(&role, NOW, &policy), -EINVAL);
	role.session_policy = (char *)"{\"Statement\":[]}";
	assert_int_equal(jb_sts_policy(&role, NOW, &policy), -EINVAL);
	snprintf(text, sizeof(text), "{\"Statement\":{\"Sid\":\"%01990d\"}}", 0);
	role.session_policy = text;
	assert_int_equal(jb_sts_policy(&role, NOW, &policy), -E2BIG);
	assert_null(policy);
}

#define CREDENTIALS                                                                                                    \
	"<Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s3cr/et+</SecretAccessKey>"                     \
	"<SessionToken>tok==</SessionToken><Expiration>2026-11-22T16:15:00.123Z</Expiration></Credentials>"
#define OPENING "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>"
#define CLOSING "</AssumeRoleResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></AssumeRoleResponse>"

static void parse(const char *xml, struct jb_sts_answer *answer)
{
	jb_sts_parse(xml, strlen(xml), answer);
}

static void credentials_are_read_from_the_answer(void **state)
{
	struct jb_sts_answer answer;

	(void)state;
	parse(OPENING CREDENTIALS CLOSING, &answer);
	assert_int_equal(answer.kind, JB_STS_CREDENTIALS);
	assert_string_equal(answer.credentials.access_key_id, "ASIA1");
	assert_string_equal(answer.credentials.secret_access_key, "s3cr/et+");
	assert_string_equal(answer.credentials.session_token, "tok==");
	assert_int_equal(answer.credentials.expiration, NOW + 900);
}

/* expat's own memory grows under it, with what was read in it. */
static void an_answer_may_say_much_beside_the_credentials(void **state)
{
	char *xml = NULL;
	struct jb_sts_answer answer;
	char more[1024] = "";

	(void)state;
	for (size_t i = 0, at = 0; i < 40; i++)
		at += (size_t)snprintf(more + at, sizeof(more) - at, " attribute%zu=\"%zu\"", i, i);
	assert_true(asprintf(&xml, "%s<%s%0200d%s/>%s%s", OPENING, "Other", 0, more, CREDENTIALS, CLOSING) > 0);
	parse(xml, &answer);
	free(xml);
	assert_int_equal(answer.kind, JB_STS_CREDENTIALS);
	assert_string_equal(answer.credentials.session_token, "tok==");
}

static void an_error_is_read_in_both_its_forms(void **state)
{
	struct jb_sts_answer answer;

	(void)state;
	parse("<ErrorResponse xmlns=\"x\"><Error><Type>Sender</Type><Code>AccessDenied</Code>"
	      "<Message>no \xc2\x9b"
	      "31m</Message></Error></ErrorResponse>",
	      &answer);
	assert_int_equal(answer.kind, JB_STS_ERROR);
	assert_string_equal(answer.code, "AccessDenied");
	assert_string_equal(answer.message, "no ?31m"); /* a terminal's escape sequence is none any more */
	parse("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>SignatureDoesNotMatch</Code><Message></Message>"
	      "<RequestId>tx1</RequestId></Error>",
	      &answer);
	assert_int_equal(answer.kind, JB_STS_ERROR);
	assert_string_equal(answer.code, "SignatureDoesNotMatch");
}

static void a_malformed_answer_gives_no_credentials(void **state)
{
	static const char *const cases[] = {
		"",
		"<html><body>502</body></html>",
		OPENING CREDENTIALS,						/* cut off */
		OPENING CREDENTIALS CREDENTIALS CLOSING,			/* twice */
		"<!DOCTYPE a [<!ENTITY b \"c\">]>" OPENING CREDENTIALS CLOSING, /* entities */
		OPENING "<Credentials><AccessKeyId>A</AccessKeyId></Credentials>" CLOSING,
		"<Other><AssumeRoleResult>" CREDENTIALS "</AssumeRoleResult></Other>",
		OPENING "<Credentials><AccessKeyId>A<x/></AccessKeyId></Credentials>" CLOSING,
		OPENING
		"<Credentials><AccessKeyId>A\"B</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t"
		"</SessionToken><Expiration>2026-11-22T16:15:00Z</Expiration></Credentials>" CLOSING,
		OPENING "<Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t"
			"</SessionToken><Expiration>soon</Expiration></Credentials>" CLOSING,
	};
	char big[20000];
	struct jb_sts_answer answer;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		parse(cases[i], &answer);
		if (answer.kind != JB_STS_MALFORMED)
			fail_msg("case %zu was taken for an answer: %s", i, cases[i]);
	}
	snprintf(big, sizeof(big), OPENING "<Credentials><SessionToken>%09000d</SessionToken></Credentials>" CLOSING,
		 0);
	parse(big, &answer);
	assert_int_equal(answer.kind, JB_STS_MALFORMED);
}

static void refusals_for_good_are_told_from_passing_ones(void **state)
{
	static const struct {
		const char *code;
		long status;
		bool passing;
		const char *says;
	} cases[] = {
		{"AccessDenied", 403, false, "refused the role"},
		{"ValidationError", 400, false, "refused the role"},
		{"MalformedPolicyDocument", 400, false, "refused the role"},
		{"PackedPolicyTooLarge", 400, false, "refused the role"},
		{"NoSuchEntity", 404, false, "refused the role"},
		{"Throttling", 400, true, "cannot answer now"},
		{"RequestLimitExceeded", 400, true, "cannot answer now"},
		{"ServiceUnavailable", 503, true, "cannot answer now"},
		{"Whatever", 500, true, "cannot answer now"},
		{"ExpiredToken", 403, true, "own AWS credentials"},
		{"InvalidClientTokenId", 403, true, "own AWS credentials"},
		{"SignatureDoesNotMatch", 403, true, "clock"},
		{"RequestTimeTooSkewed", 403, true, "clock"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char why[256] = "";
		bool passing = !cases[i].passing;

		jb_sts_explain(cases[i].code, "because", cases[i].status, why, sizeof(why), &passing);
		if (passing != cases[i].passing || !strstr(why, cases[i].says) || !strstr(why, cases[i].code))
			fail_msg("%s: passing %d, '%s'", cases[i].code, passing, why);
	}
}

static int read_keys(const char *text, mode_t mode, struct jb_aws_keys *keys, char *why, size_t why_size)
{
	char path[] = "/tmp/jb-keys-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	int r = jb_aws_keys_read(path, keys, why, why_size);
	unlink(path);
	return r;
}

static void the_brokers_own_keys_are_those_under_default(void **state)
{
	struct jb_aws_keys keys;
	char why[512] = "", text[3000], token[1501];

	(void)state;
	memset(token, 't', sizeof(token) - 1);
	token[sizeof(token) - 1] = '\0';
	snprintf(text, sizeof(text),
		 "[other]\naws_access_key_id = WRONG\n# x\n[default]\r\n aws_access_key_id=AKIA1\nregion = x\n"
		 "aws_secret_access_key = a/b+c=\naws_session_token = %s\n[last]\naws_access_key_id = WRONG\n",
		 token);
	assert_int_equal(read_keys(text, 0600, &keys, why, sizeof(why)), 0);
	assert_string_equal(keys.access_key_id, "AKIA1");
	assert_string_equal(keys.secret_access_key, "a/b+c=");
	assert_string_equal(keys.session_token, token);
	assert_int_equal(read_keys(text, 0604, &keys, why, sizeof(why)), -1);
	assert_int_equal(read_keys("[default]\naws_access_key_id = A\n", 0600, &keys, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "[default]"));
	assert_int_equal(read_keys("[default]\naws_access_key_id = A:B\naws_secret_access_key=s\n", 0600, &keys, why,
				   sizeof(why)),
			 -1);
}

struct heard {
	struct event_base *base;
	struct jb_credentials credentials;
	bool issued, passing;
	int calls;
	char why[512];
};

static void on_issued(void *arg, const struct jb_issue *issue)
{
	struct heard *heard = arg;

	heard->calls++;
	heard->issued = issue->credentials != NULL;
	if (issue->credentials)
		heard->credentials = *issue->credentials;
	else
		snprintf(heard->why, sizeof(heard->why), "%s", issue->why);
	heard->passing = issue->passing;
	event_base_loopbreak(heard->base);
}

static void issue(struct jb_conf *conf, struct heard *heard)
{
	struct event_base *base = event_base_new();
	struct jb_request *request = a_request();
	struct jb_role role = a_role();
	char why[256] = "";
	struct jb_issuer *issuer = jb_issuer_new(base, conf, why, sizeof(why));

	if (!issuer)
		fail_msg("no issuer: %s", why);
	*heard = (struct heard){.base = base};
	assert_int_equal(jb_issuer_issue(issuer, request, &role, NOW, on_issued, heard), 0);
	jb_request_free(request); /* the issuer must not need it any more */
	assert_int_equal(heard->calls, 0);
	event_base_dispatch(base);
	assert_int_equal(heard->calls, 1);
	jb_issuer_free(issuer);
	event_base_free(base);
}

static void demo_credentials_say_what_they_are_and_differ(void **state)
{
	struct jb_conf conf = {.issuer = (char *)"demo"};
	struct heard first, second;

	(void)state;
	issue(&conf, &first);
	issue(&conf, &second);
	assert_true(first.issued && second.issued);
	assert_non_null(strstr(first.credentials.access_key_id, "DEMO"));
	assert_non_null(strstr(first.credentials.secret_access_key, "UNUSABLE"));
	assert_string_not_equal(first.credentials.secret_access_key, second.credentials.secret_access_key);
	assert_int_equal(first.credentials.expiration, NOW + 300);
}

static void an_unreachable_sts_or_missing_keys_are_passing(void **state)
{
	struct jb_conf conf = {.issuer = (char *)"sts:http://127.0.0.1:1",
			       .issuer_region = (char *)"us-east-1",
			       .issuer_credentials = (char *)"/nonexistent/keys",
			       .issuer_plain_loopback = true};
	char path[] = "/tmp/jb-keys-XXXXXX";
	static const char keys[] = "[default]\naws_access_key_id = A\naws_secret_access_key = s\n";
	struct heard heard;

	(void)state;
	issue(&conf, &heard);
	assert_false(heard.issued);
	assert_true(heard.passing);
	assert_non_null(strstr(heard.why, "/nonexistent/keys"));
	int fd = mkstemp(path);
	assert_int_equal(write(fd, keys, sizeof(keys) - 1), sizeof(keys) - 1);
	close(fd);
	conf.issuer_credentials = path;
	issue(&conf, &heard);
	unlink(path);
	assert_false(heard.issued);
	assert_true(heard.passing);
	if (!strstr(heard.why, "refused"))
		fail_msg("%s", heard.why);
}

static void pending_issues_are_dropped_with_the_issuer(void **state)
{
	struct jb_conf conf = {.issuer = (char *)"demo"};
	struct event_base *base = event_base_new();
	struct jb_request *request = a_request();
	struct jb_role role = a_role();
	struct heard heard = {.base = base};
	char why[256];
	struct jb_issuer *issuer = jb_issuer_new(base, &conf, why, sizeof(why));

	(void)state;
	assert_int_equal(jb_issuer_issue(issuer, request, &role, NOW, on_issued, &heard), 0);
	jb_issuer_free(issuer);
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(heard.calls, 0);
	jb_request_free(request);
	event_base_free(base);
}

static void endpoints_with_anything_after_the_host_are_refused(void **state)
{
	static const char *const cases[] = {"sts:sts.example",	"sts:https://sts.example/path",
					    "sts:https://a/?x", "sts:https://u@host",
					    "vault:x",		""};
	struct event_base *base = event_base_new();

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct jb_conf conf = {.issuer = (char *)cases[i], .issuer_region = (char *)"us-east-1"};
		char why[256] = "";
		assert_null(jb_issuer_new(base, &conf, why, sizeof(why)));
		assert_non_null(strstr(why, "issuer = "));
	}
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_form_names_requester_request_host_approver_and_ticket),
#ifdef JIT_TEST_NO_MEMORY
		cmocka_unit_test(a_form_is_whole_or_there_is_none),
#endif
		cmocka_unit_test(empty_tags_are_left_out_and_the_rest_numbered_on),
		cmocka_unit_test(whatever_is_filed_what_is_sent_fits_AWS_patterns),
		cmocka_unit_test(only_names_that_can_be_a_source_identity_are_accepted),
		cmocka_unit_test(the_duration_stays_between_900_and_3600),
		cmocka_unit_test(access_ends_with_the_lifetime_or_the_grant_whichever_is_first),
		cmocka_unit_test(the_session_policy_denies_all_from_the_end_on_and_chaining),
		cmocka_unit_test(a_role_policy_that_is_none_or_too_long_issues_nothing),
		cmocka_unit_test(credentials_are_read_from_the_answer),
		cmocka_unit_test(an_answer_may_say_much_beside_the_credentials),
		cmocka_unit_test(an_error_is_read_in_both_its_forms),
		cmocka_unit_test(a_malformed_answer_gives_no_credentials),
		cmocka_unit_test(refusals_for_good_are_told_from_passing_ones),
		cmocka_unit_test(the_brokers_own_keys_are_those_under_default),
		cmocka_unit_test(demo_credentials_say_what_they_are_and_differ),
		cmocka_unit_test(an_unreachable_sts_or_missing_keys_are_passing),
		cmocka_unit_test(pending_issues_are_dropped_with_the_issuer),
		cmocka_unit_test(endpoints_with_anything_after_the_host_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
