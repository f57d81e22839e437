/* See answer.h. */
#include "answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "json.h"
#include "json_read.h"
#include "seal.h"
#include "text.h"

#define JSON_DEPTH  8
#define SECONDS_MAX (366LL * 86400)

struct json_object *jh_json_read(const char *body, size_t len)
{
	struct json_object *json = NULL;
	const int r = jit_utf8_valid(body, len) ? jit_json_read(body, len, JSON_DEPTH, &json) : -EINVAL;

	if (!json) /* null is none either */
		errno = r < 0 ? -r : EINVAL;
	return json;
}

/* Absent and null are the same: "". False when it is of another type or does not fit. */
static bool get_text(struct json_object *json, const char *name, char *buf, size_t size)
{
	struct json_object *value;

	buf[0] = '\0';
	if (!json_object_object_get_ex(json, name, &value) || !value)
		return true;
	if (!json_object_is_type(value, json_type_string))
		return false;
	jit_text_clean(buf, size, json_object_get_string(value), (size_t)json_object_get_string_len(value));
	return true;
}

/* A text that is compared, not shown: it must come through whole and unchanged. */
static bool get_name(struct json_object *json, const char *name, char *buf, size_t size)
{
	struct json_object *value;

	if (!get_text(json, name, buf, size))
		return false;
	if (!json_object_object_get_ex(json, name, &value) || !value)
		return true;
	return strlen(buf) == (size_t)json_object_get_string_len(value) &&
	       strcmp(buf, json_object_get_string(value)) == 0;
}

static bool get_seconds(struct json_object *json, const char *name, int64_t *ret)
{
	struct json_object *value;

	*ret = -1;
	if (!json_object_object_get_ex(json, name, &value) || !value)
		return true;
	if (!json_object_is_type(value, json_type_int))
		return false;
	*ret = json_object_get_int64(value);
	return *ret >= 0 && *ret <= SECONDS_MAX;
}

static bool get_time(struct json_object *json, const char *name, int64_t *ret)
{
	char text[40];

	*ret = -1;
	return get_name(json, name, text, sizeof(text)) && (!text[0] || jit_iso_parse(text, ret) == 0);
}

/* An array of names as blank-separated words. */
static bool get_words(struct json_object *json, const char *name, char *buf, size_t size)
{
	struct json_object *list;
	size_t len = 0;

	buf[0] = '\0';
	if (!json_object_object_get_ex(json, name, &list) || !list)
		return true;
	if (!json_object_is_type(list, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		char word[JIT_NAME_SIZE];

		if (!json_object_is_type(item, json_type_string))
			return false;
		size_t n = (size_t)json_object_get_string_len(item);
		jit_text_clean(word, sizeof(word), json_object_get_string(item), n);
		if (n == 0 || strcmp(word, json_object_get_string(item)) != 0 || strchr(word, ' ') ||
		    len + n + 2 > size)
			return false;
		if (len)
			buf[len++] = ' ';
		memcpy(buf + len, word, n + 1);
		len += n;
	}
	return true;
}

static bool get_status(struct json_object *json, enum jh_status *ret)
{
	static const char *const names[] = {"PENDING",	 "APPROVED", "ACTIVE",	"DENIED", "EXPIRED",
					    "CANCELLED", "ENDED",    "REVOKED", "FAILED"};
	char text[16];

	if (!get_name(json, "status", text, sizeof(text)))
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum jh_status)i;
			return true;
		}
	}
	return false;
}

/* 8-4-4-4-12 lower-case hexadecimal digits. It goes into a URL's path, so nothing else may pass. */
static bool is_uuid(const char *s)
{
	for (size_t i = 0; i < JIT_ID_SIZE - 1; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		if (dash ? s[i] != '-' : !s[i] || !strchr("0123456789abcdef", s[i]))
			return false;
	}
	return s[JIT_ID_SIZE - 1] == '\0';
}

static bool is_short_id(const char *s)
{
	for (size_t i = 0; i < JH_SHORT_SIZE - 1; i++)
		if (i == 4 ? s[i] != '-' : !s[i] || !strchr("0123456789ABCDEFGHJKMNPQRSTVWXYZ", s[i]))
			return false;
	return s[JH_SHORT_SIZE - 1] == '\0';
}

