/* account: every verdict has its code and its words, and whatever the helper does, nobody gets in without one. */
#include "peer.h"

#include <time.h>

#include "clock.h"

/* Runs account of `service` against a script; the caller ends both. */
static int account(struct host *h, struct peer *p, const char *service, peer_script script, const char *more)
{
	peer_start(p, script, more);
	host_start(h, service, p->arguments);
	return pam_acct_mgmt(h->pamh, PAM_SILENT);
}

static void end(struct host *h, const struct peer *p)
{
	host_end(h);
	peer_finish(p);
}

/* --- verdicts --- */

static void allow(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	peer_verdict(fd, JIT_ALLOW, NULL, GRANT);
	peer_recv(fd, &f, JIT_F_TAKEN);
	peer_expect_end(fd);
}

static void a_live_grant_lets_in_and_says_nothing(void **state)
{
	struct host h;
	struct peer p;

	(void)state;
	assert_int_equal(account(&h, &p, "sudo", allow, ""), PAM_SUCCESS);
	assert_string_equal(h.shown, "");
	assert_string_equal(pam_getenv(h.pamh, "JIT_GRANT"), GRANT);
	assert_int_equal(count_lines(lab.log), 1);
	assert_says(lab.log, "allowed");
	end(&h, &p);
}

static void ignore(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	peer_verdict(fd, JIT_IGNORE, NULL, NULL);
	peer_expect_end(fd);
}

static void a_service_that_is_not_gated_is_left_to_the_rest_of_the_stack(void **state)
{
	struct host h;
	struct peer p;

	(void)state;
	assert_int_equal(account(&h, &p, "sudo", ignore, ""), IGNORED);
	assert_string_equal(h.shown, "");
	end(&h, &p);
}

static uint32_t refusal;
static const char *refusal_text;

static void refuse(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	peer_verdict(fd, refusal, refusal_text, NULL);
	peer_expect_end(fd);
}

