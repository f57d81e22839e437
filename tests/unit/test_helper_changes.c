/*
 * An idle host whose question for changes is refused asks again ever later, and not before it was asked to. A broker
 * that is silent is known for it before its time is over. What could not be heard for want of memory is asked for
 * again, and until then nothing ends.
 */
#include "helper_http.h"

#include <event2/buffer.h>
#include <sys/socket.h>

#include "changes.h"
#include "clock.h"
#include "grant.h"
#include "no_memory.h"
#include "pam_side.h"
#include "request_decision.h"
#include "spool.h"

#define POLLS 4

static struct jh_helper helper;
static struct jh_conf conf;
static struct http_broker broker;
static const int *statuses; /* of the answers; the last one goes on */
static const char *retry_after;
static unsigned polls;
static int64_t came_ms[POLLS];

static void on_poll(struct evhttp_request *request, void *arg)
{
	struct evbuffer *out = evbuffer_new();

	(void)arg;
	assert_memory_equal(evhttp_request_get_uri(request), "/changes", 8);
	if (retry_after)
		evhttp_add_header(evhttp_request_get_output_headers(request), "Retry-After", retry_after);
	evbuffer_add_printf(out, "{\"message\":\"Not now.\",\"error\":\"x.y\"}");
	evhttp_send_reply(request, statuses[polls], "", out);
	evbuffer_free(out);
	came_ms[polls++] = jit_boottime_ms();
}

static void start(void (*answer)(struct evhttp_request *request, void *arg))
{
	http_broker_start(&broker, &helper, &conf, answer);
	polls = 0;
	conf.spool_dir = broker.folder;
	helper.spool = jh_spool_new(&helper);
	helper.pam = jh_pam_side_new(&helper, socket(AF_UNIX, SOCK_SEQPACKET, 0));
	helper.changes = jh_changes_new(&helper);
	assert_non_null(helper.spool);
	assert_non_null(helper.pam);
	assert_non_null(helper.changes);
}

static void stop(void)
{
	jh_changes_free(helper.changes);
	jh_spool_free(helper.spool);
	jh_listener_free(helper.pam);
	http_broker_stop(&broker, &helper);
}

static void poll_times(unsigned times)
{
	start(on_poll);
	while (polls < times)
		assert_int_equal(event_base_loop(helper.base, EVLOOP_ONCE), 0);
	stop();
}

static void whatever_the_refusal_each_wait_is_longer_than_the_one_before(void **state)
{
	static const int refusals[POLLS] = {429, 401, 403, 503};

	(void)state;
	statuses = refusals;
	retry_after = NULL;
	poll_times(POLLS);
	for (unsigned i = 1; i < POLLS; i++) /* from half of 0.5 s, 1 s, 2 s on */
		assert_true(came_ms[i] - came_ms[i - 1] >= 250 << (i - 1));
}

static void it_is_not_sooner_than_the_broker_asked_for(void **state)
{
	static const int refusals[POLLS] = {429, 503};

	(void)state;
	statuses = refusals;
	retry_after = "1";
	poll_times(3);
	for (unsigned i = 1; i < 3; i++)
		assert_true(came_ms[i] - came_ms[i - 1] >= 1000);
}

static void say_nothing(struct evhttp_request *request, void *arg)
{
	(void)request;
	(void)arg;
	polls++;
}

