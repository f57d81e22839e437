/* What the doctor concludes from a stack, from sudoers, from sshd's settings and from the helper's probe. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor_probe.h"
#include "doctor_ssh.h"
#include "doctor_stack.h"
#include "doctor_sudo.h"
#include "doctor_walk.h"

#define GATE	"account required pam_jit.so\nsession required pam_jit.so\nsession required pam_unix.so\n"
#define ACCOUNT "account required pam_unix.so\naccount required pam_jit.so\n"
#define SESSION "session required pam_jit.so\nsession required pam_unix.so\n"
/* Debian's common-account */
#define COMMON                                                                                                         \
	"account [success=1 new_authtok_reqd=done default=ignore] pam_unix.so\n"                                       \
	"account requisite pam_deny.so\naccount required pam_permit.so\n"

static struct jd_report report;

static int begin(void **state)
{
	(void)state;
	return jd_report_start(&report, NULL);
}

static int end(void **state)
{
	(void)state;
	jd_report_free(&report);
	return 0;
}

static const struct jd_finding *find(const char *code)
{
	const struct jd_finding *f;

	STAILQ_FOREACH(f, &report.findings, link)
	if (strcmp(f->code, code) == 0)
		return f;
	return NULL;
}

/* Judges a stack afresh. */
static void judge(const char *service, const char *text)
{
	struct jd_pam_stack *stack;
	struct jd_service *s;

	jd_report_free(&report);
	assert_int_equal(jd_report_start(&report, NULL), 0);
	assert_int_equal(jd_pam_read_text(text, strlen(text), &stack), 0);
	assert_int_equal(jd_service_new(service, stack, &s), 0);
	assert_int_equal(jd_stack_judge(&report, s), 0);
	jd_service_free(s);
}

static void assert_found(const char *text, const char *code, enum jd_severity severity, unsigned line)
{
	judge("sudo", text);
	const struct jd_finding *f = find(code);

	if (!f || f->severity != severity || f->line != line)
		fail_msg("%s: expected %s in line %u, found %s", text, code, line, f ? f->what : "nothing");
}

static void assert_sound(const char *service, const char *text)
{
	judge(service, text);
	if (report.count[JD_ERROR] || report.count[JD_WARNING])
		fail_msg("%s: %s", text, STAILQ_FIRST(&report.findings)->what);
}

static void sound_stacks_have_no_finding_above_a_note(void **state)
{
	(void)state;
	assert_sound("sudo", ACCOUNT SESSION);
	assert_sound("sudo", COMMON GATE);
	assert_sound("su", "auth sufficient pam_rootok.so\naccount sufficient pam_rootok.so\n" ACCOUNT SESSION);
	assert_sound("sshd", ACCOUNT "session required pam_loginuid.so\nsession optional pam_keyinit.so force revoke\n"
				     "session [success=ok ignore=ignore module_unknown=ignore default=bad] "
				     "pam_selinux.so open\n" SESSION);
	assert_sound("sudo", "account required pam_unix.so\naccount [success=ok new_authtok_reqd=ok ignore=ignore "
			     "default=die] pam_jit.so\n" SESSION);
	assert_sound("sudo", "account required pam_unix.so\n"); /* not gated at all */
}

static void a_missing_line_is_found(void **state)
{
	(void)state;
	assert_found("auth required pam_jit.so\naccount required pam_unix.so\n", "gate.auth_only", JD_ERROR, 1);
	assert_found(SESSION "account required pam_unix.so\n", "gate.no_account", JD_ERROR, 1);
	assert_found(ACCOUNT "session required pam_unix.so\n", "gate.no_session", JD_ERROR, 2);
}

