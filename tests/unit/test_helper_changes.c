/* An idle host whose question for changes is refused asks again ever later, and not before it was asked to. */
#include "helper_http.h"

#include <event2/buffer.h>
#include <sys/socket.h>

#include "changes.h"
#include "clock.h"
#include "pam_side.h"

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

static void poll_times(unsigned times)
{
	http_broker_start(&broker, &helper, &conf, on_poll);
	polls = 0;
	helper.pam = jh_pam_side_new(&helper, socket(AF_UNIX, SOCK_SEQPACKET, 0));
	helper.changes = jh_changes_new(&helper);
	assert_non_null(helper.pam);
	assert_non_null(helper.changes);
	while (polls < times)
		assert_int_equal(event_base_loop(helper.base, EVLOOP_ONCE), 0);
	jh_changes_free(helper.changes);
	jh_listener_free(helper.pam);
	http_broker_stop(&broker, &helper);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_the_refusal_each_wait_is_longer_than_the_one_before),
		cmocka_unit_test(it_is_not_sooner_than_the_broker_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
