/* Documents of jit-helper as sentences. See jit.h. */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "jit.h"
#include "text.h"

static enum jit_exit senseless(void)
{
	fputs("jit: the answer of jit-helper makes no sense; install the same version of both\n", stderr);
	return JIT_EXIT_INTERNAL;
}

static struct json_object *read_json(const char *json, size_t len)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *read = tokener ? json_tokener_parse_ex(tokener, json, (int)len) : NULL;

	if (tokener)
		json_tokener_free(tokener);
	return read;
}

static const char *text_of(struct json_object *json, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(json, name, &value) && value ? json_object_get_string(value) : "";
}

static int64_t number_of(struct json_object *json, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(json, name, &value) ? json_object_get_int64(value) : 0;
}

/* "root, postgres" */
static void join(struct json_object *json, const char *name, char *buf, size_t size)
{
	struct json_object *list;
	size_t len = 0;

	buf[0] = '\0';
	if (!json_object_object_get_ex(json, name, &list) || !json_object_is_type(list, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(list) && len < size; i++)
		len += (size_t)snprintf(buf + len, size - len, "%s%s", i ? ", " : "",
					json_object_get_string(json_object_array_get_idx(list, i)));
}

static void print_line(const char *format_line)
{
	char clean[2048];

	jit_text_clean_str(clean, sizeof(clean), format_line);
	puts(clean);
}

static void print_grant(struct json_object *grant)
{
	char targets[512], services[512], left[32], line[2048];
	const char *by = text_of(grant, "approvedBy");
	bool active = strcmp(text_of(grant, "state"), "ACTIVE") == 0;

	join(grant, "targets", targets, sizeof(targets));
	join(grant, "services", services, sizeof(services));
	jit_format_duration((uint64_t)number_of(grant, "remaining"), left, sizeof(left));
	snprintf(line, sizeof(line), "%s  role %s as %s by %s, %s%s, approved by %s", text_of(grant, "shortId"),
		 text_of(grant, "role"), targets, services, left, active ? " left" : " from its first use on",
		 by[0] ? by : "the broker");
	print_line(line);
}

enum jit_exit jit_print_status(const char *json, size_t len)
{
	struct json_object *doc = read_json(json, len), *list;
	enum jit_exit status = JIT_EXIT_OK;

	if (!json_object_is_type(doc, json_type_object) || !json_object_object_get_ex(doc, "grants", &list) ||
	    !json_object_is_type(list, json_type_array)) {
		json_object_put(doc);
		return senseless();
	}
	for (size_t i = 0; i < json_object_array_length(list); i++)
		print_grant(json_object_array_get_idx(list, i));
	if (json_object_array_length(list) == 0) {
		puts("This login session holds no grant.");
		status = JIT_EXIT_NOTHING;
	}
	json_object_put(doc);
	return status;
}

enum jit_exit jit_print_ended(const char *json, size_t len)
{
	struct json_object *doc = read_json(json, len);
	char ended[2048];

	if (!json_object_is_type(doc, json_type_object)) {
		json_object_put(doc);
		return senseless();
	}
	join(doc, "ended", ended, sizeof(ended) - 16);
	json_object_put(doc);
	fputs("Given back: ", stdout);
	print_line(ended);
	return JIT_EXIT_OK;
}
