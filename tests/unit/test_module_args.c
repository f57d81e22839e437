/* The module's line: defaults, every argument, and the refusal of what is not understood. */
#include <errno.h>

#include "unit.h"

#include "../../common/args.h"
#include "proto.h"

#include <string.h>

static int parse_one(const char *arg, struct pj_args *ret, char *why, size_t why_size)
{
	return pj_args_parse(1, &arg, "sudo", ret, why, why_size);
}

static void an_empty_line_has_the_documented_defaults(void **state)
{
	struct pj_args args;
	char why[512];

	(void)state;
	assert_int_equal(pj_args_parse(0, NULL, "sudo", &args, why, sizeof(why)), 0);
	assert_int_equal(args.app, PJ_SUDO);
	assert_int_equal(args.timeout, 300);
	assert_null(args.role);
	assert_string_equal(args.socket, JIT_PAM_SOCKET);
	assert_string_equal(args.helper_user, "_jit");
	assert_null(args.exempt_user);
	assert_null(args.exempt_group);
	assert_false(pj_args_spare_service(&args, "sudo") || pj_args_spare_service(&args, ""));
	assert_false(args.has_login_grace);
	assert_false(args.observe);
	assert_false(args.debug);
}

static void the_service_decides_how_the_application_behaves(void **state)
{
	static const struct {
		const char *service;
		enum pj_app app;
	} rows[] = {
		{"sudo", PJ_SUDO},	 {"sudo-i", PJ_SUDO},  {"su", PJ_SU},	   {"su-l", PJ_SU},
		{"sshd", PJ_SSHD},	 {"login", PJ_LOGIN},  {"cron", PJ_OTHER}, {"Sudo", PJ_OTHER},
		{"polkit-1", PJ_POLKIT}, {"polkit", PJ_OTHER}, {"", PJ_OTHER},	   {NULL, PJ_OTHER},
		{"sudo-x", PJ_OTHER},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(pj_app_of_service(rows[i].service), rows[i].app);
}

static void every_argument_is_read(void **state)
{
	static const char *const line[] = {"app=su",
					   "role=admin",
					   "timeout=5m",
					   "socket=/x/y.sock",
					   "helper_user=h",
					   "exempt_user=a,b",
					   "exempt_group=wheel",
					   "observe",
					   "exempt_service=cron,atd",
					   "login_grace=1h30m",
					   "debug"};
	struct pj_args args;
	char why[512];

	(void)state;
	assert_int_equal(pj_args_parse((int)COUNT_OF(line), line, "sudo-x", &args, why, sizeof(why)), 0);
	assert_int_equal(args.app, PJ_SU);
	assert_string_equal(args.role, "admin");
	assert_int_equal(args.timeout, 300);
	assert_string_equal(args.socket, "/x/y.sock");
	assert_string_equal(args.helper_user, "h");
	assert_string_equal(args.exempt_user, "a,b");
	assert_string_equal(args.exempt_group, "wheel");
	assert_true(args.observe && args.debug);
	assert_true(args.has_login_grace);
	assert_int_equal(args.login_grace, 5400);
	assert_true(pj_args_spare_service(&args, "cron") && pj_args_spare_service(&args, "atd"));
	assert_false(pj_args_spare_service(&args, "cro") || pj_args_spare_service(&args, "td"));
	assert_false(pj_args_spare_service(&args, "cron,atd") || pj_args_spare_service(&args, "crond"));
	assert_false(pj_args_spare_service(&args, "") || pj_args_spare_service(&args, NULL));
}

/* In sshd the real uid is root's: as sudo it would pass whoever comes. */
static void a_known_service_is_taken_for_no_other(void **state)
{
	static const struct {
		const char *service, *arg;
		bool fits;
	} rows[] = {
		{"sshd", "app=sudo", false},  {"sudo", "app=su", false},    {"su-l", "app=sudo", false},
		{"sudo", "app=other", false}, {"login", "app=sshd", false}, {"polkit-1", "app=other", false},
		{"sshd", "app=sshd", true},   {"sudo-i", "app=sudo", true}, {"sudo-x", "app=sudo", true},
		{"cron", "app=other", true},  {NULL, "app=su", true},
	};
	struct pj_args args;
	char why[512];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int r = pj_args_parse(1, &rows[i].arg, rows[i].service, &args, why, sizeof(why));

		assert_int_equal(r, rows[i].fits ? 0 : -EINVAL);
		assert_true(rows[i].fits || strstr(why, rows[i].arg));
	}
}