static void wake(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

/* Turns the loop until that is what is in the way. */
static void await_trouble(const char *text)
{
	const struct timeval often = {.tv_usec = 20000};
	struct event *tick = event_new(helper.base, -1, EV_PERSIST, wake, NULL);
	const char *trouble;

	assert_int_equal(event_add(tick, &often), 0);
	while ((trouble = jh_changes_trouble(helper.changes)) != text && (!trouble || !text || !strstr(trouble, text)))
		assert_int_equal(event_base_loop(helper.base, EVLOOP_ONCE), 0);
	event_free(tick);
}

static void a_broker_that_is_silent_is_known_for_it_before_the_call_ends(void **state)
{
	const int64_t began = jit_boottime_ms();

	(void)state;
	start(say_nothing);
	assert_null(jh_changes_trouble(helper.changes));
	await_trouble("the broker does not answer");
	assert_true(jit_boottime_ms() - began >= 1000 * conf.broker_timeout_s / 2);
	assert_int_equal(polls, 1);
	stop();
}

/* Well, then not, then it holds the call. */
static void hold_the_third(struct evhttp_request *request, void *arg)
{
	struct evbuffer *out = evbuffer_new();

	(void)arg;
	evbuffer_add_printf(out, "{\"next\":5,\"host\":\"web-1\",\"changes\":[]}");
	if (polls < 2)
		evhttp_send_reply(request, polls == 0 ? 200 : 503, "", out);
	evbuffer_free(out);
	polls++;
}

static void one_that_holds_the_call_is_not_blamed_for_the_one_before(void **state)
{
	(void)state;
	start(hold_the_third);
	conf.broker_timeout_s = 1;
	await_trouble("503");
	await_trouble(NULL);
	assert_int_equal(polls, 3);
	stop();
}

#ifdef JIT_TEST_NO_MEMORY
#define ID     "0b6c1111-2222-4333-8444-555555667777"
#define SEALED 20011 /* bytes that nothing else has */

static char asked[256];

/* Of each list the first copy of the sealed credentials cannot be had: of the first one, and of one that comes later.
 */
static void on_lists(struct evhttp_request *request, void *arg)
{
	struct evbuffer *out = evbuffer_new();
	const char *uri = evhttp_request_get_uri(request);
	size_t used = strlen(asked);

	(void)arg;
	snprintf(asked + used, sizeof(asked) - used, "%s ", uri);
	evbuffer_add_printf(out,
			    "{\"next\":%d,\"host\":\"web-1\",\"changes\":[{\"requestId\":\"" ID
			    "\",\"shortId\":\"R7KD-2M9Q\",\"status\":\"ACTIVE\",\"requester\":\"op1\","
			    "\"role\":\"admin\",\"services\":[\"sudo\"],\"targets\":[\"root\"],"
			    "\"scope\":\"session\",\"remaining\":600,\"sealedCredentials\":\"%0*d\"}]}",
			    polls < 2 ? 5 : 6, SEALED, 0);
	evhttp_send_reply(request, 200, "", out);
	evbuffer_free(out);
	of_size = SEALED + 1;
	left = polls % 2 == 0 ? 0 : LONG_MAX;
	polls++;
}

static void what_there_is_no_memory_for_is_asked_for_again_and_ends_no_grant(void **state)
{
	(void)state;
	if (!memory_can_run_out())
		skip();
	struct jh_grant *g = calloc(1, sizeof(*g));
	http_broker_start(&broker, &helper, &conf, on_lists);
	polls = 0;
	helper.pam = jh_pam_side_new(&helper, socket(AF_UNIX, SOCK_SEQPACKET, 0));
	assert_non_null(helper.pam);
	conf.spool_dir = broker.folder;
	assert_non_null(helper.spool = jh_spool_new(&helper));
	snprintf(g->id, sizeof(g->id), ID);
	g->until_ms = jit_boottime_ms() + 600000;
	assert_int_equal(jh_grant_restore(&helper, g), 0);
	assert_true(g->unconfirmed);
	jh_grant_list(g);
	assert_non_null(helper.changes = jh_changes_new(&helper));
	while (polls < 4) {
		assert_int_equal(event_base_loop(helper.base, EVLOOP_ONCE), 0);
		assert_ptr_equal(LIST_FIRST(&helper.grants), g);
	}
	assert_false(g->unconfirmed);
	assert_string_equal(asked, "/changes /changes /changes?after=5&wait=25 /changes?after=5&wait=25 ");
	of_size = 0;
	left = LONG_MAX;
	jh_changes_free(helper.changes);
	jh_grant_free(g);
	jh_spool_free(helper.spool);
	jh_listener_free(helper.pam);
	http_broker_stop(&broker, &helper);
}

static void on_look(struct evhttp_request *request, void *arg)
{
	struct evbuffer *out = evbuffer_new();

	(void)arg;
	evbuffer_add_printf(out,
			    "{\"requestId\":\"" ID "\",\"shortId\":\"R7KD-2M9Q\",\"status\":\"PENDING\","
			    "\"requester\":\"op1\",\"role\":\"admin\",\"sealedCredentials\":\"%0*d\"}",
			    SEALED, 0);
	evhttp_send_reply(request, 200, "", out);
	evbuffer_free(out);
	of_size = SEALED + 1;
	left = 0;
}

/* The change itself came before the request's id was known: nothing else tells of it. */
static void a_look_whose_answer_there_is_no_memory_for_is_taken_again(void **state)
{
	static struct jh_request request;

	(void)state;
	if (!memory_can_run_out())
		skip();
	http_broker_start(&broker, &helper, &conf, on_look);
	request = (struct jh_request){.helper = &helper, .id = ID, .stage = JH_REQUEST_PENDING};
	jh_alarm_init(&request.again, helper.alarms, NULL, &request);
	jh_request_look(&request);
	while (request.call)
		assert_int_equal(event_base_loop(helper.base, EVLOOP_ONCE), 0);
	assert_true(left < 0);
	assert_true(request.again.when_ms);
	of_size = 0;
	left = LONG_MAX;
	jh_alarm_clear(&request.again);
	http_broker_stop(&broker, &helper);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_the_refusal_each_wait_is_longer_than_the_one_before),
		cmocka_unit_test(it_is_not_sooner_than_the_broker_asked_for),
		cmocka_unit_test(a_broker_that_is_silent_is_known_for_it_before_the_call_ends),
		cmocka_unit_test(one_that_holds_the_call_is_not_blamed_for_the_one_before),
#ifdef JIT_TEST_NO_MEMORY
		cmocka_unit_test(what_there_is_no_memory_for_is_asked_for_again_and_ends_no_grant),
		cmocka_unit_test(a_look_whose_answer_there_is_no_memory_for_is_taken_again),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
