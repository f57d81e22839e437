/* open_session and close_session: the elevation, its key in a ring of the session's own, and what is left of both. */
#include "peer.h"

#include <dlfcn.h>
#include <inttypes.h>

static const uint8_t token[JIT_TOKEN_LEN] = "0123456789abcdef0123456789ABCDEF";

/* sudo joins a ring, which takes root; a plain user's test goes the way of login, whose ring is there already. */
static const char *service(void)
{
	return lab.is_root ? "sudo" : "login";
}

static void add_env(struct jit_frame *f)
{
	jit_frame_put_str(f, JIT_T_ENV, "AWS_REGION=eu-west-1");
	jit_frame_put_str(f, JIT_T_ENV, "JIT_PROFILE=");
}

static void send_allowed(int fd, void (*add)(struct jit_frame *), uint32_t remaining, size_t token_len)
{
	struct jit_frame f;

	jit_frame_start(&f, JIT_F_VERDICT);
	jit_frame_put_u32(&f, JIT_T_OUTCOME, JIT_ALLOW);
	jit_frame_put(&f, JIT_T_TOKEN, token, token_len);
	jit_frame_put_u32(&f, JIT_T_REMAINING, remaining);
	if (add)
		add(&f);
	EXPECT(jit_frame_send(fd, &f) == 0);
}

static void open_and_close(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_OPEN);
	EXPECT(peer_text_is(&f, JIT_T_REQUESTER, lab.user));
	EXPECT(peer_text_is(&f, JIT_T_TARGET, lab.is_root ? "root" : lab.user));
	EXPECT(peer_text_is(&f, JIT_T_GRANT, GRANT));
	EXPECT(peer_text_is(&f, JIT_T_ROLE, "admin"));
	send_allowed(fd, add_env, 55, JIT_TOKEN_LEN);
	peer_recv(fd, &f, JIT_F_TAKEN);
	peer_recv(fd, &f, JIT_F_CLOSE);
	peer_expect_end(fd);
}

static void start(struct host *h, struct peer *p, peer_script script)
{
	peer_start(p, script, "role=admin");
	host_start(h, service(), p->arguments);
	if (lab.is_root)
		pam_set_item(h->pamh, PAM_USER, "root");
	assert_int_equal(pam_putenv(h->pamh, "JIT_GRANT=" GRANT), PAM_SUCCESS);
}

static void assert_no_key(void)
{
	assert_true(find_token() < 0);
}

/* What /proc/keys says of a key that the test possesses: "… 54s 0b000000 UID …". */
static void assert_key_line(long key, uid_t uid)
{
	char line[512], serial[16];
	FILE *f = fopen("/proc/keys", "r");

	assert_non_null(f);
	snprintf(serial, sizeof(serial), "%08lx ", key);
	while (fgets(line, sizeof(line), f)) {
		unsigned usage, owner, permissions;
		char flags[16], expiry[16];

		/* NOLINTNEXTLINE(cert-err34-c): the kernel's own table */
		if (strncmp(line, serial, strlen(serial)) == 0 &&
		    sscanf(line + 9, "%15s %u %15s %x %u", flags, &usage, expiry, &permissions, &owner) == 5) {
			assert_true(strcmp(expiry, "54s") == 0 || strcmp(expiry, "55s") == 0);
			assert_int_equal(permissions, 0x0b000000);
			assert_int_equal(owner, uid);
			fclose(f);
			return;
		}
	}
	fclose(f);
	fail_msg("key %lx does not stand in /proc/keys", key);
}

static void an_allowed_open_leaves_the_token_for_the_session_alone(void **state)
{
	long before = session_ring();
	uint8_t read_back[64];
	struct host h;
	struct peer p;

	(void)state;
	start(&h, &p, open_and_close);
	assert_int_equal(pam_open_session(h.pamh, 0), PAM_SUCCESS);
	assert_string_equal(h.shown, "");
	if (lab.is_root)
		assert_int_not_equal(session_ring(), before); /* never the invoker's */
	else
		assert_int_equal(session_ring(), before);
	long key = find_token();
	assert_true(key > 0);
	assert_int_equal(syscall(SYS_keyctl, KEYCTL_READ, key, read_back, sizeof(read_back)), JIT_TOKEN_LEN);
	assert_memory_equal(read_back, token, JIT_TOKEN_LEN);
	assert_key_line(key, geteuid());
	assert_string_equal(pam_getenv(h.pamh, "AWS_REGION"), "eu-west-1");
	assert_string_equal(pam_getenv(h.pamh, "JIT_PROFILE"), "");

	assert_int_equal(pam_close_session(h.pamh, 0), PAM_SUCCESS);
	assert_no_key();
	host_end(&h);
	peer_finish(&p);
}

