/* What the broker is told of a grant that is over: also that it was used, where it has not heard that yet. */
#include "helper_http.h"

#include <event2/buffer.h>

#include "clock.h"
#include "no_memory.h"
#include "state.h"
#include "withdraw.h"

#define ID     "0b6c1f6e-0000-4000-8000-000000000001"
#define START  "/requests/" ID "/start"
#define END    "/requests/" ID "/end"
#define FILING "/request-access"
#define CANCEL "/requests/" ID "/cancel"
#define FILED                                                                                                          \
	"{\"requestId\":\"" ID "\",\"shortId\":\"R7KD-2M9Q\",\"status\":\"PENDING\",\"requester\":\"op1\","            \
	"\"role\":\"admin\"}"

#define LONG_AWAY 20 /* failures in a row: the pauses between two tries grow no more */

static struct jh_helper helper;
static struct jh_conf conf;
static struct http_broker broker;
static int start_status, end_status;
static char told[256];

static void on_request(struct evhttp_request *request, void *arg)
{
	const char *path = evhttp_request_get_uri(request);
	struct evbuffer *out = evbuffer_new();
	size_t used = strlen(told);

	(void)arg;
	snprintf(told + used, sizeof(told) - used, "%s ", path);
	if (strcmp(path, FILING) == 0)
		evbuffer_add_printf(out, FILED);
	evhttp_send_reply(request, strcmp(path, START) == 0 ? start_status : end_status, "", out);
	evbuffer_free(out);
}

static int set_up(void **state)
{
	(void)state;
	told[0] = '\0';
	start_status = end_status = 200;
	http_broker_start(&broker, &helper, &conf, on_request);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	jh_withdraw_leave(&helper);
	http_broker_stop(&broker, &helper);
	return 0;
}

static void tell(enum jh_withdraw_verb verb)
{
	jh_withdraw(&helper, "op1", ID, "R7KD-2M9Q", verb);
	while (!LIST_EMPTY(&helper.withdrawals))
		event_base_loop(helper.base, EVLOOP_ONCE);
}

static void a_use_that_the_broker_has_not_heard_of_is_told_before_the_end(void **state)
{
	(void)state;
	tell(JH_BEGIN_AND_END);
	assert_string_equal(told, START " " END " ");
}

static void one_that_the_broker_does_not_take_ends_all_the_same(void **state)
{
	(void)state;
	start_status = 403;
	tell(JH_BEGIN_AND_END);
	assert_string_equal(told, START " " END " ");
}

/* As long as an outage may last: nobody else can tell. */
static void a_use_is_told_for_longer_than_an_end(void **state)
{
	(void)state;
	jh_withdraw(&helper, "op1", ID, "R7KD-2M9Q", JH_END);
	jh_withdraw(&helper, "op1", ID, "R7KD-2M9Q", JH_BEGIN_AND_END);
	const struct jh_withdrawal *used = LIST_FIRST(&helper.withdrawals), *ended = LIST_NEXT(used, link);
	assert_true(used->give_up_ms - ended->give_up_ms > 23 * 3600 * 1000);
	assert_true(jh_withdrawal_is_kept(used) && jh_withdrawal_is_kept(ended));
}

static void what_the_broker_knows_of_is_only_ended(void **state)
{
	(void)state;
	tell(JH_END);
	assert_string_equal(told, END " ");
}

/* How long it pauses before the next try when the broker has been away for long. */
static int64_t pause_of(enum jh_withdraw_verb verb)
{
	start_status = end_status = 503;
	jh_withdraw(&helper, "op1", ID, "R7KD-2M9Q", verb);
	struct jh_withdrawal *w = LIST_FIRST(&helper.withdrawals);
	w->failures = LONG_AWAY;
	while (!w->again.when_ms)
		event_base_loop(helper.base, EVLOOP_ONCE);
	assert_int_equal(w->failures, LONG_AWAY + 1);
	return w->again.when_ms - jit_boottime_ms();
}

/* A day long every 5 s, of a whole fleet, would keep a broker that comes back from coming back. */
static void a_use_is_told_again_every_thirty_seconds_at_most(void **state)
{
	(void)state;
	const int64_t ms = pause_of(JH_BEGIN_AND_END);
	assert_in_range(ms, 10000, 30000);
}

static void an_end_is_told_again_every_five_seconds_at_least(void **state)
{
	(void)state;
	const int64_t ms = pause_of(JH_END);
	assert_in_range(ms, 0, 5000);
}

/* It is among what the loop has not written yet: nothing else than the stop brings it into the file. */
static void what_is_untold_when_the_helper_stops_the_next_one_tells(void **state)
{
	static char state_dir[] = "/tmp/helper-withdraw-XXXXXX";
	char file[64], why[JIT_LINE_SIZE];

	(void)state;
	conf.state_dir = mkdtemp(state_dir);
	assert_non_null(conf.state_dir);
	assert_non_null(helper.state = jh_state_new(&helper));
	jh_withdraw(&helper, "op1", ID, "R7KD-2M9Q", JH_BEGIN_AND_END);
	jh_withdraw_leave(&helper);
	assert_true(LIST_EMPTY(&helper.withdrawals));
	jh_state_free(helper.state);
	assert_string_equal(told, "");
	assert_non_null(helper.state = jh_state_new(&helper));
	assert_int_equal(jh_state_restore(&helper, why, sizeof(why)), 0);
	while (!LIST_EMPTY(&helper.withdrawals))
		event_base_loop(helper.base, EVLOOP_ONCE);
	assert_string_equal(told, START " " END " ");
	jh_state_free(helper.state);
	helper.state = NULL;
	snprintf(file, sizeof(file), "%s/helper.json", state_dir);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(rmdir(state_dir), 0);
}

#ifdef JIT_TEST_NO_MEMORY
/* Not one of the allocations that it takes is one without which it is dropped. */
static void a_lost_filing_is_withdrawn_whatever_allocation_fails(void **state)
{
	(void)state;
	if (!memory_can_run_out())
		skip();
	for (long nth = 0; nth < 6; nth++) {
		char *body = strdup("{}");

		told[0] = '\0';
		left = nth;
		jh_withdraw_filing(&helper, "op1", body, "key");
		assert_true(left < 0);
		left = LONG_MAX;
		while (!LIST_EMPTY(&helper.withdrawals))
			event_base_loop(helper.base, EVLOOP_ONCE);
		assert_string_equal(told, FILING " " CANCEL " ");
	}
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_use_that_the_broker_has_not_heard_of_is_told_before_the_end, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(one_that_the_broker_does_not_take_ends_all_the_same, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_use_is_told_for_longer_than_an_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_the_broker_knows_of_is_only_ended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_use_is_told_again_every_thirty_seconds_at_most, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_end_is_told_again_every_five_seconds_at_least, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_untold_when_the_helper_stops_the_next_one_tells, set_up,
						tear_down),
#ifdef JIT_TEST_NO_MEMORY
		cmocka_unit_test_setup_teardown(a_lost_filing_is_withdrawn_whatever_allocation_fails, set_up,
						tear_down),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
