/* See jit_asked.h. */
#include "jit_asked.h"

#include <stdio.h>
#include <string.h>

#include "jit_doc.h"
#include "text.h"

static const struct {
	const char *status;
	enum jit_exit exit;
} known[] = {
	{"PENDING", JIT_EXIT_PENDING},
	{"APPROVED", JIT_EXIT_OK},
	{"ACTIVE", JIT_EXIT_OK},
	{"DENIED", JIT_EXIT_DENIED},
	{"CANCELLED", JIT_EXIT_DENIED},
	{"REVOKED", JIT_EXIT_DENIED},
	{"ENDED", JIT_EXIT_DENIED},
	{"EXPIRED", JIT_EXIT_EXPIRED},
	{"NOT_ELIGIBLE", JIT_EXIT_NOT_ELIGIBLE},
	{"UNAVAILABLE", JIT_EXIT_UNAVAILABLE},
	{"FAILED", JIT_EXIT_UNAVAILABLE},
};

enum jit_exit jit_asked_exit(const char *status)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i].status, status) == 0)
			return known[i].exit;
	return JIT_EXIT_INTERNAL;
}

enum jit_exit jit_graver(enum jit_exit a, enum jit_exit b)
{
	/* What the caller can do nothing about first; what may still come right by itself last. */
	static const enum jit_exit order[] = {
		JIT_EXIT_INTERNAL, JIT_EXIT_NOT_ELIGIBLE, JIT_EXIT_DENIED,
		JIT_EXIT_EXPIRED,  JIT_EXIT_UNAVAILABLE,  JIT_EXIT_PENDING,
	};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (order[i] == a || order[i] == b)
			return order[i];
	return JIT_EXIT_OK;
}

enum jit_exit jit_asked_gravest(struct json_object *list)
{
	enum jit_exit gravest = JIT_EXIT_OK;
	char status[32];

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *request = json_object_array_get_idx(list, i);

		gravest = jit_graver(gravest, jit_asked_exit(jit_doc_text(request, "status", status, sizeof(status))));
	}
	return gravest;
}

bool jit_asked_pending(struct json_object *request)
{
	char status[32];

	return strcmp(jit_doc_text(request, "status", status, sizeof(status)), "PENDING") == 0;
}

static void text_of_approved(struct json_object *request, bool active, char *buf, size_t size)
{
	char by[JIT_NAME_SIZE], left[32];

	jit_doc_text(request, "decidedBy", by, sizeof(by));
	jit_format_duration((uint64_t)jit_doc_number(request, "remaining"), left, sizeof(left));
	snprintf(buf, size, "approved by %s, %s%s", by[0] ? by : "the broker", left,
		 active ? " left" : " from its first use on");
}

/* "denied by appr1: not today" */
static void text_of_end(struct json_object *request, const char *what, const char *whose, char *buf, size_t size)
{
	char by[JIT_NAME_SIZE], comment[JIT_LINE_SIZE];

	jit_doc_text(request, whose, by, sizeof(by));
	jit_doc_text(request, "comment", comment, sizeof(comment));
	snprintf(buf, size, "%s%s%s%s%s", what, by[0] ? " by " : "", by, comment[0] ? ": " : "", comment);
}

const char *jit_asked_text(struct json_object *request, char *buf, size_t size)
{
	char status[32], message[JIT_LINE_SIZE];

	jit_doc_text(request, "status", status, sizeof(status));
	jit_doc_text(request, "message", message, sizeof(message));
	if (strcmp(status, "PENDING") == 0)
		snprintf(buf, size, "waiting for approval");
	else if (strcmp(status, "APPROVED") == 0 || strcmp(status, "ACTIVE") == 0)
		text_of_approved(request, status[1] == 'C', buf, size);
	else if (strcmp(status, "EXPIRED") == 0)
		snprintf(buf, size, "expired: nobody decided in time");
	else if (strcmp(status, "CANCELLED") == 0)
		snprintf(buf, size, "withdrawn");
	else if (strcmp(status, "DENIED") == 0)
		text_of_end(request, "denied", "decidedBy", buf, size);
	else if (strcmp(status, "REVOKED") == 0)
		text_of_end(request, "revoked", "endedBy", buf, size);
	else if (strcmp(status, "ENDED") == 0)
		snprintf(buf, size, "given back");
	else if (strcmp(status, "NOT_ELIGIBLE") == 0)
		snprintf(buf, size, "not eligible: %s", message);
	else
		snprintf(buf, size, "not to be had: %s", message[0] ? message : status);
	return buf;
}

static struct json_object *find(struct json_object *list, const char *id)
{
	char mine[JIT_ID_SIZE];

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *request = json_object_array_get_idx(list, i);

		if (strcmp(jit_doc_text(request, "requestId", mine, sizeof(mine)), id) == 0)
			return request;
	}
	return NULL;
}

void jit_asked_update(struct json_object *list, struct json_object *news,
		      void (*changed)(void *arg, struct json_object *request), void *arg)
{
	char id[JIT_ID_SIZE], before[32], after[32];

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *old = json_object_array_get_idx(list, i), *now;

		jit_doc_text(old, "requestId", id, sizeof(id));
		now = id[0] ? find(news, id) : NULL;
		if (!now)
			continue;
		jit_doc_text(old, "status", before, sizeof(before));
		json_object_array_put_idx(list, i, json_object_get(now));
		if (strcmp(before, jit_doc_text(now, "status", after, sizeof(after))) != 0)
			changed(arg, now);
	}
}
