/* The engine: every transition that may be and every one that may not, and what its hosts are told of them. */
#include "broker_engine.h"

#include <sqlite3.h>

static void every_call_in_every_state_does_what_the_table_says(void **state)
{
	enum { APPROVE, DENY, REVOKE, START, CANCEL, END, COLLECT, CALLS };
	static const struct {
		enum jb_status from;
		struct {
			const char *code;
			enum jb_status to;
		} call[CALLS];
	} table[] = {
		{JB_PENDING,
		 {{"", JB_APPROVED},
		  {"", JB_DENIED},
		  {"request.pending", JB_PENDING},
		  {"grant.pending", JB_PENDING},
		  {"", JB_CANCELLED},
		  {"", JB_CANCELLED},
		  {"grant.pending", JB_PENDING}}},
		{JB_APPROVED,
		 {{"request.decided", JB_APPROVED},
		  {"request.decided", JB_APPROVED},
		  {"", JB_REVOKED},
		  {"", JB_ACTIVE},
		  {"", JB_CANCELLED},
		  {"", JB_CANCELLED},
		  {"", JB_ACTIVE}}},
		{JB_ACTIVE,
		 {{"request.decided", JB_ACTIVE},
		  {"request.decided", JB_ACTIVE},
		  {"", JB_REVOKED},
		  {"", JB_ACTIVE},
		  {"", JB_ENDED},
		  {"", JB_ENDED},
		  {"", JB_ACTIVE}}},
#define OVER(status, fault)                                                                                            \
	{                                                                                                              \
		status,                                                                                                \
		{                                                                                                      \
			{"request.decided", status}, {"request.decided", status}, {"request.decided", status},         \
				{fault, status}, {"", status}, {"", status}, {fault, status},                          \
		}                                                                                                      \
	}
		OVER(JB_DENIED, "grant.ended"),
		OVER(JB_EXPIRED, "grant.ended"),
		OVER(JB_CANCELLED, "grant.ended"),
		OVER(JB_ENDED, "grant.ended"),
		OVER(JB_REVOKED, "grant.revoked"),
		OVER(JB_FAILED, "grant.ended"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		for (int call = 0; call < CALLS; call++) {
			struct jb_request *r = in_state(table[i].from);
			const char *code = call == APPROVE  ? approve("appr2", r, r->code, NOW)
					   : call == DENY   ? deny("appr2", r, NOW)
					   : call == REVOKE ? revoke_it("appr2", r, NOW)
					   : call == START  ? start(r, NOW)
					   : call == CANCEL ? cancel(r, NOW)
					   : call == END    ? end(r, NOW)
							    : collect_code(r, NULL, NOW);

			if (strcmp(code, table[i].call[call].code) != 0)
				fail_msg("%s, call %d: expected \"%s\", got \"%s\"", jb_status_name(table[i].from),
					 call, table[i].call[call].code, code);
			status_is(r->id, NOW, table[i].call[call].to);
			if (!jb_status_final(table[i].call[call].to))
				end(r, NOW);
			drop(&r);
		}
	}
	struct jb_audit_break at;
	assert_int_equal(jb_store_audit_walk(b->store, NULL, NULL, &at), 0);
}

static void other_hosts_see_nothing(void **state)
{
	struct jb_request *r = in_state(JB_APPROVED), *got = NULL;
	struct told told = {0};

	(void)state;
	assert_int_equal(jb_engine_get(b->engine, "web-2", r->id, NOW, &got, &b->fault), -1);
	assert_int_equal(b->fault.http, 404);
	assert_int_equal(jb_engine_start(b->engine, "web-2", r->id, NOW, &got, &b->fault), -1);
	assert_int_equal(jb_engine_cancel(b->engine, "web-2", r->id, NOW, &got, &b->fault), -1);
	jb_engine_collect(b->engine, "web-2", r->id, jwk, NULL, NOW, on_collected, &told);
	assert_string_equal(told.code, "request.unknown");
	assert_int_equal(b->issuer.calls, 0);
	assert_int_equal(jb_engine_get(b->engine, "web-1", r->short_id, NOW, &got, &b->fault), 0);
	drop(&got);
	drop(&r);
}

static void a_host_is_told_of_every_decision(void **state)
{
	struct jb_request *r = in_state(JB_PENDING), *other = in_state(JB_PENDING);
	enum jb_status first = JB_FAILED;
	int64_t next = -1, at;

	(void)state;
	assert_int_equal(changes(-1, &next, &first), 2); /* what is open */
	at = next;
	assert_int_equal(changes(at, &next, &first), 0);
	assert_string_equal(approve("appr1", r, r->code, NOW), "");
	assert_int_equal(changes(at, &next, &first), 1);
	assert_int_equal(first, JB_APPROVED);
	assert_true(next > at);
	assert_int_equal(changes(next, &at, &first), 0);
	assert_string_equal(start(r, NOW), "");
	assert_int_equal(changes(next, &at, &first), 0); /* the host did that itself */
	assert_string_equal(revoke_it("appr1", r, NOW), "");
	assert_int_equal(changes(next, &at, &first), 1);
	assert_int_equal(first, JB_REVOKED);
	assert_int_equal(changes(next + 1000, &at, &first), 1); /* a cursor of another store: what is open */
	assert_int_equal(first, JB_PENDING);
	drop(&r);
	drop(&other);
}

static void a_restart_forgets_nothing(void **state)
{
	struct jb_request *pending = in_state(JB_PENDING), *active = in_state(JB_APPROVED);
	struct told told = collect(active, NULL, NOW);
	char token[128];

	(void)state;
	unseal_token(told.request, token, sizeof(token));
	drop(&told.request);
	broker_stop(b);
	broker_start(b, NOW + 10);
	status_is(pending->id, NOW + 10, JB_PENDING);
	status_is(active->id, NOW + 10, JB_ACTIVE);
	assert_string_equal(collect_code(active, token, NOW + 10), "");
	assert_string_equal(approve("appr1", pending, pending->code, NOW + 10), "");
	drop(&pending);
	drop(&active);
}

static void a_broker_that_cannot_write_grants_nothing(void **state)
{
	struct jb_request *pending = in_state(JB_PENDING), *approved = in_state(JB_APPROVED), *got = NULL;
	struct jb_filing f = filing();
	char path[128];
	bool replayed;
	sqlite3 *other;

	(void)state;
	/* Somebody else keeps the store locked for longer than we wait. */
	snprintf(path, sizeof(path), "%s/broker.db", b->dir);
	assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_string_equal(approve("appr1", pending, pending->code, NOW), "store.unavailable");
	assert_int_equal(b->fault.http, 503);
	assert_string_equal(start(approved, NOW), "store.unavailable");
	assert_int_equal(jb_engine_file(b->engine, "web-1", &f, NOW, &got, &replayed, &b->fault), -1);
	assert_string_equal(b->fault.code, "store.unavailable");
	assert_non_null(strstr(b->fault.message, "locked"));
	sqlite3_close(other);
	status_is(pending->id, NOW, JB_PENDING);
	status_is(approved->id, NOW, JB_APPROVED);
	drop(&pending);
	drop(&approved);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_call_in_every_state_does_what_the_table_says),
		TEST(other_hosts_see_nothing),
		TEST(a_host_is_told_of_every_decision),
		TEST(a_restart_forgets_nothing),
		TEST(a_broker_that_cannot_write_grants_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
