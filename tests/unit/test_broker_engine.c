/* The engine: every transition that may be and every one that may not, its clocks, codes, quorums and limits. */
#include "broker.h"

#include <sqlite3.h>

#include "secret.h"

static struct broker *b;
static EVP_PKEY *key;
static char jwk[JIT_JWK_SIZE];

static int setup(void **state)
{
	int r = setup_broker(state);

	b = *state;
	return r || jit_key_new(&key) < 0 || jit_jwk_format(key, jwk) < 0;
}

static int teardown(void **state)
{
	EVP_PKEY_free(key);
	return teardown_broker(state);
}

static struct jb_filing filing(void)
{
	return (struct jb_filing){.requester = "op1",
				  .role = "admin",
				  .duration = 900,
				  .public_key = jwk,
				  .login_user = "op1",
				  .service = "sudo",
				  .command = "/usr/bin/id"};
}

static void drop(struct jb_request **at)
{
	jb_request_free(*at);
	*at = NULL;
}

/* Files it and expects it to be taken. The caller frees. */
static struct jb_request *file(const struct jb_filing *f, int64_t now)
{
	struct jb_request *request = NULL;
	bool replayed = true;

	if (jb_engine_file(b->engine, "web-1", f, now, &request, &replayed, &b->fault) < 0)
		fail_msg("filing was refused: %s %s", b->fault.code, b->fault.message);
	assert_false(replayed);
	return request;
}

static void file_refused(const struct jb_filing *f, int http, const char *code)
{
	struct jb_request *request = NULL;
	bool replayed;

	assert_int_equal(jb_engine_file(b->engine, "web-1", f, NOW, &request, &replayed, &b->fault), -1);
	assert_null(request);
	assert_string_equal(b->fault.code, code);
	assert_int_equal(b->fault.http, http);
	assert_true(b->fault.message[0]);
}

static void status_is(const char *id, int64_t now, enum jb_status status)
{
	struct jb_request *request = NULL;

	assert_int_equal(jb_engine_get(b->engine, "web-1", id, now, &request, &b->fault), 0);
	assert_string_equal(jb_status_name(request->status), jb_status_name(status));
	assert_true(request->expires_at > request->granted_until);
	drop(&request);
}

/* The result of a call: "" or the fault's code. Frees what came. */
static const char *outcome(int r, struct jb_request **request)
{
	drop(request);
	return r == 0 ? "" : b->fault.code;
}

static const char *approve(const char *person, const struct jb_request *of, const char *code, int64_t now)
{
	struct jb_request *request = NULL;

	return outcome(jb_engine_approve(b->engine, person, of->id, code, "fine", now, &request, &b->fault), &request);
}

static const char *deny(const char *person, const struct jb_request *of, int64_t now)
{
	struct jb_request *request = NULL;

	return outcome(jb_engine_deny(b->engine, person, of->id, "no", now, &request, &b->fault), &request);
}

static const char *revoke_it(const char *person, const struct jb_request *of, int64_t now)
{
	struct jb_request *request = NULL;

	return outcome(jb_engine_revoke(b->engine, person, of->id, "stop", now, &request, &b->fault), &request);
}

static const char *start(const struct jb_request *of, int64_t now)
{
	struct jb_request *request = NULL;

	return outcome(jb_engine_start(b->engine, "web-1", of->id, now, &request, &b->fault), &request);
}

static const char *cancel(const struct jb_request *of, int64_t now)
{
	struct jb_request *request = NULL;

	return outcome(jb_engine_cancel(b->engine, "web-1", of->id, now, &request, &b->fault), &request);
}

static const char *end(const struct jb_request *of, int64_t now)
{
	struct jb_request *request = NULL;

	return outcome(jb_engine_end(b->engine, "web-1", of->id, now, &request, &b->fault), &request);
}

/* What a collection told: a copy, since it is gone after the callback. */
struct told {
	int times;
	char code[48];
	int http;
	struct jb_request *request;
	char clear_key[129];
};

static void on_collected(void *arg, const struct jb_collected *collected)
{
	struct told *told = arg;

	told->times++;
	if (collected->fault) {
		snprintf(told->code, sizeof(told->code), "%s", collected->fault->code);
		told->http = collected->fault->http;
	}
	if (collected->request)
		told->request = jb_request_copy(collected->request);
	if (collected->credentials)
		snprintf(told->clear_key, sizeof(told->clear_key), "%s", collected->credentials->access_key_id);
}

static void issue_good(int64_t expiration)
{
	static struct jb_credentials credentials;

	snprintf(credentials.access_key_id, sizeof(credentials.access_key_id), "ASIAEXAMPLE");
	snprintf(credentials.secret_access_key, sizeof(credentials.secret_access_key), "wJalr/secret+");
	snprintf(credentials.session_token, sizeof(credentials.session_token), "IQoJ/token==");
	credentials.expiration = expiration;
	b->issuer.done(b->issuer.arg, &(struct jb_issue){.credentials = &credentials});
}

