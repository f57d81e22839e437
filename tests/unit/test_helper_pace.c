/* How soon the broker is asked for changes again. */
#include "unit.h"

#include "pace.h"

#define MIDDLE 500

static void a_poll_that_was_held_is_followed_at_once(void **state)
{
	struct jh_pace pace = {0};
	const struct jh_polled empty = {.asked_ms = 1000, .now_ms = 26000},
			       news = {.news = true, .asked_ms = 1000, .now_ms = 2000};

	(void)state;
	assert_int_equal(jh_pace_next(&pace, &empty, MIDDLE), 26000);
	assert_int_equal(jh_pace_next(&pace, &news, MIDDLE), 2000);
}

static void an_empty_answer_at_once_is_followed_a_second_after_its_poll_began(void **state)
{
	struct jh_pace pace = {0};
	const struct jh_polled polled = {.asked_ms = 1000, .now_ms = 1003};

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(jh_pace_next(&pace, &polled, MIDDLE), 2000);
}

static void news_at_once_are_followed_at_once_but_not_for_ever(void **state)
{
	struct jh_pace pace = {0};
	struct jh_polled polled = {.news = true, .asked_ms = 1000, .now_ms = 1000};
	unsigned polls = 0;

	(void)state;
	while (polled.now_ms < 61000 && polls < 10000) { /* a minute of a server whose every answer is news */
		polled.now_ms = jh_pace_next(&pace, &polled, MIDDLE);
		polled.asked_ms = polled.now_ms;
		polls++;
	}
	assert_in_range(polls, 60, 50 + 60 * 10);
}

/* A host on which much goes on: what is decided meanwhile is heard without a second's delay. */
static void many_changes_in_a_row_are_heard_of_soon(void **state)
{
	struct jh_pace pace = {0};
	struct jh_polled polled = {.news = true, .asked_ms = 1000};

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		polled.now_ms = polled.asked_ms + 2;
		polled.asked_ms = jh_pace_next(&pace, &polled, MIDDLE);
		assert_in_range(polled.asked_ms - polled.now_ms, 0, i < 50 ? 0 : 100);
	}
}

static void what_was_news_a_while_ago_is_forgotten(void **state)
{
	struct jh_pace pace = {0};
	const struct jh_polled burst = {.news = true, .asked_ms = 1000, .now_ms = 1001},
			       held = {.news = true, .asked_ms = 1000, .now_ms = 9000};

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(jh_pace_next(&pace, &burst, MIDDLE), 1001);
	assert_int_equal(jh_pace_next(&pace, &held, MIDDLE), 9000);
	assert_int_equal(jh_pace_next(&pace, &burst, MIDDLE), 1001);
}

static void retry_after_is_kept_to_with_a_fleet_spread_around_it(void **state)
{
	struct jh_pace pace = {0};
	const struct jh_polled polled = {.retry_after_s = 4, .news = true, .asked_ms = 1000, .now_ms = 1010};

	(void)state;
	assert_int_equal(jh_pace_next(&pace, &polled, 0), 1010 + 2000);
	assert_int_equal(jh_pace_next(&pace, &polled, 500), 1010 + 4000);
	assert_int_equal(jh_pace_next(&pace, &polled, 1000), 1010 + 6000);
}

static void a_short_retry_after_does_not_undercut_the_second(void **state)
{
	struct jh_pace pace = {0};
	const struct jh_polled polled = {.retry_after_s = 1, .asked_ms = 1000, .now_ms = 1010};

	(void)state;
	assert_int_equal(jh_pace_next(&pace, &polled, 0), 2000);
}

static void whatever_the_broker_says_the_host_is_heard_before_it_counts_as_gone(void **state)
{
	(void)state;
	assert_int_equal(jh_pace_around_ms(3600, 0), JH_PACE_MAX_MS);
	assert_int_equal(jh_pace_around_ms(3600, 1000), JH_PACE_MAX_MS);
	assert_int_equal(jh_pace_around_ms(0, 1000), 0);
	/* What our own functions say to an idle host comes to its turn with all its spread. */
	assert_in_range(jh_pace_around_ms(13, 1000), 19000, JH_PACE_MAX_MS - 1);
	assert_int_equal(jh_pace_around_ms(-5, 1000), 0);
	for (unsigned i = 0; i < 1000; i++)
		assert_in_range(jh_pace_chance(), 0, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_poll_that_was_held_is_followed_at_once),
		cmocka_unit_test(an_empty_answer_at_once_is_followed_a_second_after_its_poll_began),
		cmocka_unit_test(news_at_once_are_followed_at_once_but_not_for_ever),
		cmocka_unit_test(many_changes_in_a_row_are_heard_of_soon),
		cmocka_unit_test(what_was_news_a_while_ago_is_forgotten),
		cmocka_unit_test(retry_after_is_kept_to_with_a_fleet_spread_around_it),
		cmocka_unit_test(a_short_retry_after_does_not_undercut_the_second),
		cmocka_unit_test(whatever_the_broker_says_the_host_is_heard_before_it_counts_as_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
