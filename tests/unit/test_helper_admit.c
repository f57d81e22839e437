/* Which visits may wait for a request that another one filed. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "admit.h"
#include "visit.h"

#define PLACE "192.0.2.7"

static const struct jh_question asked = {
	.service = "sudo", .app = "sudo", .requester = "op1", .uid = 1000, .role = "admin", .reason = "disk full"};
static const struct jh_question login = {
	.service = "sshd", .app = "sshd", .requester = "op1", .uid = 1000, .role = "admin", .target = "op1"};
static const struct jh_session here = {.known = true, .uid = 1000, .audit = 3, .place = PLACE};
static const struct jh_session there = {.known = true, .uid = 1000, .audit = 9, .place = PLACE};
static const struct jh_session at_the_door = {.uid = 1000, .place = PLACE};

static struct jh_request a_request(const struct jh_question *q, const struct jh_session *session,
				   enum jh_request_stage stage)
{
	return (struct jh_request){.question = *q, .session = *session, .stage = stage};
}

static void one_login_session_waits_for_one_request(void **state)
{
	struct jh_request r = a_request(&asked, &here, JH_REQUEST_PENDING);
	struct jh_question q = asked;

	(void)state;
	assert_true(jh_request_admits(&r, &q, &here, false));
	assert_true(jh_request_admits(&r, &q, &here, true));
	assert_false(jh_request_admits(&r, &q, &there, false));
	snprintf(q.service, sizeof(q.service), "su");
	assert_false(jh_request_admits(&r, &q, &here, false));
	q = asked;
	snprintf(q.target, sizeof(q.target), "op2");
	assert_false(jh_request_admits(&r, &q, &here, false));
	q = asked;
	snprintf(q.role, sizeof(q.role), "dba");
	assert_false(jh_request_admits(&r, &q, &here, false));
	q = asked;
	q.unattended = JH_UNATTENDED_EXISTING;
	assert_false(jh_request_admits(&r, &q, &here, false));
	snprintf(r.for_host, sizeof(r.for_host), "web-2");
	assert_false(jh_request_admits(&r, &asked, &here, false));
}

static void what_was_said_is_not_said_in_anothers_name(void **state)
{
	struct jh_request r = a_request(&asked, &here, JH_REQUEST_PENDING);
	struct jh_question q = asked;

	(void)state;
	q.reason[0] = '\0';
	assert_true(jh_request_admits(&r, &q, &here, false));
	snprintf(q.reason, sizeof(q.reason), "something else");
	assert_false(jh_request_admits(&r, &q, &here, false));
	q = asked;
	snprintf(q.ticket, sizeof(q.ticket), "INC-1");
	assert_false(jh_request_admits(&r, &q, &here, false));
}

static void the_role_that_the_policy_chose_is_the_same_as_its_name(void **state)
{
	struct jh_request r = a_request(&asked, &here, JH_REQUEST_PENDING);

	(void)state;
	snprintf(r.question.role, sizeof(r.question.role), JH_ROLE_ANY);
	assert_false(jh_request_admits(&r, &asked, &here, false));
	snprintf(r.role, sizeof(r.role), "admin");
	assert_true(jh_request_admits(&r, &asked, &here, false));
}

static void until_the_scope_is_known_whoever_comes_from_there_waits_too(void **state)
{
	struct jh_request r = a_request(&login, &at_the_door, JH_REQUEST_FILING);
	struct jh_session elsewhere = at_the_door, nowhere = {.uid = 1000};

	(void)state;
	elsewhere.place[0] = '2';
	assert_true(jh_request_admits(&r, &login, &at_the_door, false));
	assert_false(jh_request_admits(&r, &login, &at_the_door, true)); /* sent away once */
	assert_false(jh_request_admits(&r, &login, &elsewhere, false));
	assert_false(jh_request_admits(&r, &login, &nowhere, false));
	r.session.place[0] = '\0';
	assert_false(jh_request_admits(&r, &login, &nowhere, false));
}

static void the_scope_decides_who_stays(void **state)
{
	struct jh_request r = a_request(&login, &at_the_door, JH_REQUEST_PENDING);

	(void)state;
	assert_true(jh_request_keeps(&r, &at_the_door, true));
	assert_false(jh_request_keeps(&r, &at_the_door, false));
	r.of_user = true;
	assert_true(jh_request_keeps(&r, &at_the_door, false));
	r = a_request(&asked, &here, JH_REQUEST_PENDING);
	assert_true(jh_request_keeps(&r, &here, false));
	assert_false(
		jh_request_keeps(&r, &there, true)); /* who asked first has gone: nobody inherits their session's */
}

static void what_a_login_left_is_taken_up_by_one_at_a_time(void **state)
{
	struct jh_request r = a_request(&login, &at_the_door, JH_REQUEST_PENDING);
	struct jh_visit waiting = {0};

	(void)state;
	assert_false(jh_request_admits(&r, &login, &at_the_door, false));
	r.resume = true;
	assert_true(jh_request_admits(&r, &login, &at_the_door, false));
	LIST_INSERT_HEAD(&r.visits, &waiting, beside);
	assert_false(jh_request_admits(&r, &login, &at_the_door, false));
	r.of_user = true;
	assert_true(jh_request_admits(&r, &login, &at_the_door, false));
}

static void what_another_host_filed_is_for_whoever_comes(void **state)
{
	struct jh_request r = {.open = true, .stage = JH_REQUEST_PENDING, .session = {.uid = JH_ANY_UID}};
	struct jh_question q = asked;

	(void)state;
	snprintf(r.question.requester, sizeof(r.question.requester), "op1");
	snprintf(r.question.role, sizeof(r.question.role), "admin");
	q.reason[0] = '\0';
	assert_true(jh_request_admits(&r, &q, &there, false));
	assert_true(jh_request_admits(&r, &login, &at_the_door, false));
	snprintf(q.requester, sizeof(q.requester), "op2");
	assert_false(jh_request_admits(&r, &q, &there, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_login_session_waits_for_one_request),
		cmocka_unit_test(what_was_said_is_not_said_in_anothers_name),
		cmocka_unit_test(the_role_that_the_policy_chose_is_the_same_as_its_name),
		cmocka_unit_test(until_the_scope_is_known_whoever_comes_from_there_waits_too),
		cmocka_unit_test(the_scope_decides_who_stays),
		cmocka_unit_test(what_a_login_left_is_taken_up_by_one_at_a_time),
		cmocka_unit_test(what_another_host_filed_is_for_whoever_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
