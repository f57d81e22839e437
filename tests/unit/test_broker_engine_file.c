/* Filing: what is refused, what is the same again, whose it is and how many there may be. */
#include "broker_engine.h"

static void what_makes_no_sense_is_refused_at_filing(void **state)
{
	struct jb_filing f = filing();

	(void)state;
	f.duration = 0;
	file_refused(&f, 400, "request.field");
	f = filing();
	f.requester = "op1\n";
	file_refused(&f, 400, "request.field");
	f.requester = NULL;
	file_refused(&f, 400, "request.field");
	f = filing();
	f.target = "root root";
	file_refused(&f, 400, "request.field");
	f = filing();
	f.public_key = "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}";
	file_refused(&f, 400, "request.field");
	f = filing();
	f.idempotency_key = "";
	file_refused(&f, 400, "request.field");
	f = filing();
	f.requester = "nobody";
	file_refused(&f, 403, "policy.requester");
	f = filing();
	f.for_host = "web-2";
	file_refused(&f, 403, "policy.host");
	f = filing();
	f.duration = INT64_MAX;
	f.command = "/bin/sh\033[2J";
	struct jb_request *r = file(&f, NOW);
	assert_int_equal(r->duration, 4 * 3600);
	assert_string_equal(r->command, "/bin/sh?[2J");
	assert_string_equal(r->targets, "root op1");
	drop(&r);
}

static void the_same_key_and_body_is_the_same_request(void **state)
{
	struct jb_filing f = filing();
	struct jb_request *first, *again = NULL;
	bool replayed = false;

	(void)state;
	f.idempotency_key = "k1";
	f.body_hash = "aa";
	first = file(&f, NOW);
	assert_int_equal(jb_engine_file(b->engine, "web-1", &f, NOW + 1, &again, &replayed, &b->fault), 0);
	assert_true(replayed);
	assert_string_equal(again->id, first->id);
	drop(&again);
	f.body_hash = "bb";
	file_refused(&f, 422, "request.idempotency");
	/* Another host's key of the same text is another key. */
	assert_int_equal(jb_engine_file(b->engine, "web-2", &f, NOW, &again, &replayed, &b->fault), 0);
	assert_false(replayed);
	assert_string_not_equal(again->id, first->id);
	drop(&again);
	drop(&first);
}

static void waiting_requests_are_limited(void **state)
{
	struct jb_filing f = filing();
	struct jb_request *r[5] = {0};

	(void)state;
	for (int i = 0; i < 3; i++)
		r[i] = file(&f, NOW);
	file_refused(&f, 429, "limit.waiting");
	f.requester = "op2";
	r[3] = file(&f, NOW);
	file_refused(&f, 429, "limit.waiting"); /* four on this host */
	assert_string_equal(cancel(r[0], NOW), "");
	file_refused(&f, 429, "limit.waiting"); /* the last place is for who has none */
	assert_string_equal(cancel(r[3], NOW), "");
	r[4] = file(&f, NOW);
	for (int i = 0; i < 5; i++)
		drop(&r[i]);
}

static void what_another_host_filed_counts_against_that_host(void **state)
{
	struct jb_filing f = filing();
	struct jb_request *r = NULL;
	bool replayed;

	(void)state;
	f.for_host = "web-1";
	for (int i = 0; i < 4; i++) {
		f.requester = i < 3 ? "op1" : "op2";
		assert_int_equal(jb_engine_file(b->engine, "ctl", &f, NOW, &r, &replayed, &b->fault), 0);
		drop(&r);
	}
	assert_int_equal(jb_engine_file(b->engine, "ctl", &f, NOW, &r, &replayed, &b->fault), -1);
	assert_string_equal(b->fault.code, "limit.waiting");
	f.for_host = NULL;
	r = file(&f, NOW); /* from web-1 itself */
	drop(&r);
}

static void simulated_approval_counts_only_where_it_is_configured(void **state)
{
	struct jb_filing f = filing();
	struct jb_request *r;

	(void)state;
	f.simulate = true;
	r = file(&f, NOW);
	assert_int_equal(r->status, JB_PENDING);
	drop(&r);
	f.role = "first-look";
	r = file(&f, NOW);
	assert_int_equal(r->status, JB_APPROVED);
	assert_string_equal(r->decided_by, "policy");
	assert_string_equal(r->code, "");
	drop(&r);
	f.simulate = false;
	r = file(&f, NOW);
	assert_int_equal(r->status, JB_DENIED);
	drop(&r);
}

