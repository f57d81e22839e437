/* What the broker says of its own machine: that its clock was set, that there is no memory; each once. */
#include "unit.h"

#include "logged.h"
#include "machine.h"
#include "no_memory.h"

static struct jb_machine machine;
static bool lacking; /* memory: what is asked for next is not had */

static void lack_memory(void)
{
#ifdef JIT_TEST_NO_MEMORY
	left = lacking ? 0 : LONG_MAX;
#else
	(void)lacking;
#endif
}

/* What a look logs. */
static const char *look(void)
{
	static char said[512];

	log_begin();
	lack_memory();
	jb_machine_look(&machine);
	log_end(said, sizeof(said));
	return said;
}

static int begin(void **state)
{
	(void)state;
	machine = (struct jb_machine){0};
	unsetenv("JOURNAL_STREAM");
	assert_string_equal(look(), ""); /* nothing to compare with */
	return 0;
}

/* The same as a clock that was set by so much the other way since. */
static void remember_clock(int64_t ms_off)
{
	machine.clock_ms += ms_off;
}

/* It says so, and by how much: the wall clock's seconds begin when they like. */
static void says_it_was_set(const char *way, int64_t seconds)
{
	const char *said = look(), *by = strstr(said, way);

	assert_non_null(by);
	assert_in_range(strtoll(by + strlen(way), NULL, 10), seconds - 1, seconds + 1);
	assert_non_null(strstr(said, " s, and with it what is due"));
	assert_string_equal(look(), "");
}

static void a_clock_that_was_set_is_said_once(void **state)
{
	(void)state;
	remember_clock(-3600000);
	says_it_was_set("the wall clock was put forward by ", 3600);
	remember_clock(86400000);
	says_it_was_set("the wall clock was put back by ", 86400);
}

/* As a second that begins between two looks does, or time synchronisation. */
static void a_clock_that_goes_a_little_off_is_none_that_was_set(void **state)
{
	(void)state;
	remember_clock(-8000);
	assert_string_equal(look(), "");
	remember_clock(8000);
	assert_string_equal(look(), "");
}

#ifdef JIT_TEST_NO_MEMORY
static const char *look_without_memory(void)
{
	lacking = true;
	const char *said = look();
	lacking = false;
	return said;
}

static void no_memory_is_said_once_and_that_there_is_some_again(void **state)
{
	(void)state;
	if (!memory_can_run_out())
		skip();
	assert_non_null(strstr(look_without_memory(), "the broker is out of memory: calls are not answered until"));
	assert_string_equal(look_without_memory(), "");
	assert_non_null(strstr(look(), "the broker has memory again"));
	assert_string_equal(look(), "");
	assert_non_null(strstr(look_without_memory(), "the broker is out of memory"));
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_clock_that_was_set_is_said_once, begin),
		cmocka_unit_test_setup(a_clock_that_goes_a_little_off_is_none_that_was_set, begin),
#ifdef JIT_TEST_NO_MEMORY
		cmocka_unit_test_setup(no_memory_is_said_once_and_that_there_is_some_again, begin),
#endif
	};

	return cmocka_run_group_tests_name("broker machine", tests, NULL, NULL);
}
