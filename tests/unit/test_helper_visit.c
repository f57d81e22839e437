/* Who comes where something was approved already is let in under it, or told why not: nobody is asked once more. */
#include "unit.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "grant.h"
#include "helper.h"
#include "no_memory.h"
#include "pam_side.h"
#include "visit.h"

#ifdef JIT_TEST_NO_MEMORY

static struct jh_helper helper;
static struct jh_conf conf = {.demo = true}; /* without a role: what is asked for is refused at once, with a sentence */
static struct jit_frame in, out;

static int set_up(void **state)
{
	(void)state;
	helper = (struct jh_helper){.passed = -1, .conf = &conf, .base = event_base_new(), .in = &in, .out = &out};
	helper.alarms = jh_alarms_new(helper.base);
	helper.pam = jh_pam_side_new(&helper, socket(AF_UNIX, SOCK_SEQPACKET, 0));
	assert_non_null(helper.pam);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	jh_visits_drop_all(&helper);
	jh_listener_free(helper.pam);
	jh_alarms_free(helper.alarms);
	event_base_free(helper.base);
	return 0;
}

/* What another host asked for: the first login session that comes takes it. */
static struct jh_grant *add_grant(void)
{
	struct jh_grant *g = calloc(1, sizeof(*g));

	assert_non_null(g);
	*g = (struct jh_grant){.id = "0b6c1f6e-0000-4000-8000-000000000001",
			       .requester = "op1",
			       .role = "admin",
			       .services = "sudo",
			       .targets = "root",
			       .until_ms = jit_boottime_ms() + 600000,
			       .open = true};
	assert_int_equal(jh_grant_restore(&helper, g), 0);
	jh_grant_list(g);
	return g;
}

static struct jh_visit *add_visit(int *ret_theirs)
{
	struct jh_visit *v = calloc(1, sizeof(*v));
	struct jh_proc self;
	int pair[2];

	assert_non_null(v);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(jh_proc_read(getpid(), &self), 0);
	v->helper = &helper;
	v->peer = jh_peer_known(helper.pam, &self, jh_pidfd_open(getpid()));
	assert_non_null(v->peer);
	v->peer->fd = pair[0];
	v->peer->arg = v;
	v->question = (struct jh_question){
		.service = "sudo", .app = "sudo", .requester = "op1", .role = "admin", .uid = 1001};
	v->session = (struct jh_session){.known = true, .uid = 1001, .audit = self.audit_session};
	jh_alarm_init(&v->deadline, helper.alarms, NULL, v);
	LIST_INSERT_HEAD(&helper.visits, v, link);
	*ret_theirs = pair[1];
	return v;
}

/* True: let in; else the shortage was named. */
static bool let_in(int fd)
{
	struct jit_frame frame;
	uint32_t outcome;
	char text[JIT_LINE_SIZE];

	assert_int_equal(jit_frame_recv(fd, &frame), 1);
	assert_int_equal(jit_frame_type(&frame), JIT_F_VERDICT);
	assert_int_equal(jit_frame_get_u32(&frame, JIT_T_OUTCOME, &outcome), 0);
	if (outcome == JIT_ALLOW)
		return true;
	assert_int_equal(jit_frame_get_str(&frame, JIT_T_TEXT, text, sizeof(text)), 0);
	assert_string_equal(text, JH_SHORTAGE);
	assert_int_equal(outcome, JIT_UNAVAILABLE);
	return false;
}

static void what_was_approved_is_not_asked_for_again_where_memory_is_short(void **state)
{
	bool in_now = false;
	long nth = 0;

	(void)state;
	if (!memory_can_run_out())
		skip();
	struct jh_grant *g = add_grant();
	for (; !in_now && nth < 50; nth++) {
		int fd;
		struct jh_visit *v = add_visit(&fd);

		left = nth;
		jh_visit_seek(v);
		left = LONG_MAX;
		in_now = let_in(fd);
		assert_int_equal(g->open, !in_now);
		close(fd);
	}
	assert_true(in_now);
	assert_true(nth > 1);
	jh_visits_drop_all(&helper);
	jh_grant_free(g);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef JIT_TEST_NO_MEMORY
		cmocka_unit_test_setup_teardown(what_was_approved_is_not_asked_for_again_where_memory_is_short, set_up,
						tear_down),
#else
		cmocka_unit_test(memory_cannot_run_out),
#endif
	};

	begin_session();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
