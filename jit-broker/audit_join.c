/*
 * See audit_join.h. The chain is read first: every request with what became of it,
 * by id, and every access key id that was issued. Then each event of the trail is
 * held against them. An access key id is given once by AWS and recorded once here,
 * so it is what joins; names and tags, which another caller of AssumeRole may
 * choose as it likes, only say which request somebody meant to be taken for.
 */
#include "audit_join.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <search.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "audit_record.h"
#include "cleanup.h"
#include "clock.h"
#include "cloudtrail.h"
#include "join_report.h"
#include "text.h"

struct asked_for {
	char *id, *short_id, *requester, *host, *role; /* id first: the tree's key */
	int64_t approved_at, ended_at;		       /* 0: not */
	bool used;
};

struct issued {
	char *key_id; /* first: the tree's key */
	const struct asked_for *request;
	int64_t at;
	bool seen;
};

struct joining {
	const struct jb_join *join;
	void *by_id, *by_short, *by_key; /* tsearch(3): struct asked_for twice, struct issued */
	int64_t first, last;		 /* of what is looked at */
	struct jb_report report;
};

/* All trees hold structures that begin with the text they are found by. */
static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void *find(void *const *tree, const char *key)
{
	const char *const *const *node = tfind(&key, tree, compare);

	return node ? (void *)*node : NULL;
}

struct by_short {
	char *short_id; /* the request's own */
	struct asked_for *request;
};

static void free_request(void *node)
{
	struct asked_for *r = node;

	free(r->id);
	free(r->short_id);
	free(r->requester);
	free(r->host);
	free(r->role);
	free(r);
}

static void free_issued(void *node)
{
	free(((struct issued *)node)->key_id);
	free(node);
}

/* The chain */

static bool copy(char **at, const char *text)
{
	return (*at = strdup(text)) != NULL;
}

static struct asked_for *add_request(struct joining *j, const struct jb_record *record)
{
	struct asked_for *r = calloc(1, sizeof(*r));
	struct by_short *s = calloc(1, sizeof(*s));

	if (!r || !s || !copy(&r->id, record->request_id) || !copy(&r->short_id, jb_record_detail(record, "shortId")) ||
	    !copy(&r->requester, jb_record_detail(record, "requester")) ||
	    !copy(&r->host, jb_record_detail(record, "host")) || !copy(&r->role, jb_record_detail(record, "role")) ||
	    !tsearch(r, &j->by_id, compare)) {
		if (r)
			free_request(r);
		free(s);
		return NULL;
	}
	*s = (struct by_short){r->short_id, r};
	if (!tsearch(s, &j->by_short, compare)) {
		free(s); /* the request is the tree's */
		return NULL;
	}
	return r;
}

static bool add_issued(struct joining *j, const struct jb_record *record, struct asked_for *request)
{
	struct issued *i = calloc(1, sizeof(*i));

	if (!i)
		return false;
	i->request = request;
	i->at = record->at;
	if (copy(&i->key_id, jb_record_detail(record, "accessKeyId")) && tsearch(i, &j->by_key, compare))
		return true;
	free_issued(i);
	return false;
}

static bool is_one_of(const char *action, const char *const *actions)
{
	while (*actions && strcmp(*actions, action) != 0)
		actions++;
	return *actions != NULL;
}

static bool take_record(struct joining *j, const struct jb_record *record)
{
	static const char *const ends[] = {"request.denied",
					   "request.expired",
					   "request.cancelled",
					   "request.revoked",
					   "request.failed",
					   "grant.ended",
					   NULL};
	struct asked_for *r = find(&j->by_id, record->request_id);

	if (strcmp(record->action, "request.filed") == 0) {
		if (!r && !(r = add_request(j, record)))
			return false;
		if (strcmp(jb_record_detail(record, "status"), "APPROVED") == 0)
			r->approved_at = record->at;
	}
	if (!r)
		return true;
	if (strcmp(record->action, "request.approved") == 0)
		r->approved_at = record->at;
	else if (strcmp(record->action, "grant.started") == 0)
		r->used = true;
	else if (is_one_of(record->action, ends))
		r->ended_at = record->at;
	else if (strcmp(record->action, "credentials.issued") == 0) {
		r->used = true;
		return add_issued(j, record, r);
	}
	return true;
}

