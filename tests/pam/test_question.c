/* Who asks, to become whom: what the module tells the helper, and whom it does not ask about at all. */
#include "peer.h"

#include "clock.h"

#include <grp.h>

/* --- the question of each application, in account --- */

static void sudo_question(int fd)
{
	struct jit_frame f;
	char cwd[PATH_MAX];

	peer_recv(fd, &f, JIT_F_ELEVATE);
	EXPECT(peer_text_is(&f, JIT_T_SERVICE, "sudo"));
	EXPECT(peer_text_is(&f, JIT_T_APP, "sudo"));
	EXPECT(peer_text_is(&f, JIT_T_REQUESTER, lab.user));
	EXPECT(peer_number(&f, JIT_T_UID) == getuid());
	EXPECT(peer_text_is(&f, JIT_T_TARGET, NULL)); /* in account sudo's PAM_USER is the invoker still */
	EXPECT(peer_text_is(&f, JIT_T_TTY, "/dev/pts/7"));
	EXPECT(peer_text_is(&f, JIT_T_RHOST, NULL));
	EXPECT(peer_text_is(&f, JIT_T_COMMAND, "/usr/bin/id -u ?[2J"));
	EXPECT(getcwd(cwd, sizeof(cwd)) && peer_text_is(&f, JIT_T_CWD, cwd));
	EXPECT(peer_text_is(&f, JIT_T_ROLE, "admin"));
	EXPECT(peer_text_is(&f, JIT_T_REASON, "INC-4711 ?rm"));
	EXPECT(peer_text_is(&f, JIT_T_TICKET, "T-1"));
	EXPECT(peer_number(&f, JIT_T_CAN_ASK) == 1);
	EXPECT(peer_number(&f, JIT_T_LIVE) == 1);
	EXPECT(peer_number(&f, JIT_T_GLASS) == 1);
	EXPECT(peer_number(&f, JIT_T_WAIT) == 90);
	peer_verdict(fd, JIT_ALLOW, NULL, NULL);
	peer_recv(fd, &f, JIT_F_TAKEN);
}

static void set_variables(void)
{
	setenv("SUDO_COMMAND", "/usr/bin/id -u \033[2J", 1);
	setenv("JIT_REASON", "INC-4711 \rrm", 1);
	setenv("JIT_TICKET", "T-1", 1);
	setenv("JIT_ROLE", "reader", 1);
	setenv("JIT_BREAK_GLASS", "yes", 1);
}

static int unset_variables(void **state)
{
	(void)state;
	unsetenv("SUDO_COMMAND");
	unsetenv("JIT_REASON");
	unsetenv("JIT_TICKET");
	unsetenv("JIT_ROLE");
	unsetenv("JIT_BREAK_GLASS");
	return 0;
}

static void sudo_tells_the_invoker_the_command_and_the_reason_but_no_target(void **state)
{
	struct host h;
	struct peer p;

	(void)state;
	set_variables();
	peer_start(&p, sudo_question, "role=admin timeout=90s");
	host_start(&h, "sudo", p.arguments);
	pam_set_item(h.pamh, PAM_TTY, "/dev/pts/7");
	assert_int_equal(pam_acct_mgmt(h.pamh, PAM_SILENT), PAM_SUCCESS);
	host_end(&h);
	peer_finish(&p);
}

static void su_question(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	EXPECT(peer_text_is(&f, JIT_T_APP, "su"));
	EXPECT(peer_text_is(&f, JIT_T_REQUESTER, lab.user));
	EXPECT(peer_text_is(&f, JIT_T_TARGET, "root"));
	EXPECT(peer_text_is(&f, JIT_T_COMMAND, NULL)); /* SUDO_COMMAND is believed from sudo alone */
	EXPECT(peer_text_is(&f, JIT_T_REASON, "INC-4711 ?rm"));
	EXPECT(peer_text_is(&f, JIT_T_ROLE, "reader"));
	peer_verdict(fd, JIT_ALLOW, NULL, NULL);
	peer_recv(fd, &f, JIT_F_TAKEN);
}

