/* What time does while the broker is away, and what it keeps and forgets: deadlines, retention, keys of filings. */
#include "broker_engine.h"

#include <errno.h>
#include <json-c/json.h>

#define RETENTION ((int64_t)90 * 86400)

static void restart(int64_t now)
{
	broker_stop(b);
	broker_start(b, now);
}

static struct jb_request *get(const struct jb_request *of)
{
	struct jb_request *now = NULL;

	assert_int_equal(jb_store_get(b->store, of->id, &now), 0);
	return now;
}

static int64_t number_of(struct json_object *json, const char *name)
{
	struct json_object *value;

	assert_true(json_object_object_get_ex(json, name, &value));
	assert_true(json_object_is_type(value, json_type_int));
	int64_t number = json_object_get_int64(value);
	json_object_put(json);
	return number;
}

static void is_kept_until(const struct jb_request *of, int64_t until)
{
	struct jb_request *now = get(of);

	assert_int_equal(now->expires_at, until);
	assert_true(now->expires_at > now->granted_until);
	assert_int_equal(number_of(jb_request_for_host(now, NOW), "expiresAt"), until);
	assert_int_equal(number_of(jb_request_for_approver(now, NOW), "expiresAt"), until);
	drop(&now);
}

static void retention_counts_from_the_last_instant_that_each_state_speaks_of(void **state)
{
	struct jb_filing f = filing();
	struct jb_request *r = file(&f, NOW), *denied = file(&f, NOW);

	(void)state;
	is_kept_until(r, NOW + 300 + RETENTION); /* its deadline */
	assert_string_equal(approve("appr1", r, r->code, NOW + 10), "");
	is_kept_until(r, NOW + 610 + RETENTION); /* until when it may be used */
	assert_string_equal(start(r, NOW + 20), "");
	is_kept_until(r, NOW + 920 + RETENTION); /* its end */
	assert_string_equal(end(r, NOW + 30), "");
	is_kept_until(r, NOW + 920 + RETENTION);
	assert_string_equal(deny("appr1", denied, NOW + 10), "");
	is_kept_until(denied, NOW + 300 + RETENTION);
	drop(&r);
	drop(&denied);
}

static void count_records(void *arg, int64_t seq, const char *json)
{
	(void)seq;
	(void)json;
	++*(int *)arg;
}

static int records(void)
{
	struct jb_audit_break at;
	int count = 0;

	assert_int_equal(jb_store_audit_walk(b->store, NULL, NULL, &at), 0);
	assert_int_equal(jb_store_audit_read(b->store, 0, 1000, count_records, &count), 0);
	return count;
}

static void what_is_over_is_forgotten_at_its_second_and_its_records_stay(void **state)
{
	struct jb_request *r = in_state(JB_ENDED), *gone = NULL;
	const int64_t until = NOW + 900 + RETENTION;
	int count = records();

	(void)state;
	is_kept_until(r, until);
	jb_engine_tick(b->engine, until - 1);
	restart(until - 1);
	assert_int_equal(jb_engine_tick(b->engine, until - 1), until);
	is_kept_until(r, until);
	assert_int_equal(jb_engine_tick(b->engine, until), INT64_MAX);
	assert_int_equal(jb_store_get(b->store, r->id, &gone), -ENOENT);
	assert_int_equal(records(), count);
	drop(&r);
}

/* A hundred days of absence: what was open ends first, and is kept from there on. */
static void what_was_open_is_not_forgotten_before_it_has_ended(void **state)
{
	struct jb_request *r = in_state(JB_ACTIVE);
	const int64_t late = NOW + (int64_t)100 * 86400;

	(void)state;
	restart(late);
	assert_int_equal(jb_engine_tick(b->engine, late), late + RETENTION);
	status_is(r->id, late, JB_EXPIRED);
	is_kept_until(r, late + RETENTION);
	drop(&r);
}

static void a_filings_key_is_remembered_as_long_as_its_request(void **state)
{
	struct jb_filing f = filing();
	struct jb_request *first, *again = NULL;
	bool replayed = false;

	(void)state;
	f.resume = true;
	f.idempotency_key = "k1";
	f.body_hash = "aa";
	first = file(&f, NOW);
	restart(NOW + 10);
	assert_int_equal(jb_engine_file(b->engine, "web-1", &f, NOW + 10, &again, &replayed, &b->fault), 0);
	assert_true(replayed);
	assert_string_equal(again->id, first->id);
	drop(&again);
	assert_string_equal(cancel(first, NOW + 20), "");
	jb_engine_tick(b->engine, NOW + 300 + RETENTION);
	again = file(&f, NOW + 300 + RETENTION); /* another one, though of the same name: nobody remembers */
	assert_int_equal(again->requested_at, NOW + 300 + RETENTION);
	assert_int_equal(again->status, JB_PENDING);
	assert_int_equal(again->version, 1);
	drop(&again);
	drop(&first);
}

