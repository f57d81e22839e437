/* session.sock: a helper that is short of descriptors says so, and does not send anybody away to log in again. Some
 * users together leave room for others. */
#include "unit.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ahead.h"
#include "elevation.h"
#include "helper.h"
#include "session_side.h"

static struct jh_helper helper;
static struct jh_conf conf;
static struct jit_frame in, out;
static char path[64];

static int set_up(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	(void)state;
	helper = (struct jh_helper){.passed = -1, .conf = &conf, .base = event_base_new(), .in = &in, .out = &out};
	helper.alarms = jh_alarms_new(helper.base);
	snprintf(path, sizeof(path), "/tmp/session-side-%d", getpid());
	memcpy(at.sun_path, path, sizeof(path));
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 5), 0);
	helper.session = jh_session_side_new(&helper, fd);
	assert_non_null(helper.session);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	jh_listener_free(helper.session);
	jh_alarms_free(helper.alarms);
	event_base_free(helper.base);
	return unlink(path);
}

/* What that frame is answered when no descriptor is left. */
static void ask(enum jit_frame_type type, char *text, uint32_t *ret_status)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct rlimit limit;
	struct jit_frame frame;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	memcpy(at.sun_path, path, sizeof(path));
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	while (!jh_listener_expects(helper.session))
		assert_int_equal(event_base_loop(helper.base, EVLOOP_ONCE), 0);
	jit_frame_start(&frame, (uint8_t)type);
	assert_int_equal(jit_frame_send(fd, &frame), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	int first_free = dup(STDERR_FILENO);
	close(first_free);
	const struct rlimit none = {.rlim_cur = (rlim_t)first_free, .rlim_max = limit.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	event_base_loop(helper.base, EVLOOP_ONCE);
	setrlimit(RLIMIT_NOFILE, &limit);
	assert_int_equal(jit_frame_recv(fd, &frame), 1);
	assert_int_equal(jit_frame_type(&frame), JIT_F_FAULT);
	assert_int_equal(jit_frame_get_str(&frame, JIT_T_TEXT, text, JIT_LINE_SIZE), 0);
	assert_int_equal(jit_frame_get_u32(&frame, JIT_T_EXIT, ret_status), 0);
	close(fd);
}

static void without_descriptors_the_shortage_is_named(void **state)
{
	static const enum jit_frame_type types[] = {JIT_F_STATUS, JIT_F_END, JIT_F_REQUEST, JIT_F_FOLLOW};
	char text[JIT_LINE_SIZE];
	uint32_t status, session;

	(void)state;
	assert_int_equal(jh_proc_audit(getpid(), &session), 0);
	if (session != JH_NO_AUDIT)
		skip(); /* which session it is was told by the connection */
	for (size_t i = 0; i < COUNT_OF(types); i++) {
		ask(types[i], text, &status);
		assert_string_equal(text, JH_SHORTAGE);
		assert_int_equal(status, JIT_EXIT_UNAVAILABLE);
	}
}

/* Whether it is in the elevated session is known by its descent alone, and that cannot be looked at. */
static void without_descriptors_nobody_is_said_to_be_in_no_elevation(void **state)
{
	struct jh_peer process = {.fd = -1};
	struct jh_elevation elevation = {.peer = &process,
					 .session = {.known = true, .audit = JH_NO_AUDIT},
					 .target_uid = getuid(),
					 .stands = true,
					 .keyless = true};
	static const enum jit_frame_type types[] = {JIT_F_CREDENTIALS, JIT_F_STATUS, JIT_F_END};
	char text[JIT_LINE_SIZE];
	uint32_t status;

	(void)state;
	assert_int_equal(jh_proc_read(getppid(), &process.proc), 0);
	LIST_INSERT_HEAD(&helper.elevations, &elevation, link);
	for (size_t i = 0; i < COUNT_OF(types); i++) {
		ask(types[i], text, &status);
		assert_string_equal(text, JH_SHORTAGE);
		assert_int_equal(status, JIT_EXIT_UNAVAILABLE);
	}
	LIST_INIT(&helper.elevations);
}

#define USERS 6
#define EACH  32 /* as many as one may have: all that are for whoever comes */
#define ID    "0b6c1111-2222-4333-8444-555566667777"

static struct jh_ahead followed[USERS + 2];
static int held[USERS * EACH], late[EACH];

/* What that user asked for and waits for the decision of. */
static void add_followed(struct jh_ahead *a, uid_t uid)
{
	struct jh_peer self = {.proc = {.pid = getpid()}, .pidfd = jh_pidfd_open(getpid())};

	assert_int_equal(jh_proc_audit(getpid(), &self.proc.audit_session), 0);
	*a = (struct jh_ahead){.id = ID, .short_id = "R7KD-2M9Q", .status = "PENDING"};
	assert_int_equal(jh_session_of(&self, uid, &a->session, NULL), 0);
	close(self.pidfd);
	LIST_INSERT_HEAD(&helper.ahead, a, link);
}

static void look(void)
{
	for (int i = 0; i < 4; i++)
		event_base_loop(helper.base, EVLOOP_NONBLOCK);
}

static int connect_as(uid_t uid)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);

	memcpy(at.sun_path, path, sizeof(path));
	assert_int_equal(seteuid(uid), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(seteuid(0), 0);
	look();
	return fd;
}

