/* When a grant's sessions are warned, and on what. */
#include "unit.h"

#include <fcntl.h>
#include <pty.h>
#include <stdlib.h>
#include <unistd.h>

#include "conf.h"
#include "terminal.h"
#include "warning.h"

static const struct jh_conf conf = {.warnings_s = {300, 60, 10}, .warning_count = 3};

static void a_grant_is_not_warned_of_what_it_began_with(void **state)
{
	(void)state;
	assert_int_equal(jh_warning_first(&conf, 900), 0);
	assert_int_equal(jh_warning_first(&conf, 301), 0);
	assert_int_equal(jh_warning_first(&conf, 300), 1);
	assert_int_equal(jh_warning_first(&conf, 60), 2);
	assert_int_equal(jh_warning_first(&conf, 5), 3);
}

static void a_warning_is_due_when_no_more_than_its_time_is_left(void **state)
{
	(void)state;
	assert_int_equal(jh_warning_after(&conf, 0, 300001), 0);
	assert_int_equal(jh_warning_after(&conf, 0, 300000), 1);
	assert_int_equal(jh_warning_after(&conf, 1, 60001), 1);
	assert_int_equal(jh_warning_after(&conf, 1, 59000), 2);
}

static void several_that_came_due_at_once_are_one(void **state)
{
	(void)state;
	assert_int_equal(jh_warning_after(&conf, 0, 9000), 3); /* the machine slept meanwhile */
	assert_int_equal(jh_warning_after(&conf, 3, 9000), 3);
}

static void only_a_terminal_on_which_nothing_waits_is_written_to(void **state)
{
	int outer, inner, pipe_fd[2];
	char name[64];

	(void)state;
	assert_int_equal(openpty(&outer, &inner, name, NULL, NULL), 0);
	assert_false(jh_terminal_usable(inner)); /* blocking */
	int good = open(name, O_WRONLY | O_NOCTTY | O_NONBLOCK);
	assert_true(jh_terminal_usable(good));
	int unwritable = open(name, O_RDONLY | O_NOCTTY | O_NONBLOCK), path = open(name, O_PATH);
	assert_false(jh_terminal_usable(unwritable));
	assert_false(jh_terminal_usable(path));
	int null = open("/dev/null", O_WRONLY | O_NONBLOCK);
	assert_false(jh_terminal_usable(null));
	assert_int_equal(pipe2(pipe_fd, O_NONBLOCK), 0);
	assert_false(jh_terminal_usable(pipe_fd[1]));
	assert_false(jh_terminal_usable(-1));
	const int all[] = {outer, inner, good, unwritable, path, null, pipe_fd[0], pipe_fd[1]};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		close(all[i]);
}

static void a_pseudo_terminal_is_found_by_its_number(void **state)
{
	char path[32];

	(void)state;
	assert_true(jh_terminal_path(136 << 8 | 3, path, sizeof(path)));
	assert_string_equal(path, "/dev/pts/3");
	assert_true(jh_terminal_path(1 << 20 | 136 << 8 | 4, path, sizeof(path)));
	assert_string_equal(path, "/dev/pts/260");
	assert_false(jh_terminal_path(4 << 8 | 1, path, sizeof(path))); /* a console */
	assert_false(jh_terminal_path(0, path, sizeof(path)));
	assert_false(jh_terminal_path(-1, path, sizeof(path)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_grant_is_not_warned_of_what_it_began_with),
		cmocka_unit_test(a_warning_is_due_when_no_more_than_its_time_is_left),
		cmocka_unit_test(several_that_came_due_at_once_are_one),
		cmocka_unit_test(only_a_terminal_on_which_nothing_waits_is_written_to),
		cmocka_unit_test(a_pseudo_terminal_is_found_by_its_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