static void every_refusal_has_its_code_and_one_line(void **state)
{
	static const struct {
		uint32_t outcome;
		int code;
		const char *text, *shown;
	} rows[] = {
		{JIT_DENIED, PAM_PERM_DENIED, "appr1 said no: not today", "appr1 said no: not today"},
		{JIT_DENIED, PAM_PERM_DENIED, NULL, "the request was denied"},
		{JIT_TIMED_OUT, PAM_PERM_DENIED, NULL, "nobody decided in time"},
		{JIT_CANCELLED, PAM_PERM_DENIED, NULL, "cancelled"},
		{JIT_UNAVAILABLE, PAM_AUTHINFO_UNAVAIL, "the broker is down", "the broker is down"},
		{JIT_UNAVAILABLE, PAM_AUTHINFO_UNAVAIL, NULL, "no decision could be had"},
		{JIT_INVALID, PAM_SERVICE_ERR, NULL, "do not understand each other"},
		{JIT_LATER, PAM_PERM_DENIED, NULL, "come back"},
		{8, PAM_SERVICE_ERR, "an outcome of tomorrow", "do not understand each other"},
		{UINT32_MAX, PAM_SERVICE_ERR, NULL, "do not understand each other"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct host h;
		struct peer p;

		refusal = rows[i].outcome;
		refusal_text = rows[i].text;
		assert_int_equal(account(&h, &p, "sudo", refuse, ""), rows[i].code);
		assert_refused(&h, rows[i].shown);
		assert_null(pam_getenv(h.pamh, "JIT_GRANT"));
		end(&h, &p);
	}
}

static void what_the_helper_sends_cannot_steer_the_terminal_or_forge_a_log_line(void **state)
{
	struct host h;
	struct peer p;

	(void)state;
	refusal = JIT_DENIED;
	refusal_text = "no\033]0;x\007\njit: allowed\xe2\x80\xae\xff";
	account(&h, &p, "sudo", refuse, "");
	assert_refused(&h, "no?]0;x??jit: allowed??");
	assert_null(strpbrk(lab.log, "\033\007"));
	end(&h, &p);
}

/* --- the terminal's part --- */

static void talk_dirt(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	peer_say(fd, "a\033[2Jb", 0);
	peer_ask(fd, "c\rd", 1);
	peer_recv(fd, &f, JIT_F_REPLY);
	peer_wait(fd, "e\nf", 299);
	peer_verdict(fd, JIT_DENIED, NULL, NULL);
	peer_expect_end(fd);
}

static void lines_prompts_and_waits_cannot_steer_the_terminal_either(void **state)
{
	struct host h;
	struct peer p;

	(void)state;
	assert_int_equal(account(&h, &p, "login", talk_dirt, ""), PAM_PERM_DENIED);
	assert_string_equal(h.shown, "info: a?[2Jb\nask: c?d\ninfo: e?f, 4:59 left\n"
				     "error: jit: the request was denied\n");
	end(&h, &p);
}

static void converse_all(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	peer_say(fd, "request R7KD-2M9Q", 0);
	peer_say(fd, "look out", 1);
	peer_ask(fd, "Reason: ", 1);
	peer_recv(fd, &f, JIT_F_REPLY);
	EXPECT(peer_text_is(&f, JIT_T_TEXT, "because"));
	peer_ask(fd, "Code: ", 0);
	peer_recv(fd, &f, JIT_F_REPLY);
	EXPECT(peer_text_is(&f, JIT_T_TEXT, "because"));
	peer_wait(fd, "waiting", 299);
	peer_wait(fd, "waiting", 250);
	peer_verdict(fd, JIT_ALLOW, "approved by appr1", GRANT);
	peer_recv(fd, &f, JIT_F_TAKEN);
}

/* In login, whose wait is told through the conversation wherever the test runs. */
static void the_module_shows_asks_and_waits_for_the_helper(void **state)
{
	struct host h;
	struct peer p;

	(void)state;
	assert_int_equal(account(&h, &p, "login", converse_all, ""), PAM_SUCCESS);
	assert_string_equal(h.shown, "info: request R7KD-2M9Q\nerror: look out\nask: Reason: \nhidden: Code: \n"
				     "info: waiting, 4:59 left\ninfo: jit: approved by appr1\n");
	end(&h, &p);
}

static void ask_in_vain(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	for (int i = 0; i < 2; i++) {
		peer_ask(fd, "Reason: ", 1);
		peer_recv(fd, &f, JIT_F_REPLY);
		EXPECT(peer_text_is(&f, JIT_T_TEXT, NULL));
	}
	peer_verdict(fd, JIT_DENIED, "role admin needs a reason: set JIT_REASON", NULL);
	peer_expect_end(fd);
}

static void a_prompt_that_nobody_can_answer_is_told_to_the_helper_which_decides(void **state)
{
	struct host h;
	struct peer p;

	(void)state;
	peer_start(&p, ask_in_vain, "");
	host_start(&h, "sudo", p.arguments);
	h.answer = NULL;
	assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_PERM_DENIED);
	assert_shown(&h, "error: jit: role admin needs a reason: set JIT_REASON");
	end(&h, &p);
}

static void take_an_empty_answer(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	peer_ask(fd, "Press Enter to wait: ", 1);
	peer_recv(fd, &f, JIT_F_REPLY);
	EXPECT(peer_text_is(&f, JIT_T_TEXT, ""));
	peer_verdict(fd, JIT_ALLOW, NULL, NULL);
	peer_recv(fd, &f, JIT_F_TAKEN);
}

static void enter_alone_is_an_answer(void **state)
{
	struct host h;
	struct peer p;

	(void)state;
	peer_start(&p, take_an_empty_answer, "");
	host_start(&h, "sudo", p.arguments);
	h.answer = "";
	assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_SUCCESS);
	end(&h, &p);
}

static void answer_of_garbage(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	peer_ask(fd, "Reason: ", 1);
	peer_recv(fd, &f, JIT_F_REPLY);
	EXPECT(peer_text_is(&f, JIT_T_TEXT, "a?b?"));
	peer_verdict(fd, JIT_ALLOW, NULL, NULL);
	peer_recv(fd, &f, JIT_F_TAKEN);
}

