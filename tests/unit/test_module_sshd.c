/* What the module reads of sshd: its version, its process' title, LoginGraceTime; and which socket is the client's. */
#include "unit.h"

#include "../../common/grace.h"
#include "../../pam_jit/client.h"
#include "../../pam_jit/sshd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIVE	 77
#define NOT_LIVE 78

#define BYTES(text) text, sizeof(text) - 1

static void the_version_is_found_among_a_programs_bytes(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		unsigned version;
	} rows[] = {
		{BYTES("\0\1sshd\0OpenSSH_9.2p1 Debian-2+deb12u10\0"), 902},
		{BYTES("OpenSSH_10.2"), 1002},
		{BYTES("xOpenSSH_10.3p1"), 1003},
		{BYTES("OpenSSH_10.10p2 Ubuntu"), 1010},
		{BYTES("OpenSSH_11.0"), 1100},
		/* Before and after it stand the patterns of other programs' faults. */
		{BYTES("OpenSSH_7.4*\0OpenSSH_6.5*,OpenSSH_6.6*\0OpenSSH_5*\0OpenSSH_9.2\0OpenSSH_2.*,OpenSSH_3.0*"),
		 902},
		{BYTES("OpenSSH_99.9*\0OpenSSH_9.2"), 902},
		{BYTES("OpenSSH_"), 0},
		{BYTES("OpenSSH_10"), 0},
		{BYTES("OpenSSH_10."), 0},
		{BYTES("OpenSSH_x.y OpenSSH_.5"), 0},
		{BYTES("OpenSSH_100.3"), 0},
		{BYTES("OpenSSH_10.333"), 0},
		{BYTES("openssh_10.3"), 0},
		{BYTES("OpenSS"), 0},
		{BYTES(""), 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		/* Exactly as long as it is: the sanitizer sees a byte too many. */
		char *bytes = malloc(rows[i].len + (rows[i].len == 0));

		memcpy(bytes, rows[i].bytes, rows[i].len);
		assert_int_equal(pj_openssh_version(bytes, rows[i].len), rows[i].version);
		free(bytes);
	}
}

static void text_is_live_from_10_3_on_in_keyboard_interactives_child_alone(void **state)
{
	static const struct {
		unsigned version;
		const char *title;
		bool live;
	} rows[] = {
		{1003, "sshd-session: op1 [pam]", true},
		{1003, "sshd: op1 [pam]", true},
		{1010, "sshd-session: op1 [pam]", true},
		{1100, "sshd-session: unknown [pam]", true},
		{1002, "sshd-session: op1 [pam]", false},
		{902, "sshd: op1 [pam]", false},
		{0, "sshd: op1 [pam]", false},
		{1003, "sshd-session: op1 [priv]", false},
		{1003, "sshd-session: op1 [pam] [priv]", false},
		{1003, "sshd-session: op1", false},
		{1003, "/usr/bin/evil [pam]", false},
		{1003, " [pam]", false},
		{1003, "", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(pj_openssh_is_live(rows[i].version, rows[i].title), rows[i].live);
}

/* The newest sshd among this program's own bytes is the 11.0 of the rows above; its patterns do not count. */
static void the_version_is_that_of_the_program_and_the_title_that_of_the_process(void **state)
{
	static const struct {
		const char *title;
		int status;
	} rows[] = {{"sshd-session: op1 [pam]", LIVE}, {"sshd-session: op1 [priv]", NOT_LIVE}};

	(void)state;
	if (is_instrumented())
		skip();
	assert_int_equal(pj_sshd_version(), 1100);
	assert_false(pj_sshd_is_live()); /* a test is no sshd */
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int status;

		pid_t child = fork();
		if (child == 0) {
			execl("/proc/self/exe", rows[i].title, NULL);
			_exit(1);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), rows[i].status);
	}
}

static void a_process_that_is_no_sshd_has_its_own_title(void **state)
{
	char title[256];

	(void)state;
	pj_sshd_title(title, sizeof(title));
	assert_non_null(strstr(title, "test_module_sshd"));
	pj_sshd_title(title, 4);
	assert_int_equal(strlen(title), 3);
}

