/* jit-helper.conf: what is accepted, and that every error is told with its line. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "conf.h"

static char told[4096];

static void tell(void *arg, const char *message)
{
	size_t len = strlen(told);

	(void)arg;
	snprintf(told + len, sizeof(told) - len, "%s\n", message);
}

static int parse(const char *text, struct jh_conf **ret)
{
	told[0] = '\0';
	return jh_conf_parse("t.conf", text, tell, NULL, ret);
}

static void defaults_are_the_documented_ones(void **state)
{
	struct jh_conf *c = NULL;

	(void)state;
	assert_int_equal(parse("[helper]\nbroker = https://b:8443/\n[service sudo]\nrole = admin\n", &c), 0);
	assert_int_equal(c->broker_count, 1);
	assert_string_equal(c->brokers[0], "https://b:8443");
	assert_string_equal(c->api_key_file, "/etc/pam-jit/api.key");
	assert_string_equal(c->user, "_jit");
	assert_string_equal(c->pam_socket, "/run/pam-jit/pam.sock");
	assert_string_equal(c->session_socket, "/run/pam-jit/session.sock");
	assert_string_equal(c->aws_credentials_file, "/etc/pam-jit/aws-credentials");
	assert_null(c->ca_file);
	assert_false(c->plain_loopback);
	assert_int_equal(c->timeout_s, 300);
	assert_int_equal(c->broker_timeout_s, 10);
	assert_int_equal(c->ask_attempts, 3);
	assert_int_equal(c->warning_count, 2);
	assert_int_equal(c->warnings_s[0], 300);
	assert_int_equal(c->warnings_s[1], 60);
	assert_int_equal(c->end_grace_s, 5);
	assert_null(c->break_glass_group);
	assert_int_equal(c->break_glass_s, 900);
	assert_true(c->keyless);
	assert_string_equal(c->state_dir, "/run/pam-jit/state");
	assert_string_equal(c->spool_dir, "/var/lib/pam-jit");
	assert_int_equal(jh_conf_service(c, "sudo")->unattended, JH_UNATTENDED_NO);
	assert_true(jh_conf_service(c, "sudo")->resume);
	assert_int_equal(jh_conf_service(c, "sudo")->silent_wait_s, 0);
	assert_string_equal(jh_conf_service(c, "sudo")->role, "admin");
	assert_int_equal(jh_conf_service(c, "sudo")->duration_s, 900);
	assert_null(jh_conf_service(c, "su"));
	jh_conf_free(c);
}

static void three_lines_are_enough(void **state)
{
	struct jh_conf *c = NULL;

	(void)state;
	assert_int_equal(parse("[helper]\nbroker = https://b:8443\nca_file = /etc/pam-jit/broker-ca.pem\n", &c), 0);
	assert_null(jh_conf_service(c, "sudo"));
	jh_conf_free(c);
}

static void a_certificate_and_its_key_belong_together(void **state)
{
	struct jh_conf *c = NULL;

	(void)state;
	assert_int_equal(parse("[helper]\nbroker = https://b:8443\ntls_certificate = /h.crt\ntls_key = /h.key\n", &c),
			 0);
	assert_string_equal(c->tls_certificate, "/h.crt");
	assert_string_equal(c->tls_key, "/h.key");
	jh_conf_free(c);
	assert_int_equal(parse("[helper]\nbroker = https://b:8443\ntls_certificate = /h.crt\n", &c), 1);
	assert_non_null(strstr(told, "tls_certificate and tls_key belong together"));
	assert_int_equal(parse("[helper]\nbroker = https://b:8443\ntls_key = /h.key\n", &c), 1);
}

static void every_error_is_told_with_its_line(void **state)
{
	struct jh_conf *c = NULL;

	(void)state;
	assert_int_equal(
		parse("[helper]\nbroker = ftp://b\ntimeuot = 5m\ntimeout = 0\nask_attempts = 10\n"
		      "plain_loopback = maybe\nca_file = ca.pem\n[service sudo]\nroll = admin\n[other]\nx = 1\n",
		      &c),
		9);
	assert_null(c);
	assert_non_null(strstr(told, "t.conf:2: broker must be a URL"));
	assert_non_null(strstr(told, "t.conf:3: [helper] has no key 'timeuot'"));
	assert_non_null(strstr(told, "t.conf:4: timeout must be"));
	assert_non_null(strstr(told, "t.conf:5: ask_attempts"));
	assert_non_null(strstr(told, "t.conf:6: plain_loopback"));
	assert_non_null(strstr(told, "t.conf:7: ca_file must be an absolute path"));
	assert_non_null(strstr(told, "t.conf:9: [service sudo] has no key 'roll'"));
	assert_non_null(strstr(told, "t.conf:11: there is no section [other]"));
	assert_non_null(strstr(told, "must name the broker"));
}

static void what_may_be_chosen_is_taken(void **state)
{
	struct jh_conf *c = NULL;

	(void)state;
	assert_int_equal(parse("[helper]\nbroker = https://a\nbroker = https://b/\nwarn = 10m 5m 30s\nend_grace = 2s\n"
			       "break_glass_group = wheel\nbreak_glass_duration = 5m\nwithout_keyring = refuse\n"
			       "[service cron]\nduration = 1h\n[service atd]\nnon_interactive = existing\n"
			       "[service sshd]\nresume = no\nsilent_wait = 30s\n",
			       &c),
			 0);
	assert_int_equal(c->broker_count, 2);
	assert_string_equal(c->brokers[1], "https://b");
	assert_int_equal(c->warning_count, 3);
	assert_int_equal(c->warnings_s[2], 30);
	assert_int_equal(c->end_grace_s, 2);
	assert_string_equal(c->break_glass_group, "wheel");
	assert_int_equal(c->break_glass_s, 300);
	assert_false(c->keyless);
	assert_null(jh_conf_service(c, "cron")->role);
	assert_int_equal(jh_conf_service(c, "cron")->unattended, JH_UNATTENDED_DENY);
	assert_int_equal(jh_conf_service(c, "atd")->unattended, JH_UNATTENDED_EXISTING);
	assert_false(jh_conf_service(c, "sshd")->resume);
	assert_int_equal(jh_conf_service(c, "sshd")->silent_wait_s, 30);
	jh_conf_free(c);
}

static void what_may_not_be_chosen_is_told(void **state)
{
	struct jh_conf *c = NULL;

	(void)state;
	assert_int_equal(parse("[helper]\nbroker = https://a\nwarn = 1m 5m\nend_grace = 2m\nbreak_glass_duration = 2h\n"
			       "without_keyring = yes\nstate_dir = here\n[service sshd]\nnon_interactive = yes\n"
			       "silent_wait = never\nresume = 1\n",
			       &c),
			 8);
	assert_null(c);
	assert_non_null(strstr(told, "t.conf:3: warn must be"));
	assert_non_null(strstr(told, "t.conf:9: non_interactive must be"));
}

static void plain_http_and_root_are_refused(void **state)
{
	struct jh_conf *c = NULL;

	(void)state;
	assert_int_equal(parse("[helper]\nbroker = http://127.0.0.1:1\nuser = root\n[service sudo]\nrole = a\n", &c),
			 2);
	assert_int_equal(
		parse("[helper]\nbroker = http://127.0.0.1:1\nplain_loopback = yes\n[service sudo]\nrole = a\n", &c),
		0);
	jh_conf_free(c);
}

static void a_file_that_cannot_be_read_is_one_error(void **state)
{
	struct jh_conf *c = NULL;

	(void)state;
	told[0] = '\0';
	assert_int_equal(jh_conf_read("/nonexistent/jit-helper.conf", tell, NULL, &c), 1);
	assert_non_null(strstr(told, "cannot read /nonexistent/jit-helper.conf"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_the_documented_ones),
		cmocka_unit_test(three_lines_are_enough),
		cmocka_unit_test(a_certificate_and_its_key_belong_together),
		cmocka_unit_test(every_error_is_told_with_its_line),
		cmocka_unit_test(what_may_be_chosen_is_taken),
		cmocka_unit_test(what_may_not_be_chosen_is_told),
		cmocka_unit_test(plain_http_and_root_are_refused),
		cmocka_unit_test(a_file_that_cannot_be_read_is_one_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
