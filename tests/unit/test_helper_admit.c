/* Which visits may wait for a request that another one filed. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "admit.h"
#include "adopt.h"
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

static void what_is_asked_ahead_is_waited_for_once_it_is_filed(void **state)
{
	struct jh_question ahead = asked;
	struct jh_request r;

	(void)state;
	ahead.service[0] = ahead.app[0] = '\0';
	r = a_request(&ahead, &here, JH_REQUEST_PENDING);
	assert_true(jh_request_admits(&r, &asked, &here, false));
	assert_false(jh_request_admits(&r, &asked, &there, false));
	/* Who leaves a filing takes it along: not one that somebody else relies on. */
	r.stage = JH_REQUEST_FILING;
	assert_false(jh_request_admits(&r, &asked, &here, false));
	r.stage = JH_REQUEST_ASKING;
	assert_false(jh_request_admits(&r, &asked, &here, false));
}

static void only_what_is_for_this_host_and_free_is_taken_up(void **state)
{
	static const struct {
		const char *host, *filed_by, *service, *rhost, *scope;
		enum jh_status status;
		bool wanted;
	} cases[] = {
		{"web-1", "control", "", "", "session", JH_PENDING, true},
		{"web-1", "control", "", "", "session", JH_APPROVED, true},
		{"web-1", "control", "", "", "session", JH_ACTIVE, false}, /* good once */
		{"web-1", "control", "", "", "user", JH_ACTIVE, true},
		{"web-1", "control", "", "", "user", JH_REVOKED, false},
		{"web-2", "web-1", "", "", "user", JH_APPROVED, false}, /* we filed it, for another */
		{"web-2", "web-1", "sshd", PLACE, "session", JH_PENDING, false},
		{"web-1", "", "sshd", PLACE, "session", JH_PENDING, true},
		{"web-1", "", "sshd", PLACE, "session", JH_APPROVED, true},
		{"web-1", "", "sshd", PLACE, "session", JH_ACTIVE, false},
		{"web-1", "", "sshd", "", "session", JH_PENDING, false}, /* nobody could take it up */
		{"web-1", "", "", PLACE, "user", JH_PENDING, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct jh_answer a = {.status = cases[i].status, .outlives = true};
		snprintf(a.host, sizeof(a.host), "%s", cases[i].host);
		snprintf(a.filed_by, sizeof(a.filed_by), "%s", cases[i].filed_by);
		snprintf(a.service, sizeof(a.service), "%s", cases[i].service);
		snprintf(a.rhost, sizeof(a.rhost), "%s", cases[i].rhost);
		snprintf(a.scope, sizeof(a.scope), "%s", cases[i].scope);
		if (jh_adopt_wants(&a, "web-1") != cases[i].wanted)
			fail_msg("case %zu", i);
		assert_false(jh_adopt_wants(&a, "")); /* a broker that does not say who we are */
		a.outlives = false;
		assert_true(!jh_adopt_wants(&a, "web-1") || a.filed_by[0]);
	}
}

static void an_id_is_known_as_people_write_it(void **state)
{
	static const char uuid[] = "0b6c1f6e-0000-4000-8000-000000000001", id[] = "R7KD-2M9Q";

	(void)state;
	assert_true(jh_id_matches(uuid, uuid, id));
	assert_true(jh_id_matches("r7kd2m9q", uuid, id));
	assert_true(jh_id_matches("R7KD-2M9Q", uuid, id));
	assert_false(jh_id_matches("R7KD-2M9", uuid, id));
	assert_false(jh_id_matches("R7KD-2M9QX", uuid, id));
	assert_false(jh_id_matches("", uuid, id));
	assert_false(jh_id_matches("", uuid, ""));
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
		cmocka_unit_test(what_is_asked_ahead_is_waited_for_once_it_is_filed),
		cmocka_unit_test(only_what_is_for_this_host_and_free_is_taken_up),
		cmocka_unit_test(an_id_is_known_as_people_write_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
