/*
 * See webhook.h. In a message for people in Slack's form all that came from outside
 * stands in code spans: there neither Slack nor its kin look for mentions, links
 * or emphasis. `&`, `<` and `>` are escaped everywhere, a backtick becomes an apostrophe.
 */
#include "webhook.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "json.h"
#include "message.h"

static char *text_json(json_object *json)
{
	const char *text =
		json ? json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
		     : NULL;

	return text ? strdup(text) : NULL;
}

static bool put(json_object *json, const char *name, json_object *value)
{
	if (value && json_object_object_add(json, name, value) == 0)
		return true;
	json_object_put(value);
	return false;
}

static void write_escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '`':
			fputc('\'', out);
			break;
		default:
			fputc(*text, out);
		}
	}
}

static void write_code(FILE *out, const char *text)
{
	fputc('`', out);
	write_escaped(out, text);
	fputc('`', out);
}

static char *slack_text(const struct jb_message *m, const char *link)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	write_code(out, m->headline);
	for (size_t i = 0; i < m->count; i++) {
		fprintf(out, "\n%s: ", m->line[i].label);
		write_code(out, m->line[i].text);
	}
	if (*m->advice)
		fprintf(out, "\n%s", m->advice);
	if (*link) {
		fputs("\n<", out);
		write_escaped(out, link);
		fprintf(out, "|%s %s>", m->waits ? "Decide" : "See", m->id);
	}
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static char *slack_body(json_object *doc, const char *link)
{
	JIT_JSON json_object *json = json_object_new_object();
	struct jb_message message;

	if (!json || !jb_message_read(doc, "", &message))
		return NULL;
	JIT_FREE char *text = slack_text(&message, link);
	if (!text || !put(json, "text", json_object_new_string(text)) ||
	    !put(json, "mrkdwn", json_object_new_boolean(true)) ||
	    !put(json, "unfurl_links", json_object_new_boolean(false)) ||
	    !put(json, "unfurl_media", json_object_new_boolean(false)) ||
	    !put(json, "link_names", json_object_new_boolean(false)))
		return NULL;
	return text_json(json);
}

char *jb_webhook_body(enum jb_format format, struct json_object *doc, const char *link)
{
	json_object *data;

	if (format == JB_FORMAT_SLACK)
		return slack_body(doc, link);
	if (!json_object_object_get_ex(doc, "data", &data) || !json_object_is_type(data, json_type_object) ||
	    (*link && !put(data, "link", json_object_new_string(link))))
		return NULL;
	return text_json(doc);
}
