/* The line that counts down stays on one line of the terminal, whatever it is made of. */
#include "unit.h"

#include "../../pam_jit/talk.h"

#include <string.h>

static void the_time_left_is_shown_in_minutes_and_seconds(void **state)
{
	static const struct {
		int64_t ms;
		const char *line;
	} rows[] = {
		{299000, "w, 4:59 left"}, {298001, "w, 4:59 left"}, {60000, "w, 1:00 left"},	{1, "w, 0:01 left"},
		{0, "w, 0:00 left"},	  {-5000, "w, 0:00 left"},  {3600000, "w, 60:00 left"},
	};
	char line[128];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		pj_talk_countdown(line, sizeof(line), "w", rows[i].ms, 80);
		assert_string_equal(line, rows[i].line);
	}
}

static void a_narrow_terminal_cuts_the_text_and_keeps_the_time(void **state)
{
	char line[128];

	(void)state;
	pj_talk_countdown(line, sizeof(line), "waiting for an approver", 59000, 20);
	assert_string_equal(line, "waiting , 0:59 left");
	assert_int_equal(strlen(line), 19); /* the last column stays free */
}

static void no_width_makes_the_line_wrap(void **state)
{
	char line[128];

	(void)state;
	for (unsigned columns = 1; columns < 60; columns++) {
		pj_talk_countdown(line, sizeof(line), "waiting for an approver", 59000, columns);
		assert_true(strlen(line) < columns || strlen(line) == 0);
	}
}

/* Without a locale nobody knows how wide a character is: what is not ASCII counts double, and is never cut in two. */
static void characters_that_may_be_wide_count_double(void **state)
{
	char line[128];

	(void)state;
	pj_talk_countdown(line, sizeof(line), "\xe5\xbe\x85\xe5\xbe\x85\xe5\xbe\x85", 59000, 12 + 5);
	assert_string_equal(line, "\xe5\xbe\x85\xe5\xbe\x85, 0:59 left");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_time_left_is_shown_in_minutes_and_seconds),
		cmocka_unit_test(a_narrow_terminal_cuts_the_text_and_keeps_the_time),
		cmocka_unit_test(no_width_makes_the_line_wrap),
		cmocka_unit_test(characters_that_may_be_wide_count_double),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
