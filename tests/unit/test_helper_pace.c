/* How soon the broker is asked for changes again. */
#include "unit.h"

#include <limits.h>

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

static void a_refused_poll_waits_for_what_was_asked_at_least(void **state)
{
	(void)state;
	assert_int_equal(jh_pace_refused_ms(700, 0, true, 1000), 700);
	assert_int_equal(jh_pace_refused_ms(700, -5, true, 1000), 700);
	assert_int_equal(jh_pace_refused_ms(700, 4, false, 0), 4000);
	assert_int_equal(jh_pace_refused_ms(700, 4, false, 1000), 6000);
	assert_int_equal(jh_pace_refused_ms(30000, 4, true, 1000), 30000); /* it has been refused often */
}

static void a_refused_poll_is_not_put_off_for_ever(void **state)
{
	(void)state;
	for (long asked = 20; asked > 0 && asked < LONG_MAX / 2000; asked *= 3) {
		for (unsigned chance = 0; chance <= 1000; chance += 250) {
			assert_in_range(jh_pace_refused_ms(700, asked, false, chance), JH_PACE_MAX_MS * 3 / 4,
					JH_PACE_MAX_MS);
			assert_true(jh_pace_refused_ms(700, asked, true, chance) <= JH_PACE_IDLE_MAX_MS);
			assert_true(jh_pace_refused_ms(700, asked, true, chance) >=
				    (asked < 225 ? asked * 1000 : JH_PACE_IDLE_MAX_MS * 3 / 4));
		}
	}
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
		cmocka_unit_test(a_refused_poll_waits_for_what_was_asked_at_least),
		cmocka_unit_test(a_refused_poll_is_not_put_off_for_ever),
		cmocka_unit_test(a_short_retry_after_does_not_undercut_the_second),
		cmocka_unit_test(whatever_the_broker_says_the_host_is_heard_before_it_counts_as_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