/* Another token than the others': no byte string of this program is like it. */
static uint8_t secret_byte(size_t i)
{
	return (uint8_t)(i * 37 + 11);
}

static void open_with_a_secret(int fd)
{
	uint8_t secret[JIT_TOKEN_LEN];
	struct jit_frame f;

	for (size_t i = 0; i < sizeof(secret); i++)
		secret[i] = secret_byte(i);
	peer_recv(fd, &f, JIT_F_OPEN);
	jit_frame_start(&f, JIT_F_VERDICT);
	jit_frame_put_u32(&f, JIT_T_OUTCOME, JIT_ALLOW);
	jit_frame_put(&f, JIT_T_TOKEN, secret, sizeof(secret));
	jit_frame_put_u32(&f, JIT_T_REMAINING, 55);
	EXPECT(jit_frame_send(fd, &f) == 0);
	peer_recv(fd, &f, JIT_F_TAKEN);
	peer_recv(fd, &f, JIT_F_CLOSE);
}

static bool holds_secret(const uint8_t *start, const uint8_t *end)
{
	for (const uint8_t *at = start; at + JIT_TOKEN_LEN <= end; at++) {
		size_t n = 0;

		while (n < JIT_TOKEN_LEN && at[n] == secret_byte(n))
			n++;
		if (n == JIT_TOKEN_LEN)
			return true;
	}
	return false;
}

/* In the stack, what has returned included, or in the heap; SIZE_MAX: neither can be told. */
static size_t count_places_of_secret(void)
{
	char line[512];
	size_t found = 0, looked = 0;
	FILE *f = fopen("/proc/self/maps", "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		uintptr_t start, end;

		if (!strstr(line, "[stack]") && !strstr(line, "[heap]"))
			continue;
		/* NOLINTNEXTLINE(cert-err34-c,performance-no-int-to-ptr): the kernel's own table */
		assert_int_equal(sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &start, &end), 2);
		/* NOLINTNEXTLINE(performance-no-int-to-ptr) */
		found += holds_secret((const uint8_t *)start, (const uint8_t *)end);
		looked++;
	}
	fclose(f);
	return looked == 2 ? found : SIZE_MAX;
}

static void no_copy_of_the_token_is_left_in_the_hosts_memory(void **state)
{
	struct host h;
	struct peer p;

	(void)state;
	if (is_instrumented())
		skip();
	start(&h, &p, open_with_a_secret);
	assert_int_equal(pam_open_session(h.pamh, 0), PAM_SUCCESS);
	assert_int_equal(count_places_of_secret(), 0);
	assert_int_equal(pam_close_session(h.pamh, 0), PAM_SUCCESS);
	host_end(&h);
	peer_finish(&p);
}

/* sudoedit has become root altogether by then; root as the invoker would not have been asked at all. */
static void a_sudo_that_has_become_root_opens_for_its_invoker(void **state)
{
	struct host h;
	struct peer p;

	(void)state;
	if (!lab.is_root)
		skip();
	start(&h, &p, open_and_close);
	assert_int_equal(setresuid(0, 0, 0), 0);
	assert_int_equal(pam_open_session(h.pamh, 0), PAM_SUCCESS);
	assert_int_equal(setresuid(NOBODY, 0, 0), 0);
	assert_int_equal(pam_close_session(h.pamh, 0), PAM_SUCCESS);
	host_end(&h);
	peer_finish(&p);
}

/* pkexec opens polkit's session with a conversation that aborts it, whatever is said. */
static void a_refused_session_of_polkit_is_told_to_the_log_alone(void **state)
{
	struct host h;

	(void)state;
	host_start(&h, "polkit-1", "socket=/nonexistent/pam.sock");
	assert_int_equal(pam_open_session(h.pamh, 0), PAM_SYSTEM_ERR);
	assert_string_equal(h.shown, "");
	assert_non_null(strstr(lab.log, "jit-helper is not running"));
	host_end(&h);
}

/* In account every sudo still runs with its invoker's real uid: here nothing may speak for somebody else. */
static void a_sudo_with_real_uid_0_asks_for_nobody_else(void **state)
{
	struct host h;

	(void)state;
	if (!lab.is_root)
		skip();
	host_start(&h, "sudo", "socket=/nonexistent/pam.sock");
	assert_int_equal(setresuid(0, 0, 0), 0);
	assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_SERVICE_ERR);
	assert_int_equal(setresuid(NOBODY, 0, 0), 0);
	assert_non_null(strstr(h.shown, "the kernel says uid 0"));
	host_end(&h);
}

