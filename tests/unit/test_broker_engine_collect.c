/* Collecting: clock, token and credentials of a grant, whatever happens while STS answers. */
#include "broker_engine.h"

#include "secret.h"

static void the_first_collection_starts_the_clock(void **state)
{
	struct jb_request *r = in_state(JB_APPROVED);
	struct told told = collect(r, NULL, NOW + 5);
	char token[128], again[128];

	(void)state;
	assert_string_equal(told.code, "");
	assert_int_equal(b->issuer.granted_until, NOW + 905);
	assert_int_equal(told.request->status, JB_ACTIVE);
	assert_int_equal(told.request->granted_until, NOW + 905);
	assert_int_equal(told.request->sealed_until, NOW + 305);
	assert_string_equal(told.clear_key, "");
	unseal_token(told.request, token, sizeof(token));
	assert_true(jb_secret_fits(token, told.request->grant_token_hash));
	drop(&told.request);

	/* A renewal with the token keeps clock and token. */
	told = collect(r, token, NOW + 200);
	assert_string_equal(told.code, "");
	assert_int_equal(told.request->granted_until, NOW + 905);
	unseal_token(told.request, again, sizeof(again));
	assert_string_equal(token, again);
	drop(&told.request);

	int calls = b->issuer.calls;
	assert_string_equal(collect_code(r, "jitg_wrong", NOW + 201), "grant.token");
	assert_string_equal(collect_code(r, "", NOW + 201), "grant.token");
	assert_int_equal(b->issuer.calls, calls); /* STS was not even asked */

	/* A host that lost it gets another, and the old one is dead. */
	told = collect(r, NULL, NOW + 300);
	unseal_token(told.request, again, sizeof(again));
	assert_string_not_equal(token, again);
	assert_string_equal(collect_code(r, token, NOW + 301), "grant.token");
	assert_string_equal(collect_code(r, again, NOW + 301), "");
	drop(&told.request);
	drop(&r);
}

static void a_grant_that_ended_while_sts_answered_gives_nothing(void **state)
{
	struct jb_request *r = in_state(JB_ACTIVE);
	struct told told = {0};

	(void)state;
	jb_engine_collect(b->engine, "web-1", r->id, jwk, NULL, NOW, on_collected, &told);
	assert_string_equal(revoke_it("appr1", r, NOW), "");
	issue_good(NOW + 300);
	assert_int_equal(told.times, 1);
	assert_null(told.request);
	assert_string_equal(told.code, "grant.revoked");
	status_is(r->id, NOW, JB_REVOKED);
	drop(&r);
}

/* The token was replaced while STS answered: what comes under the old one is thrown away. */
static void a_token_that_died_while_sts_answered_gives_nothing(void **state)
{
	struct jb_request *r = in_state(JB_APPROVED);
	struct told told = collect(r, NULL, NOW), late = {0};
	struct fake_issuer earlier;
	char token[128];

	(void)state;
	unseal_token(told.request, token, sizeof(token));
	drop(&told.request);
	jb_engine_collect(b->engine, "web-1", r->id, jwk, token, NOW, on_collected, &late);
	earlier = b->issuer;
	assert_string_equal(collect_code(r, NULL, NOW), "");
	b->issuer = earlier;
	issue_good(NOW + 300);
	assert_string_equal(late.code, "grant.token");
	assert_null(late.request);
	drop(&r);
}

static void two_collections_at_once_both_answer(void **state)
{
	struct jb_request *r = in_state(JB_APPROVED);
	struct told first = {0}, second = {0};
	struct fake_issuer earlier;

	(void)state;
	jb_engine_collect(b->engine, "web-1", r->id, jwk, NULL, NOW, on_collected, &first);
	earlier = b->issuer;
	jb_engine_collect(b->engine, "web-1", r->id, jwk, NULL, NOW + 1, on_collected, &second);
	issue_good(NOW + 301);
	b->issuer = earlier;
	issue_good(NOW + 300);
	assert_string_equal(second.code, "");
	assert_string_equal(first.code, "");
	assert_int_equal(first.request->granted_until, second.request->granted_until);
	assert_int_equal(first.request->sealed_until, NOW + 301); /* the last to die, not the last to come */
	drop(&first.request);
	drop(&second.request);
	drop(&r);
}

/* The clock started meanwhile, and earlier than this call had assumed: its credential would outlive the grant. */
static void no_credential_outlives_the_grant(void **state)
{
	struct jb_filing f = filing();
	struct told first = {0}, late = {0};
	struct fake_issuer earlier;

	(void)state;
	f.duration = 60;
	struct jb_request *r = file(&f, NOW);
	assert_string_equal(approve("appr1", r, r->code, NOW), "");
	jb_engine_collect(b->engine, "web-1", r->id, jwk, NULL, NOW, on_collected, &first);
	earlier = b->issuer;
	jb_engine_collect(b->engine, "web-1", r->id, jwk, NULL, NOW + 5, on_collected, &late);
	assert_int_equal(b->issuer.granted_until, NOW + 65);
	struct fake_issuer later = b->issuer;
	b->issuer = earlier;
	issue_good(NOW + 60);
	assert_string_equal(first.code, "");
	assert_int_equal(first.request->granted_until, NOW + 60);
	b->issuer = later;
	issue_good(NOW + 65);
	assert_string_equal(late.code, "issuer.unavailable");
	assert_int_equal(late.http, 503);
	assert_null(late.request);
	assert_string_equal(collect_code(first.request, NULL, NOW + 6),
			    "issuer.unavailable"); /* the fake gives 300 s */
	status_is(r->id, NOW, JB_ACTIVE);
	drop(&first.request);
	drop(&r);
}