static void a_timeout_from_a_second_to_an_hour_is_read(void **state)
{
	static const struct {
		const char *arg;
		uint32_t seconds;
	} rows[] = {
		{"timeout=1", 1}, {"timeout=1s", 1}, {"timeout=90", 90}, {"timeout=1h", 3600}, {"timeout=3600", 3600}};
	struct pj_args args;
	char why[512];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(parse_one(rows[i].arg, &args, why, sizeof(why)), 0);
		assert_int_equal(args.timeout, rows[i].seconds);
	}
}

static void what_is_not_understood_refuses_the_line_by_name(void **state)
{
	static const char *const bad[] = {
		"rol=admin",
		"observe=1",
		"observe=",
		"debug=yes",
		"role",
		"role=",
		"role=a b",
		"role=\033[2J",
		"app=doas",
		"app=",
		"timeout=0",
		"timeout=3601",
		"timeout=2h",
		"timeout=1d",
		"timeout=-5",
		"timeout=5 m",
		"timeout=",
		"timeout=0x10",
		"socket=",
		"socket=pam.sock",
		"helper_user=",
		"exempt_user=",
		"exempt_user=a,",
		"exempt_user=,a",
		"exempt_user=a,,b",
		"exempt_user=a, b",
		"exempt_group=",
		"exempt_group",
		"exempt_service=",
		"exempt_service=cron atd",
		"login_grace=",
		"login_grace=soon",
		"login_grace=1.5m",
		"login_grace=-1",
		"OBSERVE",
		"",
		"=",
		"=observe",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct pj_args args = {.timeout = 77};
		char why[512] = "";

		assert_int_not_equal(parse_one(bad[i], &args, why, sizeof(why)), 0);
		assert_int_equal(args.timeout, 77); /* untouched */
		assert_non_null(strstr(why, "pam_jit.so"));
		if (!strchr(bad[i], '\033'))
			assert_non_null(strstr(why, bad[i]));
		assert_null(strchr(why, '\033'));
	}
}

static void a_socket_path_that_no_socket_can_have_is_refused(void **state)
{
	char arg[7 + 108 + 1] = "socket=/";
	struct pj_args args;
	char why[512];

	(void)state;
	memset(arg + 8, 'a', 106);
	assert_int_equal(parse_one(arg, &args, why, sizeof(why)), 0);
	arg[7 + 107] = 'a';
	assert_int_not_equal(parse_one(arg, &args, why, sizeof(why)), 0);
}

static void an_argument_that_stands_twice_is_refused(void **state)
{
	static const char *const line[] = {"exempt_user=a", "debug", "exempt_user=b"};
	struct pj_args args;
	char why[512];

	(void)state;
	assert_int_not_equal(pj_args_parse(3, line, "sudo", &args, why, sizeof(why)), 0);
	assert_non_null(strstr(why, "exempt_user=b"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_line_has_the_documented_defaults),
		cmocka_unit_test(the_service_decides_how_the_application_behaves),
		cmocka_unit_test(every_argument_is_read),
		cmocka_unit_test(a_known_service_is_taken_for_no_other),
		cmocka_unit_test(a_timeout_from_a_second_to_an_hour_is_read),
		cmocka_unit_test(what_is_not_understood_refuses_the_line_by_name),
		cmocka_unit_test(a_socket_path_that_no_socket_can_have_is_refused),
		cmocka_unit_test(an_argument_that_stands_twice_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