/* --- LoginGraceTime --- */

static void sshds_times_are_read_as_sshd_reads_them(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds; /* -1: refused */
	} rows[] = {
		{"20", 20},
		{"0", 0},
		{"2m", 120},
		{"1h30m", 5400},
		{"1H30M5", 5405},
		{"1w", 604800},
		{"1d", 86400},
		{"90s", 90},
		{"1.5s", 1},
		{"1.5", 1},
		{"0120", 120},
		{"", -1},
		{"none", -1},
		{"-5", -1},
		{"5x", -1},
		{"m", -1},
		{"1.5m", -1},
		{"1.", -1},
		{".5", -1},
		{"5 m", -1},
		{"99999999999999999999", -1},
		{"9999999w", -1},
		{"2147483647", INT_MAX},
		{"2147483648", -1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint32_t seconds = 4711;
		int r = pj_grace_parse(rows[i].text, &seconds);

		if (r != (rows[i].seconds < 0 ? -EINVAL : 0) || seconds != (r < 0 ? 4711 : rows[i].seconds))
			fail_msg("\"%s\": %d, %u", rows[i].text, r, seconds);
	}
}

static char folder[64];

static const char *path_of(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(path_of(name), "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path_of(name), 0644), 0);
}

static uint32_t grace_of(const char *text)
{
	write_file("config", text);
	return pj_grace_read(path_of("config"));
}

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/jit-sshd.XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	static const char *const files[] = {"config", "a.conf", "b.conf", "c d.conf", "loop", "link"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(files); i++)
		unlink(path_of(files[i]));
	return rmdir(folder);
}

static void the_first_login_grace_time_outside_a_match_counts(void **state)
{
	static const struct {
		const char *text;
		uint32_t seconds;
	} rows[] = {
		{"LoginGraceTime 20\nLoginGraceTime 60\n", 20},
		{"# LoginGraceTime 20\n\n  \t\nlogingracetime 45", 45},
		{"\tLOGINGRACETIME\t=\t2m\t# two minutes\r\n", 120},
		{"LoginGraceTime=30\n", 30},
		{"LoginGraceTime \"40\"\n", 40},
		{"LoginGraceTime 0\n", 0},
		{"LoginGraceTimes 20\nXLoginGraceTime 20\n", PJ_GRACE_DEFAULT},
		{"UsePAM yes\nMatch User op1\nLoginGraceTime 20\n", PJ_GRACE_DEFAULT},
		{"match all\n  LoginGraceTime 20\n", PJ_GRACE_DEFAULT},
		{"LoginGraceTime\n", PJ_GRACE_DEFAULT},
		{"LoginGraceTime soon\n", PJ_GRACE_DEFAULT},
		{"LoginGraceTime \"\n", PJ_GRACE_DEFAULT},
		{"", PJ_GRACE_DEFAULT},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (grace_of(rows[i].text) != rows[i].seconds)
			fail_msg("%s: %u", rows[i].text, grace_of(rows[i].text));
}

static void includes_are_followed_as_sshd_follows_them(void **state)
{
	char text[256];

	(void)state;
	write_file("a.conf", "X11Forwarding no\nMatch all\nLoginGraceTime 1\n");
	write_file("b.conf", "LoginGraceTime 33\n");
	write_file("c d.conf", "LoginGraceTime 44\n");
	/* Relative to the folder, globs in their order, a Match block that ends with its file. */
	assert_int_equal(grace_of("Include *.conf\nLoginGraceTime 50\n"), 33);
	assert_int_equal(grace_of("LoginGraceTime 50\nInclude *.conf\n"), 50);
	assert_int_equal(grace_of("include a.conf nothing*.conf \"c d.conf\" b.conf\n"), 44);
	assert_int_equal(grace_of("Match all\nInclude b.conf\n"), PJ_GRACE_DEFAULT);
	snprintf(text, sizeof(text), "Include %s/b.conf\n", folder);
	assert_int_equal(grace_of(text), 33);
	/* Round and round, and still an end. */
	write_file("loop", "Include loop loop\nLoginGraceTime 55\n");
	assert_int_equal(grace_of("Include loop\n"), 55);
}

static void a_file_that_others_write_or_that_is_none_says_nothing(void **state)
{
	(void)state;
	assert_int_equal(pj_grace_read(path_of("absent")), PJ_GRACE_DEFAULT);
	assert_int_equal(pj_grace_read(folder), PJ_GRACE_DEFAULT);
	assert_int_equal(grace_of("LoginGraceTime 20\n"), 20);
	chmod(path_of("config"), 0666);
	assert_int_equal(pj_grace_read(path_of("config")), PJ_GRACE_DEFAULT);
	chmod(path_of("config"), 0644);
	if (geteuid() == 0) {
		assert_int_equal(chown(path_of("config"), 65534, 65534), 0);
		assert_int_equal(pj_grace_read(path_of("config")), PJ_GRACE_DEFAULT);
		assert_int_equal(chown(path_of("config"), 0, 0), 0);
	}
	/* sshd follows a link, and so does this. */
	assert_int_equal(symlink("config", path_of("link")), 0);
	assert_int_equal(pj_grace_read(path_of("link")), 20);
}

/* --- the client's socket --- */

static int connect_pair(int family, int fd[2])
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr *addr = family == AF_INET ? (struct sockaddr *)&in : (struct sockaddr *)&in6;
	socklen_t len = family == AF_INET ? sizeof(in) : sizeof(in6);
	int listener = socket(family, SOCK_STREAM, 0);

	if (listener < 0 || bind(listener, addr, len) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, addr, &len) < 0) {
		close(listener);
		return -1;
	}
	fd[0] = socket(family, SOCK_STREAM, 0);
	assert_int_equal(connect(fd[0], addr, len), 0);
	fd[1] = accept(listener, NULL, NULL);
	close(listener);
	return 0;
}

