/*
 * What bounds a visit besides the helper: the time that sshd and login still live, a client that has gone, a
 * process that gets no keyrings. And the terminal that goes along.
 */
#include "peer.h"

#include "clock.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/time.h>

/* --- how long sshd and login live --- */

static uint32_t least_wait, most_wait;

static void note_wait(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	uint32_t wait = peer_number(&f, JIT_T_WAIT);
	if (wait < least_wait || wait > most_wait)
		fprintf(stderr, "peer: WAIT %u\n", wait);
	EXPECT(wait >= least_wait && wait <= most_wait);
	peer_verdict(fd, JIT_ALLOW, NULL, NULL);
	peer_recv(fd, &f, JIT_F_TAKEN);
}

static void set_alarm(time_t seconds)
{
	const struct itimerval timer = {.it_value.tv_sec = seconds};

	assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

static void assert_waits(const char *service, const char *more, uint32_t least, uint32_t most)
{
	struct host h;
	struct peer p;

	least_wait = least;
	most_wait = most;
	peer_start(&p, note_wait, more);
	host_start(&h, service, p.arguments);
	assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_SUCCESS);
	assert_string_equal(h.shown, "");
	host_end(&h);
	peer_finish(&p);
}

static void an_armed_alarm_bounds_the_wait_in_sshd_and_login_and_is_left_alone(void **state)
{
	struct itimerval after;

	(void)state;
	set_alarm(60);
	assert_waits("sshd", "", 55, 57); /* 3 s before the end */
	assert_waits("login", "", 55, 57);
	assert_waits("login", "timeout=20", 20, 20);	/* the shorter of the two */
	assert_waits("sshd", "login_grace=10", 55, 57); /* the process' own alarm knows better */
	assert_waits("sudo", "", 300, 300);		/* whose alarm is none of ours */
	assert_waits("su", "", 300, 300);
	assert_int_equal(getitimer(ITIMER_REAL, &after), 0);
	assert_in_range(after.it_value.tv_sec, 50, 60);
	set_alarm(0);
}

static void without_an_alarm_sshds_configuration_or_the_line_bounds_it_less_the_process_age(void **state)
{
	(void)state;
	assert_waits("sshd", "login_grace=1h timeout=1h", 3590 - PEER_LIMIT * 4, 3597);
	assert_waits("sshd", "login_grace=0", 300, 300);
	assert_waits("login", "", 300, 300);
}

static void too_little_time_to_ask_anybody_is_refused_at_once(void **state)
{
	static const struct {
		const char *service, *arguments, *says;
		time_t alarm;
	} rows[] = {
		{"sshd", "socket=/nonexistent/pam.sock", "LoginGraceTime", 4},
		{"sshd", "socket=/nonexistent/pam.sock login_grace=1", "LoginGraceTime", 0},
		{"login", "socket=/nonexistent/pam.sock", "LOGIN_TIMEOUT", 4},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct host h;

		set_alarm(rows[i].alarm);
		host_start(&h, rows[i].service, rows[i].arguments);
		assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_PERM_DENIED);
		assert_refused(&h, rows[i].says);
		host_end(&h);
		set_alarm(0);
	}
}

static void wait_and_see_it_closed(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	peer_wait(fd, "waiting", 300);
	peer_expect_end(fd);
}

static void a_helper_that_is_silent_is_given_up_before_sshd_dies(void **state)
{
	int64_t began = jit_boottime_ms();
	struct host h;
	struct peer p;

	(void)state;
	set_alarm(6);
	peer_start(&p, wait_and_see_it_closed, "");
	host_start(&h, "sshd", p.arguments);
	assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_AUTHINFO_UNAVAIL);
	assert_in_range(jit_boottime_ms() - began, 4000, 5500);
	assert_refused(&h, "has not answered in time"); /* and not a word of the wait, which nobody would see in time */
	host_end(&h);
	peer_finish(&p);
	set_alarm(0);
}

/* --- a client that goes away --- */

static int client_end;

static void hang_up(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	peer_wait(fd, "waiting", 300);
	EXPECT(shutdown(client_end, SHUT_WR) == 0);
	peer_expect_end(fd);
}

/* A connection as sshd has one: its end is kept, the client's is the peer's alone. */
static int connect_client(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(listener, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
	client_end = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(client_end, (struct sockaddr *)&addr, len), 0);
	int server_end = accept(listener, NULL, NULL);
	assert_true(server_end >= 0);
	close(listener);
	return server_end;
}

