/*
 * What the engine's tests share: one of each of its calls in a line, with its
 * fault's code for an answer, and requests in whatever state a test wants.
 */
#ifndef JIT_TEST_BROKER_ENGINE_H
#define JIT_TEST_BROKER_ENGINE_H

#include "broker.h"

static struct broker *b;
static EVP_PKEY *key;
static char jwk[JIT_JWK_SIZE];

static inline int setup(void **state)
{
	int r = setup_broker(state);

	b = *state;
	return r || jit_key_new(&key) < 0 || jit_jwk_format(key, jwk) < 0;
}

static inline int teardown(void **state)
{
	EVP_PKEY_free(key);
	return teardown_broker(state);
}

static inline struct jb_filing filing(void)
{
	return (struct jb_filing){.requester = "op1",
				  .role = "admin",
				  .duration = 900,
				  .public_key = jwk,
				  .login_user = "op1",
				  .service = "sudo",
				  .command = "/usr/bin/id"};
}

static inline void drop(struct jb_request **at)
{
	jb_request_free(*at);
	*at = NULL;
}

/* Files it and expects it to be taken. The caller frees. */
static inline struct jb_request *file(const struct jb_filing *f, int64_t now)
{
	struct jb_request *request = NULL;
	bool replayed = true;

	if (jb_engine_file(b->engine, "web-1", f, now, &request, &replayed, &b->fault) < 0)
		fail_msg("filing was refused: %s %s", b->fault.code, b->fault.message);
	assert_false(replayed);
	return request;
}

static inline void file_refused(const struct jb_filing *f, int http, const char *code)
{
	struct jb_request *request = NULL;
	bool replayed;

	assert_int_equal(jb_engine_file(b->engine, "web-1", f, NOW, &request, &replayed, &b->fault), -1);
	assert_null(request);
	assert_string_equal(b->fault.code, code);
	assert_int_equal(b->fault.http, http);
	assert_true(b->fault.message[0]);
}

static inline void status_is(const char *id, int64_t now, enum jb_status status)
{
	struct jb_request *request = NULL;

	assert_int_equal(jb_engine_get(b->engine, "web-1", id, now, &request, &b->fault), 0);
	assert_string_equal(jb_status_name(request->status), jb_status_name(status));
	assert_true(request->expires_at > request->granted_until);
	drop(&request);
}

/* The result of a call: "" or the fault's code. Frees what came. */
static inline const char *outcome(int r, struct jb_request **request)
{
	drop(request);
	return r == 0 ? "" : b->fault.code;
}

static inline const char *approve(const char *person, const struct jb_request *of, const char *code, int64_t now)
{
	struct jb_request *request = NULL;

	return outcome(jb_engine_approve(b->engine, person, of->id, code, "fine", now, &request, &b->fault), &request);
}

static inline const char *deny(const char *person, const struct jb_request *of, int64_t now)
{
	struct jb_request *request = NULL;

	return outcome(jb_engine_deny(b->engine, person, of->id, "no", now, &request, &b->fault), &request);
}

static inline const char *revoke_it(const char *person, const struct jb_request *of, int64_t now)
{
	struct jb_request *request = NULL;

	return outcome(jb_engine_revoke(b->engine, person, of->id, "stop", now, &request, &b->fault), &request);
}

static inline const char *start(const struct jb_request *of, int64_t now)
{
	struct jb_request *request = NULL;

	return outcome(jb_engine_start(b->engine, "web-1", of->id, now, &request, &b->fault), &request);
}

static inline const char *cancel(const struct jb_request *of, int64_t now)
{
	struct jb_request *request = NULL;

	return outcome(jb_engine_cancel(b->engine, "web-1", of->id, now, &request, &b->fault), &request);
}

static inline const char *end(const struct jb_request *of, int64_t now)
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

static inline void on_collected(void *arg, const struct jb_collected *collected)
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

static inline void issue_good(int64_t expiration)
{
	static struct jb_credentials credentials;

	snprintf(credentials.access_key_id, sizeof(credentials.access_key_id), "ASIAEXAMPLE");
	snprintf(credentials.secret_access_key, sizeof(credentials.secret_access_key), "wJalr/secret+");
	snprintf(credentials.session_token, sizeof(credentials.session_token), "IQoJ/token==");
	credentials.expiration = expiration;
	b->issuer.done(b->issuer.arg, &(struct jb_issue){.credentials = &credentials});
}

static inline void issue_bad(bool passing)
{
	b->issuer.done(b->issuer.arg, &(struct jb_issue){.passing = passing, .why = "AccessDenied"});
}

static inline struct told collect(const struct jb_request *of, const char *bearer, int64_t now)
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

static inline const char *collect_code(const struct jb_request *of, const char *bearer, int64_t now)
{
	static struct told told;

	told = collect(of, bearer, now);
	drop(&told.request);
	return told.code;
}

/* The grant token that a host finds in what was sealed to it. */
static inline void unseal_token(const struct jb_request *request, char *token, size_t size)
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
static inline struct jb_request *in_state(enum jb_status status)
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

/* A code of the right shape that is not this request's. */
static inline const char *wrong_code(const struct jb_request *r)
{
	return strcmp(r->code, "10") == 0 ? "11" : "10";
}

/* Everything a target host is told of since `after`; the cursor moves on. */
static inline size_t told_of(const char *host, int64_t *after, enum jb_status expected)
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

static inline size_t changes(int64_t after, int64_t *next, enum jb_status *first)
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