static void real_and_saved_uids_are_as_before(void **state)
{
	uid_t before[3], after[3];
	struct host h;
	struct peer p;

	(void)state;
	getresuid(&before[0], &before[1], &before[2]);
	start(&h, &p, open_and_close);
	assert_int_equal(pam_open_session(h.pamh, 0), PAM_SUCCESS);
	getresuid(&after[0], &after[1], &after[2]);
	assert_memory_equal(before, after, sizeof(before));
	pam_close_session(h.pamh, 0);
	host_end(&h);
	peer_finish(&p);
}

static void a_handle_that_ends_without_close_ends_the_elevation(void **state)
{
	struct host h;
	struct peer p;

	(void)state;
	start(&h, &p, open_and_close);
	assert_int_equal(pam_open_session(h.pamh, 0), PAM_SUCCESS);
	host_end(&h);
	assert_no_key();
	peer_finish(&p);
}

static void a_child_that_ends_its_copy_of_the_handle_ends_nothing(void **state)
{
	struct host h;
	struct peer p;
	int status;

	(void)state;
	start(&h, &p, open_and_close);
	assert_int_equal(pam_open_session(h.pamh, 0), PAM_SUCCESS);
	pid_t child = fork();
	if (child == 0) {
		pam_end(h.pamh, PAM_SUCCESS);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(find_token() > 0);
	/* The script expects CLOSE first: it would have seen the end otherwise. */
	assert_int_equal(pam_close_session(h.pamh, 0), PAM_SUCCESS);
	host_end(&h);
	peer_finish(&p);
}

static void a_close_without_an_open_is_not_ours(void **state)
{
	struct host h;

	(void)state;
	host_start(&h, service(), "");
	assert_int_equal(pam_close_session(h.pamh, 0), IGNORED);
	host_end(&h);
}

static void a_key_that_is_gone_already_is_closed_all_the_same(void **state)
{
	struct host h;
	struct peer p;

	(void)state;
	start(&h, &p, open_and_close);
	assert_int_equal(pam_open_session(h.pamh, 0), PAM_SUCCESS);
	/* What pam_keyinit does before us. */
	assert_int_equal(syscall(SYS_keyctl, KEYCTL_REVOKE, session_ring()), 0);
	assert_int_equal(pam_close_session(h.pamh, 0), PAM_SUCCESS);
	host_end(&h);
	peer_finish(&p);
	syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
}

static void open_and_never_mind(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_OPEN);
	send_allowed(fd, add_env, 55, JIT_TOKEN_LEN);
	peer_recv(fd, &f, JIT_F_TAKEN);
	peer_expect_end(fd); /* no CLOSE: the host has closed the connection itself */
}

static void reuse_number_for(int other)
{
	int reused = -1;
	struct host h;
	struct peer p;

	start(&h, &p, open_and_never_mind);
	assert_int_equal(pam_open_session(h.pamh, 0), PAM_SUCCESS);
	for (int fd = other + 1; fd < 64 && reused < 0; fd++) {
		struct stat st;

		if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
			reused = fd;
	}
	assert_true(reused > 0);
	assert_int_equal(dup2(other, reused), reused);
	assert_int_equal(pam_close_session(h.pamh, 0), PAM_SUCCESS);
	assert_int_equal(fcntl(reused, F_GETFD), 0);
	close(reused);
	close(other);
	host_end(&h);
	peer_finish(&p);
}

/* A descriptor number that the host closed and used for something else is not ours to write to or to close. */
static void a_number_that_the_host_uses_again_is_left_alone(void **state)
{
	int ends[2];
	char byte;

	(void)state;
	reuse_number_for(open("/dev/null", O_RDONLY | O_CLOEXEC));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	reuse_number_for(ends[1]);
	assert_int_equal(recv(ends[0], &byte, 1, 0), 0); /* nothing but its end */
	close(ends[0]);
}

/* --- refusals leave nothing --- */

static struct {
	void (*add)(struct jit_frame *);
	uint32_t remaining;
	size_t token_len;
} offer;

static void open_badly(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_OPEN);
	send_allowed(fd, offer.add, offer.remaining, offer.token_len);
	peer_expect_end(fd);
}