static void a_client_that_goes_away_ends_the_wait_in_sshd(void **state)
{
	int server_end = connect_client();
	int64_t began = jit_boottime_ms();
	struct host h;
	struct peer p;

	(void)state;
	peer_start(&p, hang_up, "");
	close(client_end);
	host_start(&h, "sshd", p.arguments);
	pam_set_item(h.pamh, PAM_RHOST, "127.0.0.1");
	assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_PERM_DENIED);
	assert_within(began, 1000);
	assert_refused(&h, "the client went away");
	host_end(&h);
	peer_finish(&p);
	assert_true(fcntl(server_end, F_GETFD) >= 0);
	close(server_end);
}

static void hang_up_and_allow(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	EXPECT(shutdown(client_end, SHUT_WR) == 0);
	peer_verdict(fd, JIT_ALLOW, NULL, NULL);
	peer_recv(fd, &f, JIT_F_TAKEN);
}

static void other_connections_and_other_applications_sockets_are_not_watched(void **state)
{
	static const struct {
		const char *service, *rhost;
	} rows[] = {{"sshd", "192.0.2.7"}, {"login", "127.0.0.1"}, {"sudo", "127.0.0.1"}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int server_end = connect_client();
		struct host h;
		struct peer p;

		peer_start(&p, hang_up_and_allow, "");
		close(client_end);
		host_start(&h, rows[i].service, p.arguments);
		pam_set_item(h.pamh, PAM_RHOST, rows[i].rhost);
		assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_SUCCESS);
		host_end(&h);
		peer_finish(&p);
		close(server_end);
	}
}

/* A directory's connection, as NSS may keep one, must not pass for the client's. */
static void where_the_client_is_a_name_its_connection_is_watched_only_if_there_is_no_other(void **state)
{
	(void)state;
	for (int others = 0; others < 2; others++) {
		int server_end = connect_client(), hangs_up = client_end;
		int other = others ? connect_client() : -1, other_client = client_end;
		struct host h;
		struct peer p;

		client_end = hangs_up;
		peer_start(&p, others ? hang_up_and_allow : hang_up, "");
		close(client_end);
		if (others)
			close(other_client);
		host_start(&h, "sshd", p.arguments);
		pam_set_item(h.pamh, PAM_RHOST, "client.example");
		assert_int_equal(pam_acct_mgmt(h.pamh, 0), others ? PAM_SUCCESS : PAM_PERM_DENIED);
		host_end(&h);
		peer_finish(&p);
		close(server_end);
		if (others)
			close(other);
	}
}

/* --- the session's terminal --- */

/* The first frame and the descriptor that came with it, or -1. */
static int recv_with_fd(int fd, struct jit_frame *f)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = f->data, .iov_len = sizeof(f->data)};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	int passed = -1;

	ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	EXPECT(n > 0);
	f->len = (size_t)n;
	EXPECT(jit_frame_check(f) == 0);
	const struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	if (c) {
		EXPECT(c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)));
		memcpy(&passed, CMSG_DATA(c), sizeof(passed));
	}
	return passed;
}

static void warn_on_terminal(int fd)
{
	struct jit_frame f;

	int tty = recv_with_fd(fd, &f);
	EXPECT(jit_frame_type(&f) == JIT_F_OPEN);
	EXPECT(tty >= 0 && isatty(tty));
	EXPECT((fcntl(tty, F_GETFL) & (O_ACCMODE | O_NONBLOCK)) == (O_WRONLY | O_NONBLOCK));
	EXPECT(write(tty, "soon over", 9) == 9);
	peer_verdict(fd, JIT_DENIED, NULL, NULL);
}

static void expect_no_terminal(int fd)
{
	struct jit_frame f;

	EXPECT(recv_with_fd(fd, &f) == -1);
	EXPECT(jit_frame_type(&f) == JIT_F_OPEN);
	peer_verdict(fd, JIT_DENIED, NULL, NULL);
}

static void open_refused(const char *service, const char *tty, peer_script script)
{
	struct host h;
	struct peer p;

	peer_start(&p, script, "");
	host_start(&h, service, p.arguments);
	pam_set_item(h.pamh, PAM_TTY, tty);
	assert_int_equal(pam_open_session(h.pamh, 0), PAM_PERM_DENIED);
	host_end(&h);
	peer_finish(&p);
}

