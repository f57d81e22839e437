/* What every store promises of a change: one winner of a race, none without its audit record, nothing lost in a
 * restart. */
#include "store_contract.h"

#include <errno.h>
#include <pthread.h>

#include "clock.h"

/* 0, or an error and the number of the record at which the chain breaks. */
static int verify(int64_t *ret_seq)
{
	struct jb_audit_break at = {0};

	broker_settle(b);
	int r = jb_store_audit_walk(b->store, NULL, NULL, &at);

	*ret_seq = at.seq;
	return r;
}

static void a_record_comes_back_as_it_was_written(void **state)
{
	struct jb_request *r = make("web-1", "k1"), *got = NULL;

	(void)state;
	r->command = strdup("/bin/echo \"\\ \u00fc\" '\n'");
	r->wrong_codes = 2;
	assert_int_equal(insert(b->store, r), 0);
	broker_stop(b);
	broker_start(b, NOW);
	assert_int_equal(jb_store_get(b->store, r->short_id, &got), 0);
	assert_string_equal(got->command, r->command);
	assert_int_equal(got->wrong_codes, 2);
	assert_int_equal(got->version, 1);
	assert_null(got->target);
	jb_request_free(got);
	assert_int_equal(jb_store_get_idempotent(b->store, "web-1", "k1", &got), 0);
	jb_request_free(got);
	assert_int_equal(jb_store_get_idempotent(b->store, "web-2", "k1", &got), -ENOENT);
	assert_int_equal(jb_store_get(b->store, "x' OR 1=1 --", &got), -ENOENT);
	jb_request_free(r);
}

static void an_id_or_a_key_is_taken_once(void **state)
{
	struct jb_request *r = make("web-1", "k1"), *same_key = make("web-1", "k1"), *other_host = make("web-2", "k1");

	(void)state;
	assert_int_equal(insert(b->store, r), 0);
	assert_int_equal(insert(b->store, r), -EEXIST);
	assert_int_equal(insert(b->store, same_key), -EEXIST);
	assert_int_equal(insert(b->store, other_host), 0);
	jb_request_free(r);
	jb_request_free(same_key);
	jb_request_free(other_host);
}

static void a_write_on_what_has_changed_is_stale(void **state)
{
	struct jb_request *r = make("web-1", NULL), *old, *gone = make("web-1", NULL);
	int64_t seq = 0;

	(void)state;
	assert_int_equal(insert(b->store, r), 0);
	assert_non_null(old = jb_request_copy(r));
	assert_int_equal(update(b->store, r, true), 0);
	assert_int_equal(r->version, 2);
	const uint64_t changed = r->changed;
	assert_true(changed > 0);
	assert_int_equal(update(b->store, old, true), -ESTALE);
	assert_int_equal(old->version, 1);
	assert_int_equal(old->changed, 0);
	assert_int_equal(update(b->store, gone, true), -ENOENT);
	assert_int_equal(update(b->store, r, false), 0);
	assert_int_equal(r->changed, changed);
	/* What was refused left no audit record behind. */
	assert_int_equal(verify(&seq), 0);
	assert_int_equal(chain_length(), 3);
	jb_request_free(r);
	jb_request_free(old);
	jb_request_free(gone);
}

/* A change whose audit record cannot be written is no change. */
static void no_audit_record_no_change(void **state)
{
	struct jb_request *r = make("web-1", NULL), *got;
	const struct jb_audit bad = {.at = NOW, .action = "test.changed", .detail = "no object"};

	(void)state;
	assert_int_equal(insert(b->store, r), 0);
	r->status = JB_CANCELLED;
	assert_true(jb_store_update(b->store, r, true, &bad) < 0);
	assert_int_equal(jb_store_get(b->store, r->id, &got), 0);
	assert_int_equal(got->status, JB_PENDING);
	assert_int_equal(got->version, 1);
	jb_request_free(got);
	jb_request_free(r);
}

#define RACERS 40
#define ROUNDS 5

struct racer {
	struct jb_engine *engine;
	const char *id;
	pthread_barrier_t *barrier;
	int won, decided, other;
};