static void an_answer_is_sent_as_clean_text(void **state)
{
	struct host h;
	struct peer p;

	(void)state;
	peer_start(&p, answer_of_garbage, "");
	host_start(&h, "sudo", p.arguments);
	h.answer = "a\033b\xff";
	assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_SUCCESS);
	end(&h, &p);
}

static void decide_during_a_prompt(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	peer_ask(fd, "Reason: ", 1);
	peer_verdict(fd, JIT_TIMED_OUT, NULL, NULL);
	EXPECT(shutdown(fd, SHUT_RD) == 0);
}

static void a_verdict_that_came_during_a_prompt_is_the_one_that_counts(void **state)
{
	struct host h;
	struct peer p;

	(void)state;
	assert_int_equal(account(&h, &p, "sudo", decide_during_a_prompt, ""), PAM_PERM_DENIED);
	assert_says(h.shown, "nobody decided in time");
	end(&h, &p);
}

/* The person comes back when timeout=1s and the two seconds behind it are over. */
static int converse_too_late(int n, const struct pam_message **messages, struct pam_response **ret, void *data)
{
	if (messages[0]->msg_style == PAM_PROMPT_ECHO_ON)
		poll(NULL, 0, 3050);
	return converse(n, messages, ret, data);
}

static void account_too_late(struct host *h, struct peer *p, peer_script script)
{
	const struct pam_conv slow = {converse_too_late, h};

	peer_start(p, script, "timeout=1s");
	host_start(h, "sudo", p->arguments);
	assert_int_equal(pam_set_item(h->pamh, PAM_CONV, &slow), PAM_SUCCESS);
	assert_int_equal(pam_acct_mgmt(h->pamh, 0), PAM_PERM_DENIED);
}

static void refuse_during_a_prompt(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	peer_ask(fd, "Reason: ", 1);
	peer_verdict(fd, JIT_TIMED_OUT, "no answer was typed in time", NULL);
}

static void a_refusal_that_came_during_a_prompt_is_told_however_late_the_answer(void **state)
{
	struct host h;
	struct peer p;

	(void)state;
	account_too_late(&h, &p, refuse_during_a_prompt);
	assert_shown(&h, "error: jit: no answer was typed in time");
	end(&h, &p);
}

static void allow_during_a_prompt(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	peer_ask(fd, "Press Enter to wait: ", 1);
	peer_verdict(fd, JIT_ALLOW, NULL, NULL);
	peer_recv(fd, &f, JIT_F_REPLY);
	peer_expect_end(fd);
}

static void ask_twice(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	peer_ask(fd, "Ticket: ", 1);
	peer_ask(fd, "Reason: ", 1);
	peer_recv(fd, &f, JIT_F_REPLY);
	peer_expect_end(fd);
}

static void past_the_time_to_wait_nothing_is_asked_and_nobody_let_in(void **state)
{
	static const peer_script scripts[] = {allow_during_a_prompt, ask_twice};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(scripts); i++) {
		struct host h;
		struct peer p;

		account_too_late(&h, &p, scripts[i]);
		assert_shown(&h, "error: jit: the time to wait for a decision is over; try again");
		assert_int_equal(h.lines, 2);
		end(&h, &p);
	}
}

static void decide_without_reading_the_answer(int fd)
{
	struct jit_frame f;
	struct pollfd replied = {.fd = fd, .events = POLLIN};

	peer_recv(fd, &f, JIT_F_ELEVATE);
	peer_ask(fd, "Reason: ", 1);
	EXPECT(poll(&replied, 1, PEER_LIMIT * 1000) == 1);
	/* Stopped, so that the module finds the verdict and the reset connection at once. */
	EXPECT(kill(getppid(), SIGSTOP) == 0);
	peer_verdict(fd, JIT_TIMED_OUT, NULL, NULL);
	close(fd);
	EXPECT(kill(getppid(), SIGCONT) == 0);
}