static int read_record(void *arg, int64_t seq, const char *text, const char *hash)
{
	struct joining *j = arg;
	struct jb_record record;

	(void)seq;
	(void)hash;
	if (jb_record_read(text, &record) < 0)
		return 0; /* of no request */
	bool taken = take_record(j, &record);
	jb_record_clear(&record);
	return taken ? 0 : -ENOMEM;
}

/* The trail */

static bool is_our_role(const struct jb_conf *conf, const char *arn)
{
	for (size_t i = 0; i < conf->role_count; i++)
		if (conf->roles[i].arn && strcmp(conf->roles[i].arn, arn) == 0)
			return true;
	return false;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && strcmp(text + n - m, end) == 0;
}

/* Which request it means to be of: by its tag, else by the end of its session's name. NULL: none that is known. */
static const struct asked_for *named(const struct joining *j, const struct jb_trail_event *event)
{
	const size_t len = strlen(event->session_name), n = sizeof("R7KD-2M9Q") - 1;
	const struct by_short *s = len > n ? find(&j->by_short, event->session_name + len - n) : NULL;
	const struct asked_for *r = *event->request_id ? find(&j->by_id, event->request_id) : NULL;

	return r ? r : s ? s->request : NULL;
}

static void report_foreign(struct joining *j, const struct jb_trail_event *event)
{
	const struct asked_for *r = named(j, event);

	jb_report_add(&j->report,
		      &(struct jb_finding){.kind = JB_FOREIGN,
					   .at = event->at,
					   .request = r ? r->short_id : "",
					   .key_id = event->given_id,
					   .address = event->source_address},
		      "%s of %s as %s by %s from %s: %s", event->name, event->role_arn,
		      *event->session_name ? event->session_name : "nobody",
		      *event->source_identity ? event->source_identity : "an unnamed identity", event->source_address,
		      !r		? "no request of this broker's"
		      : !r->approved_at ? "the request that it names was never approved here"
					: "the request that it names was approved here, but the broker recorded no "
					  "issue of these credentials");
}

/* The same credentials, and another story: what AWS was told is not what was approved. */
static bool tells_the_same(const struct asked_for *r, const struct jb_trail_event *event)
{
	return r->approved_at && ends_with(event->session_name, r->short_id) &&
	       (!*event->source_identity || strcmp(event->source_identity, r->requester) == 0) &&
	       (!*event->request_id || strcmp(event->request_id, r->id) == 0);
}

static void take_assume(struct joining *j, const struct jb_trail_event *event)
{
	struct issued *i = *event->given_id ? find(&j->by_key, event->given_id) : NULL;

	if (*event->error) {
		j->report.refused++;
		return;
	}
	if (i && i->seen) /* two accounts log the same call */
		return;
	j->report.assumed++;
	if (i && tells_the_same(i->request, event)) {
		i->seen = true;
		j->report.matched++;
		return;
	}
	report_foreign(j, event);
}

static void take_use(struct joining *j, const struct jb_trail_event *event)
{
	const struct issued *i = *event->used_id ? find(&j->by_key, event->used_id) : NULL;
	const struct jb_host_conf *host = i ? jb_conf_host(j->join->conf, i->request->host) : NULL;
	struct jb_address address;

	/* A name instead of an address is a service of AWS's that acts for the caller. */
	if (!host || host->source.count == 0 || !jb_address_parse(event->source_address, &address) ||
	    jb_sources_hold(&host->source, &address))
		return;
	jb_report_add(&j->report,
		      &(struct jb_finding){.kind = JB_ELSEWHERE,
					   .at = event->at,
					   .request = i->request->short_id,
					   .key_id = event->used_id,
					   .address = event->source_address},
		      "%s with credentials of %s for %s on %s came from %s, which is not that host's", event->name,
		      i->request->short_id, i->request->requester, i->request->host, event->source_address);
}

