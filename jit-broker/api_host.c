/* What a host may call, known by its API key: filing, waiting, collecting, ending. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api.h"
#include "clock.h"
#include "doc.h"
#include "filing.h"
#include "log.h"
#include "log_request.h"
#include "reply.h"
#include "secret.h"

#define IDEMPOTENCY_KEY_MAX 64
#define PUBLIC_KEY_MAX	    1024
/*
 * When a call that cannot wait is to be made again: while something is open, and by a host that has nothing open, which
 * is paid for by the call. With its jitter of half as much again a host comes before the 20 s that it keeps to.
 */
#define AGAIN_S		    2
#define AGAIN_IDLE_S	    13

/* A call whose answer waits for the issuer. The peer may leave meanwhile: then `call` is NULL. */
struct jb_collecting {
	struct jb_api *api;
	struct jb_collecting *prev, *next;
	struct jb_call *call;
	char host[JIT_NAME_SIZE];
	char id[37]; /* of what the instant return is to settle */
};

static void collecting_free(struct jb_collecting *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		c->api->collecting = c->next;
	if (c->next)
		c->next->prev = c->prev;
	free(c);
}

void jb_api_drop_collecting(struct jb_api *api)
{
	while (api->collecting)
		collecting_free(api->collecting);
}

static void on_collector_gone(void *arg)
{
	((struct jb_collecting *)arg)->call = NULL;
}

static void on_collected(void *arg, const struct jb_collected *collected)
{
	struct jb_collecting *c = arg;
	struct jb_call *call = c->call;
	const struct jb_request *r = collected->request;
	const bool known = call && jb_api_still_known(c->api, call, c->host);

	if (r && !collected->fault)
		jb_log_request("issued", r);
	collecting_free(c);
	if (!known)
		return;
	if (collected->fault || !r)
		jb_reply_fault(call, collected->fault);
	else if (collected->credentials)
		jb_reply_credentials(call, jb_request_for_host(r, jit_wall_s()), collected->credentials);
	else
		jb_reply_json(call, 200, jb_request_for_host(r, jit_wall_s()));
}

static struct jb_collecting *collecting_new(struct jb_api *api, struct jb_call *call, const char *host)
{
	struct jb_collecting *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->api = api;
	c->call = call;
	snprintf(c->host, sizeof(c->host), "%s", host);
	c->next = api->collecting;
	if (c->next)
		c->next->prev = c;
	api->collecting = c;
	jb_call_on_gone(call, on_collector_gone, c);
	return c;
}

static void collect(struct jb_api *api, struct jb_call *call, const char *host, const char *id, const char *public_key,
		    const char *bearer)
{
	struct jb_collecting *c = collecting_new(api, call, host);

	if (c)
		jb_engine_collect(api->engine, host, id, public_key, bearer, jit_wall_s(), on_collected, c);
	else
		jb_reply_json(call, 503, NULL);
}

/* What POST /request-access says, at once or after its wait. Takes the request over. */
static void answer_filed(struct jb_api *api, struct jb_call *call, const char *host, struct jb_request *r)
{
	/* A caller without a key of its own has no second call: its credentials come with the approval. What was
	 * filed for another host is that host's to collect. */
	if (!r->public_key && !r->filed_by && (r->status == JB_APPROVED || r->status == JB_ACTIVE))
		collect(api, call, host, r->id, NULL, NULL);
	else
		jb_reply_json(call, 200, jb_request_for_host(r, jit_wall_s()));
	jb_request_free(r);
}

/* The request as it is now, or NULL when the call has been answered with why not. */
static struct jb_request *look_up(struct jb_api *api, struct jb_call *call, const char *host, const char *id)
{
	struct jb_request *r = NULL;
	struct jb_fault fault;

	if (jb_engine_get(api->engine, host, id, jit_wall_s(), &r, &fault) == 0)
		return r;
	jb_reply_fault(call, &fault);
	return NULL;
}

/* What is PENDING still waits for somebody, as it would without the instant return. */
static void on_settled(void *arg, const struct jb_issue *issue)
{
	struct jb_collecting *c = arg;
	struct jb_api *api = c->api;
	struct jb_call *call = c->call;
	const bool known = call && jb_api_still_known(api, call, c->host);
	struct jb_request *r = known ? look_up(api, call, c->host, c->id) : NULL;

	if (r) {
		const bool waits_on = r->status == JB_PENDING;

		if (waits_on)
			jit_log(LOG_WARNING, "request %s was left waiting by the instant return: %s", r->short_id,
				issue->why);
		jb_call_can_wait(call, waits_on ? AGAIN_S : 0);
		answer_filed(api, call, c->host, r);
	}
	collecting_free(c);
}