static void follow(int fd)
{
	struct jit_frame frame;

	jit_frame_start(&frame, JIT_F_FOLLOW);
	jit_frame_put_str(&frame, JIT_T_GRANT, ID);
	jit_frame_put_u32(&frame, JIT_T_WAIT, 60);
	(void)jit_frame_send(fd, &frame);
	look();
}

/* It was not refused. */
static bool is_held(int fd)
{
	struct jit_frame frame = {0};

	return jit_frame_recv(fd, &frame) == -EAGAIN;
}

static int follow_as(uid_t uid)
{
	int fd = connect_as(uid);

	follow(fd);
	return fd;
}

static unsigned close_all(const int *fds, size_t count)
{
	unsigned n = 0;

	for (size_t i = 0; i < count; i++) {
		n += is_held(fds[i]);
		close(fds[i]);
	}
	return n;
}

static void users_together_leave_room_for_who_has_few_and_for_root(void **state)
{
	const struct rlimit many = {4096, 4096};
	int roots[EACH];

	(void)state;
	if (geteuid() != 0 || setrlimit(RLIMIT_NOFILE, &many) < 0)
		skip();
	assert_int_equal(chmod(path, 0666), 0);
	for (uid_t uid = 0; uid < USERS + 2; uid++)
		add_followed(&followed[uid], uid);
	for (size_t i = 0; i < COUNT_OF(held); i++) {
		held[i] = follow_as(1 + (uid_t)(i / EACH));
		assert_true(is_held(held[i]));
	}
	/* Also one that connects first and speaks later has no more than a few of the rest. */
	for (size_t i = 0; i < EACH; i++)
		late[i] = connect_as(USERS + 1);
	for (size_t i = 0; i < EACH; i++)
		follow(late[i]);
	for (size_t i = 0; i < EACH; i++)
		roots[i] = follow_as(0);
	assert_int_equal(close_all(late, EACH), 4);
	assert_int_equal(close_all(roots, EACH), EACH);
	assert_int_equal(close_all(held, COUNT_OF(held)), COUNT_OF(held));
	look();
	int again = follow_as(1); /* all of it is given back */
	assert_true(is_held(again));
	close(again);
	look();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(without_descriptors_the_shortage_is_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_descriptors_nobody_is_said_to_be_in_no_elevation, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(users_together_leave_room_for_who_has_few_and_for_root, set_up,
						tear_down),
	};

	begin_session();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