static void a_control_that_fails_open_is_found(void **state)
{
	static const char *const controls[] = {
		"sufficient",
		"optional",
		"[default=ignore]",
		"[success=ok default=ignore]",
		"[success=ok authinfo_unavail=ignore default=die]",
		"[success=ok module_unknown=ignore ignore=ignore default=bad]",
		"[success=ok ignore=ignore perm_denied=1 default=bad]",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(controls); i++) {
		char text[512];

		snprintf(text, sizeof(text),
			 "account required pam_unix.so\naccount %s pam_jit.so\n"
			 "account required pam_permit.so\n"
			 "account required pam_permit.so\n" SESSION,
			 controls[i]);
		assert_found(text, "gate.fail_open", JD_ERROR, 2);
		assert_non_null(strstr(find("gate.fail_open")->what, "control"));
		snprintf(text, sizeof(text),
			 ACCOUNT "session required pam_unix.so\nsession %s pam_jit.so\n"
				 "session required pam_permit.so\nsession required pam_permit.so\n",
			 controls[i]);
		assert_found(text, "gate.fail_open", JD_ERROR, 4);
	}
}

static void a_later_line_that_takes_the_refusal_back_is_found(void **state)
{
	(void)state;
	assert_found("account required pam_jit.so\naccount [default=reset] pam_x.so\naccount required "
		     "pam_permit.so\n" SESSION,
		     "gate.fail_open", JD_ERROR, 1);
	/* `ok` keeps the refusal as what libpam returns. */
	assert_sound("sudo", "account [ignore=ignore default=ok] pam_jit.so\naccount required pam_permit.so\n" SESSION);
	/* A `sufficient` behind a refusal does not. */
	assert_sound("sudo", "account required pam_jit.so\naccount sufficient pam_localuser.so\n" SESSION);
}

static void a_way_past_the_line_is_found_with_who_leads_there(void **state)
{
	(void)state;
	assert_found("account sufficient pam_localuser.so\n" GATE, "gate.skipped", JD_ERROR, 1);
	assert_found("account [success=1 default=ignore] pam_succeed_if.so user = x\naccount required pam_jit.so\n"
		     "account required pam_unix.so\n" SESSION,
		     "gate.skipped", JD_ERROR, 1);
	assert_found(ACCOUNT "session sufficient pam_x.so\nsession required pam_jit.so\n", "gate.skipped", JD_ERROR, 3);
	/* pam_deny behind the jump: nobody comes through. */
	judge("sudo", "account [success=1 default=ignore] pam_succeed_if.so\naccount required pam_jit.so\n"
		      "account requisite pam_deny.so\n" SESSION);
	assert_null(find("gate.skipped"));
}

static void a_substack_keeps_its_ends_to_itself(void **state)
{
	struct jd_pam_stack *s;
	struct jd_ways ways;

	(void)state;
	assert_int_equal(jd_pam_read_text(ACCOUNT, strlen(ACCOUNT), &s), 0);
	s->lines[0].level = 1; /* as if it came from a substack */
	s->lines[0].actions[PAM_SUCCESS] = JD_DONE;
	assert_int_equal(jd_walk_ways(s, JD_ACCOUNT, PAM_PERM_DENIED, &ways), 0);
	assert_false(ways.past);
	s->lines[0].level = 0;
	assert_int_equal(jd_walk_ways(s, JD_ACCOUNT, PAM_PERM_DENIED, &ways), 0);
	assert_true(ways.past);
	assert_ptr_equal(ways.past_line, &s->lines[0]);
	jd_pam_free(s);
}

static void an_expired_password_is_a_note(void **state)
{
	(void)state;
	assert_found(COMMON GATE, "gate.expired", JD_NOTE, 4);
}

static void lockouts_are_found(void **state)
{
	(void)state;
	assert_found("account requisite pam_deny.so\n" GATE, "gate.never_opens", JD_ERROR, 2);
	assert_found("account [success=ok default=bad] pam_jit.so\n" SESSION, "gate.ignore_refused", JD_WARNING, 1);
	/* Alone in its phase, `ignore` leaves nothing that libpam could call a success. */
	assert_found(ACCOUNT "session required pam_jit.so\n", "gate.ignore_refused", JD_WARNING, 3);
	assert_found(ACCOUNT "session required pam_unix.so\nsession [success=ok ignore=ok default=bad] pam_jit.so\n",
		     "gate.ignore_refused", JD_WARNING, 4);
	assert_found("account required pam_jit.so rolle=admin\n" SESSION, "gate.args", JD_ERROR, 1);
	assert_found(ACCOUNT "session required pam_unix.so\nsession required pam_jit.so timeout=0\n", "gate.args",
		     JD_ERROR, 4);
	assert_found("account requird pam_jit.so\n" SESSION, "pam.broken", JD_ERROR, 1);
}

