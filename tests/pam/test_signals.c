/*
 * A person who gives up: Ctrl-C and its like end the wait at once, the helper
 * sees it, and the host application gets its signal as if the module had not
 * been there. And the line that counts down, on a terminal of the test's own.
 */
#include "peer.h"

#include "clock.h"

#include <pty.h>
#include <sys/ioctl.h>

static volatile sig_atomic_t caught;

static void catch_signal(int sig)
{
	caught = sig;
}

static void handle(int sig, void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler};

	assert_int_equal(sigaction(sig, &action, NULL), 0);
}

static int signal_to_send;

/* Until the module sleeps in its wait: a frame just sent has made its process runnable. */
static void await_sleep(pid_t pid)
{
	char path[32], stat[64] = "";

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	do {
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		EXPECT(fd >= 0 && read(fd, stat, sizeof(stat) - 1) > 0);
		close(fd);
	} while (!strstr(stat, ") S "));
}

static void interrupt(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	peer_wait(fd, "waiting", 300);
	await_sleep(getppid());
	EXPECT(kill(getppid(), signal_to_send) == 0);
	peer_expect_end(fd);
}

static void each_way_to_give_up_cancels_and_reaches_the_host(void **state)
{
	static const int signals[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(signals); i++) {
		sigset_t before = {0}, after = {0};
		struct host h;
		struct peer p;

		handle(signals[i], catch_signal);
		caught = 0;
		signal_to_send = signals[i];
		sigprocmask(SIG_SETMASK, NULL, &before);
		peer_start(&p, interrupt, "");
		host_start(&h, "login", p.arguments);
		int64_t began = jit_boottime_ms();
		assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_PERM_DENIED);
		assert_within(began, 500);
		assert_int_equal(caught, signals[i]);
		sigprocmask(SIG_SETMASK, NULL, &after);
		assert_memory_equal(&before, &after, sizeof(before));
		assert_string_equal(h.shown, "info: waiting, 5:00 left\n"
					     "error: jit: the request was cancelled and nothing was granted\n");
		assert_says(lab.log, "cancelled");
		host_end(&h);
		peer_finish(&p);
		handle(signals[i], SIG_DFL);
	}
}

static void ctrl_c_ends_the_wait_for_a_helper_that_accepts_nobody(void **state)
{
	char path[PATH_MAX + 16], arguments[PATH_MAX + 64];
	struct host h;
	int fds[8], status;

	(void)state;
	handle(SIGINT, catch_signal);
	peer_start_full(path, sizeof(path), fds);
	snprintf(arguments, sizeof(arguments), "socket=%s helper_user=%s", path, lab.user);
	host_start(&h, "sshd", arguments);
	int64_t began = jit_boottime_ms();
	pid_t child = fork();
	if (child == 0) {
		await_sleep(getppid());
		_exit(kill(getppid(), SIGINT) != 0);
	}
	assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_PERM_DENIED);
	assert_within(began, 500);
	assert_refused(&h, "cancelled");
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	host_end(&h);
	for (int i = 0; i < 8 && fds[i] >= 0; i++)
		close(fds[i]);
	handle(SIGINT, SIG_DFL);
}

/* The approval is there already when Ctrl-C is: the person's wish counts. */
static void interrupt_and_allow(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	EXPECT(kill(getppid(), SIGSTOP) == 0);
	EXPECT(kill(getppid(), SIGINT) == 0);
	peer_verdict(fd, JIT_ALLOW, NULL, GRANT);
	EXPECT(kill(getppid(), SIGCONT) == 0);
	peer_expect_end(fd);
}

static void ctrl_c_that_races_an_approval_wins(void **state)
{
	struct host h;
	struct peer p;

	(void)state;
	handle(SIGINT, catch_signal);
	peer_start(&p, interrupt_and_allow, "");
	host_start(&h, "login", p.arguments);
	assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_PERM_DENIED);
	assert_null(pam_getenv(h.pamh, "JIT_GRANT"));
	host_end(&h);
	peer_finish(&p);
	handle(SIGINT, SIG_DFL);
}

static void interrupt_in_vain(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	EXPECT(kill(getppid(), signal_to_send) == 0);
	peer_say(fd, "still here", 0);
	peer_verdict(fd, JIT_ALLOW, NULL, GRANT);
	peer_recv(fd, &f, JIT_F_TAKEN);
}

static void assert_goes_on(void)
{
	struct host h;
	struct peer p;

	peer_start(&p, interrupt_in_vain, "");
	host_start(&h, "login", p.arguments);
	assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_SUCCESS);
	host_end(&h);
	peer_finish(&p);
}

static void a_signal_that_the_host_ignores_cancels_nothing(void **state)
{
	(void)state;
	signal_to_send = SIGHUP;
	handle(SIGHUP, SIG_IGN); /* nohup */
	assert_goes_on();
	handle(SIGHUP, SIG_DFL);
}

static void a_signal_that_the_host_has_blocked_cancels_nothing_and_stays_pending(void **state)
{
	sigset_t blocked, pending;

	(void)state;
	signal_to_send = SIGINT;
	handle(SIGINT, catch_signal);
	caught = 0;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGINT);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	assert_goes_on();
	sigpending(&pending);
	assert_true(sigismember(&pending, SIGINT));
	assert_int_equal(caught, 0);
	sigprocmask(SIG_UNBLOCK, &blocked, NULL);
	assert_int_equal(caught, SIGINT);
	handle(SIGINT, SIG_DFL);
}

