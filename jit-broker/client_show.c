/* See client_show.h. */
#include "client_show.h"

#include <json-c/json.h>
#include <stdint.h>
#include <string.h>

#include "clock.h"
#include "text.h"

#define TEXT_SIZE 5000 /* a command may hold 4096 bytes */

/* A member, cleaned; "" where it is absent. */
static const char *text_of(struct json_object *json, const char *name, char buf[static TEXT_SIZE])
{
	struct json_object *value = NULL;

	json_object_object_get_ex(json, name, &value);
	jit_text_clean_str(buf, TEXT_SIZE, json_object_get_string(value));
	return buf;
}

static void line(FILE *out, struct json_object *json, const char *label, const char *name)
{
	char buf[TEXT_SIZE];

	if (*text_of(json, name, buf))
		fprintf(out, "  %-8s %s\n", label, buf);
}

static void time_left(struct json_object *json, char *buf, size_t size)
{
	char until[TEXT_SIZE];
	int64_t end, now = jit_wall_s();

	if (jit_iso_parse(text_of(json, "pendingUntil", until), &end) < 0)
		*buf = '\0';
	else
		jit_format_duration(end > now ? (uint64_t)(end - now) : 0, buf, size);
}

void jb_show_request(FILE *out, struct json_object *request)
{
	char id[TEXT_SIZE], status[TEXT_SIZE], left[48];

	time_left(request, left, sizeof(left));
	text_of(request, "status", status);
	if (strcmp(status, "PENDING") == 0 && *left)
		fprintf(out, "%s  waits, %s left\n", text_of(request, "shortId", id), left);
	else
		fprintf(out, "%s  %s\n", text_of(request, "shortId", id), status);
	line(out, request, "grants", "grants");
	line(out, request, "who", "requester");
	line(out, request, "login", "loginUser");
	line(out, request, "host", "host");
	line(out, request, "filed by", "filedBy");
	line(out, request, "from", "rhost");
	line(out, request, "command", "command");
	line(out, request, "reason", "reason");
	line(out, request, "ticket", "ticket");
}

void jb_show_list(FILE *out, struct json_object *list, const char *status)
{
	struct json_object *requests = NULL;
	size_t count = 0;

	if (json_object_object_get_ex(list, "requests", &requests) && json_object_is_type(requests, json_type_array))
		count = json_object_array_length(requests);
	for (size_t i = 0; i < count; i++)
		jb_show_request(out, json_object_array_get_idx(requests, i));
	if (count == 0 && strcmp(status, "PENDING") == 0)
		fputs("No request waits for you.\n", out);
	else if (count == 0)
		fprintf(out, "No request that you could have decided is %s.\n", status);
}

/* The character at *s (jb_json_object() let only UTF-8 through) as \uXXXX, or two of them; moves *s past it. */
static void put_escaped(FILE *out, const unsigned char **s)
{
	unsigned n = **s >= 0xf0 ? 4 : **s >= 0xe0 ? 3 : 2;
	uint32_t cp = **s & (0xffU >> (n + 1));

	for (unsigned i = 1; i < n && (*s)[i]; i++)
		cp = cp << 6 | ((*s)[i] & 0x3fU);
	*s += strnlen((const char *)*s, n);
	if (cp >= 0x10000) {
		cp -= 0x10000;
		fprintf(out, "\\u%04x\\u%04x", 0xd800 | cp >> 10, 0xdc00 | (cp & 0x3ff));
	} else {
		fprintf(out, "\\u%04x", cp);
	}
}

void jb_show_json(FILE *out, struct json_object *json)
{
	const char *text =
		json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	const unsigned char *s = (const unsigned char *)(text ? text : "");

	/* Outside ASCII stand strings alone, and there an escape means the same. DEL is the one control json-c passes.
	 */
	while (*s) {
		if (*s >= 0x80)
			put_escaped(out, &s);
		else if (*s == 0x7f)
			fputs("\\u007f", out), s++;
		else
			fputc(*s++, out);
	}
	fputc('\n', out);
}

void jb_show_decision(FILE *out, const char *verb, struct json_object *request)
{
	char id[TEXT_SIZE], status[TEXT_SIZE], who[TEXT_SIZE], grants[TEXT_SIZE], message[TEXT_SIZE];

	text_of(request, "shortId", id);
	text_of(request, "requester", who);
	text_of(request, "status", status);
	if (strcmp(verb, "revoke") == 0)
		fprintf(out, "%s\n", text_of(request, "message", message));
	else if (strcmp(verb, "deny") == 0)
		fprintf(out, "%s is denied: %s gets nothing.\n", id, who);
	else if (strcmp(status, "PENDING") == 0)
		fprintf(out, "%s: your approval counts; it waits for another person's.\n", id);
	else
		fprintf(out, "%s is approved: %s gets %s.\n", id, who, text_of(request, "grants", grants));
}

bool jb_show_wants_code(struct json_object *request)
{
	struct json_object *value = NULL;

	return !json_object_object_get_ex(request, "codeRequired", &value) || json_object_get_boolean(value);
}
