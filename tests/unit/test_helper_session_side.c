/* session.sock: a helper that is short of descriptors says so, and does not send anybody away to log in again. */
#include "unit.h"

#include <event2/event.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(without_descriptors_the_shortage_is_named, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
