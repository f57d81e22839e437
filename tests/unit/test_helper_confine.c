/* jit-helper/confine: its own sandbox, in a child that tries what must fail, and what must not. */
#include "confine.h"

#include <seccomp.h>
#include <sys/time.h>

#include "sandboxed.h"

enum { landlock_create_ruleset = 444 };

static char work[] = "/tmp/jit-confine-XXXXXX";
static struct jh_conf *conf;

static void no_error(void *arg, const char *message)
{
	(void)arg;
	print_error("%s\n", message);
}

static int make(void **state)
{
	char text[512];

	if (make_outside(state) < 0 || !mkdtemp(work))
		return -1;
	snprintf(text, sizeof(text),
		 "[helper]\nbroker = https://127.0.0.1:%u\napi_key_file = %s/key\nstate_dir = %s\nspool_dir = %s\n",
		 named_port, work, work, work);
	return jh_conf_parse("test", text, no_error, NULL, &conf);
}

static int unmake(void **state)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/state", work);
	unlink(path);
	rmdir(work);
	jh_conf_free(conf);
	return remove_outside(state);
}

static int enter(void)
{
	char why[256];
	int r = jh_confine(conf, why, sizeof(why));

	if (r != 0)
		print_message("%s\n", why);
	return r;
}

static int keep_its_state(void)
{
	char path[64], other[64];

	snprintf(path, sizeof(path), "%s/state", work);
	snprintf(other, sizeof(other), "%s/new", work);
	int r = try_open(other, O_WRONLY | O_CREAT | O_EXCL);
	return r ? r : said(rename(other, path));
}

static int link_outside(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/link", work);
	return said(link(outside_file, path));
}

static int limit_a_wait(void)
{
	const struct itimerval none = {.it_value.tv_usec = 0};

	return said(setitimer(ITIMER_REAL, &none, NULL));
}

static int look_at_a_process(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)getppid());
	return try_open(path, O_RDONLY);
}

static void a_helper_does_in_its_sandbox_what_it_needs_and_nothing_else(void **state)
{
	(void)state;
	if (is_under_valgrind()) /* it makes system calls of its own */
		skip();
	assert_sandboxed();
	assert_int_equal(in_sandbox(enter, signal_another_process), 0);
	assert_int_equal(in_sandbox(enter, look_at_a_process), 0);
	assert_int_equal(in_sandbox(enter, limit_a_wait), 0);
	assert_int_equal(in_sandbox(enter, keep_its_state), 0);
	assert_int_equal(in_sandbox(enter, link_outside), ENOSYS);
}

/* As a kernel from before Landlock answers. */
static int enter_without_landlock(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	char why[256] = "";

	if (!filter || seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), landlock_create_ruleset, 0) < 0 ||
	    seccomp_load(filter) < 0)
		return -1;
	seccomp_release(filter);
	return jh_confine(conf, why, sizeof(why)) == 1 &&
			       strstr(why, "confined by seccomp, but NOT by Landlock: this kernel")
		       ? 0
		       : -1;
}

static void a_kernel_without_landlock_takes_the_rest_of_it_and_that_is_said(void **state)
{
	(void)state;
	if (is_instrumented())
		skip();
	assert_int_equal(in_sandbox(enter_without_landlock, run_a_program), -SIGSYS);
	assert_int_equal(in_sandbox(enter_without_landlock, make_a_process), ENOSYS);
	assert_int_equal(in_sandbox(enter_without_landlock, reach_the_named_port), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_helper_does_in_its_sandbox_what_it_needs_and_nothing_else),
		LANDLOCK_TESTS,
		cmocka_unit_test(a_kernel_without_landlock_takes_the_rest_of_it_and_that_is_said),
	};
	return cmocka_run_group_tests(tests, make, unmake);
}
