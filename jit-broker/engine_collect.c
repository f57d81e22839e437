/*
 * Collecting credentials: the one place where they pass through the broker. They
 * come from the issuer, are sealed to the host's key and are gone; what the
 * store keeps is the sealed form and the hash of the grant token.
 *
 * STS is a network away. So the record is read twice: before, to refuse early,
 * and after, because the grant may have ended meanwhile. Only the second reading
 * decides.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "credentials.h"
#include "engine_private.h"
#include "seal.h"
#include "secret.h"
#include "text.h"

#define UNDER_WAY_MAX 4 /* calls to the issuer for one request: a host collects once and renews once */

struct jb_collect {
	struct jb_collect *next, **link; /* in engine->collects */
	struct jb_engine *engine;
	char id[37];
	char host[256];
	EVP_PKEY *key; /* whom they are sealed to; NULL: the caller takes them in clear */
	bool has_bearer;
	char token[JB_SECRET_SIZE]; /* the grant token: what was presented, or a new one; "" for a clear caller */
	char token_hash[JB_HASH_SIZE];
	int64_t now;	 /* the caller's clock at the start, and ... */
	int64_t boot_ms; /* ... the machine's, so that the time at the end is known on the caller's */
	jb_collected_fn done;
	void *arg;
	/* for the second reading */
	const struct jb_issue *issue;
	char *sealed;
};

static void collect_free(struct jb_collect *c)
{
	if (c->link) {
		*c->link = c->next;
		if (c->next)
			c->next->link = c->link;
	}
	EVP_PKEY_free(c->key);
	free(c->sealed);
	OPENSSL_cleanse(c, sizeof(*c));
	free(c);
}

void jb_engine_collects_free(struct jb_engine *engine)
{
	while (engine->collects)
		collect_free(engine->collects);
}

bool jb_engine_collecting(const struct jb_engine *engine)
{
	return engine->collects != NULL;
}

static void refuse(const struct jb_fault *fault, jb_collected_fn done, void *arg)
{
	const struct jb_collected collected = {.fault = fault};

	done(arg, &collected);
}

/* First reading */

static enum jb_step no_credentials(const struct jb_request *request, struct jb_fault *fault)
{
	jb_engine_fault(fault, 409, "grant.no_credentials", "role %s gives no AWS credentials", request->role);
	return JB_STEP_REFUSED;
}

static enum jb_step no_key_of_its_own(const struct jb_request *request, struct jb_fault *fault)
{
	jb_engine_fault(fault, 400, "request.field", "request %s was filed by %s: collect with a publicKey of your own",
			request->short_id, request->filed_by);
	return JB_STEP_REFUSED;
}

static enum jb_step wrong_token(struct jb_fault *fault)
{
	jb_engine_fault(fault, 403, "grant.token",
			"this is not the grant's token; a host that lost it asks again without one");
	return JB_STEP_REFUSED;
}

/* A host that lost its token gets a new one: the old one is dead from here on, and the chain says so. */
static enum jb_step drop_token(struct jb_engine *engine, struct jb_request *request, const struct jb_collect *c,
			       int64_t now, struct jb_fault *fault)
{
	char actor[sizeof(c->host) + 8];

	free(request->grant_token_hash);
	request->grant_token_hash = NULL;
	jb_engine_host_actor(c->host, actor, sizeof(actor));
	const struct jb_change change = {
		.to = request->status, .action = "grant.token_renewed", .actor = actor, .detail = JB_NO_DETAIL};
	return jb_engine_commit(engine, request, &change, now, fault);
}

static unsigned under_way(const struct jb_engine *engine, const char *id)
{
	unsigned count = 0;

	for (const struct jb_collect *c = engine->collects; c; c = c->next)
		count += strcmp(c->id, id) == 0;
	return count;
}

static enum jb_step begin_step(struct jb_engine *engine, struct jb_request *request, void *arg, int64_t now,
			       struct jb_fault *fault)
{
	struct jb_collect *c = arg;
	enum jb_step went = jb_engine_usable_from(request, c->host, fault);

