/* What a host calls beside its requests: what happened on it unheard, and for which hosts it may file. */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "doc.h"
#include "event.h"
#include "log.h"
#include "notice.h"
#include "policy.h"
#include "reply.h"

#define HOSTS_MAX    200 /* names in one answer of GET /hosts */
#define PATTERNS_MAX 32

/* 0, or -1 when the call has been answered. All are read before the first is written. */
static int read_events(struct jb_ask *ask, struct json_object *body, struct jb_event events[static JB_EVENTS_MAX],
		       size_t *ret_count)
{
	struct json_object *list;
	struct jb_fault fault;

	if (!json_object_object_get_ex(body, "events", &list) || !json_object_is_type(list, json_type_array) ||
	    json_object_array_length(list) == 0 || json_object_array_length(list) > JB_EVENTS_MAX) {
		jb_reply_error(ask->call, 400, "request.field", "The field 'events' must be a list of 1 to 32 events.");
		return -1;
	}
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		if (jb_event_read(json_object_array_get_idx(list, i), &events[i], &fault) < 0) {
			jb_reply_fault(ask->call, &fault);
			return -1;
		}
		*ret_count = i + 1;
	}
	return 0;
}

/* Each by itself: after a failure midway the host reports all again, and those that are known change nothing. */
static int write_events(struct jb_ask *ask, const struct jb_event *events, size_t count, int64_t *ret_accepted)
{
	char actor[JIT_NAME_SIZE + 8];

	snprintf(actor, sizeof(actor), "host:%s", ask->who);
	for (size_t i = 0; i < count; i++) {
		struct jb_notices notices = {0};
		const struct jb_audit audit = {.at = ask->now,
					       .action = events[i].action,
					       .actor = actor,
					       .detail = events[i].detail,
					       .notices = &notices};
		int r = jb_notices_of_event(ask->api->conf, ask->who, events[i].id, events[i].action, events[i].detail,
					    ask->now, &notices);
		if (r == 0)
			r = jb_store_event(ask->api->store, ask->who, events[i].id,
					   ask->now + ask->api->conf->retention, &audit);
		jb_notices_clear(&notices);
		if (r < 0 && r != -EEXIST) {
			jit_log(LOG_ERR, "cannot keep an event of %s: %s", ask->who, jb_store_error(ask->api->store));
			return -1;
		}
		if (r == 0) {
			jit_log(LOG_WARNING, "%s reports %s: %s", ask->who, events[i].action, events[i].detail);
			++*ret_accepted;
		}
	}
	return 0;
}

void jb_api_events(struct jb_ask *ask)
{
	struct jb_event events[JB_EVENTS_MAX] = {0};
	struct json_object *body = jb_api_body(ask, false);
	int64_t accepted = 0;
	size_t count = 0;

	if (!body)
		return;
	if (read_events(ask, body, events, &count) == 0) {
		if (write_events(ask, events, count, &accepted) < 0) {
			jb_reply_error(ask->call, 503, "store.unavailable",
				       "The broker could not keep every event; report them all again.");
		} else {
			struct jb_doc doc = {json_object_new_object()};

			jb_doc_put(&doc, "accepted", json_object_new_int64(accepted));
			jb_doc_put(&doc, "repeated", json_object_new_int64((int64_t)count - accepted));
			jb_reply_json(ask->call, 202, doc.json);
		}
	}
	for (size_t i = 0; i < count; i++)
		jb_event_clear(&events[i]);
	json_object_put(body);
}

struct search {
	const struct jb_conf *conf;
	const char *filer;
	char patterns[PATTERNS_MAX][JIT_NAME_SIZE];
	size_t pattern_count;
	char *names[HOSTS_MAX]; /* sorted, each once */
	size_t count;
	bool too_many, no_memory;
};

static bool is_wanted(const struct search *search, const char *host)
{
	bool matches = search->pattern_count == 0;

	for (size_t i = 0; i < search->pattern_count; i++)
		matches |= fnmatch(search->patterns[i], host, 0) == 0;
	return matches && jb_policy_may_file_for(search->conf, search->filer, host);
}

static void consider(void *arg, const struct jb_secret_row *row)
{
	struct search *search = arg;
	size_t at = 0;

	if (row->revoked || !is_wanted(search, row->owner))
		return;
	while (at < search->count && strcmp(search->names[at], row->owner) < 0)
		at++;
	if (at < search->count && strcmp(search->names[at], row->owner) == 0)
		return; /* a second key of the same host */
	if (search->count == HOSTS_MAX) {
		search->too_many = true;
		return;
	}
	char *name = strdup(row->owner);
	if (!name) {
		search->no_memory = true;
		return;
	}
	memmove(&search->names[at + 1], &search->names[at], (search->count++ - at) * sizeof(search->names[0]));
	search->names[at] = name;
}

/* 0, or -1 when the call has been answered. */
static int read_patterns(struct jb_ask *ask, struct search *search)
{
	const char *at = NULL;
	int r;

	for (;;) {
		char pattern[JIT_NAME_SIZE];

		r = jb_call_query_next(ask->call, "match", &at, pattern, sizeof(pattern));
		if (r < 0 || search->pattern_count == PATTERNS_MAX)
			break;
		snprintf(search->patterns[search->pattern_count++], JIT_NAME_SIZE, "%s", pattern);
	}
	if (r == -ENOENT)
		return 0;
	jb_reply_error(ask->call, 400, "request.field",
		       "The parameter 'match' is a pattern of at most 255 bytes, at most 32 times.");
	return -1;
}

static void reply_hosts(struct jb_ask *ask, const struct search *search)
{
	struct jb_doc doc = {json_object_new_object()}, list = {json_object_new_array()};

	for (size_t i = 0; i < search->count; i++)
		jb_doc_append(&list, json_object_new_string(search->names[i]));
	jb_doc_put(&doc, "hosts", list.json);
	jb_reply_json(ask->call, 200, doc.json);
}

void jb_api_hosts(struct jb_ask *ask)
{
	struct search *search = calloc(1, sizeof(*search));

	if (!search) {
		jb_reply_json(ask->call, 503, NULL);
		return;
	}
	search->conf = ask->api->conf;
	search->filer = ask->who;
	if (read_patterns(ask, search) == 0) {
		if (jb_store_secret_list(ask->api->store, "host", consider, search) < 0 || search->no_memory)
			jb_reply_error(ask->call, 503, "broker.store",
				       "The broker cannot read its store; try again later.");
		else if (search->too_many)
			jb_reply_error(ask->call, 422, "limit.hosts",
				       "More than 200 hosts match; ask with narrower patterns.");
		else
			reply_hosts(ask, search);
	}
	for (size_t i = 0; i < search->count; i++)
		free(search->names[i]);
	free(search);
}