static void su_tells_the_invoker_and_the_target(void **state)
{
	static const char *const rusers[] = {NULL, lab.user};

	(void)state;
	set_variables();
	for (size_t i = 0; i < COUNT_OF(rusers); i++) {
		struct host h;
		struct peer p;

		peer_start(&p, su_question, "");
		host_start(&h, "su", p.arguments);
		pam_set_item(h.pamh, PAM_USER, "root");
		pam_set_item(h.pamh, PAM_RUSER, rusers[i]);
		assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_SUCCESS);
		host_end(&h);
		peer_finish(&p);
	}
}

static void login_question(int fd)
{
	uint32_t glass;
	char app[16];
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	EXPECT(peer_text_is(&f, JIT_T_REQUESTER, "daemon"));
	EXPECT(peer_number(&f, JIT_T_UID) == 1);
	EXPECT(peer_text_is(&f, JIT_T_TARGET, "daemon"));
	EXPECT(peer_text_is(&f, JIT_T_RHOST, "192.0.2.7"));
	/* What the environment holds there is of whoever started the daemon. */
	EXPECT(peer_text_is(&f, JIT_T_COMMAND, NULL));
	EXPECT(peer_text_is(&f, JIT_T_CWD, NULL));
	EXPECT(peer_text_is(&f, JIT_T_REASON, NULL));
	EXPECT(peer_text_is(&f, JIT_T_TICKET, NULL));
	EXPECT(peer_text_is(&f, JIT_T_ROLE, NULL));
	EXPECT(jit_frame_get_u32(&f, JIT_T_GLASS, &glass) == -ENOENT);
	EXPECT(jit_frame_get_str(&f, JIT_T_APP, app, sizeof(app)) == 0);
	EXPECT(peer_number(&f, JIT_T_LIVE) == (strcmp(app, "login") == 0 ? 1 : 0)); /* this is no sshd */
	peer_verdict(fd, JIT_ALLOW, NULL, NULL);
	peer_recv(fd, &f, JIT_F_TAKEN);
}

static void sshd_and_login_tell_who_logs_in_and_nothing_of_the_environment(void **state)
{
	static const char *const services[] = {"sshd", "login"};

	(void)state;
	set_variables();
	for (size_t i = 0; i < COUNT_OF(services); i++) {
		struct host h;
		struct peer p;

		peer_start(&p, login_question, "");
		host_start(&h, services[i], p.arguments);
		pam_set_item(h.pamh, PAM_USER, "daemon");
		pam_set_item(h.pamh, PAM_RHOST, "192.0.2.7");
		assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_SUCCESS);
		host_end(&h);
		peer_finish(&p);
	}
}

static void daemon_question(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	EXPECT(peer_text_is(&f, JIT_T_APP, "login"));
	EXPECT(peer_text_is(&f, JIT_T_REQUESTER, "daemon"));
	peer_verdict(fd, JIT_ALLOW, NULL, NULL);
	peer_recv(fd, &f, JIT_F_TAKEN);
}

/* Or all whom it logs in would be in one login session: its own. */
static void a_daemon_of_any_name_is_told_as_a_login(void **state)
{
	struct host h;
	struct peer p;

	(void)state;
	if (!lab.is_root)
		skip();
	assert_int_equal(setresuid(0, 0, 0), 0);
	peer_start(&p, daemon_question, "");
	host_start(&h, "cron", p.arguments);
	pam_set_item(h.pamh, PAM_USER, "daemon");
	assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_SUCCESS);
	host_end(&h);
	peer_finish(&p);
	assert_int_equal(setresuid(NOBODY, 0, 0), 0);
}

static void other_question(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	EXPECT(peer_text_is(&f, JIT_T_APP, "other"));
	EXPECT(peer_text_is(&f, JIT_T_REQUESTER, lab.user)); /* by the real uid, whatever PAM_USER is */
	EXPECT(peer_text_is(&f, JIT_T_TARGET, "root"));
	peer_verdict(fd, JIT_ALLOW, NULL, NULL);
	peer_recv(fd, &f, JIT_F_TAKEN);
}