static void a_verdict_before_a_reset_connection_is_read(void **state)
{
	struct host h;
	struct peer p;

	(void)state;
	assert_int_equal(account(&h, &p, "sudo", decide_without_reading_the_answer, ""), PAM_PERM_DENIED);
	assert_says(h.shown, "nobody decided in time");
	end(&h, &p);
}

/* --- a helper that fails --- */

static void an_absent_helper_is_named(void **state)
{
	struct host h;
	char arguments[PATH_MAX + 64];

	(void)state;
	snprintf(arguments, sizeof(arguments), "socket=%s/pam.sock", lab.dir);
	unlink(arguments + strlen("socket="));
	host_start(&h, "sudo", arguments);
	assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_AUTHINFO_UNAVAIL);
	assert_refused(&h, "jit-helper is not running");
	host_end(&h);
}

static void a_socket_that_nobody_listens_on_is_no_helper(void **state)
{
	struct host h;
	char arguments[PATH_MAX + 64];

	(void)state;
	snprintf(arguments, sizeof(arguments), "socket=%s/pam.sock", lab.dir);
	close(peer_listen(arguments + strlen("socket=")));
	host_start(&h, "sudo", arguments);
	assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_AUTHINFO_UNAVAIL);
	assert_refused(&h, "jit-helper is not running");
	host_end(&h);
}

static void a_helper_that_accepts_nobody_is_given_up_after_five_seconds(void **state)
{
	char path[PATH_MAX + 16], arguments[PATH_MAX + 64];
	int64_t began = jit_boottime_ms();
	struct host h;
	int fds[8];

	(void)state;
	peer_start_full(path, sizeof(path), fds);
	snprintf(arguments, sizeof(arguments), "socket=%s", path);
	host_start(&h, "sudo", arguments);
	assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_AUTHINFO_UNAVAIL);
	assert_in_range(jit_boottime_ms() - began, 5000, 6000);
	assert_refused(&h, "too busy");
	host_end(&h);
	for (int i = 0; i < 8 && fds[i] >= 0; i++)
		close(fds[i]);
}

static void say_nothing(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	EXPECT(peer_number(&f, JIT_T_WAIT) == 1);
	peer_expect_end(fd);
}

/* The first moment, in which most answers come, is spent awake, and no other. */
static void a_silent_helper_is_given_up_two_seconds_after_the_timeout_and_slept_for(void **state)
{
	struct host h;
	struct peer p;
	int64_t began = jit_boottime_ms();
	clock_t busy = clock();

	(void)state;
	assert_int_equal(account(&h, &p, "sudo", say_nothing, "timeout=1s"), PAM_AUTHINFO_UNAVAIL);
	int64_t took = jit_boottime_ms() - began;
	assert_in_range(took, 3000, 3900);
	assert_true(clock() - busy < CLOCKS_PER_SEC / 2);
	assert_refused(&h, "has not answered in time");
	end(&h, &p);
}

static void talk_for_ever(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	for (int i = 0; i < 30; i++) {
		struct pollfd closed = {.fd = fd, .events = POLLIN};

		peer_wait(fd, "waiting", 300);
		if (poll(&closed, 1, 200) == 1)
			break;
	}
	peer_expect_end(fd);
}

static void a_helper_that_keeps_talking_does_not_move_the_deadline(void **state)
{
	struct host h;
	struct peer p;
	int64_t began = jit_boottime_ms();

	(void)state;
	assert_int_equal(account(&h, &p, "sshd", talk_for_ever, "timeout=1s"), PAM_AUTHINFO_UNAVAIL);
	assert_in_range(jit_boottime_ms() - began, 3000, 3900);
	end(&h, &p);
}

static void die_mid_wait(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	peer_wait(fd, "waiting", 300);
}

static void a_helper_that_dies_mid_wait_refuses_at_once(void **state)
{
	struct host h;
	struct peer p;
	int64_t began = jit_boottime_ms();

	(void)state;
	assert_int_equal(account(&h, &p, "sshd", die_mid_wait, ""), PAM_AUTHINFO_UNAVAIL);
	assert_within(began, 1000);
	assert_says(h.shown, "error: jit: jit-helper went away");
	end(&h, &p);
}

