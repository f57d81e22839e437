/* The spool: what is kept survives, is told in order, once, and whatever the broker answers meanwhile. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "helper_http.h"
#include "json.h"
#include "no_memory.h"
#include "spool.h"

static struct jh_helper helper;
static struct jh_conf conf;
static struct http_broker broker;
static struct jh_spool *spool;
static char spool_dir[80];
static int status, calls, told; /* what the broker answers; calls and events that it took */
static char order[256];		/* the reasons of the events in the order in which they came */
static char last_id[64];	/* of the event that came last */
static int repeated;		/* how many came with the id of the one before */
static const char *poison = ""; /* a reason that the broker does not take */
static int names_left = -1;	/* so many does a folder tell before the kernel is out of memory; -1: all */
static bool proxied;		/* a 400 is somebody's who stands before the broker */

__attribute__((visibility("default"))) struct dirent *readdir(DIR *list)
{
	struct dirent *(*next)(DIR * list);

	*(void **)&next = dlsym(RTLD_NEXT, "readdir"); /* as POSIX has it */
	if (names_left == 0) {
		errno = ENOMEM;
		return NULL;
	}
	names_left -= names_left > 0;
	return next(list);
}

static void append(char *buf, size_t size, const char *text)
{
	size_t used = strlen(buf);

	snprintf(buf + used, size - used, "%.3s", text);
}

static void on_events(struct evhttp_request *request, void *arg)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(request);
	struct evbuffer *out = evbuffer_new();
	size_t len = evbuffer_get_length(in);
	JIT_JSON json_object *body =
		json_tokener_parse(strndupa((const char *)evbuffer_pullup(in, -1), len)); /* NOLINT */
	json_object *events, *reason, *id;
	int answer = status;
	char came[256] = "";

	(void)arg;
	assert_string_equal(evhttp_request_get_uri(request), "/events");
	assert_true(len < 65536);
	assert_true(json_object_object_get_ex(body, "events", &events));
	for (size_t i = 0; i < json_object_array_length(events); i++) {
		assert_true(json_object_object_get_ex(json_object_array_get_idx(events, i), "reason", &reason));
		if (strcmp(json_object_get_string(reason), poison) == 0)
			answer = 400;
		append(came, sizeof(came), json_object_get_string(reason));
		assert_true(json_object_object_get_ex(json_object_array_get_idx(events, i), "id", &id));
		repeated += strcmp(last_id, json_object_get_string(id)) == 0;
		snprintf(last_id, sizeof(last_id), "%s", json_object_get_string(id));
	}
	if (proxied && calls < 2)
		answer = 400;
	calls++;
	if (answer == 202) {
		told += (int)json_object_array_length(events);
		snprintf(order + strlen(order), sizeof(order) - strlen(order), "%s", came);
	}
	evbuffer_add_printf(out, proxied ? "<html/>" : "{\"message\":\"so be it\",\"error\":\"request.field\"}");
	evhttp_send_reply(request, answer, "", out);
	evbuffer_free(out);
}

static void start(void)
{
	assert_non_null(spool = jh_spool_new(&helper));
	jh_spool_settle(spool);
}

static int setup(void **state)
{
	(void)state;
	http_broker_start(&broker, &helper, &conf, on_events);
	snprintf(spool_dir, sizeof(spool_dir), "%s/spool", broker.folder);
	conf.spool_dir = spool_dir;
	if (mkdir(spool_dir, 0700) < 0)
		return -1;
	status = 202;
	calls = told = 0;
	order[0] = '\0';
	poison = "";
	last_id[0] = '\0';
	repeated = 0;
	proxied = false;
	names_left = -1;
	start();
	return 0;
}

static void each_file(void (*what)(const char *path), int *ret_count)
{
	DIR *list = opendir(spool_dir);
	char path[400];

	*ret_count = 0;
	for (struct dirent *entry; list && (entry = readdir(list));) {
		if (entry->d_name[0] == '.' && strcmp(entry->d_name, ".new") != 0)
			continue;
		++*ret_count;
		snprintf(path, sizeof(path), "%s/%s", spool_dir, entry->d_name);
		if (what)
			what(path);
	}
	if (list)
		closedir(list);
}

static void remove_file(const char *path)
{
	unlink(path);
}

static int files(void)
{
	int n;

	each_file(NULL, &n);
	return n;
}

static int teardown(void **state)
{
	int n;

	(void)state;
	jh_spool_free(spool);
	chmod(spool_dir, 0700);
	each_file(remove_file, &n);
	rmdir(spool_dir);
	http_broker_stop(&broker, &helper);
	return 0;
}