	if (went == JB_STEP_DONE)
		went = jb_engine_live(request, fault);
	if (went != JB_STEP_DONE)
		return went;
	if (!request->role_arn)
		return no_credentials(request, fault);
	if (!c->key && request->filed_by) /* the key of the filing is another host's */
		return no_key_of_its_own(request, fault);
	if (under_way(engine, request->id) >= UNDER_WAY_MAX) {
		jb_engine_fault(fault, 429, "limit.waiting", "AWS is being asked for grant %s already; wait for it",
				request->short_id);
		return JB_STEP_REFUSED;
	}
	if (c->has_bearer && !jb_secret_fits(c->token, request->grant_token_hash))
		return wrong_token(fault);
	went = jb_engine_recheck(engine, request, now, fault);
	if (went != JB_STEP_DONE)
		return went;
	if (!c->key && request->public_key && jit_jwk_parse(request->public_key, &c->key) < 0)
		return JB_STEP_REFUSED;
	if (!c->has_bearer && request->grant_token_hash)
		return drop_token(engine, request, c, now, fault);
	return JB_STEP_DONE;
}

/* Second reading */

static int seal_credentials(struct jb_collect *c, const struct jb_credentials *credentials)
{
	int r = c->has_bearer ? 0 : jb_secret_new_token(c->token, c->token_hash);

	return r == 0 ? jb_credentials_seal(credentials, c->token, c->key, &c->sealed) : r;
}

static enum jb_step store_step(struct jb_engine *engine, struct jb_request *request, void *arg, int64_t now,
			       struct jb_fault *fault)
{
	struct jb_collect *c = arg;
	const struct jb_credentials *credentials = c->issue->credentials;
	const bool first = request->status == JB_APPROVED;
	char actor[sizeof(c->host) + 8], until[JIT_ISO_SIZE];
	enum jb_step went = jb_engine_live(request, fault);

	if (went == JB_STEP_DONE) /* the configuration may be another one by now */
		went = jb_engine_recheck(engine, request, now, fault);
	if (went != JB_STEP_DONE)
		return went;
	/* Somebody made a new token since: the one that was presented is dead. */
	if (c->has_bearer && !jb_secret_fits(c->token, request->grant_token_hash))
		return wrong_token(fault);
	if (first)
		jb_engine_start_clock(c->engine, request, c->now);
	/* The clock was started meanwhile, and earlier than this credential's end was reckoned from. */
	if (credentials->expiration > request->granted_until) {
		jb_engine_fault(fault, 503, "issuer.unavailable",
				"the grant began while AWS was asked, and ends before these credentials; try again");
		return JB_STEP_REFUSED;
	}
	if (c->sealed && (!jb_engine_replace(&request->sealed, c->sealed) ||
			  (!c->has_bearer && !jb_engine_replace(&request->grant_token_hash, c->token_hash))))
		return JB_STEP_REFUSED;
	if (credentials->expiration > request->sealed_until)
		request->sealed_until = credentials->expiration;
	jit_iso_format(credentials->expiration, until);
	jb_engine_host_actor(c->host, actor, sizeof(actor));
	const struct jb_change change = {.to = JB_ACTIVE,
					 .action = "credentials.issued",
					 .actor = actor,
					 .detail = JB_DETAIL({"accessKeyId", credentials->access_key_id},
							     {"until", until}, {"sealed", c->sealed ? "yes" : "no"}),
					 .announce = request->filed_by != NULL};
	return jb_engine_commit(engine, request, &change, now, fault);
}

/* STS said no for good: a grant that never began is FAILED; one that lives goes on without new credentials. */
static enum jb_step refused_step(struct jb_engine *engine, struct jb_request *request, void *arg, int64_t now,
				 struct jb_fault *fault)
{
	struct jb_collect *c = arg;
	enum jb_step went = jb_engine_live(request, fault);

	if (went != JB_STEP_DONE)
		return went;
	const bool first = request->status == JB_APPROVED;
	if (first && (!jb_engine_set_text(&request->failure, c->issue->why) ||
		      !jb_engine_set_text(&request->ended_by, "issuer")))
		return JB_STEP_REFUSED;
	const struct jb_change change = {.to = first ? JB_FAILED : JB_ACTIVE,
					 .action = first ? "request.failed" : "credentials.refused",
					 .actor = "issuer",
					 .detail = JB_DETAIL({"why", c->issue->why}),
					 .announce = first};
	went = jb_engine_commit(engine, request, &change, now, fault);
	if (went == JB_STEP_DONE) {
		jb_engine_fault(fault, 502, "issuer.refused", "AWS gave no credentials: %s",
				c->issue->why ? c->issue->why : "no reason was given");
		went = JB_STEP_REFUSED;
	}
	return went;
}