static void assert_offer_is_refused(void)
{
	struct host h;
	struct peer p;

	start(&h, &p, open_badly);
	assert_int_equal(pam_open_session(h.pamh, 0), lab.is_root ? PAM_SERVICE_ERR : PAM_SYSTEM_ERR);
	assert_refused(&h, "do not understand each other");
	assert_no_key();
	assert_null(pam_getenv(h.pamh, "AWS_REGION"));
	host_end(&h);
	peer_finish(&p);
}

static void an_allow_without_a_proper_token_or_end_refuses(void **state)
{
	static const struct {
		uint32_t remaining;
		size_t token_len;
	} rows[] = {{60, 31}, {60, 0}, {0, 32}, {UINT32_MAX, 32}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		offer.add = add_env;
		offer.remaining = rows[i].remaining;
		offer.token_len = rows[i].token_len;
		assert_offer_is_refused();
	}
}

static const char *bad_env;

static void add_bad_env(struct jit_frame *f)
{
	add_env(f);
	jit_frame_put_str(f, JIT_T_ENV, bad_env);
}

static void add_nul_env(struct jit_frame *f)
{
	jit_frame_put(f, JIT_T_ENV, "JIT_A=b\0c", 9);
}

static void add_33_env(struct jit_frame *f)
{
	for (int i = 0; i < 33; i++)
		jit_frame_put_str(f, JIT_T_ENV, "JIT_A=b");
}

static void a_variable_that_could_do_harm_refuses_the_open(void **state)
{
	static const char *const bad[] = {"LD_PRELOAD=/tmp/x.so",
					  "LD_=x",
					  "PATH=/tmp",
					  "BASH_ENV=/tmp/x",
					  "JIT_=x",
					  "AWS_config_file=/tmp/x",
					  "JIT_A B=c",
					  "=x",
					  "NAME",
					  "JIT_NAME",
					  "JIT_A=b\nB=c",
					  "JIT_A=\033[2J",
					  ""};

	(void)state;
	offer.remaining = 60;
	offer.token_len = JIT_TOKEN_LEN;
	offer.add = add_bad_env;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		bad_env = bad[i];
		assert_offer_is_refused();
	}
	offer.add = add_nul_env;
	assert_offer_is_refused();
	offer.add = add_33_env;
	assert_offer_is_refused();
}

static void open_but_take_nothing(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_OPEN);
	EXPECT(shutdown(fd, SHUT_RD) == 0);
	send_allowed(fd, add_env, 60, JIT_TOKEN_LEN);
	peer_expect_end(fd);
}

static void an_open_whose_taken_cannot_be_sent_is_undone(void **state)
{
	struct host h;
	struct peer p;

	(void)state;
	start(&h, &p, open_but_take_nothing);
	assert_int_equal(pam_open_session(h.pamh, 0), lab.is_root ? PAM_SERVICE_ERR : PAM_SYSTEM_ERR);
	assert_refused(&h, "went away");
	assert_no_key();
	assert_null(pam_getenv(h.pamh, "AWS_REGION"));
	host_end(&h);
	peer_finish(&p);
}

/* Stands in for libpam's, so that it can have no room. */
static bool env_is_full;
__attribute__((visibility("default"))) int pam_putenv(pam_handle_t *pamh, const char *name_value);

int pam_putenv(pam_handle_t *pamh, const char *name_value)
{
	int (*put)(pam_handle_t *, const char *);

	if (env_is_full)
		return PAM_BUF_ERR;
	*(void **)&put = dlsym(RTLD_NEXT, "pam_putenv");
	return put(pamh, name_value);
}

static void an_elevation_whose_environment_cannot_be_set_is_ended_at_once(void **state)
{
	struct host h;
	struct peer p;

	(void)state;
	start(&h, &p, open_and_close);
	env_is_full = true;
	assert_int_equal(pam_open_session(h.pamh, 0), lab.is_root ? PAM_SERVICE_ERR : PAM_SYSTEM_ERR);
	env_is_full = false;
	assert_refused(&h, "environment cannot be set");
	assert_no_key();
	peer_finish(&p); /* which has seen CLOSE, and no later than this */
	host_end(&h);
}

static void deny(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_OPEN);
	peer_verdict(fd, JIT_DENIED, "the grant does not cover postgres", NULL);
	peer_expect_end(fd);
}