static void any_other_program_that_a_person_started_is_judged_by_the_real_uid(void **state)
{
	struct host h;
	struct peer p;

	(void)state;
	peer_start(&p, other_question, "");
	host_start(&h, "cron", p.arguments);
	pam_set_item(h.pamh, PAM_USER, "root");
	pam_set_item(h.pamh, PAM_RUSER, NULL);
	assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_SUCCESS);
	host_end(&h);
	peer_finish(&p);
}

static void role_question(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_OPEN);
	EXPECT(peer_text_is(&f, JIT_T_ROLE, "reader"));
	peer_verdict(fd, JIT_DENIED, NULL, NULL);
}

static void the_environments_role_is_told_in_open_session_too(void **state)
{
	struct host h;
	struct peer p;

	(void)state;
	set_variables();
	peer_start(&p, role_question, "");
	host_start(&h, "sudo", p.arguments);
	assert_int_equal(pam_open_session(h.pamh, 0), PAM_PERM_DENIED);
	host_end(&h);
	peer_finish(&p);
}

static void plain_question(int fd)
{
	uint32_t glass;
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	EXPECT(peer_text_is(&f, JIT_T_ROLE, NULL));
	EXPECT(jit_frame_get_u32(&f, JIT_T_GLASS, &glass) == -ENOENT);
	peer_verdict(fd, JIT_ALLOW, NULL, NULL);
	peer_recv(fd, &f, JIT_F_TAKEN);
}

static void no_other_word_than_yes_breaks_glass_and_an_empty_role_is_none(void **state)
{
	static const char *const words[] = {"", "1", "YES", "yes please", "no"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		struct host h;
		struct peer p;

		setenv("JIT_BREAK_GLASS", words[i], 1);
		setenv("JIT_ROLE", "", 1);
		peer_start(&p, plain_question, "");
		host_start(&h, "sudo", p.arguments);
		assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_SUCCESS);
		host_end(&h);
		peer_finish(&p);
	}
}

static void polkit_question(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	EXPECT(peer_text_is(&f, JIT_T_SERVICE, "polkit-1"));
	EXPECT(peer_text_is(&f, JIT_T_APP, "polkit"));
	EXPECT(peer_text_is(&f, JIT_T_REQUESTER, lab.user));
	EXPECT(peer_text_is(&f, JIT_T_TARGET, "root"));
	EXPECT(peer_text_is(&f, JIT_T_ROLE, NULL)); /* its environment is not the person's */
	peer_ask(fd, "Reason: ", 1);
	peer_recv(fd, &f, JIT_F_REPLY);
	peer_verdict(fd, JIT_ALLOW, NULL, NULL);
	peer_recv(fd, &f, JIT_F_TAKEN);
}

static void polkits_helper_run_by_the_person_asks_for_root_whoever_proves_themselves(void **state)
{
	const char *const proved_by[] = {"root", lab.user, "daemon"};

	(void)state;
	set_variables();
	for (size_t i = 0; i < COUNT_OF(proved_by); i++) {
		struct host h;
		struct peer p;

		peer_start(&p, polkit_question, "");
		host_start(&h, "polkit-1", p.arguments);
		pam_set_item(h.pamh, PAM_USER, proved_by[i]);
		pam_set_item(h.pamh, PAM_RUSER, proved_by[i]); /* as polkit-agent-helper-1 has it */
		assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_SUCCESS);
		host_end(&h);
		peer_finish(&p);
	}
}

static void polkits_helper_run_as_root_tells_nobody_and_is_refused_unless_exempt(void **state)
{
	struct host h;

	(void)state;
	if (!lab.is_root)
		skip();
	assert_int_equal(setresuid(0, 0, 0), 0);
	host_start(&h, "polkit-1", "socket=/nonexistent/pam.sock");
	assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_SYSTEM_ERR);
	assert_refused(&h, "polkit runs its helper as root");
	host_end(&h);
	host_start(&h, "polkit-1", "exempt_service=polkit-1 socket=/nonexistent/pam.sock");
	assert_int_equal(pam_acct_mgmt(h.pamh, 0), IGNORED);
	assert_string_equal(h.shown, "");
	host_end(&h);
	assert_int_equal(setresuid(NOBODY, 0, 0), 0);
}

