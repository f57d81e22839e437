/* Tries made in a child that has gone into a daemon's own sandbox: each answers 0, the errno, or minus the signal. */
#ifndef JIT_TEST_SANDBOXED_H
#define JIT_TEST_SANDBOXED_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

/* A folder with a file and a socket, which no configuration names, and two ports of which one is named. */
static char outside[] = "/tmp/jit-sandbox-XXXXXX", outside_file[64];
static int named_listener, other_listener, abstract_listener, path_listener;
static uint16_t named_port, other_port;
static struct sockaddr_un abstract = {.sun_family = AF_UNIX}, with_path = {.sun_family = AF_UNIX};

static inline int landlock_has(void)
{
	return (int)syscall(444, NULL, 0, 1); /* landlock_create_ruleset: which ABI? */
}

static inline struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static inline int listen_somewhere(uint16_t *ret)
{
	struct sockaddr_in at = loopback(0);
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 4) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &size) < 0)
		return -1;
	*ret = ntohs(at.sin_port);
	return fd;
}

static inline int listen_at(const struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 || bind(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 || listen(fd, 4) < 0 ? -1 : fd;
}

static inline int make_outside(void **state)
{
	(void)state;
	if (!mkdtemp(outside))
		return -1;
	snprintf(outside_file, sizeof(outside_file), "%s/file", outside);
	close(open(outside_file, O_WRONLY | O_CREAT, 0600));
	snprintf(abstract.sun_path + 1, sizeof(abstract.sun_path) - 1, "jit-test-%d", (int)getpid());
	snprintf(with_path.sun_path, sizeof(with_path.sun_path), "%s/socket", outside);
	abstract_listener = listen_at(&abstract);
	path_listener = listen_at(&with_path);
	named_listener = listen_somewhere(&named_port);
	other_listener = listen_somewhere(&other_port);
	return abstract_listener < 0 || path_listener < 0 || named_listener < 0 || other_listener < 0 ? -1 : 0;
}

static inline int remove_outside(void **state)
{
	(void)state;
	unlink(outside_file);
	unlink(with_path.sun_path);
	return rmdir(outside);
}

/* 0: done; else why it was not. `enter` goes into the sandbox and says so with 0 or 1. */
static inline int in_sandbox(int (*enter)(void), int (*try)(void))
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		_exit(enter() < 0 ? 255 : try());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static inline int said(long result)
{
	return result < 0 ? errno : 0;
}

static inline int try_open(const char *path, int flags)
{
	return said(open(path, flags, 0600));
}

static inline int try_connect(uint16_t port)
{
	struct sockaddr_in at = loopback(port);

	return said(connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&at, sizeof(at)));
}

/* What only an attacker would try */

static inline int run_a_program(void)
{
	char *const none[] = {NULL};

	return said(execve("/bin/true", none, none));
}

static inline int trace_a_process(void)
{
	return said(ptrace(PTRACE_ATTACH, getppid(), 0, 0));
}

static inline int read_anothers_memory(void)
{
	return said(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
}

static inline int mount_something(void)
{
	return said(syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL));
}

static inline int load_a_module(void)
{
	return said(syscall(SYS_finit_module, -1, "", 0));
}

static inline int take_a_namespace(void)
{
	return said(syscall(SYS_unshare, 0));
}

static int (*const hostile_tries[])(void) = {run_a_program,   trace_a_process, read_anothers_memory,
					     mount_something, load_a_module,   take_a_namespace};

/* What is not needed */

static inline int make_a_process(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	return said(child);
}

static inline int write_and_execute(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
		       ? errno
		       : 0;
}

