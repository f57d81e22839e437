/*
 * See webhook.h. In a message for people in Slack's form all that came from outside
 * stands in code spans: there neither Slack nor its kin look for mentions, links
 * or emphasis. `&`, `<` and `>` are escaped everywhere, a backtick becomes an apostrophe.
 */
#include "webhook.h"

#include <string.h>

#include "cleanup.h"
#include "draft.h"
#include "json.h"
#include "message.h"

static char *text_json(json_object *json)
{
	const char *text = jit_json_text(json, NULL);

	return text ? strdup(text) : NULL;
}

static void write_escaped(struct jit_draft *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			jit_draft_text(out, "&amp;");
			break;
		case '<':
			jit_draft_text(out, "&lt;");
			break;
		case '>':
			jit_draft_text(out, "&gt;");
			break;
		case '`':
			jit_draft_char(out, '\'');
			break;
		default:
			jit_draft_char(out, *text);
		}
	}
}

static void write_code(struct jit_draft *out, const char *text)
{
	jit_draft_char(out, '`');
	write_escaped(out, text);
	jit_draft_char(out, '`');
}

static char *slack_text(const struct jb_message *m, const char *link)
{
	struct jit_draft out = {0};

	write_code(&out, m->headline);
	for (size_t i = 0; i < m->count; i++) {
		jit_draft_printf(&out, "\n%s: ", m->line[i].label);
		write_code(&out, m->line[i].text);
	}
	if (*m->advice)
		jit_draft_printf(&out, "\n%s", m->advice);
	if (*link) {
		jit_draft_text(&out, "\n<");
		write_escaped(&out, link);
		jit_draft_printf(&out, "|%s %s>", m->waits ? "Decide" : "See", m->id);
	}
	return jit_draft_done(&out, NULL);
}

static char *slack_body(json_object *doc, const char *link)
{
	JIT_JSON json_object *json = json_object_new_object();
	struct jb_message message;

	if (!json || !jb_message_read(doc, "", &message))
		return NULL;
	JIT_FREE char *text = slack_text(&message, link);
	if (!text || !jit_json_add(json, "text", json_object_new_string(text)) ||
	    !jit_json_add(json, "mrkdwn", json_object_new_boolean(true)) ||
	    !jit_json_add(json, "unfurl_links", json_object_new_boolean(false)) ||
	    !jit_json_add(json, "unfurl_media", json_object_new_boolean(false)) ||
	    !jit_json_add(json, "link_names", json_object_new_boolean(false)))
		return NULL;
	return text_json(json);
}

char *jb_webhook_body(enum jb_format format, struct json_object *doc, const char *link)
{
	json_object *data;

	if (format == JB_FORMAT_SLACK)
		return slack_body(doc, link);
	if (!json_object_object_get_ex(doc, "data", &data) || !json_object_is_type(data, json_type_object) ||
	    (*link && !jit_json_add(data, "link", json_object_new_string(link))))
		return NULL;
	return text_json(doc);
}
