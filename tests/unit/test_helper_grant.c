/* Who a grant covers, where it reaches, and how its time runs. */
#include "unit.h"

#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "collect.h"
#include "grant.h"
#include "helper.h"
#include "no_memory.h"
#include "place.h"

#define NOW 1000000

static struct jh_grant a_grant(void)
{
	return (struct jh_grant){
		.id = "0b6c1f6e-0000-4000-8000-000000000001",
		.requester = "op1",
		.role = "admin",
		.services = "sudo su",
		.targets = "root",
		.session = {.known = true, .uid = 1000, .audit = 3},
		.duration_s = 900,
		.until_ms = NOW + 5000,
	};
}

static const struct jh_question asked = {
	.service = "sudo", .app = "sudo", .requester = "op1", .uid = 1000, .role = "admin"};
static const struct jh_session here = {.known = true, .uid = 1000, .audit = 3};

static void a_grant_covers_exactly_its_own(void **state)
{
	struct jh_grant g = a_grant();
	struct jh_question q = asked;
	struct jh_session s = here;

	(void)state;
	assert_true(jh_grant_covers(&g, &q, &s, NOW));
	assert_false(jh_grant_covers(&g, &q, &s, g.until_ms)); /* over at its end, not after it */
	/* Of its last second nothing is left that a session could be opened for. */
	assert_true(jh_grant_covers(&g, &q, &s, g.until_ms - 1000));
	assert_false(jh_grant_covers(&g, &q, &s, g.until_ms - 999));
	q.service[0] = 'x';
	assert_false(jh_grant_covers(&g, &q, &s, NOW));
	q = asked;
	snprintf(q.service, sizeof(q.service), "su");
	assert_true(jh_grant_covers(&g, &q, &s, NOW));
	q = asked;
	snprintf(q.requester, sizeof(q.requester), "op2");
	assert_false(jh_grant_covers(&g, &q, &s, NOW));
	q = asked;
	snprintf(q.role, sizeof(q.role), "dba");
	assert_false(jh_grant_covers(&g, &q, &s, NOW));
	q = asked;
	q.uid = 1001;
	assert_false(jh_grant_covers(&g, &q, &s, NOW));
	s.audit = 4;
	assert_false(jh_grant_covers(&g, &asked, &s, NOW));
	s.known = false;
	assert_false(jh_grant_covers(&g, &asked, &s, NOW));
}

static void words_are_whole_words(void **state)
{
	(void)state;
	assert_true(jh_words_have("sudo su", "su"));
	assert_false(jh_words_have("sudo", "su"));
	assert_false(jh_words_have("sudo su", ""));
	assert_false(jh_words_have("", "su"));
	assert_false(jh_words_have("sudo su", "sudo su"));
	assert_true(jh_words_have("x *", "anything"));
	assert_false(jh_words_have("x*", "xy"));
}

#define PLACE "192.0.2.7"

/* Before its login session exists. */
static struct jh_grant a_login_grant(void)
{
	struct jh_grant g = a_grant();

	snprintf(g.services, sizeof(g.services), "sshd");
	snprintf(g.targets, sizeof(g.targets), "self");
	g.session = (struct jh_session){.uid = 1000, .place = PLACE};
	return g;
}

static const struct jh_question login = {
	.service = "sshd", .app = "sshd", .requester = "op1", .uid = 1000, .target = "op1", .role = "admin"};
static const struct jh_session from_there = {.uid = 1000, .place = PLACE};

static void a_login_grant_binds_once_to_its_own_login(void **state)
{
	struct jh_grant g = a_login_grant();
	struct jh_question q = login;
	struct jh_session s = {.known = true, .uid = 1000, .audit = 5, .place = PLACE};

	(void)state;
	snprintf(q.grant, sizeof(q.grant), "%s", g.id);
	assert_true(jh_grant_may_bind(&g, &q, &s, NOW));
	assert_false(jh_grant_covers(&g, &q, &s, NOW));
	q.grant[0] = '1';
	assert_false(jh_grant_may_bind(&g, &q, &s, NOW));
	q.grant[0] = '0';
	s.place[0] = '2';
	assert_false(jh_grant_may_bind(&g, &q, &s, NOW));
	s.place[0] = '1';
	q.uid = 1001;
	assert_false(jh_grant_may_bind(&g, &q, &s, NOW));
	q.uid = 1000;
	g.session = here; /* bound already */
	assert_false(jh_grant_may_bind(&g, &q, &s, NOW));
	g = a_login_grant();
	g.open = true;
	assert_false(jh_grant_may_bind(&g, &q, &s, NOW));
	g.open = false;
	snprintf(q.app, sizeof(q.app), "sudo"); /* sudo has a session and must match by it */
	assert_false(jh_grant_may_bind(&g, &q, &s, NOW));
}

