/* See log_request.h. */
#include "log_request.h"

#include <stdlib.h>
#include <string.h>

#include "draft.h"
#include "log.h"

static bool is_plain(const char *text)
{
	for (const char *c = text; *c; c++)
		if (*c <= ' ' || *c == '"' || *c == '=' || *c == '\\' || *c == 0x7f)
			return false;
	return *text != '\0';
}

static void field(struct jit_draft *line, const char *name, const char *text)
{
	if (!text)
		return;
	jit_draft_printf(line, " %s=", name);
	if (is_plain(text)) {
		jit_draft_text(line, text);
		return;
	}
	jit_draft_char(line, '"');
	for (const char *c = text; *c; c++) {
		if (*c == '"' || *c == '\\')
			jit_draft_char(line, '\\');
		jit_draft_char(line, *c); /* control characters are the log's to replace */
	}
	jit_draft_char(line, '"');
}

void jb_log_request(const char *what, const struct jb_request *r)
{
	struct jit_draft line = {0};

	field(&line, "status", jb_status_name(r->status));
	field(&line, "id", r->id);
	field(&line, "host", r->host);
	field(&line, "filed_by", r->filed_by);
	field(&line, "requester", r->requester);
	field(&line, "role", r->role);
	field(&line, "by", r->ended_by ? r->ended_by : r->decided_by);
	field(&line, "why", r->failure);
	char *text = jit_draft_done(&line, NULL);
	jit_log(LOG_NOTICE, "%s %s%s", r->short_id, what, text ? text : " (out of memory for more)");
	free(text);
}
