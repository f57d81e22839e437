/*
 * See request.h. The record's fields stand in one table: copying, wiping and
 * the store's JSON form walk it, so that none can forget a field.
 */
#include "request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "doc.h"
#include "uuid.h"

static const char *const status_names[] = {
	[JB_PENDING] = "PENDING", [JB_APPROVED] = "APPROVED", [JB_ACTIVE] = "ACTIVE",
	[JB_DENIED] = "DENIED",	  [JB_EXPIRED] = "EXPIRED",   [JB_CANCELLED] = "CANCELLED",
	[JB_ENDED] = "ENDED",	  [JB_REVOKED] = "REVOKED",   [JB_FAILED] = "FAILED",
};
#define STATUS_COUNT ((int)(sizeof(status_names) / sizeof(status_names[0])))

enum kind { TEXT, FIXED, I64, U64, FLAG, STATUS };

#define FIELD_OF(member, field_name, field_kind)                                                                       \
	{                                                                                                              \
		.name = (field_name), .kind = (field_kind), .offset = offsetof(struct jb_request, member),             \
		.size = sizeof(((struct jb_request *)0)->member),                                                      \
	}

static const struct field {
	const char *name; /* in the store's document; never change one */
	enum kind kind;
	size_t offset;
	size_t size;
} fields[] = {
	FIELD_OF(id, "id", FIXED),
	FIELD_OF(short_id, "shortId", FIXED),
	FIELD_OF(version, "version", U64),
	FIELD_OF(changed, "changed", U64),
	FIELD_OF(status, "status", STATUS),
	FIELD_OF(host, "host", TEXT),
	FIELD_OF(filed_by, "filedBy", TEXT),
	FIELD_OF(requester, "requester", TEXT),
	FIELD_OF(person, "person", TEXT),
	FIELD_OF(login_user, "loginUser", TEXT),
	FIELD_OF(role, "role", TEXT),
	FIELD_OF(role_arn, "roleArn", TEXT),
	FIELD_OF(service, "service", TEXT),
	FIELD_OF(target, "target", TEXT),
	FIELD_OF(tty, "tty", TEXT),
	FIELD_OF(rhost, "rhost", TEXT),
	FIELD_OF(command, "command", TEXT),
	FIELD_OF(cwd, "cwd", TEXT),
	FIELD_OF(session, "session", TEXT),
	FIELD_OF(reason, "reason", TEXT),
	FIELD_OF(ticket, "ticket", TEXT),
	FIELD_OF(public_key, "publicKey", TEXT),
	FIELD_OF(simulate, "simulate", FLAG),
	FIELD_OF(resume, "resume", FLAG),
	FIELD_OF(duration, "duration", I64),
	FIELD_OF(code, "code", FIXED),
	FIELD_OF(wrong_codes, "wrongCodes", I64),
	FIELD_OF(idempotency_key, "idempotencyKey", TEXT),
	FIELD_OF(body_hash, "bodyHash", TEXT),
	FIELD_OF(services, "services", TEXT),
	FIELD_OF(targets, "targets", TEXT),
	FIELD_OF(scope, "scope", TEXT),
	FIELD_OF(region, "region", TEXT),
	FIELD_OF(on_expiry, "onExpiry", TEXT),
	FIELD_OF(approvals_needed, "approvalsNeeded", I64),
	FIELD_OF(approved_by, "approvedBy", TEXT),
	FIELD_OF(decided_by, "decidedBy", TEXT),
	FIELD_OF(ended_by, "endedBy", TEXT),
	FIELD_OF(comment, "comment", TEXT),
	FIELD_OF(failure, "failure", TEXT),
	FIELD_OF(requested_at, "requestedAt", I64),
	FIELD_OF(pending_until, "pendingUntil", I64),
	FIELD_OF(decided_at, "decidedAt", I64),
	FIELD_OF(use_until, "useUntil", I64),
	FIELD_OF(started_at, "startedAt", I64),
	FIELD_OF(granted_until, "grantedUntil", I64),
	FIELD_OF(ended_at, "endedAt", I64),
	FIELD_OF(expires_at, "expiresAt", I64),
	FIELD_OF(grant_token_hash, "grantTokenHash", TEXT),
	FIELD_OF(sealed, "sealed", TEXT),
	FIELD_OF(sealed_until, "sealedUntil", I64),
	FIELD_OF(task_token, "taskToken", TEXT),
	FIELD_OF(task_step, "taskStep", TEXT),
};
#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))