/* --- refused before anybody is asked: the socket leads nowhere, and the sentence must not be about it --- */

static void a_requester_whom_the_kernel_does_not_confirm_is_refused(void **state)
{
	static const struct {
		const char *service, *ruser, *says;
	} rows[] = {
		{"sudo", "daemon", "the kernel says"},	     {"su", "daemon", "the kernel says"},
		{"cron", "daemon", "the kernel says"},	     {"sudo", NULL, "does not tell PAM who asks"},
		{"sudo", "no-such-user", "cannot be found"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct host h;

		host_start(&h, rows[i].service, "socket=/nonexistent/pam.sock");
		pam_set_item(h.pamh, PAM_RUSER, rows[i].ruser);
		assert_int_equal(pam_acct_mgmt(h.pamh, 0),
				 strcmp(rows[i].service, "sudo") == 0 ? PAM_SERVICE_ERR : PAM_SYSTEM_ERR);
		assert_refused(&h, rows[i].says);
		host_end(&h);
	}
}

static void assert_spared(struct host *h, const char *logged)
{
	assert_int_equal(pam_acct_mgmt(h->pamh, 0), IGNORED);
	assert_string_equal(h->shown, "");
	assert_says(lab.log, logged);
	assert_int_equal(count_lines(lab.log), 1);
}

static void a_role_that_is_no_name_is_refused_but_where_the_line_has_its_own(void **state)
{
	static const char *const roles[] = {"two words", "a\nb", "a\033[2J", "\xff"};
	char longer[JIT_NAME_SIZE + 1];
	struct host h;

	(void)state;
	memset(longer, 'r', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	for (size_t i = 0; i <= COUNT_OF(roles); i++) {
		setenv("JIT_ROLE", i < COUNT_OF(roles) ? roles[i] : longer, 1);
		host_start(&h, "sudo", "socket=/nonexistent/pam.sock");
		assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_SERVICE_ERR);
		assert_refused(&h, "JIT_ROLE is no name of a role");
		host_end(&h);
	}
	host_start(&h, "sudo", "role=admin socket=/nonexistent/pam.sock");
	assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_AUTHINFO_UNAVAIL);
	host_end(&h);
	host_start(&h, "sshd", "socket=/nonexistent/pam.sock");
	assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_AUTHINFO_UNAVAIL);
	host_end(&h);
	/* Who is spared asks for no role: a slip in the environment must not shut break-glass out. */
	char spared[300];
	snprintf(spared, sizeof(spared), "exempt_user=%s", lab.user);
	host_start(&h, "sudo", spared);
	assert_spared(&h, "exempt as user");
	host_end(&h);
}

static void a_broken_line_refuses_in_account_and_open_even_where_it_says_observe(void **state)
{
	struct host h;

	(void)state;
	host_start(&h, "sudo", "observe exempt_user=root tiemout=5");
	assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_SERVICE_ERR);
	assert_refused(&h, "\"tiemout=5\"");
	lab.log[0] = '\0';
	h.shown[0] = '\0';
	h.lines = 0;
	assert_int_equal(pam_open_session(h.pamh, 0), PAM_SERVICE_ERR);
	assert_refused(&h, "\"tiemout=5\"");
	host_end(&h);
}

/* --- not asked about at all --- */

static void observed(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	EXPECT(peer_number(&f, JIT_T_OBSERVE) == 1);
	EXPECT(peer_number(&f, JIT_T_WAIT) == 1);
	peer_verdict(fd, JIT_IGNORE, "would be allowed by grant " GRANT, NULL);
	peer_expect_end(fd);
}

static void observe_logs_what_the_helper_says_would_happen(void **state)
{
	struct host h;
	struct peer p;

	(void)state;
	set_variables();
	peer_start(&p, observed, "observe");
	host_start(&h, "sudo", p.arguments);
	assert_spared(&h, "observing: would be allowed by grant " GRANT);
	assert_says(lab.log, "/usr/bin/id -u ?[2J");
	/* Nothing begins in open_session, where account has told it all: no helper listens any more. */
	assert_int_equal(pam_open_session(h.pamh, 0), IGNORED);
	assert_int_equal(pam_close_session(h.pamh, 0), IGNORED);
	assert_string_equal(h.shown, "");
	host_end(&h);
	peer_finish(&p);
}

