/* /proc/PID/stat with every name a process can give itself, and who descends from whom. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc.h"
#include "session.h"

#define REST "S 41 42 40 34816 99 4194304 1 2 3 4 5 6 7 8 20 0 1 0 123456 1000 100 18446744073709551615\n"

static void names_with_blanks_and_parentheses_are_read_over(void **state)
{
	static const char *const stats[] = {
		"42 (sudo) " REST, "42 (a b) " REST, "42 (a) S 1 1 1 (b) " REST, "42 ()) " REST, "42 (() " REST,
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(stats); i++) {
		struct jh_proc p = {0};
		assert_int_equal(jh_proc_parse_stat(stats[i], &p), 0);
		assert_int_equal(p.pid, 42);
		assert_int_equal(p.parent, 41);
		assert_int_equal(p.leader, 40);
		assert_int_equal(p.tty, 34816);
		assert_int_equal(p.start, 123456);
	}
}

static void anything_else_is_refused(void **state)
{
	static const char *const stats[] = {
		"",
		"42",
		"42 (sudo",
		"42 (sudo)",
		"(sudo) " REST,
		"42(sudo) " REST,
		"x (a) " REST,
		"0 (a) " REST,
		"42 (a) S 1 2 3",
		"42 (a) S x 2 3 4 5 6 7 8 9 1 1 1 1 1 1 1 1 1 1 1",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(stats); i++) {
		struct jh_proc p = {.pid = 7};
		assert_int_equal(jh_proc_parse_stat(stats[i], &p), -EINVAL);
		assert_int_equal(p.pid, 7);
	}
}

static void own_process_is_what_the_kernel_says(void **state)
{
	struct jh_proc p;

	(void)state;
	assert_int_equal(jh_proc_read(getpid(), &p), 0);
	assert_int_equal(p.pid, getpid());
	assert_int_equal(p.parent, getppid());
	assert_int_equal(p.leader, getsid(0));
	assert_true(p.start > 0);
}

static void a_process_that_is_gone_is_not_alive(void **state)
{
	pid_t child = fork();

	(void)state;
	if (child == 0)
		_exit(0);
	int fd = jh_pidfd_open(child);
	assert_true(fd >= 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_false(jh_pidfd_alive(fd));
	assert_false(jh_pidfd_alive(-1));
	close(fd);
}

static void descent_is_by_pid_and_start_time(void **state)
{
	struct jh_proc me, parent;

	(void)state;
	assert_int_equal(jh_proc_read(getpid(), &me), 0);
	assert_int_equal(jh_proc_read(getppid(), &parent), 0);
	assert_true(jh_proc_descends(me.pid, me.pid, me.start));
	assert_true(jh_proc_descends(me.pid, parent.pid, parent.start));
	assert_false(jh_proc_descends(parent.pid, me.pid, me.start));
	assert_false(jh_proc_descends(me.pid, parent.pid, parent.start + 1)); /* the number was given away again */
	assert_false(jh_proc_descends(me.pid, parent.pid, parent.start - 1));
}

static void the_peer_of_a_socket_is_who_connected(void **state)
{
	int pair[2], pidfd;
	pid_t pid;
	uid_t uid;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(jh_pidfd_of_peer(pair[0], &pid, &uid, &pidfd), 0);
	assert_int_equal(pid, getpid());
	assert_int_equal(uid, getuid());
	assert_true(jh_pidfd_alive(pidfd));
	close(pidfd);
	close(pair[0]);
	close(pair[1]);
}

static void login_sessions_match_only_their_own(void **state)
{
	const struct jh_session audit = {.known = true, .uid = 1000, .audit = 3, .leader = 40, .leader_start = 9};
	const struct jh_session leader = {
		.known = true, .uid = 1000, .audit = JH_NO_AUDIT, .leader = 40, .leader_start = 9, .leader_tty = 1};
	struct jh_session other;

	(void)state;
	other = audit;
	other.leader = 77; /* tmux: another topmost process, the same audit session */
	assert_true(jh_session_same(&audit, &other));
	other.audit = 4;
	assert_false(jh_session_same(&audit, &other));
	other = audit;
	other.uid = 1001;
	assert_false(jh_session_same(&audit, &other));
	other = audit;
	other.known = false;
	assert_false(jh_session_same(&other, &other));
	assert_false(jh_session_same(&audit, &leader));
	assert_true(jh_session_same(&leader, &leader));
	other = leader;
	other.leader_start = 10; /* the same number, another process */
	assert_false(jh_session_same(&leader, &other));
	other = leader;
	other.leader = 41;
	assert_false(jh_session_same(&leader, &other));
	other = leader;
	other.leader_tty = 2;
	assert_false(jh_session_same(&leader, &other));
}

static void who_cannot_be_looked_at_is_neither_a_descendant_nor_none(void **state)
{
	struct rlimit limit;
	struct jh_proc self;

	(void)state;
	assert_int_equal(jh_proc_read(getpid(), &self), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	int free_fd = dup(STDERR_FILENO);
	close(free_fd);
	const struct rlimit none = {.rlim_cur = (rlim_t)free_fd, .rlim_max = limit.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	int r = jh_proc_descends(self.pid, self.pid, self.start);
	setrlimit(RLIMIT_NOFILE, &limit);
	assert_int_equal(r, -EMFILE);
	assert_int_equal(jh_proc_descends(self.pid, self.pid, self.start), 1);
	assert_int_equal(jh_proc_descends(0, self.pid, self.start), 0);
}

static void a_process_that_cannot_be_looked_at_is_not_taken_for_gone(void **state)
{
	struct rlimit limit, short_of;
	struct jh_proc self;
	bool gone[2];

	(void)state;
	assert_int_equal(jh_proc_read(getpid(), &self), 0);
	assert_false(jh_proc_is_gone(self.pid, self.start));
	assert_true(jh_proc_is_gone(self.pid, self.start + 1)); /* another had that number */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	int free_fd = dup(STDERR_FILENO);
	close(free_fd);
	for (unsigned left = 0; left < COUNT_OF(gone); left++) { /* none at all, and none but for the pidfd */
		short_of = (struct rlimit){.rlim_cur = (rlim_t)free_fd + left, .rlim_max = limit.rlim_max};
		setrlimit(RLIMIT_NOFILE, &short_of);
		gone[left] = jh_proc_is_gone(self.pid, self.start);
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	assert_false(gone[0]);
	assert_false(gone[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_with_blanks_and_parentheses_are_read_over),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(own_process_is_what_the_kernel_says),
		cmocka_unit_test(a_process_that_is_gone_is_not_alive),
		cmocka_unit_test(a_process_that_cannot_be_looked_at_is_not_taken_for_gone),
		cmocka_unit_test(who_cannot_be_looked_at_is_neither_a_descendant_nor_none),
		cmocka_unit_test(descent_is_by_pid_and_start_time),
		cmocka_unit_test(the_peer_of_a_socket_is_who_connected),
		cmocka_unit_test(login_sessions_match_only_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