static void the_clients_socket_is_told_by_its_peer(void **state)
{
	int fd[2], fd6[2], unix_fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, unix_fd), 0);
	assert_int_equal(pj_client_find("127.0.0.1"), -1);
	assert_int_equal(pj_client_find("client.example"), -1);
	assert_int_equal(connect_pair(AF_INET, fd), 0);
	close(fd[0]); /* sshd has one end */
	assert_int_equal(pj_client_find("127.0.0.1"), fd[1]);
	assert_int_equal(pj_client_find("::ffff:127.0.0.1"), fd[1]);
	assert_int_equal(pj_client_find("192.0.2.1"), -1); /* another service's connection is not watched */
	assert_int_equal(pj_client_find("client.example"), fd[1]);
	assert_int_equal(pj_client_find(""), fd[1]);
	if (connect_pair(AF_INET6, fd6) == 0) {
		assert_int_equal(pj_client_find("127.0.0.1"), fd[1]);
		assert_true(pj_client_find("::1%lo") == fd6[0] || pj_client_find("::1%lo") == fd6[1]);
		assert_int_equal(pj_client_find("client.example"), -1); /* several, and nothing tells which */
		close(fd6[0]);
		close(fd6[1]);
	}
	close(fd[1]);
	close(unix_fd[0]);
	close(unix_fd[1]);
}

/* Run under the title of an sshd it only tells whether it would take itself for a live one. */
int main(int argc, char **argv)
{
	(void)argc;
	if (strncmp(argv[0], "sshd", 4) == 0)
		return pj_sshd_is_live() ? LIVE : NOT_LIVE;

	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_version_is_found_among_a_programs_bytes),
		cmocka_unit_test(text_is_live_from_10_3_on_in_keyboard_interactives_child_alone),
		cmocka_unit_test(the_version_is_that_of_the_program_and_the_title_that_of_the_process),
		cmocka_unit_test(a_process_that_is_no_sshd_has_its_own_title),
		cmocka_unit_test(sshds_times_are_read_as_sshd_reads_them),
		cmocka_unit_test_setup_teardown(the_first_login_grace_time_outside_a_match_counts, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(includes_are_followed_as_sshd_follows_them, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_file_that_others_write_or_that_is_none_says_nothing, make_folder,
						remove_folder),
		cmocka_unit_test(the_clients_socket_is_told_by_its_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
