/* From the broker's answer to outcome and sentence: nothing but a whole, fitting request leads on. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "no_memory.h"
#include "proc.h"
#include "verdict.h"

#define ID   "0b6c1f6e-0000-4000-8000-000000000001"
#define HEAD "{\"requestId\":\"" ID "\",\"shortId\":\"R7KD-2M9Q\",\"requester\":\"op1\",\"role\":\"admin\""
#define URL  "https://web:8443"

static const struct jh_filing_facts plain_facts = {.broker = URL, .requester = "op1", .role = "admin", .first = true};

static struct jit_fetch_result answer_of(long status, const char *body)
{
	return (struct jit_fetch_result){.status = status,
					 .why = "",
					 .body = body,
					 .body_len = strlen(body),
					 .content_type = "application/json",
					 .tried = ""};
}

static enum jh_filed judge(const struct jit_fetch_result *result, const struct jh_filing_facts *facts,
			   struct jh_verdict *verdict)
{
	struct jh_answer answer;
	enum jh_filed came = jh_judge_filing(result, facts, &answer, verdict);

	if (came == JH_FILED_REQUEST)
		jh_answer_clear(&answer);
	return came;
}

static void faults_name_the_cause(void **state)
{
	static const struct {
		enum jit_fetch_fault fault;
		const char *why, *says;
		enum jh_filed first, later;
	} cases[] = {
		{JIT_FETCH_CONNECT, "connection refused",
		 "cannot reach the broker at " URL ": connection refused; tell", JH_FILED_REFUSED, JH_FILED_RETRY},
		{JIT_FETCH_DNS, "its name cannot be resolved", "its name cannot be resolved", JH_FILED_REFUSED,
		 JH_FILED_RETRY},
		{JIT_FETCH_TLS, "self-signed certificate", "self-signed certificate", JH_FILED_REFUSED,
		 JH_FILED_UNKNOWN},
		{JIT_FETCH_TIMEOUT, "x", "did not answer in time", JH_FILED_UNKNOWN, JH_FILED_UNKNOWN},
		{JIT_FETCH_TOO_LARGE, "x", "is too large", JH_FILED_UNKNOWN, JH_FILED_UNKNOWN},
		{JIT_FETCH_BROKEN, "x", "broke the connection off", JH_FILED_RETRY, JH_FILED_RETRY},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct jit_fetch_result result = {
			.fault = cases[i].fault, .why = cases[i].why, .body = "", .content_type = "", .tried = ""};
		struct jh_filing_facts facts = plain_facts;
		struct jh_verdict v = {.outcome = JIT_ALLOW};
		assert_int_equal(judge(&result, &facts, &v), cases[i].first);
		assert_int_equal(v.outcome, JIT_UNAVAILABLE);
		if (!strstr(v.text, cases[i].says))
			fail_msg("wanted '%s' in: %s", cases[i].says, v.text);
		facts.first = false;
		assert_int_equal(judge(&result, &facts, &v), cases[i].later);
	}
}

static void refusals_have_their_outcome_and_sentence(void **state)
{
	static const struct {
		long status;
		const char *body;
		bool has;
		enum jh_filed came;
		enum jit_outcome outcome;
		const char *says;
	} cases[] = {
		{403, "{\"message\":\"Forbidden\"}", false, JH_FILED_REFUSED, JIT_UNAVAILABLE, "API key"},
		{401, "{}", false, JH_FILED_REFUSED, JIT_UNAVAILABLE, "API key"},
		{403, "<html>", false, JH_FILED_REFUSED, JIT_UNAVAILABLE, "API key"},
		{429, "{\"message\":\"Too Many Requests\"}", false, JH_FILED_RETRY, JIT_UNAVAILABLE,
		 "this host calls the broker more often than its usage plan allows; try again in a moment"},
		{429, "{\"message\":\"Limit Exceeded\"}", false, JH_FILED_REFUSED, JIT_UNAVAILABLE,
		 "gives it a day (until midnight UTC); tell the operator of this host"},
		{429, "{\"message\":\"op1 has 20 requests waiting\",\"error\":\"limit.waiting\"}", false,
		 JH_FILED_REFUSED, JIT_UNAVAILABLE, "op1 has 20 requests waiting; try again in a moment"},
		{400, "{\"message\":\"Invalid JSON body\"}", false, JH_FILED_REFUSED, JIT_UNAVAILABLE,
		 "Invalid JSON body"},
		{403, "{\"message\":\"op1 may not\",\"error\":\"policy.requester\"}", false, JH_FILED_REFUSED,
		 JIT_DENIED, "op1 may not (no request was made)"},
		{403, "{\"message\":\"a reason\",\"error\":\"policy.reason\"}", false, JH_FILED_ASK_REASON, JIT_DENIED,
		 "set JIT_REASON"},
		{403, "{\"message\":\"too short\",\"error\":\"policy.reason\"}", true, JH_FILED_ASK_REASON, JIT_DENIED,
		 "too short"},
		{403, "{\"message\":\"a ticket\",\"error\":\"policy.ticket\"}", false, JH_FILED_ASK_TICKET, JIT_DENIED,
		 "set JIT_TICKET"},
		{502, "<html>", false, JH_FILED_RETRY, JIT_UNAVAILABLE, "HTTP status 502"},
		{503, "", false, JH_FILED_RETRY, JIT_UNAVAILABLE, "503"},
		{504, "", false, JH_FILED_RETRY, JIT_UNAVAILABLE, "504"},
		{500, "", false, JH_FILED_UNKNOWN, JIT_UNAVAILABLE, "500"},
		{302, "", false, JH_FILED_REFUSED, JIT_UNAVAILABLE, "302"},
		{403, "{\"message\":\"a\\u001b[2Jb\",\"error\":\"policy.role\"}", false, JH_FILED_REFUSED, JIT_DENIED,
		 "a?[2Jb"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct jit_fetch_result result = answer_of(cases[i].status, cases[i].body);
		struct jh_filing_facts facts = plain_facts;
		struct jh_verdict v = {.outcome = JIT_ALLOW};
		facts.has_reason = facts.has_ticket = cases[i].has;
		enum jh_filed came = judge(&result, &facts, &v);
		if (came != cases[i].came || v.outcome != cases[i].outcome || !strstr(v.text, cases[i].says))
			fail_msg("%ld %s: filed %d, outcome %d: %s", cases[i].status, cases[i].body, (int)came,
				 (int)v.outcome, v.text);
	}
}

static void who_asks_by_jit_is_told_of_its_options(void **state)
{
	static const struct {
		const char *code, *says;
	} cases[] = {{"policy.reason", "--reason"}, {"policy.ticket", "--ticket"}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct jh_filing_facts facts = plain_facts;
		struct jh_verdict v = {.outcome = JIT_ALLOW};
		char body[64];

		facts.has_reason = facts.has_ticket = false;
		facts.by_jit = true;
		snprintf(body, sizeof(body), "{\"error\":\"%s\"}", cases[i].code);
		const struct jit_fetch_result result = answer_of(403, body);
		judge(&result, &facts, &v);
		assert_non_null(strstr(v.text, cases[i].says));
		assert_null(strstr(v.text, "JIT_"));
	}
}

static void only_what_is_no_answer_of_the_broker_lets_glass_be_broken(void **state)
{
	static const struct {
		long status;
		const char *body;
		bool no_answer;
	} cases[] = {
		{500, "", true},
		{503, "<html>a gateway</html>", true},
		{503, "{\"message\":\"x\",\"error\":\"store.unavailable\"}", true},
		{502, "{\"message\":\"x\",\"error\":\"issuer.refused\"}", false},
		{503, "{\"message\":\"x\",\"error\":\"issuer.unavailable\"}", false},
		{429, "{\"message\":\"x\"}", false},
		{403, "{\"message\":\"Forbidden\"}", false},
		{302, "", false},
		{200, "{}", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct jit_fetch_result result = answer_of(cases[i].status, cases[i].body);
		struct jh_verdict v = {.no_answer = !cases[i].no_answer};
		judge(&result, &plain_facts, &v);
		if (v.no_answer != cases[i].no_answer)
			fail_msg("wrong for %ld %s", cases[i].status, cases[i].body);
	}
	for (int silent = 0; silent <= 1; silent++) {
		const struct jit_fetch_result result = {.fault = JIT_FETCH_TIMEOUT,
							.silent = silent,
							.why = "",
							.body = "",
							.content_type = "",
							.tried = ""};
		struct jh_verdict v = {.no_answer = !silent};
		judge(&result, &plain_facts, &v);
		assert_int_equal(v.no_answer, silent);
	}
}

static void a_2xx_that_is_no_such_request_approves_nothing(void **state)
{
	static const char *const bodies[] = {
		"",
		"<html>hello</html>",
		"null",
		"[]",
		"\"x\"",
		"{}",
		"{\"status\":\"APPROVED\"}",
		HEAD "}",
		HEAD ",\"status\":\"approved\"}",
		HEAD ",\"status\":1}",
		HEAD ",\"status\":\"APPROVED\"}",
		HEAD ",\"status\":\"APPROVED\",\"services\":[\"sudo\"],\"targets\":[\"root\"]}",
		HEAD ",\"status\":\"APPROVED\",\"services\":\"sudo\",\"targets\":[\"root\"],\"remaining\":9}",
		HEAD ",\"status\":\"APPROVED\",\"services\":[\"sudo\"],\"targets\":[1],\"remaining\":9}",
		HEAD ",\"status\":\"APPROVED\",\"services\":[\"sudo\"],\"targets\":[],\"remaining\":9}",
		HEAD ",\"status\":\"APPROVED\",\"services\":[\"sudo\"],\"targets\":[\"a b\"],\"remaining\":9}",
		HEAD ",\"status\":\"APPROVED\",\"services\":[\"sudo\"],\"targets\":[\"root\"],\"remaining\":-1}",
		HEAD ",\"status\":\"APPROVED\",\"services\":[\"sudo\"],\"targets\":[\"root\"],\"remaining\":\"9\"}",
		HEAD ",\"status\":\"PENDING\",\"code\":\"4x\"}",
		HEAD ",\"status\":\"PENDING\",\"code\":\"123\"}",
		HEAD ",\"status\":\"PENDING\",\"pendingUntil\":\"soon\"}",
		HEAD ",\"status\":\"PENDING\"} trailing",
		HEAD ",\"status\":\"PENDING\"",
		HEAD ",\"status\":\"PENDING\",\"requestId\":\"../../x\"}",
		HEAD ",\"status\":\"PENDING\",\"shortId\":\"R7KD2M9Q\"}",
		HEAD ",\"status\":\"PENDING\",\"requester\":\"op2\"}",
		HEAD ",\"status\":\"PENDING\",\"role\":\"root\"}",
		HEAD ",\"status\":\"PENDING\",\"x\":\"\xff\"}",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bodies); i++) {
		const struct jit_fetch_result result = answer_of(200, bodies[i]);
		struct jh_verdict v = {.outcome = JIT_ALLOW};
		if (judge(&result, &plain_facts, &v) != JH_FILED_UNKNOWN || v.outcome != JIT_UNAVAILABLE)
			fail_msg("accepted: %s", bodies[i]);
	}
}

static void a_whole_request_is_read(void **state)
{
	static const char body[] = HEAD
		",\"status\":\"ACTIVE\",\"services\":[\"sudo\",\"su\"],\"targets\":[\"root\"],\"remaining\":600,"
		"\"code\":\"07\",\"requestedAt\":\"2026-11-22T16:00:00Z\",\"pendingUntil\":\"2026-11-22T16:05:00Z\","
		"\"grantedUntil\":\"2026-11-22T16:15:00Z\",\"roleArn\":\"arn:aws:iam::1:role/"
		"x\",\"region\":\"eu-west-1\","
		"\"decidedBy\":\"appr1\",\"endedBy\":\"op1\",\"comment\":null,\"sealedCredentials\":\"a.b.c\",\"new\":{"
		"\"deep\":[1]}}\n";
	struct jh_answer a;

	(void)state;
	assert_int_equal(jh_answer_read(body, strlen(body), &a), 0);
	assert_string_equal(a.id, ID);
	assert_int_equal(a.status, JH_ACTIVE);
	assert_string_equal(a.services, "sudo su");
	assert_int_equal(a.remaining_s, 600);
	assert_int_equal(a.pending_s, 300);
	assert_int_equal(a.sent_at, 1795363500);
	assert_true(a.has_arn);
	assert_string_equal(a.code, "07");
	assert_string_equal(a.sealed, "a.b.c");
	assert_string_equal(a.comment, "");
	assert_string_equal(a.decided_by, "appr1");
	assert_string_equal(a.ended_by, "op1");
	jh_answer_clear(&a);
}

#ifdef JIT_TEST_NO_MEMORY
/* It is filed, and the answer is good: not to be blamed on the broker, and to be had once more. */
static void a_whole_request_that_there_is_no_memory_to_read_is_asked_for_again(void **state)
{
	const struct jit_fetch_result result = answer_of(200, HEAD ",\"status\":\"PENDING\"}");
	enum jh_filed came = JH_FILED_RETRY;
	long nth;

	(void)state;
	if (!memory_can_run_out())
		skip();
	for (nth = 0; came == JH_FILED_RETRY; nth++) {
		struct jh_verdict verdict = {.outcome = JIT_ALLOW};

		left = nth;
		came = judge(&result, &plain_facts, &verdict);
		left = LONG_MAX;
		if (came == JH_FILED_RETRY) {
			assert_int_equal(verdict.outcome, JIT_UNAVAILABLE);
			assert_string_equal(verdict.text, JH_SHORTAGE);
			assert_false(verdict.no_answer);
		}
	}
	assert_int_equal(came, JH_FILED_REQUEST);
	assert_true(nth > 5);
}
#endif

