/* Whom a grant's end ends: by descent from its elevations, and as what they left behind; nobody else. */
#include "unit.h"

#include <string.h>

#include "sight.h"
#include "trace.h"

#define SESSION 7
#define ROOT	0
#define OP1	1001

/*
 * 10 sshd (root, no session) - 20 op1's shell - 30 sudo, mine - 31 root's shell - 32 its child
 *                                             - 40 op1's editor
 *                                             - 50 sudo, of another grant - 51 root's shell - 52 its child
 * 60 root's job without a parent; 70 the same in another session; 80 one that began before mine
 */
static struct jh_sight seen[] = {
	{{.pid = 10, .parent = 1, .start = 10, .audit_session = JH_NO_AUDIT}, ROOT},
	{{.pid = 20, .parent = 10, .start = 20, .audit_session = SESSION}, OP1},
	{{.pid = 30, .parent = 20, .start = 30, .audit_session = SESSION}, ROOT},
	{{.pid = 31, .parent = 30, .start = 31, .audit_session = SESSION}, ROOT},
	{{.pid = 32, .parent = 31, .start = 32, .audit_session = SESSION}, ROOT},
	{{.pid = 40, .parent = 20, .start = 40, .audit_session = SESSION}, OP1},
	{{.pid = 50, .parent = 20, .start = 50, .audit_session = SESSION}, ROOT},
	{{.pid = 51, .parent = 50, .start = 51, .audit_session = SESSION}, ROOT},
	{{.pid = 52, .parent = 51, .start = 52, .audit_session = SESSION}, ROOT},
	{{.pid = 60, .parent = 1, .start = 60, .audit_session = SESSION}, ROOT},
	{{.pid = 70, .parent = 1, .start = 70, .audit_session = 8}, ROOT},
	{{.pid = 80, .parent = 1, .start = 25, .audit_session = SESSION}, ROOT},
};
#define COUNT (sizeof(seen) / sizeof(seen[0]))

static struct jh_traces mine, other;
static const struct jh_traces *const others[] = {&other};

static int set_up(void **state)
{
	(void)state;
	mine = (struct jh_traces){.count = 1, .at = {{.audit = SESSION, .uid = ROOT, .pid = 30, .start = 30}}};
	other = (struct jh_traces){.count = 1, .at = {{.audit = SESSION, .uid = ROOT, .pid = 50, .start = 50}}};
	return 0;
}

static enum jh_fate fate_of(pid_t pid, size_t other_count)
{
	for (size_t i = 0; i < COUNT; i++)
		if (seen[i].proc.pid == pid)
			return jh_fate(seen, COUNT, i, &mine, others, other_count);
	fail();
	return JH_SPARED;
}

static void what_descends_from_the_elevation_goes_and_the_elevation_itself_does_not(void **state)
{
	(void)state;
	assert_int_equal(fate_of(31, 1), JH_DOOMED);
	assert_int_equal(fate_of(32, 1), JH_DOOMED);
	assert_int_equal(fate_of(30, 1), JH_SPARED);
}

static void what_it_left_behind_goes(void **state)
{
	(void)state;
	assert_int_equal(fate_of(60, 0), JH_LEFT);
	mine.at[0].start = 29; /* the elevation is over, its number another's */
	assert_int_equal(fate_of(60, 0), JH_LEFT);
}

static void whoever_was_there_before_stays(void **state)
{
	(void)state;
	assert_int_equal(fate_of(10, 0), JH_SPARED);
	assert_int_equal(fate_of(20, 0), JH_SPARED);
	assert_int_equal(fate_of(80, 0), JH_SPARED);
}

static void another_user_and_another_session_stay(void **state)
{
	(void)state;
	assert_int_equal(fate_of(40, 0), JH_SPARED);
	assert_int_equal(fate_of(70, 0), JH_SPARED);
}

static void what_descends_from_an_elevation_of_another_grant_stays(void **state)
{
	(void)state;
	assert_int_equal(fate_of(50, 1), JH_SPARED);
	assert_int_equal(fate_of(51, 1), JH_SPARED);
	assert_int_equal(fate_of(52, 1), JH_SPARED);
}

