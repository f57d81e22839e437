/* See log_request.h. */
#include "log_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

static bool is_plain(const char *text)
{
	for (const char *c = text; *c; c++)
		if (*c <= ' ' || *c == '"' || *c == '=' || *c == '\\' || *c == 0x7f)
			return false;
	return *text != '\0';
}

static void field(FILE *line, const char *name, const char *text)
{
	if (!text)
		return;
	fprintf(line, " %s=", name);
	if (is_plain(text)) {
		fputs(text, line);
		return;
	}
	fputc('"', line);
	for (const char *c = text; *c; c++) {
		if (*c == '"' || *c == '\\')
			fputc('\\', line);
		fputc(*c, line); /* control characters are the log's to replace */
	}
	fputc('"', line);
}

void jb_log_request(const char *what, const struct jb_request *r)
{
	char *text = NULL;
	size_t size;
	FILE *line = open_memstream(&text, &size);

	if (!line)
		return;
	field(line, "status", jb_status_name(r->status));
	field(line, "id", r->id);
	field(line, "host", r->host);
	field(line, "filed_by", r->filed_by);
	field(line, "requester", r->requester);
	field(line, "role", r->role);
	field(line, "by", r->ended_by ? r->ended_by : r->decided_by);
	field(line, "why", r->failure);
	if (fclose(line) == 0)
		jit_log(LOG_NOTICE, "%s %s%s", r->short_id, what, text);
	free(text);
}