static void a_control_node_files_for_its_hosts(void **state)
{
	struct jb_filing f = filing();
	struct jb_request *r = NULL, *seen = NULL;
	bool replayed;

	(void)state;
	f.for_host = "web-7";
	assert_int_equal(jb_engine_file(b->engine, "ctl", &f, NOW, &r, &replayed, &b->fault), 0);
	assert_string_equal(r->host, "web-7");
	assert_int_equal(jb_engine_get(b->engine, "web-7", r->id, NOW, &seen, &b->fault), 0);
	drop(&seen);
	assert_int_equal(jb_engine_get(b->engine, "ctl", r->id, NOW, &seen, &b->fault), 0);
	drop(&seen);
	drop(&r);
}

static void the_host_it_is_for_hears_of_a_request_and_alone_uses_it(void **state)
{
	struct jb_filing f = filing();
	struct jb_request *r = NULL, *got = NULL;
	int64_t after = -1;
	bool replayed;

	(void)state;
	assert_int_equal(told_of("web-7", &after, JB_PENDING), 0);
	f.for_host = "web-7";
	assert_int_equal(jb_engine_file(b->engine, "ctl", &f, NOW, &r, &replayed, &b->fault), 0);
	assert_int_equal(b->changes, 1); /* a poll that waits is woken */
	assert_int_equal(told_of("web-7", &after, JB_PENDING), 1);
	assert_string_equal(approve("appr1", r, r->code, NOW), "");
	assert_int_equal(told_of("web-7", &after, JB_APPROVED), 1);
	after = -1; /* a helper that has just started */
	assert_int_equal(told_of("web-7", &after, JB_APPROVED), 1);

	/* Who filed it sees it, and cannot use it. */
	assert_int_equal(jb_engine_start(b->engine, "ctl", r->id, NOW, &got, &b->fault), -1);
	assert_string_equal(b->fault.code, "grant.host");
	struct told told = {0};
	jb_engine_collect(b->engine, "ctl", r->id, jwk, NULL, NOW, on_collected, &told);
	assert_string_equal(told.code, "grant.host");
	assert_int_equal(b->issuer.calls, 0);
	/* Nor are credentials sealed to the key that the control node filed with. */
	jb_engine_collect(b->engine, "web-7", r->id, NULL, NULL, NOW, on_collected, &told);
	assert_string_equal(told.code, "request.field");
	assert_int_equal(b->issuer.calls, 0);
	told = (struct told){0};
	jb_engine_collect(b->engine, "web-7", r->id, jwk, NULL, NOW, on_collected, &told);
	issue_good(NOW + 300);
	assert_string_equal(told.code, "");
	assert_string_equal(jb_status_name(told.request->status), "ACTIVE");
	drop(&told.request);
	assert_int_equal(jb_engine_end(b->engine, "ctl", r->id, NOW + 1, &got, &b->fault), 0);
	drop(&got);
	assert_int_equal(told_of("web-7", &after, JB_ENDED), 1);
	drop(&r);
}

static void a_request_without_a_role_gets_the_first_that_fits(void **state)
{
	struct jb_filing f = filing();
	struct jb_request *r;

	(void)state;
	f.role = "*";
	r = file(&f, NOW);
	assert_string_equal(r->role, "admin");
	assert_string_equal(r->services, "sudo su sshd");
	drop(&r);
	f.target = "postgres"; /* not admin's, but local's; which wants a reason */
	file_refused(&f, 403, "policy.reason");
	f.reason = "vacuum";
	r = file(&f, NOW);
	assert_string_equal(r->role, "local");
	drop(&r);
	f.requester = "op2";
	file_refused(&f, 403, "policy.role");
	assert_non_null(strstr(b->fault.message, "no role lets op2 ask for sudo as postgres on web-1"));
	f = filing();
	f.role = "*";
	f.for_host = "web-2"; /* web-1 is no control node */
	file_refused(&f, 403, "policy.role");
	f = filing();
	f.role = "*";
	f.role_arn = "arn:aws:iam::123456789012:role/Other";
	file_refused(&f, 403, "policy.role");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_makes_no_sense_is_refused_at_filing),
		TEST(the_same_key_and_body_is_the_same_request),
		TEST(waiting_requests_are_limited),
		TEST(what_another_host_filed_counts_against_that_host),
		TEST(simulated_approval_counts_only_where_it_is_configured),
		TEST(a_control_node_files_for_its_hosts),
		TEST(the_host_it_is_for_hears_of_a_request_and_alone_uses_it),
		TEST(a_request_without_a_role_gets_the_first_that_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