static void *member(const struct jb_request *request, const struct field *field)
{
	return (char *)(uintptr_t)request + field->offset;
}

const char *jb_status_name(enum jb_status status)
{
	return (int)status >= 0 && (int)status < STATUS_COUNT ? status_names[status] : "UNKNOWN";
}

bool jb_status_parse(const char *name, enum jb_status *ret)
{
	for (int i = 0; i < STATUS_COUNT; i++) {
		if (strcmp(name, status_names[i]) == 0) {
			*ret = (enum jb_status)i;
			return true;
		}
	}
	return false;
}

bool jb_status_final(enum jb_status status)
{
	return status != JB_PENDING && status != JB_APPROVED && status != JB_ACTIVE;
}

bool jb_status_may(enum jb_status from, enum jb_status to)
{
	switch (from) {
	case JB_PENDING:
		return to == JB_APPROVED || to == JB_DENIED || to == JB_EXPIRED || to == JB_CANCELLED;
	case JB_APPROVED:
		return to == JB_ACTIVE || to == JB_CANCELLED || to == JB_REVOKED || to == JB_EXPIRED || to == JB_FAILED;
	case JB_ACTIVE:
		return to == JB_ENDED || to == JB_REVOKED || to == JB_EXPIRED;
	default:
		return false;
	}
}

struct jb_request *jb_request_new(void)
{
	return calloc(1, sizeof(struct jb_request));
}

void jb_request_free(struct jb_request *request)
{
	if (!request)
		return;
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		char **text = member(request, &fields[i]);

		if (fields[i].kind != TEXT || !*text)
			continue;
		explicit_bzero(*text, strlen(*text));
		free(*text);
	}
	explicit_bzero(request, sizeof(*request));
	free(request);
}

struct jb_request *jb_request_copy(const struct jb_request *request)
{
	struct jb_request *copy = jb_request_new();

	if (!copy)
		return NULL;
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		void *to = member(copy, &fields[i]);
		char *const *text = member(request, &fields[i]);

		if (fields[i].kind != TEXT) {
			memcpy(to, text, fields[i].size);
		} else if (*text && !(*(char **)to = strdup(*text))) {
			jb_request_free(copy);
			return NULL;
		}
	}
	return copy;
}

/* Absent and zero are the same to a reader, so neither is written. */
static json_object *value_to_json(const struct field *field, const void *at)
{
	switch (field->kind) {
	case TEXT:
		return json_object_new_string(*(char *const *)at);
	case FIXED:
		return json_object_new_string(at);
	case I64:
		return json_object_new_int64(*(const int64_t *)at);
	case U64:
		return json_object_new_uint64(*(const uint64_t *)at);
	case FLAG:
		return json_object_new_boolean(*(const bool *)at);
	case STATUS:
		return json_object_new_string(jb_status_name(*(const enum jb_status *)at));
	}
	return NULL;
}

static bool is_zero(const struct field *field, const void *at)
{
	static const struct jb_request zero;

	if (field->kind == STATUS)
		return false;
	return field->kind == FIXED ? !*(const char *)at : memcmp(at, &zero, field->size) == 0;
}

struct json_object *jb_request_to_json(const struct jb_request *request)
{
	struct jb_doc doc = {json_object_new_object()};

	for (size_t i = 0; i < FIELD_COUNT; i++) {
		const void *at = member(request, &fields[i]);

		if (!is_zero(&fields[i], at))
			jb_doc_put(&doc, fields[i].name, value_to_json(&fields[i], at));
	}
	return doc.json;
}