static void what_may_be_taken_up_again_is_told_from_leftovers(void **state)
{
	static const struct {
		const char *more;
		int r;
		bool outlives;
	} rows[] = {
		{"", 0, false},
		{",\"resume\":false", 0, false},
		{",\"resume\":true", 0, true},
		{",\"filedBy\":\"control-1\"", 0, true},
		{",\"resume\":\"false\"", -EINVAL, false},
		{",\"filedBy\":7", -EINVAL, false},
	};
	char body[1024];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct jh_answer a = {0};
		int n = snprintf(body, sizeof(body), "%s,\"status\":\"PENDING\"%s}", HEAD, rows[i].more);

		assert_int_equal(jh_answer_read(body, (size_t)n, &a), rows[i].r);
		assert_int_equal(a.outlives, rows[i].outlives);
		jh_answer_clear(&a);
	}
}

static void a_region_is_a_word_that_an_environment_may_hold(void **state)
{
	static const struct {
		const char *region;
		int r;
	} rows[] = {
		{"eu-west-1", 0},
		{"us-gov-east-1", 0},
		{"default", 0},
		{"", 0},
		{"-eu", -EINVAL},
		{"EU-WEST-1", -EINVAL},
		{"eu west", -EINVAL},
		{"eu-west-1\\nLD_PRELOAD=x", -EINVAL},
		{"eu-west-1/../..", -EINVAL},
		{"evil.example", -EINVAL},
		{"a-name-that-is-much-longer-than-any-region-of-any-partition-of-aws", -EINVAL},
	};
	char body[1024];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct jh_answer a = {0};
		int n = snprintf(body, sizeof(body), "%s,\"status\":\"PENDING\",\"region\":\"%s\"}", HEAD,
				 rows[i].region);

		if (jh_answer_read(body, (size_t)n, &a) != rows[i].r)
			fail_msg("%s", rows[i].region);
		jh_answer_clear(&a);
	}
}