static void what_a_login_left_is_claimed_by_the_next_from_there(void **state)
{
	struct jh_grant g = a_login_grant();
	struct jh_question q = login;
	struct jh_session s = from_there;

	(void)state;
	assert_true(jh_grant_claimable(&g, &q, &s, NOW));
	g.claimed_until_ms = NOW + 1; /* one login at a time */
	assert_false(jh_grant_claimable(&g, &q, &s, NOW));
	assert_true(jh_grant_claimable(&g, &q, &s, NOW + 1));
	s.place[0] = '2';
	assert_false(jh_grant_claimable(&g, &q, &s, NOW + 1));
	s.place[0] = g.session.place[0] = '\0'; /* two unknown places are not the same */
	assert_false(jh_grant_claimable(&g, &q, &s, NOW + 1));
	g = a_login_grant();
	s = from_there;
	snprintf(q.target, sizeof(q.target), "op2");
	assert_false(jh_grant_claimable(&g, &q, &s, NOW));
	q = login;
	snprintf(q.requester, sizeof(q.requester), "op2");
	assert_false(jh_grant_claimable(&g, &q, &s, NOW));
	q = login;
	q.unattended = JH_UNATTENDED_EXISTING;
	assert_false(jh_grant_claimable(&g, &q, &s, NOW));
	g.session = here; /* used already */
	assert_false(jh_grant_claimable(&g, &login, &s, NOW));
	g = a_login_grant();
	g.of_user = true;
	assert_false(jh_grant_claimable(&g, &login, &s, NOW)); /* it covers them: nobody takes it for himself */
}

static void what_another_host_asked_for_is_the_first_ones(void **state)
{
	struct jh_grant g = a_grant();
	struct jh_session s = here;

	(void)state;
	g.open = true;
	g.session = (struct jh_session){.uid = JH_ANY_UID};
	assert_false(jh_grant_covers(&g, &asked, &here, NOW));
	assert_true(jh_grant_claimable(&g, &asked, &here, NOW));
	g.of_user = true; /* it would become that place's, and nobody knows which that is */
	assert_false(jh_grant_claimable(&g, &asked, &here, NOW));
	snprintf(s.place, sizeof(s.place), PLACE);
	assert_true(jh_grant_claimable(&g, &asked, &s, NOW));
}

static void scope_user_reaches_as_far_as_its_place(void **state)
{
	struct jh_grant g = a_grant();
	struct jh_session s = {.known = true, .uid = 1000, .audit = 9, .place = PLACE};
	struct jh_question q = asked;

	(void)state;
	snprintf(g.session.place, sizeof(g.session.place), PLACE);
	assert_false(jh_grant_covers(&g, &asked, &s, NOW));
	g.of_user = true;
	assert_true(jh_grant_covers(&g, &asked, &s, NOW));
	s.place[0] = '2';
	assert_false(jh_grant_covers(&g, &asked, &s, NOW));
	s.place[0] = g.session.place[0] = '\0'; /* two unknown places are not the same */
	assert_false(jh_grant_covers(&g, &asked, &s, NOW));
	assert_true(jh_grant_covers(&g, &asked, &here, NOW)); /* its own session is always its own */
	snprintf(g.session.place, sizeof(g.session.place), PLACE);
	snprintf(s.place, sizeof(s.place), PLACE);
	q.uid = s.uid = 1001;
	assert_false(jh_grant_covers(&g, &q, &s, NOW));
}

