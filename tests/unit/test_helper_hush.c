/* The log of refusals: a few lines a minute of one uid, and the rest as a number. */
#include "hush.h"
#include "unit.h"

static void a_flood_of_one_uid_is_a_few_lines_and_a_number(void **state)
{
	struct jh_hush hush = {0};
	unsigned said = 0, kept = 99;

	(void)state;
	for (int i = 0; i < 1000; i++)
		said += jh_hush_lets(&hush, 1001, 1000 + i, &kept);
	assert_int_equal(said, JH_HUSH_LINES);
	assert_int_equal(kept, 0);
	assert_true(jh_hush_lets(&hush, 1002, 2000, &kept)); /* another's lines are not lost in it */
	assert_true(jh_hush_lets(&hush, 1001, 1000 + JH_HUSH_SPAN_MS, &kept));
	assert_int_equal(kept, 1000 - JH_HUSH_LINES);
	assert_true(jh_hush_lets(&hush, 1001, 1001 + JH_HUSH_SPAN_MS, &kept));
	assert_int_equal(kept, 0);
}

static void more_uids_than_there_is_room_for_are_written(void **state)
{
	struct jh_hush hush = {0};
	unsigned kept;

	(void)state;
	for (uid_t uid = 0; uid < 3 * JH_HUSH_UIDS; uid++)
		assert_true(jh_hush_lets(&hush, uid, 5 + uid, &kept));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flood_of_one_uid_is_a_few_lines_and_a_number),
		cmocka_unit_test(more_uids_than_there_is_room_for_are_written),
	};

	return cmocka_run_group_tests_name("helper hush", tests, NULL, NULL);
}
