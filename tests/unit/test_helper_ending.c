/*
 * What grants left behind is ended beside all else: however much it is, the helper looks for it only so often. Whoever
 * cannot look at all of it ends nothing by half a look, and forgets nothing.
 */
#include "unit.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "ending.h"
#include "helper.h"
#include "saved.h"

#define WAITS	    64
#define MANY	    80
#define PATIENCE_MS 5000
#define TURN_MS	    25 /* from one look to the next, where many wait */
#define HOUR_MS	    3600000

static struct jh_helper helper;
static struct jh_conf conf = {.end_grace_s = 5};

static int set_up(void **state)
{
	(void)state;
	helper = (struct jh_helper){.conf = &conf, .base = event_base_new()};
	assert_non_null(helper.alarms = jh_alarms_new(helper.base));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	jh_endings_free(&helper);
	jh_alarms_free(helper.alarms);
	event_base_free(helper.base);
	return 0;
}

static void begin(unsigned count, int64_t kill_ms)
{
	for (unsigned i = 0; i < count; i++) {
		struct jh_ending *e = calloc(1, sizeof(*e));

		assert_non_null(e);
		snprintf(e->short_id, sizeof(e->short_id), "%u", i);
		e->kill_ms = kill_ms;
		jh_ending_begin(&helper, e);
	}
}

static void all_wait(void)
{
	struct jh_ending *e;

	for (e = LIST_FIRST(&helper.endings); e; e = LIST_NEXT(e, link))
		e->waits = true;
}

/* One that waits, of that person. */
static void begin_waiting(const char *short_id, const char *requester)
{
	struct jh_ending *e = calloc(1, sizeof(*e));

	assert_non_null(e);
	snprintf(e->short_id, sizeof(e->short_id), "%s", short_id);
	snprintf(e->requester, sizeof(e->requester), "%s", requester);
	jh_ending_begin(&helper, e);
	e->waits = true;
}

static const struct jh_ending *find(const char *short_id)
{
	const struct jh_ending *e;

	for (e = LIST_FIRST(&helper.endings); e; e = LIST_NEXT(e, link))
		if (strcmp(e->short_id, short_id) == 0)
			break;
	return e;
}

static unsigned count(void)
{
	const struct jh_ending *e;
	unsigned n = 0;

	for (e = LIST_FIRST(&helper.endings); e; e = LIST_NEXT(e, link))
		n++;
	return n;
}

/* How many looks fall into the fullest 200 ms. */
static unsigned looks_at_once(void)
{
	const struct jh_ending *a, *b;
	unsigned most = 0;

	for (a = LIST_FIRST(&helper.endings); a; a = LIST_NEXT(a, link)) {
		unsigned n = 0;

		for (b = LIST_FIRST(&helper.endings); b; b = LIST_NEXT(b, link))
			n += b->again.when_ms >= a->again.when_ms && b->again.when_ms < a->again.when_ms + 200;
		most = n > most ? n : most;
	}
	return most;
}

static void those_that_begin_together_are_looked_at_one_after_another(void **state)
{
	(void)state;
	begin(MANY, 0);
	assert_in_range(looks_at_once(), 1, 9);
}

static void those_that_a_restart_left_too(void **state)
{
	(void)state;
	begin(MANY, jit_boottime_ms() + 5000);
	assert_in_range(looks_at_once(), 1, 9);
}

static void those_that_waited_for_a_grant_too(void **state)
{
	(void)state;
	begin(WAITS, 0);
	all_wait();
	jh_endings_look(&helper);
	assert_in_range(looks_at_once(), 1, 9);
}

/* However often grants end meanwhile; and those that were looked at come again after the others. */
static void none_that_waits_is_put_off_by_another_grants_end(void **state)
{
	int64_t when_ms[WAITS], last_ms = 0;
	const int64_t begun_ms = jit_boottime_ms();
	struct jh_ending *e;
	size_t i = 0;

	(void)state;
	begin(WAITS, 0);
	all_wait();
	jh_endings_look(&helper);
	for (e = LIST_FIRST(&helper.endings); e; e = LIST_NEXT(e, link), i++) {
		when_ms[i] = e->again.when_ms;
		last_ms = when_ms[i] > last_ms ? when_ms[i] : last_ms;
		if (i < 8) /* as when its turn has been */
			jh_alarm_clear(&e->again);
		e->roused = i >= 8;
	}
	while (jit_boottime_ms() < begun_ms + TURN_MS)
		;
	jh_endings_look(&helper);
	i = 0;
	for (e = LIST_FIRST(&helper.endings); e; e = LIST_NEXT(e, link), i++)
		if (i < 8)
			assert_true(e->again.when_ms >= last_ms + TURN_MS);
		else
			assert_int_equal(e->again.when_ms, when_ms[i]);
	assert_in_range(looks_at_once(), 1, 9);
}