/* Each deadline passed while nobody was there to see it: ended once, by the timer, and the host is told. */
static void deadlines_that_pass_while_the_broker_is_away_are_kept_at_its_start(void **state)
{
	struct jb_request *r[] = {in_state(JB_PENDING), in_state(JB_APPROVED), in_state(JB_ACTIVE)};
	enum jb_status first = JB_PENDING;
	int64_t cursor = -1, next;

	(void)state;
	changes(-1, &cursor, &first);
	int count = records();
	restart(NOW + 1000);
	jb_engine_tick(b->engine, NOW + 1000);
	for (size_t i = 0; i < COUNT_OF(r); i++) {
		struct jb_request *now = get(r[i]);

		assert_string_equal(jb_status_name(now->status), "EXPIRED");
		assert_string_equal(now->ended_by, "timer");
		assert_int_equal(now->ended_at, NOW + 1000);
		drop(&now);
	}
	assert_string_equal(start(r[1], NOW + 1000), "grant.unused");
	assert_string_equal(collect_code(r[2], NULL, NOW + 1000), "grant.ended");
	assert_string_equal(approve("appr1", r[0], r[0]->code, NOW + 1000), "request.decided");
	assert_int_equal(changes(cursor, &next, &first), 3);
	assert_int_equal(first, JB_EXPIRED);
	restart(NOW + 1001);
	jb_engine_tick(b->engine, NOW + 1001);
	assert_int_equal(records(), count + 3);
	for (size_t i = 0; i < COUNT_OF(r); i++)
		drop(&r[i]);
}

static void a_deadline_that_has_not_come_is_kept_over_a_restart(void **state)
{
	struct jb_filing f = filing();

	(void)state;
	f.resume = true;
	struct jb_request *pending = file(&f, NOW), *approved = in_state(JB_APPROVED), *active = in_state(JB_ACTIVE);
	for (int64_t at = NOW; at <= NOW + 1000; at += 50) {
		restart(at);
		jb_engine_tick(b->engine, at);
		status_is(pending->id, at, at < NOW + 300 ? JB_PENDING : JB_EXPIRED);
		status_is(approved->id, at, at < NOW + 600 ? JB_APPROVED : JB_EXPIRED);
		status_is(active->id, at, at < NOW + 900 ? JB_ACTIVE : JB_EXPIRED);
	}
	drop(&pending);
	drop(&approved);
	drop(&active);
}

static void wrong_codes_are_counted_over_restarts_and_over_approvers(void **state)
{
	static const char *const persons[] = {"appr1", "appr2", "appr3"};
	struct jb_filing f = filing();

	(void)state;
	f.resume = true;
	struct jb_request *r = file(&f, NOW);
	const char *wrong = strcmp(r->code, "10") == 0 ? "11" : "10";
	for (size_t i = 0; i < COUNT_OF(persons); i++) {
		status_is(r->id, NOW, JB_PENDING);
		assert_string_equal(approve(persons[i], r, wrong, NOW), "approval.wrong_code");
		restart(NOW);
		jb_engine_tick(b->engine, NOW);
	}
	status_is(r->id, NOW, JB_DENIED);
	assert_string_equal(approve("appr1", r, r->code, NOW), "request.decided");
	drop(&r);
}

/* The first of two approvals was given before the restart; what was revoked before it stays so. */
static void decisions_are_kept_over_a_restart(void **state)
{
	struct jb_filing f = filing();

	(void)state;
	f.role = "two";
	f.reason = "disk full";
	f.ticket = "INC-4711";
	struct jb_request *two = file(&f, NOW), *revoked = in_state(JB_REVOKED);
	assert_string_equal(approve("appr1", two, NULL, NOW), "");
	restart(NOW + 5);
	jb_engine_tick(b->engine, NOW + 5);
	assert_string_equal(approve("appr1", two, NULL, NOW + 5), "");
	status_is(two->id, NOW + 5, JB_PENDING);
	assert_string_equal(approve("appr2", two, NULL, NOW + 5), "");
	status_is(two->id, NOW + 5, JB_APPROVED);
	assert_string_equal(collect_code(revoked, NULL, NOW + 5), "grant.revoked");
	drop(&two);
	drop(&revoked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(retention_counts_from_the_last_instant_that_each_state_speaks_of),
		TEST(what_is_over_is_forgotten_at_its_second_and_its_records_stay),
		TEST(what_was_open_is_not_forgotten_before_it_has_ended),
		TEST(a_filings_key_is_remembered_as_long_as_its_request),
		TEST(deadlines_that_pass_while_the_broker_is_away_are_kept_at_its_start),
		TEST(a_deadline_that_has_not_come_is_kept_over_a_restart),
		TEST(wrong_codes_are_counted_over_restarts_and_over_approvers),
		TEST(decisions_are_kept_over_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