static void su_and_login_hand_over_the_terminal_that_pam_names(void **state)
{
	char name[64], text[16] = "";
	int master, slave;

	(void)state;
	assert_int_equal(openpty(&master, &slave, name, NULL, NULL), 0);
	assert_int_equal(chmod(name, 0666), 0);
	open_refused("su", name, warn_on_terminal);
	assert_int_equal(read(master, text, sizeof(text)), 9);
	assert_string_equal(text, "soon over");
	open_refused("login", name + strlen("/dev/"), warn_on_terminal);
	/* It has made no session's controlling terminal of it. */
	assert_int_equal(tcgetsid(slave), -1);
	open_refused("sshd", name, expect_no_terminal);
	open_refused("cron", name, expect_no_terminal);
	close(master);
	close(slave);
}

/* In a child of its own session: its controlling terminal is one of the test's, or none. */
static void in_session(const char *service, const char *tty, int slave, peer_script script)
{
	int status;

	pid_t child = fork();
	if (child == 0) {
		if (setsid() < 0 || (slave >= 0 && ioctl(slave, TIOCSCTTY, 0) < 0))
			_exit(2);
		open_refused(service, tty, script);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void sudo_hands_over_the_persons_own_and_none_where_there_is_none(void **state)
{
	char name[64], text[32] = "", by_descriptor[32], by_parent[96];
	int master, slave;

	(void)state;
	assert_int_equal(openpty(&master, &slave, name, NULL, NULL), 0);
	/* Other ways to a terminal that is there. */
	snprintf(by_descriptor, sizeof(by_descriptor), "/dev/fd/%d", slave);
	snprintf(by_parent, sizeof(by_parent), "/dev/pts/../pts%s", name + strlen("/dev/pts"));
	in_session("su", by_descriptor, -1, expect_no_terminal);
	in_session("su", by_parent, -1, expect_no_terminal);
	in_session("sudo", "/dev/pts/9999", slave, warn_on_terminal);
	assert_int_equal(read(master, text, sizeof(text)), 9);
	in_session("sudo", "", -1, expect_no_terminal);
	in_session("su", "/dev/null", -1, expect_no_terminal);
	in_session("su", "/etc/passwd", -1, expect_no_terminal);
	in_session("su", "/dev/pts/../null", -1, expect_no_terminal);
	in_session("login", "", -1, expect_no_terminal);
	close(master);
	close(slave);
}

/* --- without keyrings --- */

/* From here on the calls of keyrings fail as under a container's filter. */
static void deny_keyrings(uint16_t error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_keyctl, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_add_key, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
	};
	const struct sock_fprog program = {.len = COUNT_OF(code), .filter = code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		_exit(3);
}

static void take_without_keyring(int fd)
{
	struct jit_frame f;

	peer_offer(fd);
	peer_recv(fd, &f, JIT_F_TAKEN);
	EXPECT(peer_number(&f, JIT_T_KEYRING) == 0);
}

static void confirm(int fd)
{
	struct jit_frame f;

	take_without_keyring(fd);
	peer_verdict(fd, JIT_ALLOW, NULL, NULL);
	peer_recv(fd, &f, JIT_F_CLOSE);
	peer_expect_end(fd);
}

static void refuse_descent(int fd)
{
	take_without_keyring(fd);
	peer_verdict(fd, JIT_DENIED, "no session keyring here, and without_keyring = refuse", NULL);
	peer_expect_end(fd);
}

static void ignore_descent(int fd)
{
	take_without_keyring(fd);
	peer_verdict(fd, JIT_IGNORE, NULL, NULL);
	peer_expect_end(fd);
}

static void go_away(int fd)
{
	take_without_keyring(fd);
}

static void see_it_refused(int fd)
{
	peer_offer(fd);
	peer_expect_end(fd);
}

/* open_session in a process that gets no keyrings; what it came to, and a part of what was shown or logged. */
static void open_without_keyrings(int error, peer_script script, int code, const char *says)
{
	struct host h;
	struct peer p;
	int status;

	peer_start(&p, script, "");
	pid_t child = fork();
	if (child == 0) {
		host_start(&h, "sudo", p.arguments);
		pam_set_item(h.pamh, PAM_USER, "root");
		deny_keyrings((uint16_t)error);
		int r = pam_open_session(h.pamh, 0);
		const char *region = pam_getenv(h.pamh, "AWS_REGION");
		if (r != code || !strstr(code == PAM_SUCCESS ? lab.log : h.shown, says) ||
		    (region != NULL) != (code == PAM_SUCCESS)) {
			fprintf(stderr, "error %d: code %d, shown %s, log %s\n", error, r, h.shown, lab.log);
			_exit(1);
		}
		if (code == PAM_SUCCESS && pam_close_session(h.pamh, 0) != PAM_SUCCESS)
			_exit(2);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	peer_finish(&p);
	assert_int_equal(status, 0);
}

static void without_keyrings_the_helper_decides_whether_the_session_stands(void **state)
{
	static const int errors[] = {EPERM, ENOSYS, EDQUOT};

	(void)state;
	if (!lab.is_root)
		skip();
	for (size_t i = 0; i < COUNT_OF(errors); i++)
		open_without_keyrings(errors[i], confirm, PAM_SUCCESS, "by descent alone");
	open_without_keyrings(EPERM, refuse_descent, PAM_PERM_DENIED, "without_keyring = refuse");
	open_without_keyrings(EPERM, ignore_descent, PAM_SERVICE_ERR, "do not understand each other");
	open_without_keyrings(EPERM, go_away, PAM_SERVICE_ERR, "went away");
}

static void take_with_keyring(int fd)
{
	struct jit_frame f;
	uint32_t keyring;

	peer_offer(fd);
	peer_recv(fd, &f, JIT_F_TAKEN);
	EXPECT(jit_frame_get_u32(&f, JIT_T_KEYRING, &keyring) == -ENOENT);
	peer_recv(fd, &f, JIT_F_CLOSE);
}

/* A ring as pam_keyinit makes it for `uid`, in which that user's quota has no room for another link. */
static void join_full_ring(uid_t uid)
{
	static char bytes[19000];
	char name[16];
	int n = 0;

	EXPECT(setresuid(uid, uid, 0) == 0 && syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) > 0);
	EXPECT(syscall(SYS_add_key, "user", "big", bytes, sizeof(bytes), KEY_SPEC_SESSION_KEYRING) > 0);
	EXPECT(seteuid(0) == 0 && setresuid(NOBODY, 0, 0) == 0);
	do {
		snprintf(name, sizeof(name), "k%d", n);
	} while (syscall(SYS_add_key, "user", name, "x", 1, KEY_SPEC_SESSION_KEYRING) > 0 && n++ < 1000);
	EXPECT(errno == EDQUOT);
}

/* Or whoever runs as the user could make the session a weaker one. */
static void a_user_whose_quota_is_used_up_gets_a_ring_of_roots(void **state)
{
	struct host h;
	struct peer p;
	int status;

	(void)state;
	if (!lab.is_root)
		skip();
	peer_start(&p, take_with_keyring, "");
	pid_t child = fork();
	if (child == 0) {
		join_full_ring(1);
		long full = session_ring();
		host_start(&h, "login", p.arguments);
		pam_set_item(h.pamh, PAM_USER, "daemon");
		int r = pam_open_session(h.pamh, 0);
		bool good = r == PAM_SUCCESS && session_ring() != full && find_token() > 0;
		if (!good)
			fprintf(stderr, "code %d, shown %s, log %s\n", r, h.shown, lab.log);
		syscall(SYS_keyctl, KEYCTL_REVOKE, full);
		pam_close_session(h.pamh, 0);
		_exit(!good);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	peer_finish(&p);
	assert_int_equal(status, 0);
}

static void any_other_failure_of_keyrings_refuses_without_asking(void **state)
{
	static const int errors[] = {EACCES, ENOMEM, EINVAL};

	(void)state;
	if (!lab.is_root)
		skip();
	for (size_t i = 0; i < COUNT_OF(errors); i++)
		open_without_keyrings(errors[i], see_it_refused, PAM_SERVICE_ERR, "no session keyring can be had");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_armed_alarm_bounds_the_wait_in_sshd_and_login_and_is_left_alone),
		cmocka_unit_test(without_an_alarm_sshds_configuration_or_the_line_bounds_it_less_the_process_age),
		cmocka_unit_test(too_little_time_to_ask_anybody_is_refused_at_once),
		cmocka_unit_test(a_helper_that_is_silent_is_given_up_before_sshd_dies),
		cmocka_unit_test(a_client_that_goes_away_ends_the_wait_in_sshd),
		cmocka_unit_test(other_connections_and_other_applications_sockets_are_not_watched),
		cmocka_unit_test(where_the_client_is_a_name_its_connection_is_watched_only_if_there_is_no_other),
		cmocka_unit_test(su_and_login_hand_over_the_terminal_that_pam_names),
		cmocka_unit_test(sudo_hands_over_the_persons_own_and_none_where_there_is_none),
		cmocka_unit_test(without_keyrings_the_helper_decides_whether_the_session_stands),
		cmocka_unit_test(a_user_whose_quota_is_used_up_gets_a_ring_of_roots),
		cmocka_unit_test(any_other_failure_of_keyrings_refuses_without_asking),
	};

	return cmocka_run_group_tests(tests, lab_set_up, lab_tear_down);
}
