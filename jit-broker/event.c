/* See event.h. */
#include "event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "filing.h"
#include "json.h"
#include "proto.h"
#include "text.h"

/* What may be reported. Anything else would let a host write records that look like the broker's own. */
static const struct {
	const char *type, *action;
} types[] = {
	{"break_glass.begin", "host.break_glass.begin"},
	{"break_glass.end", "host.break_glass.end"},
};

static const struct {
	const char *name;
	size_t max; /* bytes */
	bool required;
} fields[] = {
	{"requester", JIT_NAME_SIZE - 1, true}, {"loginUser", JIT_NAME_SIZE - 1, false},
	{"service", JIT_NAME_SIZE - 1, true},	{"target", JIT_NAME_SIZE - 1, false},
	{"role", JIT_NAME_SIZE - 1, false},	{"command", JIT_COMMAND_SIZE - 1, false},
	{"tty", JIT_NAME_SIZE - 1, false},	{"rhost", JIT_NAME_SIZE - 1, false},
	{"reason", JIT_LINE_SIZE - 1, false},	{"trouble", JIT_LINE_SIZE - 1, false},
	{"why", JIT_LINE_SIZE - 1, false},
};

static int bad(struct jb_fault *fault, const char *field, const char *what)
{
	*fault = (struct jb_fault){.http = 400, .code = "request.field"};
	snprintf(fault->message, sizeof(fault->message), "The field '%s' of an event %s.", field, what);
	return -1;
}

static int add(json_object *detail, const char *name, const char *text, struct jb_fault *fault)
{
	char clean[JIT_COMMAND_SIZE];

	jit_text_clean_str(clean, sizeof(clean), text);
	return jit_json_add(detail, name, json_object_new_string(clean)) ? 0 : jb_no_memory(fault);
}

/* A uuid: what ties a begin to its end, and what makes a report the same one again. */
static int read_uuid(json_object *json, const char *name, bool required, char ret[static 37], struct jb_fault *fault)
{
	const char *text;
	bool is_short;

	ret[0] = '\0';
	if (jb_json_text(json, name, JIT_ID_SIZE - 1, &text, fault) < 0)
		return -1;
	if (!text && !required)
		return 0;
	if (!text || !jb_request_parse_id(text, ret, &is_short) || is_short)
		return bad(fault, name, "must be a uuid");
	return 0;
}

static int add_time(json_object *json, json_object *detail, const char *name, bool required, struct jb_fault *fault)
{
	char clean[JIT_ISO_SIZE];
	const char *text;
	int64_t at;

	if (jb_json_text(json, name, 40, &text, fault) < 0)
		return -1;
	if (!text && !required)
		return 0;
	if (!text || jit_iso_parse(text, &at) < 0)
		return bad(fault, name, "must be a time like 2026-11-22T16:00:00Z");
	jit_iso_format(at, clean);
	return add(detail, name, clean, fault);
}

static int add_texts(json_object *json, json_object *detail, struct jb_fault *fault)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const char *text;

		if (jb_json_text(json, fields[i].name, fields[i].max, &text, fault) < 0)
			return -1;
		if (fields[i].required && (!text || !*text))
			return bad(fault, fields[i].name, "must not be empty");
		if (text && *text && add(detail, fields[i].name, text, fault) < 0)
			return -1;
	}
	return 0;
}

static const char *action_of(json_object *json, struct jb_fault *fault)
{
	const char *text;

	if (jb_json_text(json, "type", 64, &text, fault) < 0)
		return NULL;
	for (size_t i = 0; text && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].type, text) == 0)
			return types[i].action;
	bad(fault, "type", "must be one that the broker knows: break_glass.begin or break_glass.end");
	return NULL;
}

int jb_event_read(struct json_object *json, struct jb_event *ret, struct jb_fault *fault)
{
	JIT_JSON json_object *detail = json_object_new_object();
	struct jb_event event = {0};
	char grant[37];

	if (!detail)
		return jb_no_memory(fault);
	if (!json_object_is_type(json, json_type_object))
		return bad(fault, "events", "must be an object");
	if (!(event.action = action_of(json, fault)) || read_uuid(json, "id", true, event.id, fault) < 0 ||
	    read_uuid(json, "grant", false, grant, fault) < 0 || add(detail, "event", event.id, fault) < 0 ||
	    (grant[0] && add(detail, "grant", grant, fault) < 0) || add_time(json, detail, "at", true, fault) < 0 ||
	    add_texts(json, detail, fault) < 0 || add_time(json, detail, "until", false, fault) < 0)
		return -1;
	const char *text = jit_json_text(detail, NULL);
	if (!text || !(event.detail = strdup(text)))
		return jb_no_memory(fault);
	*ret = event;
	return 0;
}

void jb_event_clear(struct jb_event *event)
{
	free(event->detail);
	*event = (struct jb_event){0};
}