static bool text_from_json(const struct field *field, json_object *value, void *to)
{
	const char *text = json_object_get_string(value);
	size_t len = (size_t)json_object_get_string_len(value);

	if (strlen(text) != len)
		return false;
	if (field->kind == TEXT)
		return (*(char **)to = strdup(text)) != NULL;
	if (len >= field->size)
		return false;
	memcpy(to, text, len + 1);
	return true;
}

static bool value_from_json(const struct field *field, json_object *value, void *to)
{
	static const json_type types[] = {
		[TEXT] = json_type_string, [FIXED] = json_type_string, [I64] = json_type_int,
		[U64] = json_type_int,	   [FLAG] = json_type_boolean, [STATUS] = json_type_string,
	};

	if (!json_object_is_type(value, types[field->kind]))
		return false;
	switch (field->kind) {
	case TEXT:
	case FIXED:
		return text_from_json(field, value, to);
	case I64:
		*(int64_t *)to = json_object_get_int64(value);
		return true;
	case U64:
		*(uint64_t *)to = json_object_get_uint64(value);
		return true;
	case FLAG:
		*(bool *)to = json_object_get_boolean(value);
		return true;
	case STATUS:
		return jb_status_parse(json_object_get_string(value), to);
	}
	return false;
}

struct jb_request *jb_request_from_json(struct json_object *json)
{
	struct jb_request *request = json_object_is_type(json, json_type_object) ? jb_request_new() : NULL;
	bool has_status = false;

	if (!request)
		return NULL;
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		json_object *value;

		if (!json_object_object_get_ex(json, fields[i].name, &value))
			continue;
		if (!value_from_json(&fields[i], value, member(request, &fields[i])))
			goto bad;
		has_status |= fields[i].kind == STATUS;
	}
	/* Without these nothing can be judged: a document that lost one is no request. */
	if (has_status && request->id[0] && request->short_id[0] && request->version && request->host &&
	    request->requester && request->role && request->duration > 0)
		return request;
bad:
	jb_request_free(request);
	return NULL;
}

static bool parse_uuid(const char *text, char buf[static 37])
{
	size_t i;

	for (i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		char c = text[i];

		if (c >= 'A' && c <= 'F')
			c = (char)(c - 'A' + 'a');
		if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
		buf[i] = c;
	}
	buf[36] = '\0';
	return text[36] == '\0';
}

static char normal_letter(char c)
{
	if (c >= 'a' && c <= 'z')
		c = (char)(c - 'a' + 'A');
	if (c == 'O')
		return '0';
	if (c == 'I' || c == 'L')
		return '1';
	return c;
}

bool jb_request_approved_by(const struct jb_request *request, const char *person)
{
	size_t len = strlen(person);

	for (const char *w = request->approved_by ? request->approved_by : ""; *(w += strspn(w, " "));
	     w += strcspn(w, " "))
		if (strcspn(w, " ") == len && memcmp(w, person, len) == 0)
			return true;
	return false;
}

bool jb_request_parse_id(const char *text, char buf[static 37], bool *ret_short)
{
	bool dashed = false;
	size_t at = 0;

	if (strlen(text) == 36) {
		*ret_short = false;
		return parse_uuid(text, buf);
	}
	for (; *text; text++) {
		char c = normal_letter(*text);

		if (c == '-' && at == 4 && !dashed) {
			dashed = true;
			continue;
		}
		if (at >= 8 || !strchr(JIT_CROCKFORD, c))
			return false;
		buf[at++] = c;
	}
	if (at != 8)
		return false;
	memmove(buf + 5, buf + 4, 4);
	buf[4] = '-';
	buf[9] = '\0';
	*ret_short = true;
	return true;
}

int jb_request_id_of_key(const char *filer, const char *key, char id[static 37], char short_id[static 10])
{
	const size_t filer_size = strlen(filer) + 1, len = filer_size + strlen(key);
	JIT_FREE char *both = malloc(len + 1);

	if (!both)
		return -ENOMEM;
	memcpy(both, filer, filer_size); /* its NUL parts the two */
	memcpy(both + filer_size, key, len - filer_size);
	return jit_uuid_of(both, len, id, short_id);
}