static int take_event(void *arg, const struct jb_trail_event *event)
{
	struct joining *j = arg;

	if (event->at < j->join->from || event->at > j->join->to)
		return 0;
	if (event->at < j->first)
		j->first = event->at;
	if (event->at > j->last)
		j->last = event->at;
	/* Ours is what the configuration has today, and what was issued here while it had other roles. */
	if (*event->role_arn &&
	    (is_our_role(j->join->conf, event->role_arn) || (*event->given_id && find(&j->by_key, event->given_id))))
		take_assume(j, event);
	take_use(j, event);
	return j->report.no_memory ? -ENOMEM : 0;
}

/* What the trail does not have */

static void visit_request(const void *node, VISIT which, void *arg)
{
	const struct asked_for *r = *(struct asked_for *const *)node;
	struct joining *j = arg;

	if ((which != postorder && which != leaf) || !r->approved_at || !r->ended_at || r->used ||
	    r->approved_at < j->first || r->approved_at > j->last)
		return;
	jb_report_add(
		&j->report,
		&(struct jb_finding){
			.kind = JB_UNUSED, .at = r->approved_at, .request = r->short_id, .key_id = "", .address = ""},
		"%s for %s as %s on %s was approved and never used", r->short_id, r->requester, r->role, r->host);
}

static void visit_issued(const void *node, VISIT which, void *arg)
{
	const struct issued *i = *(struct issued *const *)node;
	struct joining *j = arg;

	if ((which != postorder && which != leaf) || i->seen || i->at < j->first || i->at > j->last)
		return;
	jb_report_add(&j->report,
		      &(struct jb_finding){.kind = JB_UNSEEN,
					   .at = i->at,
					   .request = i->request->short_id,
					   .key_id = i->key_id,
					   .address = ""},
		      "credentials %s of %s for %s were issued here, and the trail has no AssumeRole that gave them",
		      i->key_id, i->request->short_id, i->request->requester);
}

static int read_chain(struct joining *j, char *why, size_t why_size)
{
	struct jb_audit_break at;
	int r = jb_store_audit_walk(j->join->store, read_record, j, &at);

	if (r == 0)
		return 0;
	if (r == -ENOMEM)
		snprintf(why, why_size, "out of memory");
	else
		snprintf(why, why_size, "the audit chain %s: record %" PRId64 ": %s",
			 r == -EBADMSG ? "is broken, and nothing can be joined to it" : "cannot be read", at.seq,
			 at.why);
	return -1;
}

static int read_trail(struct joining *j, char *why, size_t why_size)
{
	for (size_t i = 0; i < j->join->file_count; i++) {
		int r = jb_trail_read(j->join->files[i], take_event, j, why, why_size);

		if (r == -ENOMEM)
			snprintf(why, why_size, "out of memory");
		if (r < 0)
			return -1;
	}
	if (j->join->from)
		j->first = j->join->from;
	if (j->join->to != INT64_MAX)
		j->last = j->join->to;
	return 0;
}

int jb_audit_join(const struct jb_join *join, FILE *out, char *why, size_t why_size)
{
	struct joining j = {.join = join, .first = INT64_MAX, .last = INT64_MIN};
	int found = -1;

	if (read_chain(&j, why, why_size) < 0 || read_trail(&j, why, why_size) < 0)
		goto out;
	twalk_r(j.by_id, visit_request, &j);
	twalk_r(j.by_key, visit_issued, &j);
	j.report.from = j.first;
	j.report.to = j.last;
	found = jb_report_print(&j.report, join->json, out);
	if (found < 0)
		snprintf(why, why_size, "out of memory");
out:
	tdestroy(j.by_short, free);
	tdestroy(j.by_key, free_issued);
	tdestroy(j.by_id, free_request);
	jb_report_clear(&j.report);
	return found;
}
