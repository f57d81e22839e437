/*
 * When the broker is told of a session, and what becomes of a failed try for credentials: whoever waits is told of the
 * last failure, not of one before it.
 */
#include <event2/buffer.h>

#include "clock.h"
#include "grant.h"
#include "helper_http.h"

#define ID "0b6c1f6e-0000-4000-8000-000000000001"
#define OTHER                                                                                                          \
	"{\"requestId\":\"0b6c1f6e-0000-4000-8000-000000000002\",\"shortId\":\"R7KD-2M9Q\",\"requester\":\"op1\","     \
	"\"role\":\"admin\",\"status\":\"ACTIVE\",\"services\":[\"sudo\"],\"targets\":[\"root\"],\"remaining\":9}"

static struct jh_helper helper;
static struct jh_conf conf;
static struct jh_grant grant;
static struct http_broker broker;
static int status;
static const char *body;

static void on_request(struct evhttp_request *request, void *arg)
{
	struct evbuffer *out = evbuffer_new();

	(void)arg;
	evbuffer_add(out, body, strlen(body));
	evhttp_send_reply(request, status, "", out);
	evbuffer_free(out);
}

static int set_up(void **state)
{
	(void)state;
	http_broker_start(&broker, &helper, &conf, on_request);
	grant = (struct jh_grant){.helper = &helper, .id = ID, .short_id = "R7KD-2M9Q", .has_arn = true};
	grant.collector.started = true;
	jh_collect_init(&grant);
	return jit_key_new(&grant.key);
}

static int tear_down(void **state)
{
	(void)state;
	jh_collect_stop(&grant);
	EVP_PKEY_free(grant.key);
	http_broker_stop(&broker, &helper);
	return 0;
}

/* One try, which fails with that answer. */
static void fail_with(int answer_status, const char *answer)
{
	unsigned failures = grant.collector.failures;

	status = answer_status;
	body = answer;
	jh_alarm_clear(&grant.collector.again);
	jh_collect_kick(&grant);
	while (grant.collector.failures == failures)
		event_base_loop(helper.base, EVLOOP_ONCE);
}

static void a_passing_failure_after_a_refusal_is_told_as_a_passing_one(void **state)
{
	(void)state;
	fail_with(502, "{\"message\":\"AWS says no.\",\"error\":\"issuer.refused\"}");
	assert_true(grant.collector.refused);
	assert_string_equal(grant.collector.trouble, "AWS says no");
	fail_with(200, OTHER);
	assert_string_equal(grant.collector.trouble, "the broker answered for another grant");
	assert_false(grant.collector.refused);
}

static void a_session_that_begins_is_told_once_its_program_has_had_the_time_to_start(void **state)
{
	struct jh_collector *c = &grant.collector;

	(void)state;
	c->started = false;
	jh_collect_soon(&grant);
	assert_null(c->call);
	assert_in_range(c->again.when_ms, jit_boottime_ms() + 1, jit_boottime_ms() + 20);
	body = OTHER;
	status = 200;
	while (!c->call)
		event_base_loop(helper.base, EVLOOP_ONCE);
}

static void whoever_asks_for_credentials_before_does_not_wait_for_that(void **state)
{
	(void)state;
	grant.collector.started = false;
	jh_collect_soon(&grant);
	jh_collect_kick(&grant);
	assert_non_null(grant.collector.call);
}

static void nothing_is_told_of_a_session_where_nothing_is_to_be_told(void **state)
{
	(void)state;
	grant.has_arn = false;
	jh_collect_soon(&grant);
	assert_int_equal(grant.collector.again.when_ms, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_session_that_begins_is_told_once_its_program_has_had_the_time_to_start, set_up, tear_down),
		cmocka_unit_test_setup_teardown(whoever_asks_for_credentials_before_does_not_wait_for_that, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(nothing_is_told_of_a_session_where_nothing_is_to_be_told, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_passing_failure_after_a_refusal_is_told_as_a_passing_one, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