/* True when a caller that has one call, and may not wait for anybody's decision, is answered later. */
static bool settles(struct jb_ask *ask, const struct jb_request *r)
{
	struct jb_collecting *c;

	if (r->status != JB_PENDING || jb_call_can_wait(ask->call, AGAIN_S) ||
	    !(c = collecting_new(ask->api, ask->call, ask->who)))
		return false;
	memcpy(c->id, r->id, sizeof(c->id));
	if (jb_engine_settle_instant(ask->api->engine, r, ask->now, on_settled, c))
		return true;
	jb_call_on_gone(ask->call, NULL, NULL);
	collecting_free(c);
	return false;
}

static void filed_wait_over(void *arg, const struct jb_wait *const waits[], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct jb_wait *wait = waits[i];
		struct jb_request *r = jb_api_still_known(arg, wait->call, wait->host)
					       ? look_up(arg, wait->call, wait->host, wait->id)
					       : NULL;

		if (r)
			answer_filed(arg, wait->call, wait->host, r);
	}
}

static void get_wait_over(void *arg, const struct jb_wait *const waits[], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct jb_wait *wait = waits[i];
		struct jb_request *r = jb_api_still_known(arg, wait->call, wait->host)
					       ? look_up(arg, wait->call, wait->host, wait->id)
					       : NULL;

		if (r)
			jb_reply_json(wait->call, 200, jb_request_for_host(r, jit_wall_s()));
		jb_request_free(r);
	}
}

/* True when the call waits now, or has been refused for it. */
static bool waits(struct jb_ask *ask, const struct jb_wait *wait, unsigned again_s, jb_wait_answer answer)
{
	if (!jb_call_can_wait(ask->call, again_s) || wait->seconds == 0)
		return false;
	int r = jb_waiters_add(ask->api->waiters, wait, answer);
	if (r == -EBUSY)
		jb_reply_error(ask->call, 429, "limit.waiting", "This host waits with too many calls at once.");
	else if (r < 0)
		jb_reply_json(ask->call, 503, NULL);
	return true;
}

/* The same for a request that somebody has to decide. */
static bool waits_for_decision(struct jb_ask *ask, const struct jb_request *r, int64_t seconds, jb_wait_answer answer)
{
	const struct jb_wait wait = {.call = ask->call, .host = ask->who, .id = r->id, .seconds = (unsigned)seconds};

	return r->status == JB_PENDING && waits(ask, &wait, AGAIN_S, answer);
}

static int read_idempotency_key(struct jb_ask *ask, const char **ret)
{
	const char *key = jb_call_header(ask->call, "Idempotency-Key");

	*ret = key;
	if (!key || (*key && strlen(key) <= IDEMPOTENCY_KEY_MAX &&
		     key[strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz"
				     "0123456789._:-")] == '\0'))
		return 0;
	jb_reply_error(ask->call, 400, "request.field",
		       "Idempotency-Key must be 1 to 64 letters, digits or '._:-' characters.");
	return -1;
}

static void file_request(struct jb_ask *ask, struct jb_filing *filing, int64_t wait)
{
	struct jb_request *r = NULL;
	struct jb_fault fault;
	bool replayed = false;

	if (jb_engine_file(ask->api->engine, ask->who, filing, ask->now, &r, &replayed, &fault) < 0) {
		ask->api->metrics.refused++;
		jit_log(LOG_INFO, "refused to file for %s on %s: %s", filing->requester, ask->who, fault.message);
		jb_reply_fault(ask->call, &fault);
		return;
	}
	ask->api->metrics.filed += !replayed;
	if (!replayed && !r->filed_by) /* of those the engine has told already */
		jb_log_request("filed", r);
	jb_api_filed(ask->api);
	if (waits_for_decision(ask, r, wait, filed_wait_over) || settles(ask, r))
		jb_request_free(r);
	else
		answer_filed(ask->api, ask->call, ask->who, r);
}

void jb_api_file(struct jb_ask *ask)
{
	struct jb_filing filing = {0};
	struct jb_fault fault;
	char hash[JB_HASH_SIZE];
	int64_t wait = 0;
	size_t len;
	const char *text = jb_call_body(ask->call, &len);
	struct json_object *body = jb_api_body(ask, false);

	if (!body)
		return;
	if (jb_filing_read(body, &filing, &fault) < 0) {
		jb_reply_fault(ask->call, &fault);
	} else if (jb_sha256_hex(text, len, hash) < 0) {
		jb_reply_json(ask->call, 503, NULL);
	} else if (read_idempotency_key(ask, &filing.idempotency_key) == 0 &&
		   jb_api_number(ask, "wait", JB_WAIT_MAX, &wait) == 0) {
		filing.body_hash = hash;
		file_request(ask, &filing, wait);
	}
	json_object_put(body);
}

/* Frees the requests. */
static struct json_object *changes_json(const char *host, struct jb_request **requests, size_t count, int64_t next)
{
	struct jb_doc doc = {jb_api_list(requests, count, jb_request_for_host, "changes", jit_wall_s())};

