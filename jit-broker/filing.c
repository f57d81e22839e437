/* See filing.h. */
#include "filing.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "json_read.h"
#include "proto.h"
#include "text.h"

#define DEPTH_MAX      16
#define PUBLIC_KEY_MAX 1024
#define ARN_MAX	       2048	     /* AWS's own */
#define DURATION_MAX   (365 * 86400) /* seconds; the role's maximum is far below */

__attribute__((format(printf, 2, 3))) static int bad_field(struct jb_fault *fault, const char *format, ...)
{
	va_list ap;

	*fault = (struct jb_fault){.http = 400, .code = "request.field"};
	va_start(ap, format);
	vsnprintf(fault->message, sizeof(fault->message), format, ap);
	va_end(ap);
	return -1;
}

int jb_no_memory(struct jb_fault *fault)
{
	*fault = (struct jb_fault){
		.http = 503, .code = "store.unavailable", .message = "The broker is out of memory; try again."};
	return -1;
}

struct json_object *jb_json_object(const char *text, size_t len)
{
	JIT_JSON struct json_object *json = NULL;
	int r = jit_utf8_valid(text, len) ? jit_json_read(text, len, DEPTH_MAX, &json) : -EINVAL;

	if (r == 0 && !json_object_is_type(json, json_type_object))
		r = -EINVAL;
	if (r == 0)
		return JIT_TAKE(json);
	errno = -r;
	return NULL;
}

/* False where it is absent or null: to JSON's writers these are one. */
static bool get(struct json_object *json, const char *name, struct json_object **ret)
{
	return json_object_object_get_ex(json, name, ret) && *ret;
}

int jb_json_text(struct json_object *json, const char *name, size_t max, const char **ret, struct jb_fault *fault)
{
	struct json_object *value;

	*ret = NULL;
	if (!get(json, name, &value))
		return 0;
	if (!json_object_is_type(value, json_type_string))
		return bad_field(fault, "The field '%s' must be a string.", name);
	const char *text = json_object_get_string(value);
	size_t len = (size_t)json_object_get_string_len(value);
	if (len > max)
		return bad_field(fault, "The field '%s' is longer than %zu bytes.", name, max);
	if (!jit_utf8_valid(text, len))
		return bad_field(fault, "The field '%s' holds a NUL or is not UTF-8.", name);
	*ret = text;
	return 0;
}

int jb_json_member(struct json_object *json, const char *name, size_t max, const char **ret, struct jb_fault *fault)
{
	struct json_object *value;

	*ret = NULL;
	if (!get(json, name, &value))
		return 0;
	if (!json_object_is_type(value, json_type_object))
		return bad_field(fault, "The field '%s' must be an object.", name);
	size_t len;
	const char *text = jit_json_text(value, &len);
	if (!text)
		return jb_no_memory(fault);
	if (len > max)
		return bad_field(fault, "The field '%s' is longer than %zu bytes.", name, max);
	*ret = text;
	return 0;
}

static int read_flag(struct json_object *json, const char *name, bool *ret, struct jb_fault *fault)
{
	struct json_object *value;

	*ret = false;
	if (!get(json, name, &value))
		return 0;
	if (!json_object_is_type(value, json_type_boolean))
		return bad_field(fault, "The field '%s' must be true or false.", name);
	*ret = json_object_get_boolean(value);
	return 0;
}

/* A number or a numeric string, in whole seconds. */
static int read_duration(struct json_object *json, int64_t *ret, struct jb_fault *fault)
{
	struct json_object *value;
	int64_t seconds = 0;
	uint64_t parsed;

	if (!get(json, "duration", &value))
		return 0; /* its absence has been told already */
	if (json_object_is_type(value, json_type_int)) {
		seconds = json_object_get_int64(value);
	} else if (json_object_is_type(value, json_type_double)) {
		double number = json_object_get_double(value);
		seconds = number >= 1 && number <= DURATION_MAX ? (int64_t)number : 0;
	} else if (json_object_is_type(value, json_type_string) &&
		   strlen(json_object_get_string(value)) == (size_t)json_object_get_string_len(value) &&
		   jit_parse_u64(json_object_get_string(value), DURATION_MAX, &parsed) == 0) {
		seconds = (int64_t)parsed;
	}
	if (seconds < 1 || seconds > DURATION_MAX)
		return bad_field(fault, "The field 'duration' must be a number of seconds from 1 to %d.", DURATION_MAX);
	*ret = seconds;
	return 0;
}

static int check_required(struct json_object *json, struct jb_fault *fault)
{
	static const char *const required[] = {"requester", "role", "roleArn", "duration"};
	struct json_object *value;
	bool sealed = get(json, "publicKey", &value);

	for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
		if (get(json, required[i], &value) || (sealed && strcmp(required[i], "roleArn") == 0))
			continue;
		*fault = (struct jb_fault){.http = 400};
		snprintf(fault->message, sizeof(fault->message), "Missing required field: '%s'", required[i]);
		return -1;
	}
	return 0;
}

int jb_filing_read(struct json_object *json, struct jb_filing *ret, struct jb_fault *fault)
{
	static const struct {
		const char *name;
		size_t offset, max;
	} texts[] = {
		{"requester", offsetof(struct jb_filing, requester), JIT_NAME_SIZE - 1},
		{"role", offsetof(struct jb_filing, role), JIT_NAME_SIZE - 1},
		{"roleArn", offsetof(struct jb_filing, role_arn), ARN_MAX},
		{"loginUser", offsetof(struct jb_filing, login_user), JIT_NAME_SIZE - 1},
		{"service", offsetof(struct jb_filing, service), JIT_NAME_SIZE - 1},
		{"tty", offsetof(struct jb_filing, tty), JIT_NAME_SIZE - 1},
		{"rhost", offsetof(struct jb_filing, rhost), JIT_NAME_SIZE - 1},
		{"target", offsetof(struct jb_filing, target), JIT_NAME_SIZE - 1},
		{"command", offsetof(struct jb_filing, command), JIT_COMMAND_SIZE - 1},
		{"cwd", offsetof(struct jb_filing, cwd), JIT_COMMAND_SIZE - 1},
		{"session", offsetof(struct jb_filing, session), JIT_NAME_SIZE - 1},
		{"reason", offsetof(struct jb_filing, reason), JIT_LINE_SIZE - 1},
		{"ticket", offsetof(struct jb_filing, ticket), JIT_LINE_SIZE - 1},
		{"forHost", offsetof(struct jb_filing, for_host), JIT_NAME_SIZE - 1},
	};

	*ret = (struct jb_filing){0};
	if (check_required(json, fault) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *text;
		if (jb_json_text(json, texts[i].name, texts[i].max, &text, fault) < 0)
			return -1;
		memcpy((char *)ret + texts[i].offset, &text, sizeof(text));
	}
	if (!*ret->requester || !*ret->role)
		return bad_field(fault, "The field '%s' must not be empty.", *ret->requester ? "role" : "requester");
	if (read_duration(json, &ret->duration, fault) < 0 ||
	    read_flag(json, "simulateApproval", &ret->simulate, fault) < 0 ||
	    read_flag(json, "resume", &ret->resume, fault) < 0 ||
	    jb_json_member(json, "publicKey", PUBLIC_KEY_MAX, &ret->public_key, fault) < 0)
		return -1;
	return 0;
}
