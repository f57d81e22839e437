/* Names: local ones need nobody else, and a directory that hangs costs the loop one short wait. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "names.h"
#include "unit.h"

static char folder[] = "/tmp/jit-names-XXXXXX", passwd[64], group[64];

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void look_with(int delay_ms)
{
	jh_names_set_test(&(struct jh_names_test){.passwd = passwd, .group = group, .delay_ms = delay_ms});
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(passwd, sizeof(passwd), "%s/passwd", folder);
	snprintf(group, sizeof(group), "%s/group", folder);
	write_text(passwd, "op1:x:4001:4001::/:/bin/sh\nop2:x:4002:77::/:/bin/sh\nop3:x:4003:4003::/:/bin/sh\n");
	write_text(group, "other:x:78:op3\nglass:x:77:op1,elsewhere\nempty:x:79:\n");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(passwd);
	unlink(group);
	return rmdir(folder);
}

static void local_names_need_nobody_else(void **state)
{
	char name[64];
	uid_t uid = 1;

	(void)state;
	look_with(60000);
	assert_int_equal(jh_names_uid("op2", &uid), 0);
	assert_int_equal(uid, 4002);
	assert_int_equal(jh_names_name(4001, name, sizeof(name)), 0);
	assert_string_equal(name, "op1");
	assert_true(jh_names_member("op1", 4001, "glass"));  /* supplementary */
	assert_true(jh_names_member("op2", 4002, "glass"));  /* primary */
	assert_false(jh_names_member("op1", 4002, "glass")); /* another uid's name */
}

static void others_are_asked_of_the_host(void **state)
{
	char name[64];
	uid_t uid = 1;

	(void)state;
	look_with(0);
	assert_int_equal(jh_names_uid("root", &uid), 0); /* not in the test's files */
	assert_int_equal(uid, 0);
	assert_int_equal(jh_names_name(0, name, sizeof(name)), 0);
	assert_string_equal(name, "root");
	assert_true(jh_names_member("root", 0, "root"));
	assert_false(jh_names_member("root", 0, "glass"));
	assert_false(jh_names_member("root", 1, "root"));
	assert_false(jh_names_member("op3", 4003, "glass"));
	assert_int_equal(jh_names_uid("nobody-of-this-name", &uid), -ENOENT);
	assert_int_equal(jh_names_uid("", &uid), -ENOENT);
	assert_int_equal(jh_names_name(3999999999U, name, sizeof(name)), -ENOENT);
}

static void a_directory_that_hangs_costs_one_short_wait(void **state)
{
	uid_t uid = 1;

	(void)state;
	look_with(JH_NAMES_MS * 3);
	int64_t began = jit_boottime_ms();
	assert_int_equal(jh_names_uid("root", &uid), -ETIMEDOUT);
	assert_in_range(jit_boottime_ms() - began, JH_NAMES_MS - 20, JH_NAMES_MS + 200);
	began = jit_boottime_ms();
	assert_int_equal(jh_names_uid("root", &uid), -ETIMEDOUT);
	assert_false(jh_names_member("root", 0, "root"));
	assert_true(jh_names_member("op1", 4001, "glass"));
	assert_in_range(jit_boottime_ms() - began, 0, 100);
	look_with(0);
	while (jh_names_uid("root", &uid) == -ETIMEDOUT) /* it comes back, and is asked again */
		usleep(10000);
	assert_int_equal(uid, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(local_names_need_nobody_else),
		cmocka_unit_test(others_are_asked_of_the_host),
		cmocka_unit_test(a_directory_that_hangs_costs_one_short_wait),
	};

	return cmocka_run_group_tests_name("helper names", tests, setup, teardown);
}