static inline int execute_what_was_written(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED ? 0 : said(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

static inline int be_dumpable_again(void)
{
	return said(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static inline int raise_a_limit(void)
{
	const struct rlimit core = {0, 0};

	return said(setrlimit(RLIMIT_CORE, &core));
}

static inline int open_a_raw_socket(void)
{
	return said(socket(AF_PACKET, SOCK_RAW, 0));
}

static inline int ask_for_keys(void)
{
	return said(syscall(SYS_keyctl, 0, 0, 0));
}

static inline int listen_for_others(void)
{
	return said(listen(socket(AF_UNIX, SOCK_STREAM, 0), 1));
}

static inline int read_outside(void)
{
	return try_open(outside_file, O_RDONLY);
}

static inline int write_outside(void)
{
	char path[80];

	snprintf(path, sizeof(path), "%s.new", outside_file);
	return try_open(path, O_WRONLY | O_CREAT);
}

static inline int reach_another_port(void)
{
	return try_connect(other_port);
}

/* TCP Fast Open connects as it sends. */
static inline int reach_another_port_by_sending(void)
{
	struct sockaddr_in at = loopback(other_port);

	return said(sendto(socket(AF_INET, SOCK_STREAM, 0), "", 1, MSG_FASTOPEN, (struct sockaddr *)&at, sizeof(at)));
}

static inline int reach_another_port_by_message(void)
{
	struct sockaddr_in at = loopback(other_port);
	struct iovec one = {.iov_base = (char[]){0}, .iov_len = 1};
	const struct msghdr message = {.msg_name = &at, .msg_namelen = sizeof(at), .msg_iov = &one, .msg_iovlen = 1};

	return said(sendmsg(socket(AF_INET, SOCK_STREAM, 0), &message, MSG_FASTOPEN));
}

static inline int reach_another_port_by_messages(void)
{
	struct sockaddr_in at = loopback(other_port);
	struct iovec one = {.iov_base = (char[]){0}, .iov_len = 1};
	struct mmsghdr message = {
		.msg_hdr = {.msg_name = &at, .msg_namelen = sizeof(at), .msg_iov = &one, .msg_iovlen = 1}};

	return said(sendmmsg(socket(AF_INET, SOCK_STREAM, 0), &message, 1, MSG_FASTOPEN));
}

/* A TCP that Landlock's ports do not bind. */
static inline int open_a_multipath_socket(void)
{
	return said(socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP));
}

static inline int open_a_multipath_socket_6(void)
{
	return said(socket(AF_INET6, SOCK_STREAM, IPPROTO_MPTCP));
}

static inline int reach_an_abstract_socket(void)
{
	return said(connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&abstract, sizeof(abstract)));
}

/* Its own parent, by its pidfd and signal 0: nothing happens to it. */
static inline int signal_another_process(void)
{
	int fd = (int)syscall(SYS_pidfd_open, getppid(), 0);

	return fd < 0 ? errno : said(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
}

/* What is not needed, and stays open: no part of the sandbox sees to it (SECURITY.md says so) */

static inline int reach_a_socket_with_a_path(void)
{
	return said(connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&with_path, sizeof(with_path)));
}

static inline int send_a_datagram_anywhere(void)
{
	struct sockaddr_in at = loopback(other_port);

	return said(sendto(socket(AF_INET, SOCK_DGRAM, 0), "", 1, 0, (struct sockaddr *)&at, sizeof(at)));
}

/* What is needed */

static inline int reach_the_named_port(void)
{
	return try_connect(named_port);
}

static inline int read_who_is_who(void)
{
	return try_open("/etc/passwd", O_RDONLY);
}

static inline int resolve_a_name(void)
{
	struct addrinfo *found = NULL;

	return getaddrinfo("localhost", "443", NULL, &found) == 0 ? 0 : 254;
}

static void *nothing(void *arg)
{
	return arg;
}

static inline int start_a_thread(void)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, nothing, NULL) == 0 ? pthread_join(thread, NULL) : 254;
}

/* The tries that go alike in each daemon's sandbox: `enter`, of the test's own. */
static int enter(void);

/* What only a kernel of that Landlock can keep from it. */
static inline void skip_unless_landlock_has(int abi)
{
	if (is_under_valgrind() || landlock_has() < abi)
		skip();
}

static inline void no_file_is_reached_that_no_configuration_names(void **state)
{
	(void)state;
	skip_unless_landlock_has(1);
	assert_int_equal(in_sandbox(enter, read_outside), EACCES);
	assert_int_equal(in_sandbox(enter, write_outside), EACCES);
}

static inline void no_port_is_reached_that_no_configuration_names(void **state)
{
	(void)state;
	skip_unless_landlock_has(4);
	assert_int_equal(in_sandbox(enter, reach_another_port), EACCES);
}

static inline void no_abstract_socket_is_reached(void **state)
{
	(void)state;
	skip_unless_landlock_has(6);
	assert_int_equal(in_sandbox(enter, reach_an_abstract_socket), EPERM);
}

#define LANDLOCK_TESTS                                                                                                 \
	cmocka_unit_test(no_file_is_reached_that_no_configuration_names),                                              \
		cmocka_unit_test(no_port_is_reached_that_no_configuration_names),                                      \
		cmocka_unit_test(no_abstract_socket_is_reached)

/* And those that seccomp sees to. */
static inline void assert_sandboxed(void)
{
	for (size_t i = 0; i < COUNT_OF(hostile_tries); i++)
		if (!is_instrumented() || hostile_tries[i] != trace_a_process) /* LeakSanitizer does */
			assert_int_equal(in_sandbox(enter, hostile_tries[i]), -SIGSYS);
	if (!is_instrumented()) {
		assert_int_equal(in_sandbox(enter, make_a_process), ENOSYS);
		assert_int_equal(in_sandbox(enter, write_and_execute), ENOSYS);
		assert_int_equal(in_sandbox(enter, execute_what_was_written), ENOSYS);
		assert_int_equal(in_sandbox(enter, be_dumpable_again), ENOSYS);
	}
	assert_int_equal(in_sandbox(enter, raise_a_limit), ENOSYS);
	assert_int_equal(in_sandbox(enter, ask_for_keys), ENOSYS);
	assert_int_equal(in_sandbox(enter, listen_for_others), ENOSYS);
	assert_int_equal(in_sandbox(enter, open_a_raw_socket), EAFNOSUPPORT);
	assert_int_equal(in_sandbox(enter, open_a_multipath_socket), ENOSYS);
	assert_int_equal(in_sandbox(enter, open_a_multipath_socket_6), ENOSYS);
	assert_int_equal(in_sandbox(enter, reach_another_port_by_sending), ENOSYS);
	assert_int_equal(in_sandbox(enter, reach_another_port_by_message), ENOSYS);
	assert_int_equal(in_sandbox(enter, reach_another_port_by_messages), ENOSYS);
	assert_int_equal(in_sandbox(enter, reach_a_socket_with_a_path), 0);
	assert_int_equal(in_sandbox(enter, send_a_datagram_anywhere), 0);
	assert_int_equal(in_sandbox(enter, reach_the_named_port), 0);
	assert_int_equal(in_sandbox(enter, read_who_is_who), 0);
	assert_int_equal(in_sandbox(enter, resolve_a_name), 0);
	assert_int_equal(in_sandbox(enter, start_a_thread), 0);
}

#endif