/* It goes into environments: a region's name as AWS makes them, or nothing. */
static bool get_region(struct json_object *json, char *buf, size_t size)
{
	return get_name(json, "region", buf, size) && buf[0] != '-' &&
	       strspn(buf, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(buf);
}

static bool get_identity(struct json_object *json, struct jh_answer *a)
{
	return get_name(json, "requestId", a->id, sizeof(a->id)) && is_uuid(a->id) &&
	       get_name(json, "shortId", a->short_id, sizeof(a->short_id)) && is_short_id(a->short_id) &&
	       get_status(json, &a->status) && get_name(json, "requester", a->requester, sizeof(a->requester)) &&
	       a->requester[0] && get_name(json, "role", a->role, sizeof(a->role)) && a->role[0] &&
	       get_name(json, "code", a->code, sizeof(a->code)) && strspn(a->code, "0123456789") == strlen(a->code);
}

static bool get_times(struct json_object *json, struct jh_answer *a)
{
	int64_t requested, pending, until;

	if (!get_time(json, "requestedAt", &requested) || !get_time(json, "pendingUntil", &pending) ||
	    !get_time(json, "grantedUntil", &until) || !get_seconds(json, "remaining", &a->remaining_s))
		return false;
	a->pending_s = requested >= 0 && pending >= requested ? pending - requested : -1;
	a->sent_at = until >= 0 && a->remaining_s >= 0 ? until - a->remaining_s : -1;
	return true;
}

static bool get_grant(struct json_object *json, struct jh_answer *a)
{
	char arn[2048];

	if (!get_words(json, "services", a->services, sizeof(a->services)) ||
	    !get_words(json, "targets", a->targets, sizeof(a->targets)) ||
	    !get_name(json, "scope", a->scope, sizeof(a->scope)) || !get_region(json, a->region, sizeof(a->region)) ||
	    !get_name(json, "onExpiry", a->on_expiry, sizeof(a->on_expiry)) ||
	    !get_text(json, "roleArn", arn, sizeof(arn)))
		return false;
	a->has_arn = arn[0] != '\0';
	if (a->status != JH_APPROVED && a->status != JH_ACTIVE)
		return true;
	/* An approval that does not say what it gives, or for how long, gives nothing. */
	return a->services[0] && a->targets[0] && a->remaining_s >= 0;
}

static bool get_poller(struct json_object *json, struct jh_answer *a)
{
	struct json_object *resume;

	if (!get_name(json, "filedBy", a->filed_by, sizeof(a->filed_by)) ||
	    !get_name(json, "host", a->host, sizeof(a->host)) ||
	    !get_name(json, "service", a->service, sizeof(a->service)) ||
	    !get_name(json, "target", a->target, sizeof(a->target)) ||
	    !get_name(json, "rhost", a->rhost, sizeof(a->rhost)))
		return false;
	a->outlives = a->filed_by[0] != '\0';
	if (!json_object_object_get_ex(json, "resume", &resume) || !resume)
		return true;
	a->outlives |= json_object_get_boolean(resume);
	return json_object_is_type(resume, json_type_boolean);
}

static int get_sealed(struct json_object *json, struct jh_answer *a)
{
	struct json_object *value;

	if (!json_object_object_get_ex(json, "sealedCredentials", &value) || !value)
		return 0;
	if (!json_object_is_type(value, json_type_string) || json_object_get_string_len(value) > JIT_SEAL_JWE_MAX)
		return -EINVAL;
	a->sealed = strdup(json_object_get_string(value));
	return a->sealed ? 0 : -ENOMEM;
}

int jh_answer_parse(struct json_object *json, struct jh_answer *ret)
{
	struct jh_answer a = {0};

	if (!json_object_is_type(json, json_type_object) || !get_identity(json, &a) ||
	    !get_text(json, "decidedBy", a.decided_by, sizeof(a.decided_by)) ||
	    !get_text(json, "endedBy", a.ended_by, sizeof(a.ended_by)) ||
	    !get_text(json, "comment", a.comment, sizeof(a.comment)) ||
	    !get_text(json, "failure", a.failure, sizeof(a.failure)) || !get_times(json, &a) || !get_grant(json, &a) ||
	    !get_poller(json, &a))
		return -EINVAL;
	int r = get_sealed(json, &a);
	if (r == 0)
		*ret = a;
	return r;
}

int jh_answer_read(const char *body, size_t len, struct jh_answer *ret)
{
	JIT_JSON struct json_object *json = jh_json_read(body, len);

	return json ? jh_answer_parse(json, ret) : -errno;
}

void jh_answer_clear(struct jh_answer *answer)
{
	free(answer->sealed);
	*answer = (struct jh_answer){0};
}

void jh_error_read(const char *body, size_t len, char code[static JH_CODE_SIZE], char message[static JIT_LINE_SIZE])
{
	JIT_JSON struct json_object *json = jh_json_read(body, len);

	code[0] = message[0] = '\0';
	if (!json_object_is_type(json, json_type_object))
		return;
	if (!get_name(json, "error", code, JH_CODE_SIZE))
		code[0] = '\0';
	if (!get_text(json, "message", message, JIT_LINE_SIZE))
		message[0] = '\0';
}

bool jh_id_matches(const char *id, const char *uuid, const char *short_id)
{
	size_t len = strlen(id);

	if (strcmp(id, uuid) == 0)
		return true;
	while (*id && *short_id) {
		char c = *id >= 'a' && *id <= 'z' ? (char)(*id - 'a' + 'A') : *id;
		if (*id == '-') {
			id++;
		} else if (*short_id == '-') {
			short_id++;
		} else {
			if (c != *short_id)
				return false;
			id++;
			short_id++;
		}
	}
	return !*id && !*short_id && len;
}

bool jh_words_have(const char *words, const char *word)
{
	size_t len = strlen(word);

	while (*words) {
		size_t n = strcspn(words, " ");
		if ((n == 1 && *words == '*') || (n == len && len && memcmp(words, word, len) == 0))
			return true;
		words += n + (words[n] == ' ');
	}
	return false;
}