static void lines_that_disagree_are_found(void **state)
{
	(void)state;
	assert_found("account required pam_jit.so observe\n" SESSION, "gate.args_differ", JD_WARNING, 2);
	assert_found("account required pam_jit.so exempt_user=root\n" SESSION, "gate.args_differ", JD_WARNING, 2);
	assert_found(ACCOUNT "account required pam_jit.so\n" SESSION, "gate.twice", JD_WARNING, 2);
}

static void the_wrong_order_with_pam_keyinit_is_found(void **state)
{
	(void)state;
	assert_found(ACCOUNT SESSION "session optional pam_keyinit.so force revoke\n", "gate.keyinit_order", JD_WARNING,
		     3);
	/* Without `force` it leaves alone what our line has joined: Fedora's system-auth, behind sudo's first line. */
	assert_sound("sudo", ACCOUNT SESSION "session optional pam_keyinit.so revoke\n");
	judge("sshd", ACCOUNT SESSION);
	assert_non_null(find("gate.no_loginuid"));
}

static void a_session_line_that_can_hide_the_refusal_from_sudo_is_found(void **state)
{
	static const char *const harmless[] = {
		"session optional pam_keyinit.so revoke\n",
		"session required pam_permit.so\n",
		"session [session_err=ignore success=ok default=bad] pam_x.so\n",
		"session [default=1] pam_permit.so\nsession requisite pam_deny.so\n",
		/* What only looked good becomes a refusal by ours. */
		"session [session_err=ok default=ignore] pam_x.so\n",
	};
	static const char *const hiding[] = {
		"session required pam_unix.so\n",
		"session requisite pam_unix.so\n",
		"session required pam_deny.so\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		char text[512];

		snprintf(text, sizeof(text), "%s%s%s", ACCOUNT, harmless[i], SESSION);
		judge("sudo", text);
		assert_null(find("gate.session_late"));
	}
	for (size_t i = 0; i < sizeof(hiding) / sizeof(hiding[0]); i++) {
		char text[512];

		snprintf(text, sizeof(text), "%s%s%s", ACCOUNT, hiding[i], SESSION);
		assert_found(text, "gate.session_late", JD_WARNING, 4);
		assert_non_null(strstr(find("gate.session_late")->what, ":3)"));
		judge("sudo-i", text);
		assert_non_null(find("gate.session_late"));
		judge("su", text);
		assert_null(find("gate.session_late"));
	}
}

static void exemptions_and_observe_are_notes(void **state)
{
	(void)state;
	judge("sudo", "account required pam_unix.so\naccount required pam_jit.so observe exempt_user=root\n"
		      "session required pam_jit.so observe exempt_user=root\nsession required pam_unix.so\n");
	assert_int_equal(report.count[JD_WARNING] + report.count[JD_ERROR], 0);
	assert_non_null(find("gate.observe"));
	assert_non_null(strstr(find("gate.exempt")->what, "root"));
}

static void sudoers_judge(const char *json, bool gated, struct jd_sudo *ret)
{
	struct json_object *document = json_tokener_parse(json);

	jd_report_free(&report);
	assert_int_equal(jd_report_start(&report, NULL), 0);
	assert_non_null(document);
	*ret = (struct jd_sudo){0};
	jd_sudo_judge(&report, gated, document, ret);
	json_object_put(document);
}