static void observe_with_chatter(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	peer_say(fd, "look here", 0);
	peer_expect_end(fd);
}

static void observe_with_a_question(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	peer_ask(fd, "Reason: ", 1);
	peer_expect_end(fd);
}

static void observe_in_silence(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	peer_expect_end(fd);
}

static void observe_never_shows_asks_or_blocks_whatever_the_helper_does(void **state)
{
	static const struct {
		peer_script script;
		const char *logged;
	} rows[] = {
		{observe_with_chatter, "would be refused: this module and jit-helper do not understand"},
		{observe_with_a_question, "would be refused: this module and jit-helper do not understand"},
		{observe_in_silence, "would be refused: jit-helper has not answered in time"},
	};
	struct host h;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int64_t began = jit_boottime_ms();
		struct peer p;

		peer_start(&p, rows[i].script, "observe");
		host_start(&h, "sudo", p.arguments);
		assert_spared(&h, rows[i].logged);
		assert_within(began, 1000);
		host_end(&h);
		peer_finish(&p);
	}
	host_start(&h, "sudo", "observe socket=/nonexistent/pam.sock");
	assert_spared(&h, "would be refused: jit-helper is not running");
	host_end(&h);

	host_start(&h, "sudo", "observe");
	pam_set_item(h.pamh, PAM_RUSER, "no-such-user");
	assert_spared(&h, "would refuse");
	host_end(&h);
}

static void an_exempt_service_passes_whoever_asks_and_the_log_says_so(void **state)
{
	struct host h;

	(void)state;
	host_start(&h, "cron", "exempt_service=atd,cron socket=/nonexistent/pam.sock");
	pam_set_item(h.pamh, PAM_RUSER, "no-such-user");
	assert_spared(&h, "service cron passes: exempt");
	assert_int_equal(pam_open_session(h.pamh, 0), IGNORED);
	host_end(&h);

	host_start(&h, "cron", "exempt_service=cro,cronie,xcron socket=/nonexistent/pam.sock");
	assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_AUTHINFO_UNAVAIL);
	host_end(&h);
}

static void an_exempt_user_passes_and_the_log_says_so(void **state)
{
	char arguments[512];
	struct host h;

	(void)state;
	snprintf(arguments, sizeof(arguments), "exempt_user=backup,%s socket=/nonexistent/pam.sock", lab.user);
	host_start(&h, "sudo", arguments);
	assert_spared(&h, "exempt as user");
	assert_int_equal(pam_open_session(h.pamh, 0), IGNORED);
	host_end(&h);
}

static void an_exempt_groups_member_passes_and_the_log_says_so(void **state)
{
	char arguments[512];
	struct host h;

	(void)state;
	const struct passwd *pw = getpwuid(getuid());
	const struct group *gr = getgrgid(pw->pw_gid);
	snprintf(arguments, sizeof(arguments), "exempt_group=no-such-group,%s socket=/nonexistent/pam.sock",
		 gr->gr_name);
	host_start(&h, "sudo", arguments);
	assert_spared(&h, "exempt as group");
	host_end(&h);
}

static void nobody_else_is_exempt(void **state)
{
	static const char *const lines[] = {"exempt_user=root,nobodyy", "exempt_user=nobod",
					    "exempt_group=no-such-group", "exempt_group=daemon,bin"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		char arguments[512];
		struct host h;

		snprintf(arguments, sizeof(arguments), "%s socket=/nonexistent/pam.sock", lines[i]);
		host_start(&h, "sudo", arguments);
		assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_AUTHINFO_UNAVAIL);
		host_end(&h);
	}
}