static void where_nobody_logs_in_only_scope_user_counts(void **state)
{
	struct jh_grant g = a_grant();
	struct jh_session s = {.uid = 1000, .place = JH_PLACE_LOCAL};
	struct jh_question q = asked;

	(void)state;
	q.unattended = JH_UNATTENDED_EXISTING;
	assert_false(jh_grant_covers(&g, &q, &here, NOW));
	g.of_user = true;
	snprintf(g.session.place, sizeof(g.session.place), PLACE);
	assert_false(jh_grant_covers(&g, &q, &s, NOW));
	g.ahead = true;
	assert_true(jh_grant_covers(&g, &q, &s, NOW));
	g.ahead = false;
	snprintf(g.session.place, sizeof(g.session.place), JH_PLACE_LOCAL);
	assert_true(jh_grant_covers(&g, &q, &s, NOW));
	q.unattended = JH_UNATTENDED_DENY;
	assert_false(jh_grant_covers(&g, &q, &s, NOW));
}

static void any_role_is_whichever_a_grant_has(void **state)
{
	struct jh_grant g = a_grant();
	struct jh_question q = asked;

	(void)state;
	snprintf(q.role, sizeof(q.role), JH_ROLE_ANY);
	assert_true(jh_grant_covers(&g, &q, &here, NOW));
	snprintf(q.service, sizeof(q.service), "login");
	assert_false(jh_grant_covers(&g, &q, &here, NOW));
}