/* Nothing of the module's may block what the host reads the answer with. */
static bool masks_open;

static int watch_mask(int n, const struct pam_message **messages, struct pam_response **ret, void *data)
{
	sigset_t mask;

	sigprocmask(SIG_SETMASK, NULL, &mask);
	if (messages[0]->msg_style == PAM_PROMPT_ECHO_ON)
		masks_open = !sigismember(&mask, SIGINT) && !sigismember(&mask, SIGHUP);
	return converse(n, messages, ret, data);
}

static void ask_once(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	peer_ask(fd, "Reason: ", 1);
	peer_recv(fd, &f, JIT_F_REPLY);
	peer_verdict(fd, JIT_ALLOW, NULL, NULL);
	peer_recv(fd, &f, JIT_F_TAKEN);
}

static void during_a_prompt_the_hosts_own_mask_holds(void **state)
{
	struct host h;
	struct peer p;

	(void)state;
	peer_start(&p, ask_once, "");
	host_start(&h, "login", p.arguments);
	struct pam_conv conv = {watch_mask, &h};
	pam_set_item(h.pamh, PAM_CONV, &conv);
	masks_open = false;
	assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_SUCCESS);
	assert_true(masks_open);
	host_end(&h);
	peer_finish(&p);
}

/* --- the countdown --- */

static void count_down(int fd)
{
	struct jit_frame f;
	struct pollfd closed = {.fd = fd, .events = POLLIN};

	peer_recv(fd, &f, JIT_F_ELEVATE);
	peer_wait(fd, "waiting for an approver of role admin", 125);
	EXPECT(poll(&closed, 1, 1500) == 0); /* over at least one full second */
	peer_verdict(fd, JIT_DENIED, NULL, NULL);
	peer_expect_end(fd);
}

static unsigned count_open(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* A person's terminal of 40 columns; the child runs account of `service` on it. Fills `seen` with what it showed. */
static void run_on_terminal(const char *service, bool in_background, char *seen, size_t size)
{
	struct winsize window = {.ws_row = 24, .ws_col = 40};
	int master, status;
	size_t len = 0;
	pid_t child = forkpty(&master, NULL, NULL, &window);

	assert_true(child >= 0);
	if (child == 0) {
		struct peer p;
		struct host h;

		peer_start(&p, count_down, "");
		if (in_background) {
			signal(SIGTTOU, SIG_IGN);
			EXPECT(setpgid(p.pid, p.pid) == 0 && tcsetpgrp(0, p.pid) == 0);
		}
		host_start(&h, service, p.arguments);
		unsigned open_before = count_open();
		EXPECT(pam_acct_mgmt(h.pamh, PAM_SILENT) == PAM_PERM_DENIED);
		EXPECT(count_open() == open_before); /* the terminal has been closed again */
		dprintf(1, "[%s]", h.shown);
		host_end(&h);
		peer_finish(&p);
		_exit(0);
	}
	for (ssize_t n; len < size - 1 && (n = read(master, seen + len, size - 1 - len)) > 0;)
		len += (size_t)n;
	seen[len] = '\0';
	assert_int_equal(waitpid(child, &status, 0), child);
	close(master);
	if (status != 0)
		fail_msg("on the terminal: status %d, shown:\n%s", status, seen);
}

static void in_the_foreground_one_line_counts_down(void **state)
{
	char seen[4096];

	(void)state;
	run_on_terminal("sudo", false, seen, sizeof(seen));
	/* 39 columns of 40, the last second's line ended, and nothing of it through the conversation. */
	assert_says(seen, "\r\033[Kwaiting for an approver of r, 2:05 left");
	assert_says(seen, "\r\033[Kwaiting for an approver of r, 2:04 left");
	assert_says(seen, " left\r\n[error: jit: the request was denied\r\n]");
}

static void in_the_background_the_wait_is_told_once(void **state)
{
	char seen[4096];

	(void)state;
	run_on_terminal("sudo", true, seen, sizeof(seen));
	assert_null(strstr(seen, "\033[K"));
	assert_says(seen,
		    "[info: waiting for an approver of role admin, 2:05 left\r\nerror: jit: the request was denied");
}

static void sshd_and_login_leave_the_terminal_alone(void **state)
{
	static const char *const services[] = {"sshd", "login"};
	char seen[4096];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(services); i++) {
		run_on_terminal(services[i], false, seen, sizeof(seen));
		assert_null(strstr(seen, "\033[K"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_way_to_give_up_cancels_and_reaches_the_host),
		cmocka_unit_test(ctrl_c_ends_the_wait_for_a_helper_that_accepts_nobody),
		cmocka_unit_test(ctrl_c_that_races_an_approval_wins),
		cmocka_unit_test(a_signal_that_the_host_ignores_cancels_nothing),
		cmocka_unit_test(a_signal_that_the_host_has_blocked_cancels_nothing_and_stays_pending),
		cmocka_unit_test(during_a_prompt_the_hosts_own_mask_holds),
		cmocka_unit_test(in_the_foreground_one_line_counts_down),
		cmocka_unit_test(in_the_background_the_wait_is_told_once),
		cmocka_unit_test(sshd_and_login_leave_the_terminal_alone),
	};

	return cmocka_run_group_tests(tests, lab_set_up, lab_tear_down);
}