static void sudo_that_lists_or_validates_asks_nobody_in_account_but_opens_nothing(void **state)
{
	static const char *const words[] = {"list", "validate"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		struct host h;

		setenv("SUDO_COMMAND", words[i], 1);
		host_start(&h, "sudo", "socket=/nonexistent/pam.sock");
		assert_int_equal(pam_acct_mgmt(h.pamh, PAM_SILENT), IGNORED);
		assert_string_equal(h.shown, "");
		assert_int_equal(pam_open_session(h.pamh, 0), PAM_SERVICE_ERR);
		assert_says(h.shown, "jit-helper is not running");
		host_end(&h);
		/* In su the variable is the person's own. */
		host_start(&h, "su", "socket=/nonexistent/pam.sock");
		assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_AUTHINFO_UNAVAIL);
		host_end(&h);
	}
}

static void root_passes_in_sudo_and_su_and_nowhere_else(void **state)
{
	static const char *const services[] = {"sudo", "su", "sshd", "login", "cron"};

	(void)state;
	if (!lab.is_root)
		skip();
	assert_int_equal(setresuid(0, 0, 0), 0);
	for (size_t i = 0; i < COUNT_OF(services); i++) {
		bool passes = i < 2;
		struct host h;

		host_start(&h, services[i], "socket=/nonexistent/pam.sock");
		pam_set_item(h.pamh, PAM_RUSER, "root");
		pam_set_item(h.pamh, PAM_USER, "root");
		assert_int_equal(pam_acct_mgmt(h.pamh, 0), passes ? IGNORED : PAM_AUTHINFO_UNAVAIL);
		if (passes)
			assert_says(lab.log, "root passes: real uid 0");
		assert_int_equal(pam_open_session(h.pamh, 0), passes				 ? IGNORED
							      : strcmp(services[i], "sudo") == 0 ? PAM_SERVICE_ERR
												 : PAM_SYSTEM_ERR);
		host_end(&h);
	}
	assert_int_equal(setresuid(NOBODY, 0, 0), 0);
}

static void auth_setcred_and_chauthtok_never_judge(void **state)
{
	struct host h;

	(void)state;
	host_start(&h, "sudo", "nonsense socket=/nonexistent/pam.sock");
	assert_int_equal(pam_authenticate(h.pamh, 0), IGNORED);
	assert_int_equal(pam_setcred(h.pamh, PAM_ESTABLISH_CRED), IGNORED);
	assert_int_equal(pam_chauthtok(h.pamh, 0), IGNORED);
	assert_string_equal(h.shown, "");
	assert_string_equal(lab.log, "");
	host_end(&h);
}

#define TEST(name) cmocka_unit_test_teardown(name, unset_variables)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sudo_tells_the_invoker_the_command_and_the_reason_but_no_target),
		TEST(su_tells_the_invoker_and_the_target),
		TEST(sshd_and_login_tell_who_logs_in_and_nothing_of_the_environment),
		TEST(a_daemon_of_any_name_is_told_as_a_login),
		TEST(any_other_program_that_a_person_started_is_judged_by_the_real_uid),
		TEST(the_environments_role_is_told_in_open_session_too),
		TEST(no_other_word_than_yes_breaks_glass_and_an_empty_role_is_none),
		TEST(polkits_helper_run_by_the_person_asks_for_root_whoever_proves_themselves),
		TEST(polkits_helper_run_as_root_tells_nobody_and_is_refused_unless_exempt),
		TEST(a_role_that_is_no_name_is_refused_but_where_the_line_has_its_own),
		TEST(a_requester_whom_the_kernel_does_not_confirm_is_refused),
		TEST(a_broken_line_refuses_in_account_and_open_even_where_it_says_observe),
		TEST(observe_logs_what_the_helper_says_would_happen),
		TEST(observe_never_shows_asks_or_blocks_whatever_the_helper_does),
		TEST(an_exempt_service_passes_whoever_asks_and_the_log_says_so),
		TEST(an_exempt_user_passes_and_the_log_says_so),
		TEST(an_exempt_groups_member_passes_and_the_log_says_so),
		TEST(nobody_else_is_exempt),
		TEST(sudo_that_lists_or_validates_asks_nobody_in_account_but_opens_nothing),
		TEST(root_passes_in_sudo_and_su_and_nowhere_else),
		TEST(auth_setcred_and_chauthtok_never_judge),
	};

	return cmocka_run_group_tests(tests, lab_set_up, lab_tear_down);
}