/* Else who leaves a process with each grant, while another lives, has the helper look for all of them for ever. */
static void of_those_that_wait_the_oldest_makes_room(void **state)
{
	struct jh_ending *e, *last = NULL;

	(void)state;
	begin(WAITS, 0);
	all_wait();
	begin(2, 0); /* the first makes room, the second finds it */
	assert_int_equal(count(), WAITS + 1);
	for (e = LIST_FIRST(&helper.endings); e; e = LIST_NEXT(e, link))
		last = e;
	assert_string_equal(last->short_id, "1");
}

static void who_leaves_most_makes_room_not_who_left_first(void **state)
{
	char id[JH_SHORT_SIZE];

	(void)state;
	begin_waiting("others", "op2");
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(id, sizeof(id), "%u", i);
		begin_waiting(id, "op1");
	}
	assert_int_equal(count(), WAITS);
	assert_non_null(find("others"));
	assert_null(find("0"));
	begin_waiting("others 2", "op2");
	assert_non_null(find("others"));
}

/* Also where none waits. */
static void of_all_too(void **state)
{
	(void)state;
	begin_waiting("others", "op2");
	begin(JH_SAVED_LIST_MAX, 0);
	assert_int_equal(count(), JH_SAVED_LIST_MAX);
	assert_non_null(find("others"));
}

static void there_are_no_more_than_a_restart_reads(void **state)
{
	size_t len = 0;
	char *text = NULL;

	(void)state;
	begin(JH_SAVED_LIST_MAX + 5, 0);
	assert_int_equal(count(), JH_SAVED_LIST_MAX);
	assert_int_equal(jh_saved_format(&helper, "", &text, &len), 0);
	free(text);
}

/* valgrind has none, and there nobody can be struck. */
static bool there_are_pidfds(void)
{
	JIT_CLOSE int fd = jh_pidfd_open(getpid());

	return fd >= 0;
}

static pid_t child_that_waits(void)
{
	pid_t child = fork();

	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGHUP, SIG_DFL);
		for (;;)
			pause();
	}
	assert_true(child > 0);
	return child;
}

/* This process was the elevation's: its children are to go. With kill_ms 0 they have not been told yet. */
static void begin_ending(int64_t kill_ms)
{
	struct jh_ending *e = calloc(1, sizeof(*e));
	struct jh_proc self;

	assert_non_null(e);
	assert_int_equal(jh_proc_read(getpid(), &self), 0);
	snprintf(e->short_id, sizeof(e->short_id), "R7KD-2M9Q");
	e->kill_ms = kill_ms;
	e->traces.count = 1;
	e->traces.at[0] = (struct jh_trace){
		.audit = JH_NO_AUDIT, .uid = getuid(), .descent = true, .pid = self.pid, .start = self.start};
	jh_ending_begin(&helper, e);
}

static struct jh_ending *ending(void)
{
	return LIST_FIRST(&helper.endings);
}

/* Until it has looked in vain so often. */
static void look_in_vain(unsigned times)
{
	const int64_t until_ms = jit_boottime_ms() + PATIENCE_MS;

	while (ending() && ending()->blind < times && jit_boottime_ms() < until_ms)
		event_base_loop(helper.base, EVLOOP_ONCE);
}