static void issue_bad(bool passing)
{
	b->issuer.done(b->issuer.arg, &(struct jb_issue){.passing = passing, .why = "AccessDenied"});
}

static struct told collect(const struct jb_request *of, const char *bearer, int64_t now)
{
	struct told told = {0};
	int calls = b->issuer.calls;

	jb_engine_collect(b->engine, "web-1", of->id, jwk, bearer, now, on_collected, &told);
	if (b->issuer.calls > calls) {
		assert_int_equal(told.times, 0);
		issue_good(now + 300);
	}
	assert_int_equal(told.times, 1);
	return told;
}

static const char *collect_code(const struct jb_request *of, const char *bearer, int64_t now)
{
	static struct told told;

	told = collect(of, bearer, now);
	drop(&told.request);
	return told.code;
}

/* The grant token that a host finds in what was sealed to it. */
static void unseal_token(const struct jb_request *request, char *token, size_t size)
{
	char *plain, *at;
	size_t len;

	assert_non_null(request->sealed);
	assert_int_equal(jit_unseal(key, request->sealed, &plain, &len), 0);
	const char *want = "{\"AccessKeyId\":\"ASIAEXAMPLE\",\"SecretAccessKey\":\"wJalr/secret+\","
			   "\"SessionToken\":\"IQoJ/token==\",\"Expiration\":\"2026-11-2";
	assert_memory_equal(plain, want, strlen(want));
	assert_non_null(at = strstr(plain, "\"grantToken\":\"jitg_"));
	at += strlen("\"grantToken\":\"");
	snprintf(token, size, "%.*s", (int)strcspn(at, "\""), at);
	OPENSSL_secure_clear_free(plain, len + 1);
}

/* A request in a given state, whatever it takes. */
static struct jb_request *in_state(enum jb_status status)
{
	struct jb_filing f = filing();
	struct jb_request *r = file(&f, NOW);

	if (status == JB_DENIED)
		assert_string_equal(deny("appr1", r, NOW), "");
	else if (status == JB_CANCELLED)
		assert_string_equal(cancel(r, NOW), "");
	else if (status == JB_EXPIRED)
		status_is(r->id, r->pending_until, JB_EXPIRED);
	else if (status != JB_PENDING)
		assert_string_equal(approve("appr1", r, r->code, NOW), "");
	if (status == JB_ACTIVE || status == JB_ENDED)
		assert_string_equal(start(r, NOW), "");
	if (status == JB_ENDED)
		assert_string_equal(end(r, NOW), "");
	if (status == JB_REVOKED)
		assert_string_equal(revoke_it("appr1", r, NOW), "");
	if (status == JB_FAILED) {
		struct told told = {0};

		jb_engine_collect(b->engine, "web-1", r->id, jwk, NULL, NOW, on_collected, &told);
		issue_bad(false);
		assert_string_equal(told.code, "issuer.refused");
		assert_int_equal(told.http, 502);
	}
	status_is(r->id, NOW, status);
	return r;
}

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

/* A code of the right shape that is not this request's. */
static const char *wrong_code(const struct jb_request *r)
{
	return strcmp(r->code, "10") == 0 ? "11" : "10";
}

static void an_approval_wants_the_code_and_another_person(void **state)
{
	struct jb_request *r = in_state(JB_PENDING), *seen = NULL;

	(void)state;
	assert_true(r->code[0] >= '1' && r->code[0] <= '9' && r->code[1] >= '0' && r->code[1] <= '9' && !r->code[2]);
	assert_string_equal(approve("op1", r, r->code, NOW), "approval.own_request");
	assert_string_equal(approve("op1", r, wrong_code(r), NOW), "approval.own_request"); /* and does not count */
	assert_string_equal(approve("nobody", r, r->code, NOW), "approval.not_eligible");
	assert_string_equal(approve("appr1", r, NULL, NOW), "approval.wrong_code"); /* forgotten: does not count */
	assert_string_equal(approve("appr1", r, wrong_code(r), NOW), "approval.wrong_code");
	assert_string_equal(approve("appr1", r, "470", NOW), "approval.wrong_code");
	status_is(r->id, NOW, JB_PENDING);
	assert_string_equal(approve("appr2", r, wrong_code(r), NOW), "approval.wrong_code");
	status_is(r->id, NOW, JB_DENIED);
	assert_string_equal(approve("appr1", r, r->code, NOW), "request.decided");
	drop(&r);

	r = in_state(JB_PENDING);
	assert_string_equal(approve("appr1", r, wrong_code(r), NOW), "approval.wrong_code");
	assert_string_equal(approve("appr1", r, r->code, NOW), "");
	assert_int_equal(jb_engine_get(b->engine, "web-1", r->id, NOW, &seen, &b->fault), 0);
	assert_string_equal(seen->decided_by, "appr1");
	assert_int_equal(seen->use_until, NOW + 600);
	assert_int_equal(seen->granted_until, 0); /* the clock has not started */
	drop(&seen);
	drop(&r);
}