static int add(const char *requester, const char *reason, bool closes)
{
	JIT_JSON json_object *event = json_object_new_object();
	char why[512] = "";

	json_object_object_add(event, "requester", json_object_new_string(requester));
	json_object_object_add(event, "reason", json_object_new_string(reason));
	int r = jh_spool_add(spool, event, requester, closes, why, sizeof(why));
	assert_int_equal(r < 0, why[0] != '\0');
	return r;
}

static void run_until(size_t waiting)
{
	jh_spool_deliver(spool);
	while (jh_spool_waiting(spool) > waiting)
		event_base_loop(helper.base, EVLOOP_ONCE);
}

static void wait_until_told(int count)
{
	struct event *deadline = evtimer_new(helper.base, NULL, NULL);

	assert_int_equal(event_add(deadline, &(struct timeval){.tv_sec = 20}), 0);
	while (told < count && event_pending(deadline, EV_TIMEOUT, NULL))
		event_base_loop(helper.base, EVLOOP_ONCE);
	event_free(deadline);
	assert_int_equal(told, count);
}

static void open_end(const char *key)
{
	JIT_JSON json_object *end = json_object_new_object();
	char why[512];

	json_object_object_add(end, "requester", json_object_new_string("op1"));
	json_object_object_add(end, "reason", json_object_new_string("end"));
	assert_int_equal(jh_spool_open(spool, key, end, why, sizeof(why)), 0);
}

static void descriptors(rlim_t count)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = count;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void what_is_kept_survives_and_is_told_once_in_order(void **state)
{
	char reason[8];

	(void)state;
	for (int i = 0; i < 40; i++) {
		snprintf(reason, sizeof(reason), "%02d ", i);
		assert_int_equal(add(i % 2 ? "op1" : "op2", reason, false), 0);
		if (i == 20) { /* killed, and started again */
			jh_spool_free(spool);
			start();
			assert_int_equal(jh_spool_waiting(spool), 21);
		}
	}
	assert_int_equal(files(), 40);
	jh_spool_free(spool);
	start();
	run_until(0);
	assert_int_equal(told, 40);
	assert_int_equal(calls, 2);
	assert_memory_equal(order, "00 01 02 03 04 ", 15);
	assert_string_equal(order + strlen(order) - 6, "38 39 ");
	assert_int_equal(files(), 0);
	jh_spool_free(spool);
	start();
	assert_int_equal(jh_spool_waiting(spool), 0);
	/* Numbers go on where nothing is left. */
	assert_int_equal(add("op1", "new", false), 0);
	run_until(0);
	assert_int_equal(told, 41);
}

static void a_broker_that_fails_hears_it_later(void **state)
{
	(void)state;
	status = 503;
	assert_int_equal(add("op1", "one", false), 0);
	jh_spool_deliver(spool);
	while (calls == 0)
		event_base_loop(helper.base, EVLOOP_ONCE);
	assert_int_equal(jh_spool_waiting(spool), 1);
	assert_int_equal(files(), 1);
	status = 202;
	run_until(0); /* after its back-off */
	assert_int_equal(told, 1);
	assert_int_equal(files(), 0);
}

static void one_that_no_broker_takes_holds_up_no_other(void **state)
{
	(void)state;
	poison = "bad";
	assert_int_equal(add("op1", "one", false), 0);
	assert_int_equal(add("op1", "bad", false), 0);
	assert_int_equal(add("op1", "two", false), 0);
	run_until(0);
	assert_string_equal(order, "onetwo");
	assert_int_equal(files(), 1); /* set aside */
	jh_spool_free(spool);
	start();
	assert_int_equal(jh_spool_waiting(spool), 0);
}

static void what_was_set_aside_stays_whatever_is_set_aside_later(void **state)
{
	(void)state;
	poison = "bad";
	for (int i = 1; i <= 2; i++) {
		assert_int_equal(add("op1", "bad", false), 0);
		run_until(0);
		assert_int_equal(files(), i);
		jh_spool_free(spool);
		start();
	}
}

static void only_the_broker_itself_can_say_that_it_will_never_take_one(void **state)
{
	(void)state;
	proxied = true;
	assert_int_equal(add("op1", "one", false), 0);
	run_until(0);
	assert_int_equal(calls, 3);
	assert_int_equal(told, 1);
	assert_int_equal(files(), 0);
}