static void decisions_are_told_with_their_id(void **state)
{
	static const struct {
		enum jh_status status;
		enum jit_outcome outcome;
		const char *text;
	} cases[] = {
		{JH_APPROVED, JIT_ALLOW, "request R7KD-2M9Q: approved by appr1 for 15 min: go on"},
		{JH_ACTIVE, JIT_ALLOW, "request R7KD-2M9Q: approved by appr1 for 15 min: go on"},
		{JH_DENIED, JIT_DENIED, "request R7KD-2M9Q: denied by appr1: go on"},
		{JH_EXPIRED, JIT_TIMED_OUT, "request R7KD-2M9Q: nobody decided within 5 min"},
		{JH_CANCELLED, JIT_CANCELLED, "request R7KD-2M9Q: withdrawn"},
		{JH_ENDED, JIT_CANCELLED, "request R7KD-2M9Q: withdrawn"},
		{JH_REVOKED, JIT_CANCELLED, "request R7KD-2M9Q: revoked by appr2: go on"},
		{JH_FAILED, JIT_UNAVAILABLE,
		 "request R7KD-2M9Q: the broker got no AWS credentials for role admin: AccessDenied"},
		{JH_PENDING, JIT_UNAVAILABLE, "request R7KD-2M9Q: not decided"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct jh_answer a = {.short_id = "R7KD-2M9Q",
					    .status = cases[i].status,
					    .role = "admin",
					    .decided_by = "appr1",
					    .ended_by = "appr2",
					    .comment = "go on",
					    .failure = "AccessDenied",
					    .remaining_s = 900};
		struct jh_verdict v;
		jh_judge_decision(&a, 300, &v);
		assert_int_equal(v.outcome, cases[i].outcome);
		assert_string_equal(v.text, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_name_the_cause),
		cmocka_unit_test(refusals_have_their_outcome_and_sentence),
		cmocka_unit_test(who_asks_by_jit_is_told_of_its_options),
		cmocka_unit_test(only_what_is_no_answer_of_the_broker_lets_glass_be_broken),
		cmocka_unit_test(a_2xx_that_is_no_such_request_approves_nothing),
		cmocka_unit_test(a_whole_request_is_read),
#ifdef JIT_TEST_NO_MEMORY
		cmocka_unit_test(a_whole_request_that_there_is_no_memory_to_read_is_asked_for_again),
#endif
		cmocka_unit_test(what_may_be_taken_up_again_is_told_from_leftovers),
		cmocka_unit_test(a_region_is_a_word_that_an_environment_may_hold),
		cmocka_unit_test(decisions_are_told_with_their_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