static void a_place_is_what_the_login_service_knows(void **state)
{
	static const struct {
		const char *app, *rhost, *place;
	} cases[] = {
		{"sshd", PLACE, PLACE},	       {"sshd", "UNKNOWN", ""},	      {"sshd", "", ""},
		{"login", "", JH_PLACE_LOCAL}, {"login", "term-7", "term-7"}, {"sshd", JH_PLACE_LOCAL, ""},
		{"login", JH_PLACE_LOCAL, ""}, {"sshd", "a?b", ""},	      {"sshd", "fe80::1%eth0", "fe80::1%eth0"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct jh_question q = {0};
		char place[JIT_NAME_SIZE];
		snprintf(q.app, sizeof(q.app), "%s", cases[i].app);
		snprintf(q.rhost, sizeof(q.rhost), "%s", cases[i].rhost);
		jh_place_of_login(&q, place);
		assert_string_equal(place, cases[i].place);
	}
}

static void a_grant_reaches_its_targets_alone(void **state)
{
	static const struct {
		const char *targets, *target;
		bool reaches;
	} cases[] = {
		{"root", "root", true},	 {"root", "postgres", false}, {"root postgres", "postgres", true},
		{"*", "anyone", true},	 {"self", "op1", true},	      {"self", "op2", false},
		{"self", "self", false}, {"root", "", false},	      {"rooty", "root", false},
		{"self *", "op2", true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct jh_grant g = a_grant();
		snprintf(g.targets, sizeof(g.targets), "%s", cases[i].targets);
		if (jh_grant_reaches(&g, cases[i].target) != cases[i].reaches)
			fail_msg("targets %s, target '%s'", cases[i].targets, cases[i].target);
	}
}

static void the_clock_starts_once_and_the_earlier_end_wins(void **state)
{
	struct jh_grant g = a_grant();

	(void)state;
	assert_int_equal(jh_grant_left_s(&g, NOW), 900);
	jh_grant_clock_shorten(&g, 1, NOW); /* its clock stands: nothing to shorten */
	assert_int_equal(g.until_ms, NOW + 5000);
	jh_grant_clock_start(&g, NOW);
	assert_int_equal(g.until_ms, NOW + 900000);
	jh_grant_clock_start(&g, NOW + 60000); /* a second elevation prolongs nothing */
	assert_int_equal(g.until_ms, NOW + 900000);
	jh_grant_clock_shorten(&g, 1000, NOW);
	assert_int_equal(g.until_ms, NOW + 900000);
	jh_grant_clock_shorten(&g, 600, NOW);
	assert_int_equal(g.until_ms, NOW + 600000);
	jh_grant_clock_shorten(&g, -1, NOW);
	assert_int_equal(g.until_ms, NOW + 600000);
	assert_int_equal(jh_grant_left_s(&g, NOW + 599500), 0);
	assert_int_equal(jh_grant_left_s(&g, NOW + 700000), 0);
}

static void the_helper_answers_before_the_module_gives_up(void **state)
{
	(void)state;
	assert_int_equal(jh_question_deadline(NOW, 300, 600), NOW + 298000);
	assert_int_equal(jh_question_deadline(NOW, 300, 60), NOW + 60000);
	assert_int_equal(jh_question_deadline(NOW, 1, 60), NOW + 1000);
	assert_int_equal(jh_question_deadline(NOW, UINT32_MAX, 300), NOW + 300000);
}

static void renewal_comes_at_two_thirds_of_a_life(void **state)
{
	(void)state;
	assert_int_equal(jh_renew_at(NOW, 300000, 500), NOW + 200000);
	assert_int_equal(jh_renew_at(NOW, 300000, 0), NOW + 190000);
	assert_int_equal(jh_renew_at(NOW, 300000, 1000), NOW + 210000);
	assert_int_equal(jh_renew_at(NOW, 0, 500), NOW + 2000); /* never in a tight loop */
	assert_int_equal(jh_renew_at(NOW, -5000, 500), NOW + 2000);
}

/* Whatever this host's wall clock says, and wherever it is put meanwhile: only the broker's counts. */
static void credentials_live_by_the_brokers_clock(void **state)
{
	static const struct {
		const char *what;
		int64_t sent_at, remaining_s, expires_at, until_ms, life_ms; /* life_ms -1: refused */
		bool last;
	} rows[] = {
		{"a broker in 1970", 1000, 600, 1300, NOW + 600000, 300000, false},
		{"a broker in 2100", 4102444800, 600, 4102445100, NOW + 600000, 300000, false},
		{"they end with the grant", 1000, 300, 1300, NOW + 300000, 300000, true},
		{"they end a second before the grant", 1000, 300, 1299, NOW + 300000, 299000, false},
		{"the grant ends earlier on this host", 1000, 600, 1300, NOW + 200000, 200000, false},
		{"over when they came", 1000, 600, 1000, NOW + 600000, -1, false},
		{"over before they came", 1000, 600, 400, NOW + 600000, -1, false},
		{"by no clock", -1, 600, 1300, NOW + 600000, -1, false},
		{"no grant's end", 1000, -1, 1300, NOW + 600000, -1, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct jh_answer answer = {.sent_at = rows[i].sent_at, .remaining_s = rows[i].remaining_s};
		struct jh_creds fresh = {.expires_at = rows[i].expires_at};
		bool good = jh_creds_time(&fresh, &answer, rows[i].until_ms, NOW);

		if (good != (rows[i].life_ms >= 0) ||
		    (good && (fresh.expires_ms != NOW + rows[i].life_ms || fresh.last != rows[i].last)))
			fail_msg("%s", rows[i].what);
	}
}

static void credentials_are_held_back_only_while_others_are_on_their_way(void **state)
{
	static char plain[] = "x";
	struct jit_fetch_call *const some_call = (struct jit_fetch_call *)plain;
	static const struct {
		const char *what;
		bool call, last;
		unsigned failures;
		int64_t life_ms, called_ms,
			good_ms; /* from NOW: when the call began, and how long they are handed out */
	} rows[] = {
		{"nobody has asked for others", false, false, 0, 60000, 0, 58000},
		{"others were just asked for", true, false, 0, 60000, 58000, 58000},
		{"others have not come in half a second", true, false, 0, 60000, 40000, 59000},
		{"the broker gave none", false, false, 3, 60000, 0, 59000},
		{"there will be no others", false, true, 0, 60000, 0, 60000},
		{"a short life", false, false, 0, 4000, 0, 3000},
		{"a short life and no others", false, false, 1, 2000, 0, 1500},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct jh_collector c = {
			.call = rows[i].call ? some_call : NULL,
			.called_ms = NOW + rows[i].called_ms,
			.failures = rows[i].failures,
			.creds = {.plain = plain,
				  .taken_ms = NOW,
				  .expires_ms = NOW + rows[i].life_ms,
				  .last = rows[i].last},
		};
		if (!jh_creds_hold(&c, NOW + rows[i].good_ms - 1) || jh_creds_hold(&c, NOW + rows[i].good_ms))
			fail_msg("%s", rows[i].what);
		c.creds.plain = NULL;
		assert_false(jh_creds_hold(&c, NOW));
	}
}

static void back_off_doubles_up_to_its_cap(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		int64_t full = i < 5 ? 200 << i : 5000, delay = jh_backoff_ms(i, 200, 5000);
		if (full > 5000)
			full = 5000;
		assert_in_range(delay, full / 2, full);
	}
}

#ifdef JIT_TEST_NO_MEMORY
static struct jh_helper helper;

static pid_t child_that_waits(void)
{
	pid_t child = fork();

	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	assert_true(child > 0);
	return child;
}

/* A grant of the login session whose leader is that process, not listed; NULL: there was no memory to watch it. */
static struct jh_grant *bound_to(pid_t leader, long memory)
{
	struct jh_grant *g = calloc(1, sizeof(*g));
	int fd = jh_pidfd_open(leader);

	assert_true(g && fd >= 0);
	g->demo = true; /* no broker is to be told */
	g->until_ms = jit_boottime_ms() + 600000;
	assert_int_equal(jh_grant_restore(&helper, g), 0);
	left = memory;
	int r = jh_grant_bind(g, &here, fd);
	left = LONG_MAX;
	if (r == 0)
		return g;
	assert_int_equal(fcntl(fd, F_GETFD), -1); /* taken over, and closed */
	jh_grant_free(g);
	return NULL;
}

static void end_of(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* Until there is no grant any more; the alarm of none is due. */
static void run(void)
{
	const struct timeval patience = {.tv_sec = 5};

	event_base_loopexit(helper.base, &patience);
	event_base_loop(helper.base, LIST_EMPTY(&helper.grants) ? EVLOOP_NONBLOCK : EVLOOP_ONCE);
}

static void what_watches_its_session_is_had_before_it_is_listed(void **state)
{
	struct jh_grant *g = NULL;
	long memory = 0;

	(void)state;
	int pidfd = jh_pidfd_open(getpid());
	if (!memory_can_run_out() || pidfd < 0)
		skip();
	close(pidfd);
	helper = (struct jh_helper){.passed = -1, .base = event_base_new()};
	helper.alarms = jh_alarms_new(helper.base);
	pid_t child = child_that_waits();
	for (; !g && memory < 100; memory++)
		g = bound_to(child, memory);
	assert_non_null(g);
	assert_true(memory > 1);
	left = 0; /* nothing more is to be had */
	jh_grant_list(g);
	left = LONG_MAX;
	event_base_loop(helper.base, EVLOOP_NONBLOCK);
	assert_ptr_equal(LIST_FIRST(&helper.grants), g);
	end_of(child);
	run();
	assert_true(LIST_EMPTY(&helper.grants));

	child = child_that_waits();
	g = bound_to(child, LONG_MAX);
	end_of(child); /* while somebody reads that it was approved */
	event_base_loop(helper.base, EVLOOP_ONCE);
	assert_true(LIST_EMPTY(&helper.grants));
	jh_grant_list(g);
	run();
	assert_true(LIST_EMPTY(&helper.grants));
	jh_alarms_free(helper.alarms);
	event_base_free(helper.base);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_grant_covers_exactly_its_own),
		cmocka_unit_test(words_are_whole_words),
		cmocka_unit_test(a_login_grant_binds_once_to_its_own_login),
		cmocka_unit_test(what_a_login_left_is_claimed_by_the_next_from_there),
		cmocka_unit_test(what_another_host_asked_for_is_the_first_ones),
		cmocka_unit_test(scope_user_reaches_as_far_as_its_place),
		cmocka_unit_test(where_nobody_logs_in_only_scope_user_counts),
		cmocka_unit_test(any_role_is_whichever_a_grant_has),
		cmocka_unit_test(a_place_is_what_the_login_service_knows),
		cmocka_unit_test(a_grant_reaches_its_targets_alone),
		cmocka_unit_test(the_clock_starts_once_and_the_earlier_end_wins),
		cmocka_unit_test(the_helper_answers_before_the_module_gives_up),
		cmocka_unit_test(renewal_comes_at_two_thirds_of_a_life),
		cmocka_unit_test(credentials_live_by_the_brokers_clock),
		cmocka_unit_test(credentials_are_held_back_only_while_others_are_on_their_way),
		cmocka_unit_test(back_off_doubles_up_to_its_cap),
#ifdef JIT_TEST_NO_MEMORY
		cmocka_unit_test(what_watches_its_session_is_had_before_it_is_listed),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