static void two_approvals_are_two_persons(void **state)
{
	struct jb_filing f = filing();
	struct jb_request *r;

	(void)state;
	f.role = "two";
	f.reason = "disk full";
	f.ticket = "INC-4711";
	r = file(&f, NOW);
	assert_string_equal(r->code, "");
	assert_string_equal(approve("appr1", r, NULL, NOW), "");
	assert_string_equal(approve("appr1", r, NULL, NOW), ""); /* repeated: changes nothing */
	status_is(r->id, NOW, JB_PENDING);
	assert_string_equal(approve("op1", r, NULL, NOW), "approval.own_request");
	status_is(r->id, NOW, JB_PENDING);
	assert_string_equal(approve("appr2", r, NULL, NOW), "");
	status_is(r->id, NOW, JB_APPROVED);
	drop(&r);
}

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
		f.requester = i < 2 ? "op1" : "op2";
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

/* Everything a target host is told of since `after`; the cursor moves on. */
static size_t told_of(const char *host, int64_t *after, enum jb_status expected)
{
	struct jb_request **list;
	size_t count;

	assert_int_equal(jb_engine_changes(b->engine, host, *after, &list, &count, after, &b->fault), 0);
	for (size_t i = 0; i < count; i++) {
		assert_string_equal(jb_status_name(list[i]->status), jb_status_name(expected));
		jb_request_free(list[i]);
	}
	free(list);
	return count;
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

static size_t changes(int64_t after, int64_t *next, enum jb_status *first)
{
	struct jb_request **found;
	size_t count;

	assert_int_equal(jb_engine_changes(b->engine, "web-1", after, &found, &count, next, &b->fault), 0);
	for (size_t i = 0; i < count; i++) {
		if (i == 0)
			*first = found[0]->status;
		jb_request_free(found[i]);
	}
	free(found);
	return count;
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

static size_t listed(const char *person, const char *status)
{
	struct jb_request **found;
	size_t count;

	assert_int_equal(jb_engine_list(b->engine, person, status, NOW, &found, &count, &b->fault), 0);
	for (size_t i = 0; i < count; i++)
		jb_request_free(found[i]);
	free(found);
	return count;
}

static void an_approver_sees_what_they_may_decide(void **state)
{
	struct jb_request *r = in_state(JB_PENDING), *active = in_state(JB_ACTIVE), *seen = NULL;

	(void)state;
	assert_int_equal(listed("appr1", NULL), 1);
	assert_int_equal(listed("op1", "PENDING"), 0); /* an approver, but these are their own */
	assert_int_equal(listed("nobody", NULL), 0);
	assert_int_equal(listed("appr2", "ACTIVE"), 1);
	assert_int_equal(jb_engine_view(b->engine, "appr2", r->short_id, NOW, &seen, &b->fault), 0);
	drop(&seen);
	assert_int_equal(jb_engine_view(b->engine, "op1", r->id, NOW, &seen, &b->fault), 0);
	drop(&seen);
	assert_int_equal(jb_engine_view(b->engine, "deploy", r->id, NOW, &seen, &b->fault), -1);
	assert_int_equal(b->fault.http, 404);
	drop(&r);
	drop(&active);
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
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(every_call_in_every_state_does_what_the_table_says),
		TEST(clocks_end_what_nobody_ends),
		TEST(a_deadline_holds_where_no_timer_came_by),
		TEST(a_silent_host_loses_what_waits),
		TEST(a_broker_that_was_held_up_blames_no_host),
		TEST(an_approval_wants_the_code_and_another_person),
		TEST(two_approvals_are_two_persons),
		TEST(what_makes_no_sense_is_refused_at_filing),
		TEST(the_same_key_and_body_is_the_same_request),
		TEST(waiting_requests_are_limited),
		TEST(what_another_host_filed_counts_against_that_host),
		TEST(simulated_approval_counts_only_where_it_is_configured),
		TEST(other_hosts_see_nothing),
		TEST(a_control_node_files_for_its_hosts),
		TEST(the_host_it_is_for_hears_of_a_request_and_alone_uses_it),
		TEST(a_request_without_a_role_gets_the_first_that_fits),
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
		TEST(a_host_is_told_of_every_decision),
		TEST(an_approver_sees_what_they_may_decide),
		TEST(a_restart_forgets_nothing),
		TEST(a_broker_that_cannot_write_grants_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
