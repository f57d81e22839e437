/*
 * A restart: who is short of descriptors or memory takes nothing for over, and leaves all to the next start. And what
 * it goes on with is written as soon as it can be.
 */
#include "unit.h"

#include <errno.h>
#include <event2/event.h>
#include <json-c/json.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "answer.h"
#include "cleanup.h"
#include "clock.h"
#include "helper.h"
#include "logged.h"
#include "no_memory.h"
#include "pam_side.h"
#include "safefile.h"
#include "saved.h"
#include "state.h"

#define ELEVATIONS 3

static struct jh_helper helper;
static struct jh_conf conf;
static char folder[64], file[96];

/* One that nobody connects to. */
static int a_listener(void)
{
	const struct sockaddr nameless = {.sa_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	assert_int_equal(bind(fd, &nameless, sizeof(nameless.sa_family)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void begin(void)
{
	helper = (struct jh_helper){.passed = -1, .conf = &conf, .base = event_base_new()};
	helper.alarms = jh_alarms_new(helper.base);
	helper.pam = jh_pam_side_new(&helper, a_listener());
	helper.state = jh_state_new(&helper);
	assert_non_null(helper.alarms);
	assert_non_null(helper.pam);
	assert_non_null(helper.state);
}

/* As the program does. */
static void end(void)
{
	jh_state_free(helper.state);
	helper.state = NULL;
	jh_elevations_leave(&helper);
	while (!LIST_EMPTY(&helper.grants))
		jh_grant_free(LIST_FIRST(&helper.grants));
	jh_endings_free(&helper);
	jh_listener_free(helper.pam);
	jh_alarms_free(helper.alarms);
	event_base_free(helper.base);
}

/* A grant of this process' login session, with elevations that this process made; `later`: of one that is gone. */
static void write_state(uint64_t later)
{
	struct jh_grant grant = {.id = "0b6c1111-2222-4333-8444-555566667777",
				 .short_id = "R7KD-2M9Q",
				 .requester = "op1",
				 .role = "admin",
				 .services = "sudo",
				 .targets = "root",
				 .ends = true,
				 .duration_s = 900,
				 .until_ms = jit_boottime_ms() + 600000};
	struct jh_ending ending = {.short_id = "8DFD-NS2K"};
	struct jh_elevation elevations[ELEVATIONS];
	struct jh_peer peer;

	begin();
	assert_int_equal(jh_proc_read(getpid(), &peer.proc), 0);
	grant.session =
		(struct jh_session){.known = true, .audit = 7, .leader = getpid(), .leader_start = peer.proc.start};
	peer.proc.start += later;
	LIST_INSERT_HEAD(&helper.grants, &grant, link);
	LIST_INSERT_HEAD(&helper.endings, &ending, link);
	for (size_t i = 0; i < ELEVATIONS; i++) {
		elevations[i] = (struct jh_elevation){
			.grant = &grant, .peer = &peer, .session = grant.session, .target = "root", .stands = true};
		LIST_INSERT_HEAD(&helper.elevations, &elevations[i], link);
	}
	jh_state_touch(&helper);
	jh_state_flush(&helper);
	LIST_INIT(&helper.grants);
	LIST_INIT(&helper.elevations);
	LIST_INIT(&helper.endings);
	end();
}

static int set_up(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/helper-state-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/helper.json", folder);
	conf.state_dir = folder;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(file);
	return rmdir(folder);
}

/* How long until an alarm of the helper: all share one timer. 0: none is set. */
static int64_t next_alarm_ms(void)
{
	struct itimerspec when;
	int64_t ms = 0;

	for (int fd = 3; fd < 256 && ms == 0; fd++)
		if (timerfd_gettime(fd, &when) == 0)
			ms = when.it_value.tv_sec * 1000 + when.it_value.tv_nsec / 1000000;
	return ms;
}

/* With all that its end will need; and nothing is at its end because it could not be watched. */
static void assert_goes_on(unsigned elevations)
{
	const struct jh_grant *g = LIST_FIRST(&helper.grants);

	assert_non_null(g);
	assert_true(g->leader_fd >= 0);
	assert_int_equal(jh_elevations_of(g), elevations);
	assert_non_null(g->ending);
	assert_non_null(LIST_FIRST(&helper.endings)); /* what was being ended is ended */
	assert_true(next_alarm_ms() > 100);
}

/* valgrind has none, and there a process cannot be watched. */
static bool there_are_pidfds(void)
{
	JIT_CLOSE int fd = jh_pidfd_open(getpid());

	return fd >= 0;
}

static void each_descriptor_that_is_missing_leaves_all_to_the_next_start(void **state)
{
	char why[JIT_LINE_SIZE];
	struct stat before, after;
	struct rlimit limit;
	rlim_t room = 0;
	int r = -1;

	(void)state;
	if (!there_are_pidfds())
		skip();
	write_state(0);
	assert_int_equal(stat(file, &before), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	for (; r < 0 && room < 32; room++) {
		begin();
		int first_free = dup(STDERR_FILENO);
		close(first_free);
		const struct rlimit low = {.rlim_cur = (rlim_t)first_free + room, .rlim_max = limit.rlim_max};
		setrlimit(RLIMIT_NOFILE, &low);
		r = jh_state_restore(&helper, why, sizeof(why));
		setrlimit(RLIMIT_NOFILE, &limit);
		if (r < 0) {
			assert_int_equal(r, -EMFILE);
			assert_non_null(strstr(why, "Too many open files"));
		} else {
			assert_goes_on(ELEVATIONS);
		}
		assert_true(LIST_EMPTY(&helper.withdrawals));
		end();
		assert_int_equal(stat(file, &after), 0);
		assert_int_equal(after.st_ino, before.st_ino);
	}
	assert_int_equal(r, 0);
	assert_true(room > ELEVATIONS + 1);
}

static void what_is_over_is_over_and_the_rest_goes_on(void **state)
{
	char why[JIT_LINE_SIZE];

	(void)state;
	if (!there_are_pidfds())
		skip();
	write_state(1); /* its numbers are others' by now */
	begin();
	assert_int_equal(jh_state_restore(&helper, why, sizeof(why)), 0);
	assert_goes_on(0);
	end();
}

/* By that name it is told whose are most, where there is no room for more. */
static void what_a_grant_left_is_ended_in_its_requesters_name(void **state)
{
	char why[JIT_LINE_SIZE];

	(void)state;
	if (!there_are_pidfds())
		skip();
	write_state(1);
	begin();
	assert_int_equal(jh_state_restore(&helper, why, sizeof(why)), 0);
	struct jh_grant *g = LIST_FIRST(&helper.grants);
	g->traces.count = 1;
	jh_grant_end(g, "it is given back", false);
	assert_string_equal(LIST_FIRST(&helper.endings)->short_id, "R7KD-2M9Q");
	assert_string_equal(LIST_FIRST(&helper.endings)->requester, "op1");
	end();
}

/* Nothing can be written while there is another folder's name. */
static void take_folder_away(bool away)
{
	char other[80];

	snprintf(other, sizeof(other), "%s.away", folder);
	assert_int_equal(away ? rename(folder, other) : rename(other, folder), 0);
}

static bool is_written(void)
{
	struct stat st;

	return stat(file, &st) == 0;
}

/* What changes often while nothing can be written. */
static void change_often(void)
{
	for (int i = 0; i < 5; i++) {
		jh_state_touch(&helper);
		event_base_loop(helper.base, EVLOOP_NONBLOCK);
	}
}

static void what_could_not_be_written_is_without_another_change(void **state)
{
	const struct timeval patience = {.tv_sec = 20};
	char text[2048];

	(void)state;
	begin();
	take_folder_away(true);
	log_begin();
	change_often();
	take_folder_away(false);
	event_base_loopexit(helper.base, &patience);
	while (!is_written() && !event_base_got_exit(helper.base))
		event_base_loop(helper.base, EVLOOP_ONCE);
	log_end(text, sizeof(text));
	assert_true(is_written());
	const char *failed = strstr(text, "cannot write "), *well = strstr(text, "is written again\n");
	assert_non_null(failed);
	assert_null(strstr(failed + 1, "cannot write ")); /* once */
	assert_true(well > failed);
	end();
}

static void it_is_tried_ever_more_rarely_and_not_at_all_when_all_is_well(void **state)
{
	char text[2048];

	(void)state;
	begin();
	take_folder_away(true);
	log_begin();
	assert_int_equal(next_alarm_ms(), 0);
	jh_state_touch(&helper);
	event_base_loop(helper.base, EVLOOP_NONBLOCK);
	int64_t first_ms = next_alarm_ms();
	assert_true(first_ms > 0 && first_ms <= 1000);
	change_often();
	assert_true(next_alarm_ms() <= first_ms); /* not put off by those */
	event_base_loop(helper.base, EVLOOP_ONCE);
	assert_true(next_alarm_ms() >= 900 && next_alarm_ms() <= 2000);
	take_folder_away(false);
	jh_state_touch(&helper);
	event_base_loop(helper.base, EVLOOP_NONBLOCK);
	log_end(text, sizeof(text));
	assert_true(is_written());
	assert_int_equal(next_alarm_ms(), 0);
	end();
}

static void who_ends_tries_once_more_and_says_what_is_lost(void **state)
{
	char text[2048];

	(void)state;
	begin();
	take_folder_away(true);
	log_begin();
	change_often();
	assert_false(jh_state_flush(&helper));
	log_end(text, sizeof(text));
	assert_non_null(strstr(text, "could not be written in the end either: No such file or directory; "));
	take_folder_away(false);
	log_begin();
	assert_true(jh_state_flush(&helper));
	log_end(text, sizeof(text));
	assert_true(is_written());
	assert_non_null(strstr(text, "is written again\n"));
	unlink(file);
	assert_true(jh_state_flush(&helper)); /* nothing is left to be written */
	assert_false(is_written());
	end();
}

#ifdef JIT_TEST_NO_MEMORY
/* What is taken until the state is JSON: json-c does not live through a lack of it, which leaves all as it was too. */
static long taken_to_read(void)
{
	static const struct jit_file_rule rule = {.secret = true, .max_size = JH_SAVED_MAX};
	char why[JIT_LINE_SIZE], *text;
	size_t len;

	left = LONG_MAX;
	assert_int_equal(jit_file_read(file, &rule, &text, &len, why, sizeof(why)), 0);
	json_object_put(jh_json_read(text, len));
	long taken = LONG_MAX - left;
	free(text);
	return taken;
}

static void each_piece_of_memory_that_is_missing_does_so_too(void **state)
{
	char why[JIT_LINE_SIZE];
	unsigned failed = 0;

	(void)state;
	if (!memory_can_run_out() || !there_are_pidfds())
		skip();
	write_state(0);
	for (long nth = taken_to_read(); nth < 100000; nth++) {
		begin();
		left = nth;
		int r = jh_state_restore(&helper, why, sizeof(why));
		bool all = left >= 0;
		left = LONG_MAX;
		failed += r < 0;
		assert_true(r == 0 || r == -ENOMEM);
		if (r == 0)
			assert_goes_on(ELEVATIONS);
		end();
		if (all)
			break;
	}
	assert_true(failed > 10);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_descriptor_that_is_missing_leaves_all_to_the_next_start, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_is_over_is_over_and_the_rest_goes_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_a_grant_left_is_ended_in_its_requesters_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_could_not_be_written_is_without_another_change, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_is_tried_ever_more_rarely_and_not_at_all_when_all_is_well, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(who_ends_tries_once_more_and_says_what_is_lost, set_up, tear_down),
#ifdef JIT_TEST_NO_MEMORY
		cmocka_unit_test_setup_teardown(each_piece_of_memory_that_is_missing_does_so_too, set_up, tear_down),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