static void what_may_be_another_grants_waits_for_its_end(void **state)
{
	(void)state;
	assert_int_equal(fate_of(60, 1), JH_DISPUTED);
	other.at[0].audit = 8;
	assert_int_equal(fate_of(60, 1), JH_LEFT);
	other.at[0].audit = SESSION;
	other.at[0].uid = OP1;
	assert_int_equal(fate_of(60, 1), JH_LEFT);
}

static void the_closest_elevation_decides(void **state)
{
	(void)state;
	seen[6].proc.parent = 31; /* the other's sudo was started from my root shell */
	assert_int_equal(fate_of(31, 1), JH_DOOMED);
	assert_int_equal(fate_of(51, 1), JH_SPARED);
	seen[6].proc.parent = 20;
}

static void what_an_ancestor_of_the_elevation_is_stays_whatever_it_runs_as(void **state)
{
	(void)state;
	/* A root shell in the same session, made by other means after an earlier elevation of the grant. */
	mine.at[1] = (struct jh_trace){.audit = SESSION, .uid = ROOT, .pid = 5, .start = 5};
	mine.count = 2;
	seen[1].uid = ROOT;
	assert_int_equal(fate_of(20, 0), JH_SPARED);
	seen[1].uid = OP1;
}

static void of_sudo_to_oneself_only_descendants_are_told_apart(void **state)
{
	(void)state;
	mine.at[0].uid = OP1;
	mine.at[0].descent = true;
	seen[3].uid = seen[9].uid = OP1;
	assert_int_equal(fate_of(31, 0), JH_DOOMED);
	assert_int_equal(fate_of(40, 0), JH_SPARED);
	assert_int_equal(fate_of(60, 0), JH_SPARED);
	seen[3].uid = seen[9].uid = ROOT;
}

static void without_an_audit_session_only_descendants_are_told_apart(void **state)
{
	(void)state;
	mine.at[0].audit = JH_NO_AUDIT;
	assert_int_equal(fate_of(31, 0), JH_DOOMED);
	assert_int_equal(fate_of(60, 0), JH_SPARED);
}

static void a_descendant_in_another_session_or_of_another_user_stays(void **state)
{
	(void)state;
	seen[4].proc.audit_session = 8;
	assert_int_equal(fate_of(32, 0), JH_SPARED);
	seen[4].proc.audit_session = SESSION;
	seen[4].uid = OP1;
	assert_int_equal(fate_of(32, 0), JH_SPARED);
	seen[4].uid = ROOT;
}

static void a_parent_that_is_younger_than_its_child_is_none(void **state)
{
	(void)state;
	mine.at[0] = (struct jh_trace){.audit = JH_NO_AUDIT, .uid = ROOT, .pid = 30, .start = 30};
	seen[3].proc.start = 29; /* 30 was given anew after 31's real parent had ended */
	assert_int_equal(fate_of(31, 0), JH_SPARED);
	seen[3].proc.start = 31;
}

static bool all_gone(const struct jh_trace *t)
{
	(void)t;
	return false;
}

static bool all_there(const struct jh_trace *t)
{
	(void)t;
	return true;
}

static void a_thousand_elevations_in_one_session_are_remembered_in_little(void **state)
{
	struct jh_traces t = {0};

	(void)state;
	for (int i = 1; i <= 1000; i++) {
		const struct jh_trace one = {.audit = SESSION, .uid = ROOT, .pid = i, .start = (uint64_t)i};
		assert_true(jh_traces_add(&t, &one, all_gone));
	}
	assert_true(t.count <= 3);
	assert_int_equal(t.at[0].start, 1); /* what the first left is still its */
}

static unsigned asked;

static bool all_there_and_counted(const struct jh_trace *t)
{
	(void)t;
	asked++;
	return true;
}

static void of_many_sessions_at_once_none_looks_at_all_the_others(void **state)
{
	struct jh_traces t = {0};

	(void)state;
	asked = 0;
	for (int i = 1; i <= 100; i++) {
		const struct jh_trace one = {.audit = SESSION, .uid = ROOT, .pid = i, .start = (uint64_t)i};
		assert_true(jh_traces_add(&t, &one, all_there_and_counted));
	}
	assert_int_equal(t.count, 100);
	assert_in_range(asked, 1, 2 * 100);
}

