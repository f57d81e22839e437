/* See message.h. */
#include "message.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

static const char *text_of(json_object *json, const char *name)
{
	json_object *value;

	return json_object_object_get_ex(json, name, &value) && json_object_is_type(value, json_type_string)
		       ? json_object_get_string(value)
		       : "";
}

static void add(struct jb_message *m, const char *label, const char *text)
{
	if (!*text || m->count == JB_MESSAGE_LINES)
		return;
	m->line[m->count].label = label;
	jit_text_clean_str(m->line[m->count++].text, JB_MESSAGE_TEXT, text);
}

static void set_headline(struct jb_message *m, const char *text)
{
	jit_text_clean_str(m->headline, sizeof(m->headline), text);
}

/* "approved by appr1" */
static void what_became(json_object *data, const char *type, char *buf, size_t size)
{
	static const struct {
		const char *type, *words, *by; /* by: the member that says who */
	} became[] = {
		{"request.approved", "approved", "decidedBy"}, {"request.denied", "denied", "decidedBy"},
		{"request.expired", "expired", NULL},	       {"request.cancelled", "withdrawn", NULL},
		{"request.revoked", "revoked", "endedBy"},     {"request.failed", "failed", NULL},
		{"request.ended", "given back", NULL},
	};
	const char *status = text_of(data, "status");

	if (strcmp(type, "request.filed") == 0)
		snprintf(buf, size, "%s",
			 strcmp(status, "PENDING") == 0	   ? "waits for a decision"
			 : strcmp(status, "APPROVED") == 0 ? "approved by policy"
							   : "denied by policy");
	else
		snprintf(buf, size, "%s", type);
	for (size_t i = 0; i < sizeof(became) / sizeof(became[0]); i++) {
		const char *by = became[i].by ? text_of(data, became[i].by) : "";

		if (strcmp(became[i].type, type) == 0)
			snprintf(buf, size, "%s%s%.120s", became[i].words, *by ? " by " : "", by);
	}
}

static void add_requester(struct jb_message *m, json_object *data)
{
	const char *requester = text_of(data, "requester"), *login = text_of(data, "loginUser");
	char text[JB_MESSAGE_TEXT];

	snprintf(text, sizeof(text), "%.255s%s%.120s%s", requester, *login && strcmp(login, requester) != 0 ? " (" : "",
		 strcmp(login, requester) != 0 ? login : "",
		 *login && strcmp(login, requester) != 0 ? " logged in)" : "");
	add(m, "Requester", text);
}

static void read_request(json_object *data, const char *type, struct jb_message *m)
{
	json_object *code;
	char what[160], headline[1024];

	what_became(data, type, what, sizeof(what));
	snprintf(m->id, sizeof(m->id), "%.39s", text_of(data, "shortId"));
	m->waits = strcmp(type, "request.filed") == 0 && strcmp(text_of(data, "status"), "PENDING") == 0;
	m->wants_code = json_object_object_get_ex(data, "codeRequired", &code) && json_object_get_boolean(code);
	snprintf(headline, sizeof(headline), "%s: %.60s, %.60s on %.60s: %s", m->id, text_of(data, "requester"),
		 text_of(data, "role"), text_of(data, "host"), what);
	set_headline(m, headline);
	add(m, "Grants", text_of(data, "grants"));
	add_requester(m, data);
	add(m, "Host", text_of(data, "host"));
	add(m, "Filed by", text_of(data, "filedBy"));
	add(m, "From", text_of(data, "rhost"));
	add(m, "Command", text_of(data, "command"));
	add(m, "Reason", text_of(data, "reason"));
	add(m, "Ticket", text_of(data, "ticket"));
	add(m, "Asked at", text_of(data, "requestedAt"));
	if (m->waits)
		add(m, "Decide by", text_of(data, "pendingUntil"));
	else
		add(m, "Decided by", text_of(data, "decidedBy"));
	add(m, "Ended by", text_of(data, "endedBy"));
	add(m, "Comment", text_of(data, "comment"));
	add(m, "Failure", text_of(data, "failure"));
}

static void read_break_glass(json_object *data, const char *type, struct jb_message *m)
{
	char headline[1024];

	snprintf(headline, sizeof(headline), "%.60s: %.60s %s", text_of(data, "host"), text_of(data, "requester"),
		 strcmp(type, "host.break_glass.begin") == 0 ? "broke glass" : "and break-glass: it is over");
	set_headline(m, headline);
	add(m, "Grants", "any command sudoers allows on that host, without an approver, and no AWS credentials");
	add_requester(m, data);
	add(m, "Host", text_of(data, "host"));
	add(m, "Service", text_of(data, "service"));
	add(m, "Target", text_of(data, "target"));
	add(m, "From", text_of(data, "rhost"));
	add(m, "Command", text_of(data, "command"));
	add(m, "Reason", text_of(data, "reason"));
	add(m, "At", text_of(data, "at"));
	add(m, "Until", text_of(data, "until"));
	add(m, "Trouble", text_of(data, "trouble"));
	add(m, "Why", text_of(data, "why"));
}

bool jb_message_read(struct json_object *doc, const char *receiver, struct jb_message *ret)
{
	json_object *data;
	const char *type = text_of(doc, "type");

	*ret = (struct jb_message){.advice = ""};
	if (!*type || !json_object_object_get_ex(doc, "data", &data) || !json_object_is_type(data, json_type_object))
		return false;
	if (strncmp(type, "request.", 8) == 0) {
		read_request(data, type, ret);
	} else if (strncmp(type, "host.", 5) == 0) {
		read_break_glass(data, type, ret);
	} else {
		set_headline(ret, "a test of jit-broker's notifications");
		add(ret, "Test", text_of(data, "message"));
	}
	if (strncmp(receiver, "requester:", 10) == 0) {
		ret->waits = false;
		ret->advice = "Your name was used for this. If it was not you, tell those who run jit-broker at once.";
	} else if (ret->waits) {
		ret->advice = ret->wants_code ? "To decide, you need the code that the requester's terminal shows."
					      : "To decide, talk to the requester first.";
	}
	return true;
}