static void sudoers_that_switch_the_gate_off_are_found(void **state)
{
	struct jd_sudo sudo;

	(void)state;
	sudoers_judge("{\"Defaults\":[{\"Options\":[{\"pam_acct_mgmt\":false},{\"pam_session\":false}]}]}", true,
		      &sudo);
	assert_true(sudo.no_account && sudo.no_session);
	assert_int_equal(find("sudo.no_account")->severity, JD_ERROR);
	assert_int_equal(find("sudo.no_session")->severity, JD_ERROR);
	sudoers_judge("{\"Defaults\":[{\"Binding\":[{\"username\":\"op1\"}],\"Options\":[{\"pam_session\":false}]}]}",
		      true, &sudo);
	assert_false(sudo.no_session);
	assert_non_null(strstr(find("sudo.no_session")->what, "for user op1"));
	sudoers_judge("{\"Defaults\":[{\"Options\":[{\"pam_session\":true},{\"pam_acct_mgmt\":true}]}]}", true, &sudo);
	assert_int_equal(report.count[JD_ERROR], 0);
	sudoers_judge("{\"Defaults\":[{\"Options\":[{\"pam_session\":false}]}]}", false, &sudo);
	assert_int_equal(find("sudo.no_session")->severity, JD_NOTE);
	sudoers_judge("{\"User_Specs\":[{\"Cmnd_Specs\":[{\"Options\":[{\"authenticate\":false}]}]}]}", true, &sudo);
	assert_true(sudo.no_password);
}

static void sudoers_of_other_shapes_harm_nobody(void **state)
{
	static const char *const odd[] = {"[]", "{\"Defaults\":7}", "{\"Defaults\":[7,null,{\"Options\":[7]}]}",
					  "{\"Defaults\":[{\"Binding\":[7],\"Options\":[{\"pam_session\":false}]}]}",
					  "{\"User_Specs\":[7,{\"Cmnd_Specs\":[7,{\"Options\":[7]}]}]}"};
	struct jd_sudo sudo;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(odd); i++)
		sudoers_judge(odd[i], true, &sudo);
}

static void ssh_judge(const char *settings, const char *version)
{
	static const char text[] = "account required pam_jit.so timeout=60\nsession required pam_loginuid.so\n"
				   "session required pam_jit.so timeout=60\n";
	struct jd_ssh ssh = {.methods = "any"};
	struct jd_pam_stack *stack;
	struct jd_service *s;

	jd_report_free(&report);
	assert_int_equal(jd_report_start(&report, NULL), 0);
	assert_int_equal(jd_pam_read_text(text, strlen(text), &stack), 0);
	assert_int_equal(jd_service_new("sshd", stack, &s), 0);
	jd_ssh_parse(settings, &ssh);
	jd_ssh_version(version, &ssh);
	jd_ssh_judge(&report, s, 300, &ssh);
	jd_service_free(s);
}

#define ASKS "usepam yes\nkbdinteractiveauthentication yes\nauthenticationmethods any\n"

static void sshd_settings_are_judged(void **state)
{
	(void)state;
	ssh_judge(ASKS "logingracetime 120\n", "OpenSSH_10.3p1");
	assert_true(STAILQ_EMPTY(&report.findings));
	ssh_judge(ASKS "logingracetime 0\n", "OpenSSH_10.4p1, LibreSSL");
	assert_true(STAILQ_EMPTY(&report.findings));
	ssh_judge(ASKS "logingracetime 60\n", "OpenSSH_10.3p1");
	assert_int_equal(find("sshd.grace")->severity, JD_WARNING);
	ssh_judge("usepam no\n", "");
	assert_int_equal(find("sshd.no_pam")->severity, JD_ERROR);
	ssh_judge(ASKS "logingracetime 120\n", "OpenSSH_9.2p1 Debian-2");
	assert_int_equal(find("sshd.prompt_first")->severity, JD_NOTE);
	ssh_judge(ASKS "logingracetime 120\nauthenticationmethods publickey\n", "OpenSSH_10.3p1");
	assert_int_equal(find("sshd.silent")->severity, JD_NOTE);
}

static void probe_judge(const char *json)
{
	struct jd_probe probe;

	jd_report_free(&report);
	assert_int_equal(jd_report_start(&report, NULL), 0);
	jd_probe_judge(&report, true, json_tokener_parse(json), &probe);
	jd_probe_clear(&probe);
}

#define BROKER(more) "{\"brokers\":[{\"url\":\"https://b\",\"fault\":\"\",\"status\":200," more "}]}"

