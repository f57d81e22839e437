/* What the doctor starts and opens: nothing of the caller's reaches it, and nothing makes it wait. */
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "doctor_file.h"
#include "doctor_run.h"

#define PATIENCE_MS 5000

static int run(const char *script, int timeout_ms, struct jd_output *ret)
{
	const char *const argv[] = {"/bin/sh", "-c", script, NULL};

	return jd_run(argv, timeout_ms, ret);
}

static void assert_says(const char *script, const char *text)
{
	struct jd_output output;

	assert_int_equal(run(script, PATIENCE_MS, &output), 0);
	assert_string_equal(output.text, text);
	jd_output_clear(&output);
}

static void a_program_gets_nothing_of_the_callers(void **state)
{
	(void)state;
	int fd = dup(STDERR_FILENO); /* not close-on-exec */

	setenv("LD_LIBRARY_PATH", "/nonexistent", 1);
	setenv("PATH", "/nonexistent", 1);
	assert_says("exec /usr/bin/env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin\nLC_ALL=C.UTF-8\nPWD=/\n");
	assert_says("for n in 3 4 5 6 7 8 9; do [ ! -e /proc/$$/fd/$n ] || echo $n; done", "");
	assert_says("cat; pwd", "/\n");
	assert_says("(: </dev/tty) 2>/dev/null || echo none", "none\n");
	close(fd);
}

static void how_it_ended_is_told(void **state)
{
	const char *const nothing[] = {"/nonexistent/program", NULL};
	struct jd_output output;

	(void)state;
	assert_int_equal(run("echo out; echo err >&2; exit 3", PATIENCE_MS, &output), 0);
	assert_int_equal(output.status, 3);
	assert_string_equal(output.text, "out\n");
	assert_string_equal(output.errors, "err\n");
	jd_output_clear(&output);
	assert_int_equal(run("kill -9 $$", PATIENCE_MS, &output), 0);
	assert_int_equal(output.status, 128 + SIGKILL);
	jd_output_clear(&output);
	assert_int_equal(jd_run(nothing, PATIENCE_MS, &output), -ENOENT);
}

static void too_much_output_ends_it(void **state)
{
	struct jd_output output;

	(void)state;
	assert_int_equal(run("exec yes", PATIENCE_MS, &output), -EFBIG);
	assert_int_equal(run("exec yes >&2", PATIENCE_MS, &output), -EFBIG);
	assert_int_equal(run("exec head -c 10000000 /dev/zero", PATIENCE_MS, &output), -EFBIG);
}

static void a_deadline_ends_it_with_what_it_started(void **state)
{
	/* Output open; output closed; output held by somebody in the background; a signal ignored. */
	static const char *const scripts[] = {
		"exec sleep 60",
		"exec >&- 2>&-; exec sleep 60",
		"sleep 60 & echo $!",
		"trap '' TERM INT HUP; while :; do sleep 1; done",
	};
	struct jd_output output;

	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		int64_t began = jit_boottime_ms();

		assert_int_equal(run(scripts[i], 200, &output), -ETIMEDOUT);
		assert_true(jit_boottime_ms() - began < PATIENCE_MS);
	}
}

static void what_is_no_regular_file_is_not_waited_for(void **state)
{
	char folder[] = "/tmp/jit-doctor-XXXXXX", fifo[64], large[64];

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
	snprintf(large, sizeof(large), "%s/large", folder);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	errno = 0;
	assert_null(jd_file_open(fifo));
	assert_int_equal(errno, EINVAL);
	assert_null(jd_file_open(folder));
	assert_null(jd_file_open("/dev/zero"));
	fclose(fopen(large, "w"));
	assert_int_equal(truncate(large, 1 << 30), 0);
	assert_null(jd_file_open(large));
	assert_int_equal(errno, EFBIG);
	unlink(fifo);
	unlink(large);
	rmdir(folder);
}

static void why_a_program_could_not_be_asked_is_told_in_words(void **state)
{
	(void)state;
	assert_string_equal(jd_run_trouble(-ENOENT), "it is not installed");
	assert_string_equal(jd_run_trouble(-ETIMEDOUT), "it took too long and was stopped");
	assert_string_equal(jd_run_trouble(-EFBIG), "it said too much and was stopped");
	assert_string_equal(jd_run_trouble(-EACCES), "Permission denied");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(why_a_program_could_not_be_asked_is_told_in_words),
		cmocka_unit_test(a_program_gets_nothing_of_the_callers),
		cmocka_unit_test(how_it_ended_is_told),
		cmocka_unit_test(too_much_output_ends_it),
		cmocka_unit_test(a_deadline_ends_it_with_what_it_started),
		cmocka_unit_test(what_is_no_regular_file_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
