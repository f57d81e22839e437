/* Deciding: codes, persons, quorums, and what an approver sees. */
#include "broker_engine.h"

static void an_approval_wants_the_code_and_another_person(void **state)
{
	struct jb_request *r = in_state(JB_PENDING), *seen = NULL;

	(void)state;
	assert_true(r->code[0] >= '1' && r->code[0] <= '9' && r->code[1] >= '0' && r->code[1] <= '9' && !r->code[2]);
	assert_string_equal(approve("op1", r, r->code, NOW), "approval.own_request");
	assert_string_equal(approve("op1", r, wrong_code(r), NOW), "approval.own_request"); /* and does not count */
	assert_string_equal(approve("nobody", r, r->code, NOW), "approval.not_eligible");
	assert_string_equal(approve("appr1", r, NULL, NOW), "approval.wrong_code"); /* forgotten: does not count */
	assert_string_equal(approve("appr1", r, wrong_code(r), NOW), "approval.wrong_code");
	assert_string_equal(approve("appr1", r, "470", NOW), "approval.wrong_code");
	status_is(r->id, NOW, JB_PENDING);
	assert_string_equal(approve("appr2", r, wrong_code(r), NOW), "approval.wrong_code");
	status_is(r->id, NOW, JB_DENIED);
	assert_string_equal(approve("appr1", r, r->code, NOW), "request.decided");
	drop(&r);

	r = in_state(JB_PENDING);
	assert_string_equal(approve("appr1", r, wrong_code(r), NOW), "approval.wrong_code");
	assert_string_equal(approve("appr1", r, r->code, NOW), "");
	assert_int_equal(jb_engine_get(b->engine, "web-1", r->id, NOW, &seen, &b->fault), 0);
	assert_string_equal(seen->decided_by, "appr1");
	assert_int_equal(seen->use_until, NOW + 600);
	assert_int_equal(seen->granted_until, 0); /* the clock has not started */
	drop(&seen);
	drop(&r);
}

static void two_approvals_are_two_persons(void **state)
{
	struct jb_filing f = filing();
	struct jb_request *r;

	(void)state;
	f.role = "two";
	f.reason = "disk full";
	f.ticket = "INC-4711";
	r = file(&f, NOW);
	assert_string_equal(r->code, "");
	assert_string_equal(approve("appr1", r, NULL, NOW), "");
	assert_string_equal(approve("appr1", r, NULL, NOW), ""); /* repeated: changes nothing */
	status_is(r->id, NOW, JB_PENDING);
	assert_string_equal(approve("op1", r, NULL, NOW), "approval.own_request");
	status_is(r->id, NOW, JB_PENDING);
	assert_string_equal(approve("appr2", r, NULL, NOW), "");
	status_is(r->id, NOW, JB_APPROVED);
	drop(&r);
}

static size_t listed(const char *person, const char *status)
{
	struct jb_request **found;
	size_t count;

	assert_int_equal(jb_engine_list(b->engine, person, status, NOW, &found, &count, &b->fault), 0);
	for (size_t i = 0; i < count; i++)
		jb_request_free(found[i]);
	free(found);
	return count;
}

static void an_approver_sees_what_they_may_decide(void **state)
{
	struct jb_request *r = in_state(JB_PENDING), *active = in_state(JB_ACTIVE), *seen = NULL;

	(void)state;
	assert_int_equal(listed("appr1", NULL), 1);
	assert_int_equal(listed("op1", "PENDING"), 0); /* an approver, but these are their own */
	assert_int_equal(listed("nobody", NULL), 0);
	assert_int_equal(listed("appr2", "ACTIVE"), 1);
	assert_int_equal(jb_engine_view(b->engine, "appr2", r->short_id, NOW, &seen, &b->fault), 0);
	drop(&seen);
	assert_int_equal(jb_engine_view(b->engine, "op1", r->id, NOW, &seen, &b->fault), 0);
	drop(&seen);
	assert_int_equal(jb_engine_view(b->engine, "deploy", r->id, NOW, &seen, &b->fault), -1);
	assert_int_equal(b->fault.http, 404);
	drop(&r);
	drop(&active);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_approval_wants_the_code_and_another_person),
		TEST(two_approvals_are_two_persons),
		TEST(an_approver_sees_what_they_may_decide),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