static void *race(void *arg)
{
	struct racer *racer = arg;

	pthread_barrier_wait(racer->barrier);
	for (int i = 0; i < RACERS / 2; i++) {
		struct jb_request *r = NULL;
		struct jb_fault fault;
		int bad = i % 2 ? jb_engine_approve(racer->engine, "appr1", racer->id, NULL, NULL, NOW, &r, &fault)
				: jb_engine_deny(racer->engine, "appr1", racer->id, NULL, NOW, &r, &fault);

		racer->won += !bad;
		racer->decided += bad && strcmp(fault.code, "request.decided") == 0;
		racer->other += bad && strcmp(fault.code, "request.decided") != 0;
		jb_request_free(r);
	}
	return NULL;
}

static void forty_racing_decisions_have_one_winner(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct jb_request *r = make("web-1", NULL), *got;
		struct jb_store *second = open_again();
		struct jb_engine *engine = jb_engine_new(b->conf, second, NULL, NOW);
		pthread_barrier_t barrier;
		pthread_t thread;
		int64_t seq;

		free(r->role);
		r->role = strdup("local");
		r->services = strdup("sudo");
		r->targets = strdup("*");
		r->public_key = strdup("{}");
		r->reason = strdup("race");
		assert_int_equal(insert(b->store, r), 0);
		assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
		struct racer one = {.engine = b->engine, .id = r->id, .barrier = &barrier}, two = one;
		two.engine = engine;
		assert_int_equal(pthread_create(&thread, NULL, race, &two), 0);
		race(&one);
		assert_int_equal(pthread_join(thread, NULL), 0);
		pthread_barrier_destroy(&barrier);
		assert_int_equal(one.other + two.other, 0);
		assert_int_equal(one.won + two.won, 1);
		assert_int_equal(one.decided + two.decided, RACERS - 1);
		assert_int_equal(jb_store_get(b->store, r->id, &got), 0);
		assert_int_equal(got->version, 2);
		assert_int_equal(verify(&seq), 0);
		jb_request_free(got);
		jb_request_free(r);
		jb_engine_free(engine);
		jb_store_close(second);
	}
}

static void add_records(int count)
{
	for (int i = 0; i < count; i++)
		assert_int_equal(jb_store_audit(b->store, &(struct jb_audit){.at = NOW + i,
									     .action = "test.record",
									     .actor = "op1",
									     .detail = "{\"n\":\"a\"}"}),
				 0);
}

static void a_record_is_shown_with_its_hash(void **state)
{
	char last[1024] = "";

	(void)state;
	add_records(2);
	broker_settle(b);
	assert_int_equal(jb_store_audit_read(b->store, 1, 10, keep_last, last), 0);
	assert_non_null(strstr(last, "{\"seq\":2,\"at\":\"2026-11-22T16:00:01Z\",\"action\":\"test.record\","
				     "\"actor\":\"op1\",\"detail\":{\"n\":\"a\"},\"prev\":\""));
	assert_non_null(strstr(last, "\",\"hash\":\""));
	last[0] = '\0';
	assert_int_equal(jb_store_audit_read(b->store, 2, 10, keep_last, last), 0);
	assert_string_equal(last, "");
}

static void a_chain_of_many_writers_and_items_is_whole(void **state)
{
	struct jb_store *second = open_again();
	struct jb_request *r[30];
	int64_t seq, last;

	(void)state;
	add_records(120);
	for (size_t i = 0; i < COUNT_OF(r); i++) {
		assert_int_equal(insert(i % 2 ? second : b->store, r[i] = make("web-1", NULL)), 0);
		r[i]->comment = strdup("\"quoted\" \\ \n \xc3\xbc");
		assert_int_equal(update(i % 2 ? b->store : second, r[i], true), 0);
		jb_request_free(r[i]);
	}
	assert_int_equal(verify(&seq), 0);
	assert_int_equal(jb_store_audit_last(second, &last), 0);
	assert_int_equal(last, 120 + 2 * 30);
	assert_int_equal(chain_length(), last);
	jb_store_close(second);
	broker_stop(b);
	broker_start(b, NOW);
	add_records(1);
	assert_int_equal(verify(&seq), 0);
	assert_int_equal(chain_length(), last + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_record_comes_back_as_it_was_written),	  TEST(an_id_or_a_key_is_taken_once),
		TEST(a_write_on_what_has_changed_is_stale),	  TEST(no_audit_record_no_change),
		TEST(forty_racing_decisions_have_one_winner),	  TEST(a_record_is_shown_with_its_hash),
		TEST(a_chain_of_many_writers_and_items_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