static void a_moment_without_descriptors_costs_no_event(void **state)
{
	struct rlimit limit;

	(void)state;
	assert_int_equal(add("op1", "one", false), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	descriptors(0);
	jh_spool_deliver(spool);
	descriptors(limit.rlim_cur);
	assert_int_equal(jh_spool_waiting(spool), 1);
	run_until(0);
	assert_int_equal(told, 1);
}

/* Else numbers would be given twice, and no break-glass be recorded any more. */
static void it_starts_with_all_that_is_kept_or_not_at_all(void **state)
{
	const int first = dup(0);
	struct rlimit limit;

	(void)state;
	close(first);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(add("op1", "one", false), 0);
	jh_spool_free(spool);
	for (int n = 0; n < 4; n++) {
		descriptors((rlim_t)first + (rlim_t)n - 1); /* one of them is free already: the spool's own */
		spool = jh_spool_new(&helper);
		descriptors(limit.rlim_cur);
		if (spool)
			assert_int_equal(jh_spool_waiting(spool), 3);
		assert_true(n > 0 || !spool);
		jh_spool_free(spool);
	}
	for (names_left = 0; names_left < 10; names_left++) {
		const int names = names_left;
		spool = jh_spool_new(&helper);
		names_left = names;
		assert_null(spool);
	}
	names_left = -1;
	start();
	assert_int_equal(add("op1", "two", false), 0);
	run_until(0);
	assert_string_equal(order, "oneoneonetwo");
}

/* Found unusable at the start, and a moment's want when it is usable again. */
static void what_is_found_later_is_all_found_too(void **state)
{
	(void)state;
	assert_int_equal(add("op1", "one", false), 0);
	jh_spool_free(spool);
	chmod(spool_dir, 0755);
	start();
	chmod(spool_dir, 0700);
	names_left = 0;
	assert_int_equal(add("op1", "two", false), -ENOMEM);
	names_left = -1;
	assert_int_equal(add("op1", "two", false), 0);
	assert_int_equal(jh_spool_waiting(spool), 2);
	run_until(0);
	assert_string_equal(order, "onetwo");
}

static void an_end_that_meets_a_want_of_descriptors_is_told_without_a_restart(void **state)
{
	struct rlimit limit;

	(void)state;
	open_end("11111111-2222-4333-8444-555555555555");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	descriptors(0);
	jh_spool_end(spool, "11111111-2222-4333-8444-555555555555", "its time is over");
	descriptors(limit.rlim_cur);
	assert_int_equal(files(), 1);
	wait_until_told(1);
	run_until(0);
	assert_string_equal(order, "end");
	assert_int_equal(files(), 0);
}

#ifdef JIT_TEST_NO_MEMORY
static void an_end_that_meets_a_want_of_memory_is_told_without_a_restart(void **state)
{
	char key[64];
	bool all = false;
	int ends = 0;

	(void)state;
	if (!memory_can_run_out())
		skip();
	for (; !all; ends++) {
		snprintf(key, sizeof(key), "11111111-2222-4333-8444-%012d", ends);
		open_end(key);
		left = ends;
		jh_spool_end(spool, key, "its time is over");
		all = left >= 0;
		left = LONG_MAX;
	}
	assert_true(ends > 10);
	assert_true(jh_spool_waiting(spool) < (size_t)ends); /* some did not come about */
	jh_spool_deliver(spool);
	wait_until_told(ends);
	run_until(0);
	assert_int_equal(files(), 0);
}

static void one_that_is_kept_but_not_known_is_told_without_a_restart(void **state)
{
	char why[512];
	int r = -1;

	(void)state;
	if (!memory_can_run_out())
		skip();
	JIT_JSON json_object *event = json_object_new_object();
	json_object_object_add(event, "reason", json_object_new_string("one"));
	for (long nth = 0; r < 0; nth++) {
		left = nth;
		r = jh_spool_add(spool, event, "op1", false, why, sizeof(why));
		left = LONG_MAX;
	}
	assert_int_equal(files(), 1);
	assert_int_equal(jh_spool_waiting(spool), 0);
	wait_until_told(1);
	run_until(0);
	assert_int_equal(files(), 0);
}

/* Read again at each start, while each allocation fails in turn. */
static void a_moment_without_memory_costs_no_event(void **state)
{
	char event[128];
	bool all = false;
	unsigned failed = 0;

	(void)state;
	if (!memory_can_run_out())
		skip();
	assert_int_equal(add("op1", "one", false), 0);
	snprintf(event, sizeof(event), "%s/0000000000000001.event", spool_dir);
	for (long nth = 0; !all; nth++) {
		jh_spool_free(spool);
		left = nth;
		spool = jh_spool_new(&helper);
		all = left >= 0;
		left = LONG_MAX;
		failed += !all;
		if (spool)
			assert_int_equal(jh_spool_waiting(spool), 1);
		assert_int_equal(access(event, F_OK), 0);
	}
	assert_true(failed > 10);
	jh_spool_settle(spool);
	run_until(0);
	assert_int_equal(told, 1);
}
#endif

static void a_folder_that_is_not_ours_keeps_nothing(void **state)
{
	(void)state;
	jh_spool_free(spool);
	chmod(spool_dir, 0755);
	start();
	assert_int_equal(add("op1", "one", false), -EPERM);
	chmod(spool_dir, 0700);
	assert_int_equal(add("op1", "one", false), 0); /* without a restart */
	assert_int_equal(files(), 1);
}

static void the_spool_is_bounded_and_has_room_for_ends(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(add("op1", "x", false), 0);
	assert_int_equal(add("op1", "x", false), -EDQUOT);
	assert_int_equal(add("op2", "x", false), 0); /* one person does not use up another's room */
	assert_int_equal(add("op1", "x", true), 0);
}

static void persons_together_leave_room_for_who_has_few(void **state)
{
	char name[32];

	(void)state;
	for (int i = 0; i < 800; i++) {
		snprintf(name, sizeof(name), "person%d", i / 80);
		assert_int_equal(add(name, "x", false), 0);
	}
	assert_int_equal(add("person0", "x", false), -EDQUOT);
	for (int i = 0; i < 10; i++)
		assert_int_equal(add("op1", "x", false), 0);
	assert_int_equal(add("op1", "x", false), -EDQUOT);
	assert_int_equal(add("op2", "x", false), 0);
}

static void what_began_and_was_not_ended_is_ended_at_the_next_start(void **state)
{
	JIT_JSON json_object *end = json_object_new_object();
	char why[512];

	(void)state;
	json_object_object_add(end, "requester", json_object_new_string("op1"));
	json_object_object_add(end, "reason", json_object_new_string("end"));
	assert_int_equal(jh_spool_open(spool, "11111111-2222-4333-8444-555555555555", end, why, sizeof(why)), 0);
	assert_int_equal(jh_spool_open(spool, "11111111-2222-4333-8444-666666666666", end, why, sizeof(why)), 0);
	jh_spool_forget(spool, "11111111-2222-4333-8444-666666666666");
	assert_int_equal(jh_spool_waiting(spool), 0);
	jh_spool_free(spool);
	start();
	assert_int_equal(jh_spool_waiting(spool), 1);
	assert_int_equal(files(), 1);
	run_until(0);
	assert_string_equal(order, "end");
	/* One that this helper sees end is told at once, and not again at the next start. */
	assert_int_equal(jh_spool_open(spool, "11111111-2222-4333-8444-777777777777", end, why, sizeof(why)), 0);
	jh_spool_end(spool, "11111111-2222-4333-8444-777777777777", "its time is over");
	jh_spool_free(spool);
	start();
	assert_int_equal(jh_spool_waiting(spool), 1);
}

static void an_end_is_one_event_wherever_the_helper_is_killed(void **state)
{
	JIT_JSON json_object *end = json_object_new_object();
	char why[512], open[200], kept[200];

	(void)state;
	json_object_object_add(end, "requester", json_object_new_string("op1"));
	json_object_object_add(end, "reason", json_object_new_string("end"));
	assert_int_equal(jh_spool_open(spool, "11111111-2222-4333-8444-555555555555", end, why, sizeof(why)), 0);
	snprintf(open, sizeof(open), "%s/11111111-2222-4333-8444-555555555555.open", spool_dir);
	snprintf(kept, sizeof(kept), "%s/kept", spool_dir);
	assert_int_equal(link(open, kept), 0);
	jh_spool_end(spool, "11111111-2222-4333-8444-555555555555", "its time is over");
	assert_int_equal(rename(kept, open), 0); /* killed when the event lay on the disk and this did still */
	jh_spool_free(spool);
	start();
	run_until(0);
	assert_string_equal(order, "endend");
	assert_int_equal(repeated, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_is_kept_survives_and_is_told_once_in_order),
		TEST(a_broker_that_fails_hears_it_later),
		TEST(one_that_no_broker_takes_holds_up_no_other),
		TEST(what_was_set_aside_stays_whatever_is_set_aside_later),
		TEST(only_the_broker_itself_can_say_that_it_will_never_take_one),
		TEST(a_moment_without_descriptors_costs_no_event),
		TEST(it_starts_with_all_that_is_kept_or_not_at_all),
		TEST(what_is_found_later_is_all_found_too),
		TEST(an_end_that_meets_a_want_of_descriptors_is_told_without_a_restart),
#ifdef JIT_TEST_NO_MEMORY
		TEST(an_end_that_meets_a_want_of_memory_is_told_without_a_restart),
		TEST(one_that_is_kept_but_not_known_is_told_without_a_restart),
		TEST(a_moment_without_memory_costs_no_event),
#endif
		TEST(a_folder_that_is_not_ours_keeps_nothing),
		TEST(the_spool_is_bounded_and_has_room_for_ends),
		TEST(persons_together_leave_room_for_who_has_few),
		TEST(what_began_and_was_not_ended_is_ended_at_the_next_start),
		TEST(an_end_is_one_event_wherever_the_helper_is_killed),
	};

	CRYPTO_secure_malloc_init(1 << 16, 32);
	return cmocka_run_group_tests_name("helper spool", tests, NULL, NULL);
}
