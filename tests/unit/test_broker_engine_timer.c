/* What happens because nothing happened: deadlines, silent hosts, retention. */
#include "broker_engine.h"

static void clocks_end_what_nobody_ends(void **state)
{
	struct jb_request *pending = in_state(JB_PENDING), *approved = in_state(JB_APPROVED),
			  *active = in_state(JB_ACTIVE);

	(void)state;
	assert_int_equal(jb_engine_tick(b->engine, NOW + 29), NOW + 30); /* the host's silence comes first */
	jb_engine_heard(b->engine, "web-1", NOW + 290);
	assert_int_equal(jb_engine_tick(b->engine, NOW + 299), NOW + 300);
	status_is(pending->id, NOW + 299, JB_PENDING);
	jb_engine_tick(b->engine, NOW + 300);
	status_is(pending->id, NOW, JB_EXPIRED);
	jb_engine_tick(b->engine, NOW + 599);
	status_is(approved->id, NOW, JB_APPROVED);
	jb_engine_tick(b->engine, NOW + 600);
	status_is(approved->id, NOW, JB_EXPIRED);
	assert_string_equal(start(approved, NOW + 600), "grant.unused");
	jb_engine_tick(b->engine, NOW + 899);
	status_is(active->id, NOW, JB_ACTIVE);
	jb_engine_tick(b->engine, NOW + 900);
	status_is(active->id, NOW, JB_EXPIRED);
	assert_string_equal(collect_code(active, NULL, NOW + 900), "grant.ended");
	/* Past retention they are forgotten, and nothing is due any more. */
	assert_int_equal(jb_engine_tick(b->engine, NOW + 91 * 86400), INT64_MAX);
	assert_int_equal(jb_engine_get(b->engine, "web-1", active->id, NOW, &(struct jb_request *){NULL}, &b->fault),
			 -1);
	assert_string_equal(b->fault.code, "request.unknown");
	drop(&pending);
	drop(&approved);
	drop(&active);
}

static void a_deadline_holds_where_no_timer_came_by(void **state)
{
	struct jb_request *pending = in_state(JB_PENDING), *approved = in_state(JB_APPROVED),
			  *active = in_state(JB_ACTIVE);

	(void)state;
	assert_string_equal(approve("appr1", pending, pending->code, NOW + 300), "request.decided");
	assert_string_equal(start(approved, NOW + 600), "grant.unused");
	assert_string_equal(collect_code(active, NULL, NOW + 900), "grant.ended");
	assert_int_equal(b->issuer.calls, 0);
	drop(&pending);
	drop(&approved);
	drop(&active);
}

static void a_silent_host_loses_what_waits(void **state)
{
	struct jb_filing f = filing();
	struct jb_request *plain = file(&f, NOW), *resume, *approved = in_state(JB_APPROVED);

	(void)state;
	f.resume = true;
	resume = file(&f, NOW);
	jb_engine_tick(b->engine, NOW + 29);
	status_is(plain->id, NOW, JB_PENDING);
	jb_engine_heard(b->engine, "web-1", NOW + 20);
	jb_engine_tick(b->engine, NOW + 49);
	status_is(plain->id, NOW, JB_PENDING);
	/* A broker that was away counts from its own return. */
	broker_stop(b);
	broker_start(b, NOW + 60);
	jb_engine_tick(b->engine, NOW + 89);
	status_is(plain->id, NOW, JB_PENDING);
	b->changes = 0;
	jb_engine_tick(b->engine, NOW + 90);
	assert_int_equal(b->changes, 1);
	status_is(plain->id, NOW, JB_CANCELLED);
	status_is(resume->id, NOW, JB_PENDING);
	status_is(approved->id, NOW, JB_APPROVED);
	drop(&plain);
	drop(&resume);
	drop(&approved);
}

/* Stopped, suspended, or its clock set forward: what hosts said meanwhile has not been read yet. */
static void a_broker_that_was_held_up_blames_no_host(void **state)
{
	struct jb_filing f = filing();
	struct jb_request *r = file(&f, NOW);

	(void)state;
	assert_int_equal(jb_engine_tick(b->engine, NOW), NOW + 30);
	jb_engine_awake(b->engine, NOW + 100);
	jb_engine_tick(b->engine, NOW + 100);
	status_is(r->id, NOW, JB_PENDING);
	assert_int_equal(jb_engine_tick(b->engine, NOW + 129), NOW + 130);
	status_is(r->id, NOW, JB_PENDING);
	jb_engine_tick(b->engine, NOW + 130);
	status_is(r->id, NOW, JB_CANCELLED);
	drop(&r);
}

static void a_host_that_speaks_to_another_broker_keeps_what_waits(void **state)
{
	struct jb_filing f = filing();
	struct jb_request *r = file(&f, NOW);
	char why[512];
	struct jb_store *second = jb_store_open(b->conf, why, sizeof(why));
	int64_t at = 0;

	(void)state;
	assert_non_null(second);
	assert_true(jb_store_heard(second, "web-1", NOW + 25) > 0);
	assert_int_equal(jb_store_last_heard(b->store, "web-1", &at), 0);
	jb_store_close(second);
	if (!at) {
		jb_request_free(r);
		skip(); /* one process has the whole file */
	}
	jb_engine_tick(b->engine, NOW + 54);
	status_is(r->id, NOW, JB_PENDING);
	jb_engine_tick(b->engine, at + 30);
	status_is(r->id, NOW, JB_CANCELLED);
	jb_request_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(clocks_end_what_nobody_ends),
		TEST(a_deadline_holds_where_no_timer_came_by),
		TEST(a_silent_host_loses_what_waits),
		TEST(a_broker_that_was_held_up_blames_no_host),
		TEST(a_host_that_speaks_to_another_broker_keeps_what_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