static int finish(struct jb_collect *c, int64_t now, struct jb_request **ret, struct jb_fault *fault)
{
	const struct jb_issue *issue = c->issue;

	if (issue->credentials) {
		if (c->key && seal_credentials(c, issue->credentials) < 0)
			return jb_engine_fault(fault, 503, "issuer.unavailable",
					       "the broker could not seal the credentials it got; try again");
		return jb_engine_try(c->engine, c->host, c->id, store_step, c, now, ret, fault);
	}
	if (!issue->passing)
		return jb_engine_try(c->engine, c->host, c->id, refused_step, c, now, ret, fault);
	return jb_engine_fault(fault, 503, "issuer.unavailable", "AWS gave no credentials just now: %s",
			       issue->why ? issue->why : "no reason was given");
}

static void issued(void *arg, const struct jb_issue *issue)
{
	struct jb_collect *c = arg;
	struct jb_request *request = NULL;
	struct jb_fault fault;
	struct jb_collected collected = {.fault = &fault};

	c->issue = issue;
	if (finish(c, c->now + (jit_boottime_ms() - c->boot_ms) / 1000, &request, &fault) == 0) {
		collected.fault = NULL;
		collected.request = request;
		collected.credentials = c->key ? NULL : issue->credentials;
	}
	c->done(c->arg, &collected);
	jb_request_free(request);
	collect_free(c);
}

/* Takes the key over, also where there is no memory. */
static struct jb_collect *collect_new(struct jb_engine *engine, const char *host, EVP_PKEY *key, const char *bearer,
				      int64_t now, jb_collected_fn done, void *arg)
{
	struct jb_collect *c = calloc(1, sizeof(*c));

	if (!c) {
		EVP_PKEY_free(key);
		return NULL;
	}
	c->engine = engine;
	c->key = key;
	c->next = engine->collects;
	c->link = &engine->collects;
	if (c->next)
		c->next->link = &c->next;
	engine->collects = c;
	c->now = now;
	c->boot_ms = jit_boottime_ms();
	c->done = done;
	c->arg = arg;
	snprintf(c->host, sizeof(c->host), "%s", host);
	c->has_bearer = bearer != NULL;
	if (bearer && strlen(bearer) < sizeof(c->token)) /* a longer one is wrong, as the empty one is */
		snprintf(c->token, sizeof(c->token), "%s", bearer);
	return c;
}

/* The issuer is asked for exactly what the record will say once it is written. */
static int ask_issuer(struct jb_collect *c, struct jb_request *request)
{
	const struct jb_role *role = jb_conf_role(c->engine->conf, request->role);

	memcpy(c->id, request->id, sizeof(c->id));
	if (request->status == JB_APPROVED)
		jb_engine_start_clock(c->engine, request, c->now);
	return role ? jb_issuer_issue(c->engine->issuer, request, role, c->now, issued, c) : -ENOENT;
}

void jb_engine_collect(struct jb_engine *engine, const char *host, const char *id, const char *public_key,
		       const char *bearer, int64_t now, jb_collected_fn done, void *arg)
{
	EVP_PKEY *key = NULL;
	struct jb_request *request = NULL;
	struct jb_fault fault;

	if (public_key && jit_jwk_parse(public_key, &key) < 0) {
		jb_engine_fault(&fault, 400, "request.field", "publicKey must be a P-256 public key as a JWK");
		return refuse(&fault, done, arg);
	}
	struct jb_collect *c = collect_new(engine, host, key, bearer, now, done, arg);
	if (!c) {
		jb_engine_fault(&fault, 503, "store.unavailable", "the broker is out of memory; try again");
		return refuse(&fault, done, arg);
	}
	int r = jb_engine_try(engine, host, id, begin_step, c, now, &request, &fault);
	if (r == 0) {
		r = ask_issuer(c, request);
		if (r < 0)
			jb_engine_fault(&fault, 503, "issuer.unavailable", "the broker could not ask AWS; try again");
		jb_request_free(request);
	}
	if (r < 0) {
		collect_free(c);
		refuse(&fault, done, arg);
	}
}