/* Whoever has one grant must not fill the way to STS, nor the broker's descriptors, for all others. */
static void one_request_has_few_calls_under_way(void **state)
{
	struct jb_request *r = in_state(JB_ACTIVE), *other = in_state(JB_ACTIVE);
	struct told told[6] = {0}, another = {0};

	(void)state;
	for (int i = 0; i < 6; i++)
		jb_engine_collect(b->engine, "web-1", r->id, jwk, NULL, NOW, on_collected, &told[i]);
	assert_int_equal(b->issuer.calls, 4);
	assert_int_equal(told[3].times, 0);
	assert_int_equal(told[4].http, 429);
	assert_string_equal(told[5].code, "limit.waiting");
	jb_engine_collect(b->engine, "web-1", other->id, jwk, NULL, NOW, on_collected, &another);
	assert_int_equal(b->issuer.calls, 5);
	issue_good(NOW + 300);
	assert_string_equal(another.code, "");
	drop(&another.request);
	drop(&other);
	drop(&r);
}

static void what_sts_refuses_in_passing_changes_nothing(void **state)
{
	struct jb_request *approved = in_state(JB_APPROVED), *active = in_state(JB_ACTIVE);
	struct told told = {0};

	(void)state;
	jb_engine_collect(b->engine, "web-1", approved->id, jwk, NULL, NOW, on_collected, &told);
	issue_bad(true);
	assert_string_equal(told.code, "issuer.unavailable");
	assert_int_equal(told.http, 503);
	status_is(approved->id, NOW, JB_APPROVED);
	jb_engine_collect(b->engine, "web-1", active->id, jwk, NULL, NOW, on_collected, &told);
	issue_bad(false);
	assert_string_equal(told.code, "issuer.refused");
	status_is(active->id, NOW, JB_ACTIVE);
	drop(&approved);
	drop(&active);
}

static void a_role_without_arn_starts_and_gives_no_credentials(void **state)
{
	struct jb_filing f = filing();
	struct jb_request *r;

	(void)state;
	f.role = "local";
	f.reason = "disk full";
	r = file(&f, NOW);
	assert_string_equal(approve("appr1", r, NULL, NOW), "");
	assert_string_equal(collect_code(r, NULL, NOW), "grant.no_credentials");
	status_is(r->id, NOW, JB_APPROVED);
	assert_string_equal(start(r, NOW), "");
	status_is(r->id, NOW, JB_ACTIVE);
	drop(&r);
}

static void a_caller_without_key_gets_clear_credentials(void **state)
{
	struct jb_filing f = filing();
	struct jb_request *r;
	struct told told = {0};

	(void)state;
	f.public_key = NULL;
	file_refused(&f, 403, "policy.unsealed");
	f.role = "first-look";
	f.role_arn = ARN;
	f.simulate = true;
	r = file(&f, NOW);
	jb_engine_collect(b->engine, "web-1", r->id, NULL, NULL, NOW, on_collected, &told);
	issue_good(NOW + 900);
	assert_string_equal(told.clear_key, "ASIAEXAMPLE");
	assert_null(told.request->sealed);
	drop(&told.request);
	drop(&r);
}

/* The rule is taken away while the grant lives: the next use finds it gone. */
static void policy_that_says_no_at_issue_revokes(void **state)
{
	struct jb_request *active = in_state(JB_ACTIVE), *approved = in_state(JB_APPROVED),
			  *pending = in_state(JB_PENDING);
	char changed[sizeof(broker_conf)];
	char *at;

	(void)state;
	memcpy(changed, broker_conf, sizeof(changed));
	assert_non_null(at = strstr(changed, "requesters = @sre"));
	memcpy(at, "requesters = op2 ", 17);
	broker_stop(b);
	broker_configure(b, changed);
	broker_start(b, NOW);
	assert_string_equal(collect_code(active, NULL, NOW), "policy.requester");
	assert_int_equal(b->issuer.calls, 0);
	status_is(active->id, NOW, JB_REVOKED);
	assert_string_equal(start(approved, NOW), "policy.requester");
	status_is(approved->id, NOW, JB_REVOKED);
	assert_string_equal(approve("appr1", pending, pending->code, NOW), "policy.requester");
	status_is(pending->id, NOW, JB_PENDING);
	drop(&active);
	drop(&approved);
	drop(&pending);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_collection_starts_the_clock),
		TEST(a_grant_that_ended_while_sts_answered_gives_nothing),
		TEST(a_token_that_died_while_sts_answered_gives_nothing),
		TEST(two_collections_at_once_both_answer),
		TEST(no_credential_outlives_the_grant),
		TEST(one_request_has_few_calls_under_way),
		TEST(what_sts_refuses_in_passing_changes_nothing),
		TEST(a_role_without_arn_starts_and_gives_no_credentials),
		TEST(a_caller_without_key_gets_clear_credentials),
		TEST(policy_that_says_no_at_issue_revokes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