static uint8_t raw[2 * JIT_FRAME_MAX];
static size_t raw_len;

static void send_raw(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	EXPECT(send(fd, raw, raw_len, MSG_NOSIGNAL) == (ssize_t)raw_len);
	peer_expect_end(fd);
}

static void assert_raw_is_refused(void)
{
	struct host h;
	struct peer p;

	assert_int_equal(account(&h, &p, "sudo", send_raw, ""), PAM_SERVICE_ERR);
	assert_refused(&h, "do not understand each other");
	end(&h, &p);
}

static const uint8_t allowed[] = {'P', 'J', 1, JIT_F_VERDICT, JIT_T_OUTCOME, 0, 4, 0, 0, 0, 0};

static void set_raw(const void *data, size_t len)
{
	memcpy(raw, data, len);
	raw_len = len;
}

static void a_frame_that_is_none_refuses(void **state)
{
	(void)state;
	set_raw("GET / HTTP/1.1\r\n", 16);
	assert_raw_is_refused();
	set_raw(allowed, sizeof(allowed));
	raw[2] = 2; /* another version */
	assert_raw_is_refused();
	set_raw(allowed, sizeof(allowed) - 1); /* cut short */
	assert_raw_is_refused();
	set_raw(allowed, 4); /* no outcome */
	assert_raw_is_refused();
	set_raw(allowed, sizeof(allowed));
	raw[3] = JIT_F_OPEN; /* the module's own frame, sent back */
	assert_raw_is_refused();
}

static void an_outcome_that_stands_twice_refuses(void **state)
{
	(void)state;
	set_raw(allowed, sizeof(allowed));
	memcpy(raw + sizeof(allowed), allowed + 4, sizeof(allowed) - 4);
	raw_len += sizeof(allowed) - 4;
	assert_raw_is_refused();
}

static void an_oversized_frame_refuses(void **state)
{
	(void)state;
	set_raw(allowed, sizeof(allowed));
	raw[sizeof(allowed)] = 200; /* a tag that nobody knows */
	raw[sizeof(allowed) + 1] = 0x40;
	raw_len = JIT_FRAME_MAX + 1;
	assert_raw_is_refused();
}

static void a_grant_that_is_no_uuid_refuses(void **state)
{
	struct host h;
	struct peer p;

	(void)state;
	set_raw(allowed, sizeof(allowed));
	memcpy(raw + sizeof(allowed), (uint8_t[]){JIT_T_GRANT, 0, 3, 'a', '=', 'b'}, 6);
	raw_len += 6;
	assert_int_equal(account(&h, &p, "sudo", send_raw, ""), PAM_SERVICE_ERR);
	assert_null(pam_getenv(h.pamh, "JIT_GRANT"));
	end(&h, &p);
}

static unsigned frames;

static void send_frames(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	for (unsigned i = 0; i < frames; i++)
		peer_say(fd, "again", 0);
	if (frames <= 64) {
		peer_verdict(fd, JIT_ALLOW, NULL, NULL);
		peer_recv(fd, &f, JIT_F_TAKEN);
	} else { /* nobody may be there to take it any more */
		jit_frame_start(&f, JIT_F_VERDICT);
		jit_frame_put_u32(&f, JIT_T_OUTCOME, JIT_ALLOW);
		jit_frame_send(fd, &f);
	}
	peer_expect_end(fd);
}

static void sixty_four_frames_may_come_before_the_verdict_and_no_more(void **state)
{
	struct host h;
	struct peer p;

	(void)state;
	frames = 64;
	assert_int_equal(account(&h, &p, "sudo", send_frames, ""), PAM_SUCCESS);
	assert_int_equal(h.lines, 64);
	end(&h, &p);
	frames = 65;
	assert_int_equal(account(&h, &p, "sudo", send_frames, ""), PAM_SERVICE_ERR);
	assert_int_equal(h.lines, 65);
	end(&h, &p);
}

