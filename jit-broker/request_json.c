/*
 * The wire's forms of a request (docs/broker-api.md, "The request"): what a host
 * sees, what an approver sees. Which member goes to whom is decided here alone:
 * code and sealed credentials go to hosts and never to an approver.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "doc.h"
#include "request.h"
#include "text.h"

static void put_text(struct jb_doc *doc, const char *name, const char *text)
{
	if (text && *text)
		jb_doc_text(doc, name, text);
}

static void put_number(struct jb_doc *doc, const char *name, int64_t number)
{
	jb_doc_put(doc, name, json_object_new_int64(number));
}

static void put_flag(struct jb_doc *doc, const char *name, bool flag)
{
	jb_doc_put(doc, name, json_object_new_boolean(flag));
}

static void put_time(struct jb_doc *doc, const char *name, int64_t at)
{
	char iso[JIT_ISO_SIZE];

	if (at <= 0)
		return;
	jit_iso_format(at, iso);
	put_text(doc, name, iso);
}

/* "sudo su" as ["sudo","su"]. */
static void put_words(struct jb_doc *doc, const char *name, const char *words)
{
	struct jb_doc array = {json_object_new_array()};

	for (const char *w = words ? words : ""; *(w += strspn(w, " ")); w += strcspn(w, " "))
		jb_doc_append(&array, json_object_new_string_len(w, (int)strcspn(w, " ")));
	jb_doc_put(doc, name, array.json);
}

/* How many seconds are left: all of them while the clock has not started. */
static int64_t remaining(const struct jb_request *r, int64_t now)
{
	if (r->status == JB_APPROVED)
		return r->duration;
	return r->status == JB_ACTIVE && r->granted_until > now ? r->granted_until - now : 0;
}

static void put_message(struct jb_doc *doc, const struct jb_request *r)
{
	char message[96];

	if (!jb_status_final(r->status)) {
		put_text(doc, "message", "Access request submitted");
		return;
	}
	snprintf(message, sizeof(message), "Request %s updated to %s", r->id, jb_status_name(r->status));
	put_text(doc, "message", message);
}

/* What host and approver both see. */
static void put_common(struct jb_doc *doc, const struct jb_request *r, int64_t now)
{
	put_text(doc, "requestId", r->id);
	put_text(doc, "shortId", r->short_id);
	put_text(doc, "status", jb_status_name(r->status));
	put_text(doc, "requester", r->requester);
	put_text(doc, "loginUser", r->login_user);
	put_text(doc, "host", r->host);
	put_text(doc, "filedBy", r->filed_by);
	put_text(doc, "role", r->role);
	put_text(doc, "service", r->service);
	put_text(doc, "target", r->target);
	put_text(doc, "tty", r->tty);
	put_text(doc, "rhost", r->rhost);
	put_text(doc, "command", r->command);
	put_text(doc, "cwd", r->cwd);
	put_text(doc, "session", r->session);
	put_text(doc, "reason", r->reason);
	put_text(doc, "ticket", r->ticket);
	put_flag(doc, "resume", r->resume);
	put_number(doc, "duration", r->duration);
	put_number(doc, "approvalsNeeded", r->approvals_needed);
	if (r->approved_by)
		put_words(doc, "approvedBy", r->approved_by);
	put_text(doc, "decidedBy", r->decided_by);
	put_text(doc, "endedBy", r->ended_by);
	put_text(doc, "comment", r->comment);
	put_text(doc, "failure", r->failure);
	put_time(doc, "requestedAt", r->requested_at);
	put_time(doc, "pendingUntil", r->pending_until);
	put_time(doc, "decidedAt", r->decided_at);
	put_time(doc, "grantedUntil", r->granted_until);
	put_time(doc, "endedAt", r->ended_at);
	put_number(doc, "expiresAt", r->expires_at);
	if (r->status == JB_APPROVED || r->status == JB_ACTIVE)
		put_number(doc, "remaining", remaining(r, now));
}

static void put_grant(struct jb_doc *doc, const struct jb_request *r)
{
	put_words(doc, "services", r->services);
	put_words(doc, "targets", r->targets);
	put_text(doc, "scope", r->scope);
	put_text(doc, "region", r->region);
	put_text(doc, "roleArn", r->role_arn);
	put_text(doc, "onExpiry", r->on_expiry);
}

struct json_object *jb_request_for_host(const struct jb_request *request, int64_t now)
{
	struct jb_doc doc = {json_object_new_object()};
	char arn[64];

	snprintf(arn, sizeof(arn), "jit-broker:request:%s", request->id);
	put_message(&doc, request);
	put_text(&doc, "executionArn", arn);
	put_common(&doc, request, now);
	if (request->status == JB_PENDING) {
		put_text(&doc, "code", request->code);
		put_text(&doc, "scope", request->scope); /* who may wait for it together */
	}
	if (request->status == JB_APPROVED || request->status == JB_ACTIVE) {
		put_grant(&doc, request);
		put_text(&doc, "sealedCredentials", request->sealed);
	}
	return doc.json;
}

struct json_object *jb_request_for_approver(const struct jb_request *request, int64_t now)
{
	struct jb_doc doc = {json_object_new_object()};
	char grants[2048];

	jb_request_grants(request, grants, sizeof(grants));
	put_message(&doc, request);
	put_common(&doc, request, now);
	put_text(&doc, "person", request->person);
	put_flag(&doc, "codeRequired", request->code[0] != '\0');
	put_text(&doc, "grants", grants);
	put_grant(&doc, request);
	return doc.json;
}

/* "sudo su" as "sudo, su". conf.c keeps the lists so short that nothing is ever cut off here. */
static void join_words(const char *words, char *buf, size_t size)
{
	size_t at = 0;

	for (; words && *words && at + 3 < size; words++) {
		if (*words == ' ')
			buf[at++] = ',';
		buf[at++] = *words;
	}
	buf[at] = '\0';
}

void jb_request_grants(const struct jb_request *request, char *buf, size_t size)
{
	char services[768], targets[768], duration[48], end[64];
	bool any = request->targets && strcmp(request->targets, "*") == 0;

	join_words(request->services, services, sizeof(services));
	join_words(request->targets, targets, sizeof(targets));
	jit_format_duration(request->duration > 0 ? (uint64_t)request->duration : 0, duration, sizeof(duration));
	if (request->granted_until > 0) {
		char iso[JIT_ISO_SIZE];

		jit_iso_format(request->granted_until, iso);
		snprintf(end, sizeof(end), "until %s", iso);
	} else {
		snprintf(end, sizeof(end), "for %s", duration);
	}
	snprintf(buf, size, "any command that %s %s, as %s on %s, %s%s%s%s", services,
		 strchr(services, ',') ? "allow" : "allows", any ? "any user" : targets, request->host, end,
		 request->scope && strcmp(request->scope, "user") == 0 ? ", in every session of this user from there"
								       : "",
		 request->role_arn ? ", and AWS credentials of " : "", request->role_arn ? request->role_arn : "");
}