/* With so many descriptors more than are open. */
static void with_descriptors(unsigned room, unsigned times)
{
	struct rlimit limit;
	int first_free = dup(STDERR_FILENO);

	close(first_free);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	const struct rlimit low = {.rlim_cur = (rlim_t)first_free + room, .rlim_max = limit.rlim_max};
	setrlimit(RLIMIT_NOFILE, &low);
	look_in_vain(times);
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void what_cannot_be_seen_whole_is_ended_once_it_can(void **state)
{
	const int64_t until_ms = jit_boottime_ms() + PATIENCE_MS;
	int status = 0;

	(void)state;
	if (!there_are_pidfds())
		skip();
	pid_t child = child_that_waits();
	begin_ending(0);
	with_descriptors(0, 1); /* not even the list of processes */
	with_descriptors(1, 2); /* that alone */
	assert_non_null(ending());
	assert_int_equal(ending()->blind, 2);
	assert_true(ending()->kill_ms == 0); /* nobody was told to go, and the time until they must has not begun */
	assert_int_equal(waitpid(child, &status, WNOHANG), 0);
	while (ending() && jit_boottime_ms() < until_ms)
		event_base_loop(helper.base, EVLOOP_ONCE);
	assert_null(ending());
	assert_int_equal(waitpid(child, &status, WNOHANG), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGHUP);
}

/* Whatever was set lies an hour back, as after a sleep, and it is looked at. */
static void wake_after_an_hour(struct jh_ending *e)
{
	e->kill_ms -= HOUR_MS;
	if (e->give_up_ms)
		e->give_up_ms -= HOUR_MS;
	jh_alarm_clear(&e->again);
	e->again.fire(e->again.arg);
}

static void assert_killed(pid_t child)
{
	int status = 0;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void who_slept_through_the_kill_does_not_give_up_with_it(void **state)
{
	const int64_t until_ms = jit_boottime_ms() + PATIENCE_MS;

	(void)state;
	if (!there_are_pidfds())
		skip();
	pid_t child = child_that_waits();
	begin_ending(jit_boottime_ms() + HOUR_MS / 2);
	wake_after_an_hour(ending());
	assert_non_null(ending()); /* it was struck; whether it went is seen at the next look */
	assert_in_range(ending()->give_up_ms, until_ms - PATIENCE_MS + 30000, until_ms + 30000);
	while (ending() && jit_boottime_ms() < until_ms)
		event_base_loop(helper.base, EVLOOP_ONCE);
	assert_null(ending());
	assert_killed(child);
}

static void of_many_each_is_looked_at_again_before_it_is_given_up(void **state)
{
	(void)state;
	if (!there_are_pidfds())
		skip();
	pid_t child = child_that_waits();
	begin(JH_SAVED_LIST_MAX - 1, 0);
	begin_ending(jit_boottime_ms() + HOUR_MS / 2);
	wake_after_an_hour(ending());
	assert_killed(child);
	assert_string_equal(ending()->short_id, "R7KD-2M9Q");
	assert_true(ending()->give_up_ms > jit_boottime_ms() + 2 * (ending()->again.when_ms - jit_boottime_ms()));
}

/* Nobody goes by what is not seen. */
static void who_was_blind_after_the_first_kill_counts_anew(void **state)
{
	const int64_t until_ms = jit_boottime_ms() + PATIENCE_MS;

	(void)state;
	if (!there_are_pidfds())
		skip();
	pid_t child = child_that_waits();
	begin_ending(1);
	ending()->give_up_ms = 1; /* as struck long ago */
	with_descriptors(0, 1);
	assert_non_null(ending());
	wake_after_an_hour(ending());
	assert_non_null(ending());
	while (ending() && jit_boottime_ms() < until_ms)
		event_base_loop(helper.base, EVLOOP_ONCE);
	assert_null(ending());
	assert_killed(child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(those_that_begin_together_are_looked_at_one_after_another, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(those_that_a_restart_left_too, set_up, tear_down),
		cmocka_unit_test_setup_teardown(those_that_waited_for_a_grant_too, set_up, tear_down),
		cmocka_unit_test_setup_teardown(none_that_waits_is_put_off_by_another_grants_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(of_those_that_wait_the_oldest_makes_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_leaves_most_makes_room_not_who_left_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(of_all_too, set_up, tear_down),
		cmocka_unit_test_setup_teardown(there_are_no_more_than_a_restart_reads, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_cannot_be_seen_whole_is_ended_once_it_can, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_slept_through_the_kill_does_not_give_up_with_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(of_many_each_is_looked_at_again_before_it_is_given_up, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(who_was_blind_after_the_first_kill_counts_anew, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