static void allow_but_take_nothing(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	EXPECT(shutdown(fd, SHUT_RD) == 0);
	peer_verdict(fd, JIT_ALLOW, NULL, GRANT);
	peer_expect_end(fd);
}

static void an_allow_whose_taken_cannot_be_sent_refuses(void **state)
{
	struct host h;
	struct peer p;

	(void)state;
	assert_int_equal(account(&h, &p, "sudo", allow_but_take_nothing, ""), PAM_AUTHINFO_UNAVAIL);
	assert_refused(&h, "went away");
	assert_null(pam_getenv(h.pamh, "JIT_GRANT"));
	end(&h, &p);
}

static void never_asked(int fd)
{
	peer_expect_end(fd);
}

static void a_listener_that_is_neither_root_nor_the_helpers_user_is_not_asked(void **state)
{
	struct host h;
	struct peer p;

	(void)state;
	chmod(lab.dir, 0777);
	/* listen(2) notes who listens. */
	if (lab.is_root)
		assert_int_equal(seteuid(NOBODY), 0);
	peer_start(&p, never_asked, "");
	snprintf(p.arguments, sizeof(p.arguments), "socket=%s helper_user=%s", p.path, "daemon");
	if (lab.is_root)
		assert_int_equal(seteuid(0), 0);
	host_start(&h, "sudo", p.arguments);
	assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_SERVICE_ERR);
	assert_refused(&h, "neither root nor daemon");
	chmod(lab.dir, 0755);
	end(&h, &p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_live_grant_lets_in_and_says_nothing),
		cmocka_unit_test(a_service_that_is_not_gated_is_left_to_the_rest_of_the_stack),
		cmocka_unit_test(every_refusal_has_its_code_and_one_line),
		cmocka_unit_test(what_the_helper_sends_cannot_steer_the_terminal_or_forge_a_log_line),
		cmocka_unit_test(lines_prompts_and_waits_cannot_steer_the_terminal_either),
		cmocka_unit_test(the_module_shows_asks_and_waits_for_the_helper),
		cmocka_unit_test(a_prompt_that_nobody_can_answer_is_told_to_the_helper_which_decides),
		cmocka_unit_test(enter_alone_is_an_answer),
		cmocka_unit_test(an_answer_is_sent_as_clean_text),
		cmocka_unit_test(a_verdict_that_came_during_a_prompt_is_the_one_that_counts),
		cmocka_unit_test(a_refusal_that_came_during_a_prompt_is_told_however_late_the_answer),
		cmocka_unit_test(past_the_time_to_wait_nothing_is_asked_and_nobody_let_in),
		cmocka_unit_test(a_verdict_before_a_reset_connection_is_read),
		cmocka_unit_test(an_absent_helper_is_named),
		cmocka_unit_test(a_socket_that_nobody_listens_on_is_no_helper),
		cmocka_unit_test(a_helper_that_accepts_nobody_is_given_up_after_five_seconds),
		cmocka_unit_test(a_silent_helper_is_given_up_two_seconds_after_the_timeout_and_slept_for),
		cmocka_unit_test(a_helper_that_keeps_talking_does_not_move_the_deadline),
		cmocka_unit_test(a_helper_that_dies_mid_wait_refuses_at_once),
		cmocka_unit_test(a_frame_that_is_none_refuses),
		cmocka_unit_test(an_outcome_that_stands_twice_refuses),
		cmocka_unit_test(an_oversized_frame_refuses),
		cmocka_unit_test(a_grant_that_is_no_uuid_refuses),
		cmocka_unit_test(sixty_four_frames_may_come_before_the_verdict_and_no_more),
		cmocka_unit_test(an_allow_whose_taken_cannot_be_sent_refuses),
		cmocka_unit_test(a_listener_that_is_neither_root_nor_the_helpers_user_is_not_asked),
	};

	return cmocka_run_group_tests(tests, lab_set_up, lab_tear_down);
}