static void what_is_gone_makes_room_before_anything_is_forgotten(void **state)
{
	struct jh_traces t = {0};

	(void)state;
	for (int i = 1; i <= JH_TRACES_MAX; i++) {
		const struct jh_trace one = {.audit = SESSION, .uid = ROOT, .pid = i, .start = (uint64_t)i};
		assert_true(jh_traces_add(&t, &one, all_there));
	}
	const struct jh_trace more = {.audit = SESSION, .uid = ROOT, .pid = 5000, .start = 5000};
	assert_true(jh_traces_add(&t, &more, all_gone));
	assert_int_equal(t.count, 2);
	assert_int_equal(t.at[0].start, 1);
}

static void one_process_is_remembered_once_however_many_sessions_it_opens(void **state)
{
	const struct jh_trace one = {.audit = SESSION, .uid = ROOT, .pid = 7, .start = 7};
	struct jh_traces t = {0};

	(void)state;
	for (int i = 0; i < 200; i++)
		assert_true(jh_traces_add(&t, &one, all_there));
	assert_int_equal(t.count, 1);
}

static void what_cannot_be_remembered_any_more_is_said(void **state)
{
	struct jh_traces t = {0};

	(void)state;
	for (int i = 1; i <= JH_TRACES_MAX; i++) {
		const struct jh_trace one = {.audit = (uint32_t)i, .uid = ROOT, .pid = i, .start = (uint64_t)i};
		assert_true(jh_traces_add(&t, &one, all_there));
	}
	const struct jh_trace more = {.audit = 5000, .uid = ROOT, .pid = 5000, .start = 5000};
	assert_false(jh_traces_add(&t, &more, all_there));
	assert_int_equal(t.count, JH_TRACES_MAX);
	assert_int_equal(t.at[t.count - 1].pid, 5000);
}

static void the_real_uid_is_read(void **state)
{
	uid_t uid = 5;

	(void)state;
	assert_int_equal(jh_sight_parse_uid("Name:\tx\nUid:\t1001\t0\t0\t0\nGid:\t1\t1\t1\t1\n", &uid), 0);
	assert_int_equal(uid, 1001);
	static const char *const wrong[] = {"",
					    "Uid:\t1\t",
					    "Name:\tx\nUid:\t\t0\n",
					    "Name:\tx\nUid:\t-1\t0\n",
					    "Name:\tx\nUid:\t99999999999\t0\n",
					    "Name:\tx\nUid:\t12"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_not_equal(jh_sight_parse_uid(wrong[i], &uid), 0);
	assert_int_equal(uid, 1001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_descends_from_the_elevation_goes_and_the_elevation_itself_does_not, set_up),
		cmocka_unit_test_setup(what_it_left_behind_goes, set_up),
		cmocka_unit_test_setup(whoever_was_there_before_stays, set_up),
		cmocka_unit_test_setup(another_user_and_another_session_stay, set_up),
		cmocka_unit_test_setup(what_descends_from_an_elevation_of_another_grant_stays, set_up),
		cmocka_unit_test_setup(what_may_be_another_grants_waits_for_its_end, set_up),
		cmocka_unit_test_setup(the_closest_elevation_decides, set_up),
		cmocka_unit_test_setup(what_an_ancestor_of_the_elevation_is_stays_whatever_it_runs_as, set_up),
		cmocka_unit_test_setup(of_sudo_to_oneself_only_descendants_are_told_apart, set_up),
		cmocka_unit_test_setup(without_an_audit_session_only_descendants_are_told_apart, set_up),
		cmocka_unit_test_setup(a_descendant_in_another_session_or_of_another_user_stays, set_up),
		cmocka_unit_test_setup(a_parent_that_is_younger_than_its_child_is_none, set_up),
		cmocka_unit_test(a_thousand_elevations_in_one_session_are_remembered_in_little),
		cmocka_unit_test(of_many_sessions_at_once_none_looks_at_all_the_others),
		cmocka_unit_test(what_is_gone_makes_room_before_anything_is_forgotten),
		cmocka_unit_test(one_process_is_remembered_once_however_many_sessions_it_opens),
		cmocka_unit_test(what_cannot_be_remembered_any_more_is_said),
		cmocka_unit_test(the_real_uid_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