	jb_doc_put(&doc, "next", json_object_new_int64(next));
	jb_doc_text(&doc, "host", host);
	return doc.json;
}

/* What many calls of a host wait for is read once, and written once. */
static void changes_wait_over(void *arg, const struct jb_wait *const waits[], size_t count)
{
	struct jb_api *api = arg;
	struct json_object *json = NULL;
	struct jb_request **requests = NULL;
	struct jb_fault fault;
	bool known[JB_WAITS_AT_ONCE];
	size_t changed = 0, len = 0;
	int64_t next = 0;
	const int r =
		jb_engine_changes(api->engine, waits[0]->host, waits[0]->after, &requests, &changed, &next, &fault);

	if (r == 0)
		json = changes_json(waits[0]->host, requests, changed, next);
	const char *text = jb_reply_format(json, &len);
	jb_api_still_known_all(api, waits, count, known);
	for (size_t i = 0; i < count; i++) {
		if (known[i] && r == 0)
			jb_reply_formatted(waits[i]->call, text, len);
		else if (known[i])
			jb_reply_fault(waits[i]->call, &fault);
	}
	json_object_put(json);
}

void jb_api_changes(struct jb_ask *ask)
{
	struct jb_request **requests = NULL;
	struct jb_fault fault;
	int64_t after = -1, seconds = 0, idle = 0, next = 0;
	size_t count = 0;

	if (jb_api_number(ask, "after", INT64_MAX, &after) < 0 ||
	    jb_api_number(ask, "wait", JB_WAIT_MAX, &seconds) < 0 || jb_api_number(ask, "idle", 1, &idle) < 0)
		return;
	const struct jb_wait wait = {
		.call = ask->call, .host = ask->who, .id = "", .after = after, .seconds = (unsigned)seconds};
	if (jb_engine_changes(ask->api->engine, ask->who, after, &requests, &count, &next, &fault) < 0) {
		jb_reply_fault(ask->call, &fault);
	} else if (count == 0 && after >= 0 && waits(ask, &wait, idle ? AGAIN_IDLE_S : AGAIN_S, changes_wait_over)) {
		free(requests);
	} else {
		jb_reply_json(ask->call, 200, changes_json(ask->who, requests, count, next));
	}
}

void jb_api_host_list(struct jb_ask *ask)
{
	struct jb_request **requests = NULL;
	struct jb_fault fault;
	size_t count = 0;
	int64_t next;

	if (jb_engine_changes(ask->api->engine, ask->who, -1, &requests, &count, &next, &fault) < 0)
		jb_reply_fault(ask->call, &fault);
	else
		jb_reply_json(ask->call, 200, jb_api_list(requests, count, jb_request_for_host, "requests", ask->now));
}

void jb_api_host_get(struct jb_ask *ask)
{
	int64_t wait = 0;

	if (jb_api_number(ask, "wait", JB_WAIT_MAX, &wait) < 0)
		return;
	struct jb_request *r = look_up(ask->api, ask->call, ask->who, ask->id);
	if (r && !waits_for_decision(ask, r, wait, get_wait_over))
		jb_reply_json(ask->call, 200, jb_request_for_host(r, ask->now));
	jb_request_free(r);
}

void jb_api_credentials(struct jb_ask *ask)
{
	const char *given = jb_call_header(ask->call, "Authorization"), *public_key;
	const char *bearer = given && strncasecmp(given, "Bearer ", 7) == 0 ? given + 7 : NULL;
	struct json_object *body = jb_api_body(ask, true);
	struct jb_fault fault;

	if (!bearer) /* where the other header is a front door's, for its signature */
		bearer = jb_call_header(ask->call, "X-Jit-Grant-Token");
	if (!body)
		return;
	if (jb_json_member(body, "publicKey", PUBLIC_KEY_MAX, &public_key, &fault) < 0)
		jb_reply_fault(ask->call, &fault);
	else
		collect(ask->api, ask->call, ask->who, ask->id, public_key, bearer);
	json_object_put(body);
}

typedef int (*engine_call)(struct jb_engine *engine, const char *host, const char *id, int64_t now,
			   struct jb_request **ret, struct jb_fault *fault);

static void simple(struct jb_ask *ask, engine_call call)
{
	struct jb_request *r = NULL;
	struct jb_fault fault;

	if (call(ask->api->engine, ask->who, ask->id, ask->now, &r, &fault) < 0)
		jb_reply_fault(ask->call, &fault);
	else
		jb_reply_json(ask->call, 200, jb_request_for_host(r, ask->now));
	jb_request_free(r);
}

void jb_api_start(struct jb_ask *ask)
{
	simple(ask, jb_engine_start);
}

void jb_api_cancel(struct jb_ask *ask)
{
	simple(ask, jb_engine_cancel);
}

void jb_api_end(struct jb_ask *ask)
{
	simple(ask, jb_engine_end);
}
