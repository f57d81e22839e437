/* What the broker is told of a grant that is over: also that it was used, where it has not heard that yet. */
#include "helper_http.h"

#include "withdraw.h"

#define ID    "0b6c1f6e-0000-4000-8000-000000000001"
#define START "/requests/" ID "/start"
#define END   "/requests/" ID "/end"

static struct jh_helper helper;
static struct jh_conf conf;
static struct http_broker broker;
static int start_status;
static char told[256];

static void on_request(struct evhttp_request *request, void *arg)
{
	const char *path = evhttp_request_get_uri(request);
	size_t used = strlen(told);

	(void)arg;
	snprintf(told + used, sizeof(told) - used, "%s ", path);
	evhttp_send_reply(request, strcmp(path, START) == 0 ? start_status : 200, "", NULL);
}

static int set_up(void **state)
{
	(void)state;
	told[0] = '\0';
	start_status = 200;
	http_broker_start(&broker, &helper, &conf, on_request);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	jh_withdraw_drop_all(&helper);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_use_that_the_broker_has_not_heard_of_is_told_before_the_end, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(one_that_the_broker_does_not_take_ends_all_the_same, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_use_is_told_for_longer_than_an_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_the_broker_knows_of_is_only_ended, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
