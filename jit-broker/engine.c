/*
 * The engine's middle: reading a request, judging it, writing it back with its
 * audit record. Every transition goes through jb_engine_commit. What the calls
 * of engine.h mean stands in the files beside this one: engine_file.c (filing),
 * engine_host.c, engine_collect.c, engine_decide.c, engine_timer.c, engine_judge.c,
 * engine_workflow.c.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doc.h"
#include "engine_private.h"
#include "notice.h"
#include "text.h"
#include "workflow.h"

#define TRIES 64 /* of a change that others keep overtaking */

struct jb_engine *jb_engine_new(const struct jb_conf *conf, struct jb_store *store, struct jb_issuer *issuer,
				int64_t now)
{
	struct jb_engine *engine = calloc(1, sizeof(*engine));

	if (!engine)
		return NULL;
	engine->conf = conf;
	engine->store = store;
	engine->issuer = issuer;
	jb_engine_judge_anew(engine);
	if (jb_engine_hosts_load(engine, now) < 0) {
		jb_engine_free(engine);
		return NULL;
	}
	return engine;
}

void jb_engine_free(struct jb_engine *engine)
{
	if (!engine)
		return;
	jb_engine_collects_free(engine);
	jb_engine_hosts_free(engine);
	free(engine);
}

void jb_engine_set_conf(struct jb_engine *engine, const struct jb_conf *conf)
{
	engine->conf = conf;
	jb_engine_judge_anew(engine);
}

void jb_engine_on_change(struct jb_engine *engine, jb_changed changed, void *arg)
{
	engine->changed = changed;
	engine->changed_arg = arg;
}

void jb_engine_on_owed(struct jb_engine *engine, jb_owed owed, void *arg)
{
	engine->owed = owed;
	engine->owed_arg = arg;
}

void jb_engine_tell_owed(const struct jb_engine *engine, const struct jb_notices *notices)
{
	for (size_t i = 0; engine->owed && i < notices->count; i++)
		if (strcmp(notices->notice[i].channel, JB_CHANNEL_WORKFLOW) == 0)
			engine->owed(engine->owed_arg, &notices->notice[i]);
}

int jb_engine_fault(struct jb_fault *fault, int http, const char *code, const char *format, ...)
{
	char message[sizeof(fault->message)];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	fault->http = http;
	snprintf(fault->code, sizeof(fault->code), "%s", code);
	jit_text_clean_str(fault->message, sizeof(fault->message), message);
	return -1;
}

int jb_engine_store_fault(struct jb_engine *engine, struct jb_fault *fault)
{
	if (jb_store_in_doubt(engine->store))
		return jb_engine_fault(fault, 503, "store.unavailable",
				       "the broker could not use its store (%s); nobody can say whether it was "
				       "changed, look before you try again",
				       jb_store_error(engine->store));
	return jb_engine_fault(fault, 503, "store.unavailable",
			       "the broker could not use its store (%s); nothing was changed, try again",
			       jb_store_error(engine->store));
}

char *jb_engine_detail(const struct jb_pair *pairs)
{
	JB_DOC detail = {json_object_new_object()};

	for (; pairs->name; pairs++)
		if (pairs->text)
			jb_doc_text(&detail, pairs->name, pairs->text);
	return jb_doc_string(&detail);
}

bool jb_engine_replace(char **at, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return false;
	free(*at);
	*at = copy;
	return true;
}

