/* plan.h, usage.h: what API Gateway's rate, burst and quota let through, and what of it is remembered. */
#include "broker.h"

#include <event2/event.h>
#include <sqlite3.h>

#include "plan.h"
#include "secret.h"
#include "store.h"
#include "usage.h"

#define DAY	 86400
#define MIDNIGHT (NOW / DAY * DAY)

static unsigned passed(const struct jb_plan_terms *terms, struct jb_plan_count *count, int64_t ms, int64_t now,
		       unsigned tries)
{
	unsigned n = 0, later;

	for (unsigned i = 0; i < tries; i++)
		n += jb_plan_take(terms, count, ms, now, &later) == JB_PLAN_PASSES;
	return n;
}

static void a_bucket_lets_its_burst_through_and_then_its_rate(void **state)
{
	static const struct {
		struct jb_plan_terms terms;
		int64_t wait_ms; /* after the burst */
		unsigned burst, then;
	} cases[] = {
		{{.rate = 1, .burst = 1}, 999, 1, 0},
		{{.rate = 1, .burst = 1}, 1000, 1, 1},
		{{.rate = 1, .burst = 1}, 60000, 1, 1}, /* what comes beyond the burst is lost */
		{{.rate = 10, .burst = 50}, 100, 50, 1},
		{{.rate = 10, .burst = 50}, 199, 50, 1},
		{{.rate = 10, .burst = 50}, 4900, 50, 49},
		{{.rate = 10, .burst = 50}, 5000, 50, 50},
		{{.rate = 10, .burst = 50}, INT64_MAX / 2, 50, 50},
		{{.rate = 1000000, .burst = 1000000}, INT64_MAX / 2, 2000, 2000},
		{{.rate = 10, .burst = 50}, 0, 50, 0},
		{{.rate = 10, .burst = 50}, -5000, 50, 0}, /* a clock that goes backwards gives nothing */
		{{.rate = 3, .burst = 2}, 333, 2, 0},
		{{.rate = 3, .burst = 2}, 334, 2, 1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct jb_plan_count count = {0};

		assert_int_equal(passed(&cases[i].terms, &count, 7000, NOW, 2000), cases[i].burst);
		assert_int_equal(passed(&cases[i].terms, &count, 7000 + cases[i].wait_ms, NOW, 2000), cases[i].then);
	}
}

static void fractions_of_a_token_are_kept(void **state)
{
	const struct jb_plan_terms terms = {.rate = 3, .burst = 1};
	struct jb_plan_count count = {0};
	unsigned n = 0;

	(void)state;
	for (int64_t ms = 0; ms <= 10000; ms += 10)
		n += passed(&terms, &count, ms, NOW, 1);
	assert_in_range(n, 29, 31); /* 3 a second, and the one that was there */
}

static void a_quota_is_a_day_of_utc_and_refusals_use_nothing(void **state)
{
	const struct jb_plan_terms terms = {.rate = 1, .burst = 5, .quota = 7};
	struct jb_plan_count count = {0};
	unsigned later = 0;

	(void)state;
	assert_int_equal(passed(&terms, &count, 0, MIDNIGHT, 9), 5);
	assert_int_equal(jb_plan_take(&terms, &count, 0, MIDNIGHT, &later), JB_PLAN_TOO_FAST);
	assert_int_equal(later, 1);
	assert_int_equal(count.calls, 5);
	assert_int_equal(passed(&terms, &count, 9000, MIDNIGHT + 9, 9), 2);
	/* The bucket has tokens; the day has no calls. */
	assert_int_equal(jb_plan_take(&terms, &count, 20000, MIDNIGHT + 20, &later), JB_PLAN_USED_UP);
	assert_int_equal(later, DAY - 20);
	assert_int_equal(jb_plan_take(&terms, &count, 30000, MIDNIGHT + DAY - 1, &later), JB_PLAN_USED_UP);
	assert_int_equal(later, 1);
	assert_int_equal(jb_plan_take(&terms, &count, 40000, MIDNIGHT + DAY, &later), JB_PLAN_PASSES);
	assert_int_equal(count.calls, 1);
}

static void new_terms_count_on_with_what_has_been_used(void **state)
{
	const struct jb_plan_terms wide = {.rate = 1, .burst = 100, .quota = 50},
				   narrow = {.rate = 1, .burst = 3, .quota = 20};
	struct jb_plan_count count = {0};
	unsigned later;

	(void)state;
	assert_int_equal(passed(&wide, &count, 0, NOW, 10), 10);
	assert_int_equal(passed(&narrow, &count, 0, NOW, 10), 3); /* the bucket holds less from now on */
	assert_int_equal(passed(&narrow, &count, 60000, NOW, 10), 3);
	assert_int_equal(passed(&narrow, &count, 120000, NOW, 10), 3);
	assert_int_equal(passed(&narrow, &count, 180000, NOW, 10), 1);
	assert_int_equal(jb_plan_take(&narrow, &count, 240000, NOW, &later), JB_PLAN_USED_UP);
	assert_int_equal(passed(&wide, &count, 240000, NOW, 1), 1);
}

static unsigned let_through(struct jb_usage *usage, const struct jb_plan_terms *terms, const char *host, int64_t now,
			    unsigned tries)
{
	unsigned n = 0, later;
	bool tell;

	for (unsigned i = 0; i < tries; i++)
		n += jb_usage_call(usage, terms, host, now, &later, &tell) == JB_PLAN_PASSES;
	return n;
}

static void hosts_count_apart_and_a_restart_goes_on(void **state)
{
	static const struct jb_plan_terms terms = {.rate = 1, .burst = 1000, .quota = 10};
	struct broker *b = *state;
	struct event_base *base = event_base_new();
	struct jb_usage *usage = jb_usage_new(base, b->store);

	assert_int_equal(let_through(usage, &terms, "web-2", NOW, 4), 4);
	assert_int_equal(let_through(usage, &terms, "web-1", NOW, 11), 10);
	assert_int_equal(let_through(usage, &terms, "web-3", NOW, 1), 1);
	jb_usage_free(usage);
	usage = jb_usage_new(base, b->store);
	assert_int_equal(let_through(usage, &terms, "web-1", NOW, 3), 0);
	assert_int_equal(let_through(usage, &terms, "web-2", NOW, 9), 6);
	assert_int_equal(let_through(usage, &terms, "web-1", NOW + DAY, 11), 10);
	jb_usage_free(usage);
	event_base_free(base);
}

static void brokers_that_share_a_store_share_a_quota(void **state)
{
	static const struct jb_plan_terms terms = {.rate = 1, .burst = 1000, .quota = 100};
	struct broker *b = *state;
	struct event_base *base = event_base_new();
	struct jb_usage *one = jb_usage_new(base, b->store), *two = jb_usage_new(base, b->store);

	assert_int_equal(let_through(one, &terms, "web-1", NOW, 60), 60);
	assert_int_equal(let_through(two, &terms, "web-1", NOW, 30), 30);
	jb_usage_free(one);
	jb_usage_free(two);
	one = jb_usage_new(base, b->store);
	assert_int_equal(let_through(one, &terms, "web-1", NOW, 60), 10);
	jb_usage_free(one);
	event_base_free(base);
}

static void a_plan_without_a_quota_writes_nothing(void **state)
{
	static const struct jb_plan_terms terms = {.rate = 1, .burst = 1000};
	struct broker *b = *state;
	struct event_base *base = event_base_new();
	struct jb_usage *usage = jb_usage_new(base, b->store);
	int64_t calls = -1;

	assert_int_equal(let_through(usage, &terms, "web-1", NOW, 500), 500);
	jb_usage_free(usage);
	assert_int_equal(jb_store_calls(b->store, "web-1", NOW / DAY, &calls), 0);
	assert_int_equal(calls, 0);
	event_base_free(base);
}

static void a_hundred_sudos_at_once_pass_under_the_plan_of_hosts_that_name_none(void **state)
{
	struct broker *b = *state;
	struct jb_plan_count count = {0};

	assert_int_equal(passed(&jb_conf_plan_of(b->conf, "web-1")->terms, &count, 0, NOW, 100 * 10), 1000);
}

static void a_refused_host_is_told_of_once_a_minute(void **state)
{
	static const struct jb_plan_terms terms = {.rate = 1, .burst = 1};
	struct broker *b = *state;
	struct event_base *base = event_base_new();
	struct jb_usage *usage = jb_usage_new(base, b->store);
	unsigned later, told = 0;
	bool tell;

	let_through(usage, &terms, "web-1", NOW, 1);
	for (unsigned i = 0; i < 50; i++) {
		jb_usage_call(usage, &terms, "web-1", NOW + i, &later, &tell);
		told += tell;
	}
	assert_int_equal(told, 1);
	jb_usage_call(usage, &terms, "web-1", NOW + 60, &later, &tell);
	assert_true(tell);
	jb_usage_free(usage);
	event_base_free(base);
}

struct found {
	int64_t used;
	size_t count;
};

static void find(void *arg, const struct jb_secret_row *row)
{
	struct found *found = arg;

	found->used = row->used;
	found->count++;
}

static int64_t used_of(struct jb_store *store)
{
	struct found found = {0};

	assert_int_equal(jb_store_secret_list(store, "host", find, &found), 0);
	assert_int_equal(found.count, 1);
	return found.used;
}

static void a_last_use_is_written_once_a_minute(void **state)
{
	struct broker *b = *state;
	struct event_base *base = event_base_new();
	struct jb_usage *usage = jb_usage_new(base, b->store);
	char key[JB_SECRET_SIZE];

	assert_int_equal(jb_store_secret_add(b->store, "host", "web-1", NOW, key, sizeof(key)), 0);
	assert_int_equal(used_of(b->store), 0);
	jb_usage_seen(usage, key, NOW + 100);
	jb_usage_seen(usage, "no key", NOW + 100);
	assert_int_equal(used_of(b->store), 0); /* not with the call */
	jb_usage_write(usage);
	assert_int_equal(used_of(b->store), NOW + 100);
	jb_usage_seen(usage, key, NOW + 159);
	jb_usage_write(usage);
	assert_int_equal(used_of(b->store), NOW + 100);
	jb_usage_seen(usage, key, NOW + 160);
	jb_usage_free(usage);
	assert_int_equal(used_of(b->store), NOW + 160);
	/* Of two brokers the later word stays. */
	assert_int_equal(jb_store_secret_used(b->store, &(struct jb_secret_use){.at = NOW + 1}, 1), 0);
	event_base_free(base);
}

static void a_store_that_cannot_be_written_refuses_nobody(void **state)
{
	static const struct jb_plan_terms terms = {.rate = 1, .burst = 1000, .quota = 10};
	struct broker *b = *state;
	struct event_base *base = event_base_new();
	struct jb_usage *usage = jb_usage_new(base, b->store);
	sqlite3 *other;
	char path[300];

	snprintf(path, sizeof(path), "%s/broker.db", b->dir);
	assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
	assert_int_equal(let_through(usage, &terms, "web-1", NOW, 4), 4);
	assert_int_equal(sqlite3_exec(other, "DROP TABLE calls", NULL, NULL, NULL), SQLITE_OK);
	jb_usage_write(usage);
	assert_int_equal(let_through(usage, &terms, "web-1", NOW, 7), 6); /* counted on in memory */
	assert_int_equal(let_through(usage, &terms, "web-2", NOW, 11), 10);
	sqlite3_close(other);
	jb_usage_free(usage);
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bucket_lets_its_burst_through_and_then_its_rate),
		cmocka_unit_test(fractions_of_a_token_are_kept),
		cmocka_unit_test(a_quota_is_a_day_of_utc_and_refusals_use_nothing),
		cmocka_unit_test(new_terms_count_on_with_what_has_been_used),
		cmocka_unit_test_setup_teardown(hosts_count_apart_and_a_restart_goes_on, setup_broker, teardown_broker),
		cmocka_unit_test_setup_teardown(brokers_that_share_a_store_share_a_quota, setup_broker,
						teardown_broker),
		cmocka_unit_test_setup_teardown(a_plan_without_a_quota_writes_nothing, setup_broker, teardown_broker),
		cmocka_unit_test_setup_teardown(a_hundred_sudos_at_once_pass_under_the_plan_of_hosts_that_name_none,
						setup_broker, teardown_broker),
		cmocka_unit_test_setup_teardown(a_refused_host_is_told_of_once_a_minute, setup_broker, teardown_broker),
		cmocka_unit_test_setup_teardown(a_last_use_is_written_once_a_minute, setup_broker, teardown_broker),
		cmocka_unit_test_setup_teardown(a_store_that_cannot_be_written_refuses_nobody, setup_broker,
						teardown_broker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