static void a_target_that_the_grant_does_not_cover_is_refused(void **state)
{
	long before = session_ring();
	struct host h;
	struct peer p;

	(void)state;
	start(&h, &p, deny);
	assert_int_equal(pam_open_session(h.pamh, 0), PAM_PERM_DENIED);
	assert_refused(&h, "the grant does not cover postgres");
	assert_int_equal(session_ring(), before);
	host_end(&h);
	peer_finish(&p);
}

/* Without the right to become root there is no ring of the session's own: nothing may go into the invoker's. */
static void open_in_vain(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_OPEN);
	send_allowed(fd, add_env, 60, JIT_TOKEN_LEN);
	peer_expect_end(fd);
}

static void where_no_ring_can_be_joined_the_invokers_gets_nothing(void **state)
{
	long before = session_ring();
	struct host h;
	struct peer p;
	int status;

	(void)state;
	peer_start(&p, open_in_vain, "");
	chmod(p.path, 0666);
	host_start(&h, "sudo", p.arguments);
	pid_t child = fork();
	if (child == 0) {
		uid_t uid = getuid();

		EXPECT(setresuid(uid, uid, uid) == 0); /* for good */
		EXPECT(pam_open_session(h.pamh, 0) == PAM_SERVICE_ERR);
		EXPECT(strstr(h.shown, "no session keyring") != NULL);
		EXPECT(session_ring() == before && find_token() < 0);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	host_end(&h);
	peer_finish(&p);
}

static void open_anywhere(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_OPEN);
	send_allowed(fd, add_env, 60, JIT_TOKEN_LEN);
	peer_recv(fd, &f, JIT_F_TAKEN);
	peer_recv(fd, &f, JIT_F_CLOSE);
}

/* login's line before pam_keyinit's, or without it: other logins have such a ring too. */
static void a_ring_that_is_not_made_for_this_login_gets_no_token(void **state)
{
	static const struct {
		uid_t owner;
		const char *name; /* NULL: none, as pam_keyinit has it */
		const char *user; /* who logs in */
	} rows[] = {{1, "_uid_ses.1", "daemon"}, {2, NULL, "daemon"}, {0, NULL, "root"}};

	(void)state;
	if (!lab.is_root)
		skip();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct host h;
		struct peer p;
		int status;

		peer_start(&p, open_anywhere, "");
		host_start(&h, "login", p.arguments);
		pam_set_item(h.pamh, PAM_USER, rows[i].user);
		pid_t child = fork();
		if (child == 0) {
			EXPECT(setresuid(rows[i].owner, rows[i].owner, 0) == 0);
			EXPECT(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, rows[i].name) > 0);
			EXPECT(setresuid(0, 0, 0) == 0);
			long before = session_ring();
			EXPECT(pam_open_session(h.pamh, 0) == PAM_SUCCESS);
			EXPECT(session_ring() != before && find_token() > 0);
			EXPECT(pam_close_session(h.pamh, 0) == PAM_SUCCESS);
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
		host_end(&h);
		peer_finish(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_allowed_open_leaves_the_token_for_the_session_alone),
		cmocka_unit_test(no_copy_of_the_token_is_left_in_the_hosts_memory),
		cmocka_unit_test(a_sudo_that_has_become_root_opens_for_its_invoker),
		cmocka_unit_test(a_sudo_with_real_uid_0_asks_for_nobody_else),
		cmocka_unit_test(a_refused_session_of_polkit_is_told_to_the_log_alone),
		cmocka_unit_test(real_and_saved_uids_are_as_before),
		cmocka_unit_test(a_handle_that_ends_without_close_ends_the_elevation),
		cmocka_unit_test(a_child_that_ends_its_copy_of_the_handle_ends_nothing),
		cmocka_unit_test(a_close_without_an_open_is_not_ours),
		cmocka_unit_test(a_key_that_is_gone_already_is_closed_all_the_same),
		cmocka_unit_test(a_number_that_the_host_uses_again_is_left_alone),
		cmocka_unit_test(an_allow_without_a_proper_token_or_end_refuses),
		cmocka_unit_test(a_variable_that_could_do_harm_refuses_the_open),
		cmocka_unit_test(an_open_whose_taken_cannot_be_sent_is_undone),
		cmocka_unit_test(an_elevation_whose_environment_cannot_be_set_is_ended_at_once),
		cmocka_unit_test(a_target_that_the_grant_does_not_cover_is_refused),
		cmocka_unit_test(where_no_ring_can_be_joined_the_invokers_gets_nothing),
		cmocka_unit_test(a_ring_that_is_not_made_for_this_login_gets_no_token),
	};

	return cmocka_run_group_tests(tests, lab_set_up, lab_tear_down);
}