bool jb_engine_set_text(char **at, const char *text)
{
	char clean[JB_TEXT_SIZE];
	char *copy = NULL;

	if (text && *text) {
		jit_text_clean_str(clean, sizeof(clean), text);
		if (!(copy = strdup(clean)))
			return false;
	}
	free(*at);
	*at = copy;
	return true;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Retention counts from the last instant the record speaks of, so that it always comes after the grant's end. */
static int64_t retained_until(const struct jb_engine *engine, const struct jb_request *r, int64_t now)
{
	int64_t last = later(later(now, r->pending_until), later(r->use_until, r->granted_until));

	return last + engine->conf->retention;
}

static void wipe_text(char **text)
{
	if (*text)
		explicit_bzero(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

/* The new record, its audit record, and what is told of it: one write. */
static int write_change(struct jb_engine *engine, struct jb_request *request, enum jb_status from,
			const struct jb_change *change, int64_t now)
{
	struct jb_notices notices = {0};
	const struct jb_audit audit = {.at = now,
				       .action = change->action,
				       .actor = change->actor,
				       .request_id = request->id,
				       .detail = change->detail,
				       .notices = &notices};
	enum jb_told told;
	int r = 0;

	if (request->status != from && jb_told_of_status(request->status, &told))
		r = jb_notices_of_request(engine->conf, request, told, now, &notices);
	if (r == 0)
		r = jb_workflow_answer(request, now, &notices);
	if (r == 0)
		r = jb_store_update(engine->store, request, change->announce, &audit);
	if (r == 0)
		jb_engine_tell_owed(engine, &notices);
	jb_notices_clear(&notices);
	return r;
}

enum jb_step jb_engine_commit(struct jb_engine *engine, struct jb_request *request, const struct jb_change *change,
			      int64_t now, struct jb_fault *fault)
{
	const enum jb_status from = request->status;
	int r = -EINVAL;

	if (change->to == from || jb_status_may(from, change->to)) {
		request->status = change->to;
		if (jb_status_final(request->status) && !jb_status_final(from)) {
			request->ended_at = now;
			wipe_text(&request->sealed);
			wipe_text(&request->grant_token_hash);
		}
		if (!jb_status_final(from))
			request->expires_at = retained_until(engine, request, now);
		r = change->detail ? write_change(engine, request, from, change, now) : -ENOMEM;
	}
	free(change->detail);
	if (r == -ESTALE || r == -ENOENT)
		return JB_STEP_AGAIN;
	if (r < 0) {
		jb_engine_store_fault(engine, fault);
		return JB_STEP_REFUSED;
	}
	if (engine->changed)
		engine->changed(engine->changed_arg, request);
	return JB_STEP_DONE;
}

enum jb_step jb_engine_settle(struct jb_engine *engine, struct jb_request *request, int64_t now, struct jb_fault *fault)
{
	const char *why;

	if (request->status == JB_PENDING && now >= request->pending_until)
		why = "nobody decided in time";
	else if (request->status == JB_APPROVED && now >= request->use_until)
		why = "nobody used it in time";
	else if (request->status == JB_ACTIVE && now >= request->granted_until)
		why = "its time is over";
	else
		return JB_STEP_DONE;
	if (request->status == JB_PENDING && !jb_engine_set_text(&request->decided_by, "timer"))
		return JB_STEP_REFUSED;
	if (!jb_engine_set_text(&request->ended_by, "timer"))
		return JB_STEP_REFUSED;
	const struct jb_change change = {.to = JB_EXPIRED,
					 .action = "request.expired",
					 .actor = "timer",
					 .detail = JB_DETAIL({"why", why}),
					 .announce = true};
	return jb_engine_commit(engine, request, &change, now, fault);
}

static bool is_of_host(const struct jb_request *request, const char *host)
{
	return !host || strcmp(request->host, host) == 0 || (request->filed_by && strcmp(request->filed_by, host) == 0);
}

int jb_engine_unknown(const char *id, struct jb_fault *fault)
{
	return jb_engine_fault(fault, 404, "request.unknown",
			       "there is no request %.40s here; it was never filed, or is long forgotten", id);
}

int jb_engine_try(struct jb_engine *engine, const char *host, const char *id, jb_step_fn step, void *arg, int64_t now,
		  struct jb_request **ret, struct jb_fault *fault)
{
	for (int i = 0; i < TRIES; i++) {
		struct jb_request *request = NULL;
		int r = jb_store_get(engine->store, id, &request);

		if (r == -ENOENT)
			return jb_engine_unknown(id, fault);
		if (r < 0)
			return jb_engine_store_fault(engine, fault);
		if (!is_of_host(request, host)) {
			jb_request_free(request);
			return jb_engine_unknown(id, fault);
		}
		jb_engine_fault(fault, 503, "store.unavailable", "the broker is out of memory; try again");
		enum jb_step went = jb_engine_settle(engine, request, now, fault);
		if (went == JB_STEP_DONE && step)
			went = step(engine, request, arg, now, fault);
		if (went == JB_STEP_DONE) {
			*ret = request;
			return 0;
		}
		jb_request_free(request);
		if (went == JB_STEP_REFUSED)
			return -1;
	}
	return jb_engine_fault(fault, 503, "store.busy", "others are changing this request all the time; try again");
}

enum jb_step jb_engine_live(const struct jb_request *request, struct jb_fault *fault)
{
	const char *id = request->short_id;

	switch (request->status) {
	case JB_APPROVED:
	case JB_ACTIVE:
		return JB_STEP_DONE;
	case JB_PENDING:
		jb_engine_fault(fault, 409, "grant.pending", "request %s has not been decided yet", id);
		break;
	case JB_REVOKED:
		jb_engine_fault(fault, 403, "grant.revoked", "grant %s has been revoked%s%s", id,
				request->comment ? ": " : "", request->comment ? request->comment : "");
		break;
	case JB_EXPIRED:
		if (request->use_until && !request->started_at) {
			jb_engine_fault(fault, 403, "grant.unused",
					"grant %s was not used in time and is gone; file a new request", id);
			break;
		}
		/* fall through */
	default:
		jb_engine_fault(fault, 403, "grant.ended", "request %s is %s; file a new one", id,
				jb_status_name(request->status));
	}
	return JB_STEP_REFUSED;
}

enum jb_step jb_engine_usable_from(const struct jb_request *request, const char *host, struct jb_fault *fault)
{
	if (strcmp(request->host, host) == 0)
		return JB_STEP_DONE;
	jb_engine_fault(fault, 403, "grant.host", "request %s is for host %s, and only that host can use it",
			request->short_id, request->host);
	return JB_STEP_REFUSED;
}

enum jb_step jb_engine_end_by_policy(struct jb_engine *engine, struct jb_request *request, const struct jb_decision *d,
				     int64_t now, struct jb_fault *fault)
{
	char line[JB_LINE_SIZE];

	jb_engine_line(engine, d, line);
	if (!jb_engine_set_text(&request->ended_by, "policy") || !jb_engine_set_text(&request->comment, d->message))
		return JB_STEP_REFUSED;
	const struct jb_change change = {.to = JB_REVOKED,
					 .action = "request.revoked",
					 .actor = "policy",
					 .detail = JB_DETAIL({"rule", d->code}, {"why", d->message}, {"line", line}),
					 .announce = true};
	return jb_engine_commit(engine, request, &change, now, fault);
}

enum jb_step jb_engine_recheck(struct jb_engine *engine, struct jb_request *request, int64_t now,
			       struct jb_fault *fault)
{
	struct jb_decision d = jb_policy_allows(engine->conf, request, NULL, now);

	if (d.allowed)
		return JB_STEP_DONE;
	enum jb_step went = jb_engine_end_by_policy(engine, request, &d, now, fault);
	if (went != JB_STEP_DONE)
		return went;
	jb_engine_fault(fault, 403, d.code, "%s", d.message);
	return JB_STEP_REFUSED;
}

void jb_engine_start_clock(struct jb_engine *engine, struct jb_request *request, int64_t now)
{
	request->started_at = now;
	request->granted_until = jb_policy_ends(engine->conf, request, now);
}

void jb_engine_line(const struct jb_engine *engine, const struct jb_decision *d, char buf[static JB_LINE_SIZE])
{
	snprintf(buf, JB_LINE_SIZE, "%s:%u", engine->conf->path, d->line);
}

void jb_engine_host_actor(const char *host, char *buf, size_t size)
{
	snprintf(buf, size, "host:%s", host);
}