static void the_clock_warns_past_30_s_and_fails_past_300_s(void **state)
{
	(void)state;
	probe_judge(BROKER("\"skewSeconds\":30"));
	assert_null(find("broker.clock"));
	probe_judge(BROKER("\"skewSeconds\":-31"));
	assert_int_equal(find("broker.clock")->severity, JD_WARNING);
	assert_non_null(strstr(find("broker.clock")->what, "behind"));
	probe_judge(BROKER("\"skewSeconds\":300"));
	assert_int_equal(find("broker.clock")->severity, JD_WARNING);
	probe_judge(BROKER("\"skewSeconds\":301"));
	assert_int_equal(find("broker.clock")->severity, JD_ERROR);
}

#define CERTIFICATE(more) "{\"certificate\":{\"file\":\"/etc/pam-jit/host.crt\"," more "}}"

static void a_client_certificate_is_told_of_in_the_last_14_days(void **state)
{
	(void)state;
	probe_judge("{}");
	assert_null(find("helper.certificate"));
	probe_judge(CERTIFICATE("\"usable\":true,\"goodFor\":1209600"));
	assert_null(find("helper.certificate_end"));
	probe_judge(CERTIFICATE("\"usable\":true,\"goodFor\":1209599"));
	assert_int_equal(find("helper.certificate_end")->severity, JD_WARNING);
	assert_non_null(strstr(find("helper.certificate_end")->what, "within 14 days"));
	probe_judge(CERTIFICATE("\"usable\":true,\"goodFor\":0"));
	assert_int_equal(find("helper.certificate_end")->severity, JD_ERROR);
	probe_judge(CERTIFICATE("\"usable\":false,\"why\":\"no key\",\"goodFor\":0"));
	assert_int_equal(find("helper.certificate")->severity, JD_ERROR);
	assert_non_null(strstr(find("helper.certificate")->what, "no key"));
	assert_null(find("helper.certificate_end"));
}

static void one_broker_of_two_that_is_down_is_a_warning(void **state)
{
	(void)state;
	probe_judge("{\"brokers\":[{\"url\":\"https://a\",\"fault\":\"connect\",\"why\":\"refused\"},"
		    "{\"url\":\"https://b\",\"fault\":\"\",\"status\":200}]}");
	assert_int_equal(find("broker.down")->severity, JD_WARNING);
	probe_judge("{\"brokers\":[{\"url\":\"https://a\",\"fault\":\"connect\",\"why\":\"refused\"}]}");
	assert_int_equal(find("broker.down")->severity, JD_ERROR);
}

static void configuration_errors_keep_their_lines(void **state)
{
	(void)state;
	probe_judge("{\"config\":\"/etc/x.conf\",\"errors\":[\"/etc/x.conf:7: nonsense\"]}");
	assert_string_equal(find("helper.conf")->file, "/etc/x.conf");
	assert_int_equal(find("helper.conf")->line, 7);
}

static void what_is_told_cannot_steer_the_terminal(void **state)
{
	(void)state;
	probe_judge("{\"brokers\":[{\"url\":\"https://\\u001b[2Jb\",\"fault\":\"connect\",\"why\":\"\\u0007\\n\"}]}");
	assert_null(strpbrk(find("broker.down")->what, "\x1b\x07\n"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(sound_stacks_have_no_finding_above_a_note),
		TEST(a_missing_line_is_found),
		TEST(a_control_that_fails_open_is_found),
		TEST(a_later_line_that_takes_the_refusal_back_is_found),
		TEST(a_way_past_the_line_is_found_with_who_leads_there),
		TEST(a_substack_keeps_its_ends_to_itself),
		TEST(an_expired_password_is_a_note),
		TEST(lockouts_are_found),
		TEST(lines_that_disagree_are_found),
		TEST(the_wrong_order_with_pam_keyinit_is_found),
		TEST(a_session_line_that_can_hide_the_refusal_from_sudo_is_found),
		TEST(exemptions_and_observe_are_notes),
		TEST(sudoers_that_switch_the_gate_off_are_found),
		TEST(sudoers_of_other_shapes_harm_nobody),
		TEST(sshd_settings_are_judged),
		TEST(the_clock_warns_past_30_s_and_fails_past_300_s),
		TEST(a_client_certificate_is_told_of_in_the_last_14_days),
		TEST(one_broker_of_two_that_is_down_is_a_warning),
		TEST(configuration_errors_keep_their_lines),
		TEST(what_is_told_cannot_steer_the_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
