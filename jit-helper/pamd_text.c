/* See pamd_text.h. */
#include "pamd_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"
#include "doctor_line.h"
#include "doctor_walk.h"
#include "draft.h"

void jh_pamd_text_clear(struct jh_pamd_text *text)
{
	for (size_t i = 0; i < text->count; i++) {
		free(text->lines[i].module);
		free(text->lines[i].control);
	}
	free(text->lines);
	*text = (struct jh_pamd_text){0};
}

static bool has_mark(const char *raw, size_t len)
{
	const char *hash = memchr(raw, '#', len);
	const size_t mark = strlen(JH_PAMD_MARK);

	while (len && strchr("\r\n \t", raw[len - 1]))
		len--;
	return hash && (size_t)(raw + len - hash) == mark && memcmp(hash, JH_PAMD_MARK, mark) == 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The third word: what libpam would load. NULL: there is none. */
static char *take_module(char **rest, char **ret_control)
{
	char *module;

	*ret_control = jd_pam_token(rest);
	module = jd_pam_token(rest);
	if (module) /* CRLF: libpam looks for a file of that name, and refuses */
		module[strcspn(module, "\r")] = '\0';
	return module;
}

static bool is_ours(const char *module)
{
	return module && strcmp(base_name(module), JD_OURS) == 0;
}

/* Phase, module and mark; the cursor's line is taken apart. 0 or -ENOMEM. */
static int look_at(struct jh_pamd_line *line, struct jd_pam_cursor *c, bool services)
{
	const char *raw = c->text + line->from, *type;
	char *rest = c->line, *control, *module;

	if (services)
		jd_pam_token(&rest);
	type = jd_pam_token(&rest);
	if (c->broken) { /* and where it got no further than that, the name anywhere in it is enough */
		module = take_module(&rest, &control);
		line->broken =
			memmem(raw, line->to - line->from, JD_OURS, strlen(JD_OURS)) && (!module || is_ours(module));
		return 0;
	}
	line->includes = type && strcasecmp(type, "@include") == 0;
	if (!type || line->includes)
		return 0;
	line->phase = jd_pam_phase(type);
	module = take_module(&rest, &control);
	if (!is_ours(module))
		return 0;
	line->marked = line->first == line->last && has_mark(raw, line->to - line->from);
	line->module = strdup(module);
	if (asprintf(&line->control, strchr(control, '=') ? "[%s]" : "%s", control) < 0)
		line->control = NULL;
	return line->module && line->control ? 0 : -ENOMEM;
}

int jh_pamd_text_read(const char *text, size_t len, bool services, struct jh_pamd_text *ret)
{
	struct jd_pam_cursor c = {.text = text, .len = len};
	struct jh_pamd_text t = {.text = text, .len = len};
	size_t room = 0;
	int r = 0;

	while (r == 0 && jd_pam_next(&c)) {
		if (t.count == room) {
			room = room ? 2 * room : 32;
			struct jh_pamd_line *grown = reallocarray(t.lines, room, sizeof(*grown));
			if (!grown) {
				r = -ENOMEM;
				break;
			}
			t.lines = grown;
		}
		t.lines[t.count] = (struct jh_pamd_line){
			.from = c.from, .to = c.at, .first = c.first, .last = c.last, .phase = JD_PHASES};
		r = look_at(&t.lines[t.count++], &c, services);
	}
	if (r < 0)
		jh_pamd_text_clear(&t);
	else
		*ret = t;
	return r;
}

/* Each of the line's lines behind a "#"; comments between them are only that already. */
static void comment_out(struct jit_draft *out, const struct jh_pamd_text *t, const struct jh_pamd_line *line,
			enum jh_pamd_deed deed)
{
	for (size_t at = line->from; at < line->to;) {
		const char *newline = memchr(t->text + at, '\n', line->to - at);
		size_t end = newline ? (size_t)(newline + 1 - t->text) : line->to;

		if (at == line->from && deed != JH_PAMD_COMMENT)
			jit_draft_printf(out, "%s  %s  pam_permit.so  ", jd_pam_phase_name(line->phase),
					 deed == JH_PAMD_STAND_IN ? "[default=ignore]" : line->control);
		jit_draft_text(out, JH_PAMD_REMOVED);
		jit_draft_put(out, t->text + at, end - at);
		at = end;
	}
}

int jh_pamd_text_edit(const struct jh_pamd_text *t, const enum jh_pamd_deed *deeds, char **ret, size_t *ret_len)
{
	struct jit_draft out = {0};
	size_t len = 0, at = 0;

	for (size_t i = 0; i < t->count; i++) {
		const struct jh_pamd_line *line = &t->lines[i];

		if (deeds[i] == JH_PAMD_KEEP)
			continue;
		jit_draft_put(&out, t->text + at, line->from - at);
		if (deeds[i] != JH_PAMD_DELETE)
			comment_out(&out, t, line, line->phase < JD_PHASES ? deeds[i] : JH_PAMD_COMMENT);
		at = line->to;
	}
	jit_draft_put(&out, t->text + at, t->len - at);
	char *text = jit_draft_done(&out, &len);
	if (!text)
		return -ENOMEM;
	/* The last line had been put behind a text that did not end with a newline. */
	if (t->count && deeds[t->count - 1] == JH_PAMD_DELETE && at == t->len && t->text[t->len - 1] != '\n' && len &&
	    text[len - 1] == '\n')
		text[--len] = '\0';
	*ret = text;
	*ret_len = len;
	return 0;
}

int jh_pamd_text_insert(const char *text, size_t len, size_t at, const char *line, char **ret, size_t *ret_len)
{
	bool open_end = at == len && len > 0 && text[len - 1] != '\n';
	char *made;
	int n = asprintf(&made, "%.*s%s%s%s%.*s", (int)at, text, open_end ? "\n" : "", line, open_end ? "" : "\n",
			 (int)(len - at), text + at);

	if (n < 0)
		return -ENOMEM;
	*ret = made;
	*ret_len = (size_t)n;
	return 0;
}

int jh_pamd_text_strip(const char *text, size_t len, char **ret, size_t *ret_len)
{
	struct jh_pamd_text t;

	if (jh_pamd_text_read(text, len, false, &t) < 0)
		return -ENOMEM;
	enum jh_pamd_deed *deeds = calloc(t.count + 1, sizeof(*deeds));
	int r = deeds ? 0 : -ENOMEM;
	for (size_t i = 0; r == 0 && i < t.count; i++)
		deeds[i] = t.lines[i].marked ? JH_PAMD_DELETE : JH_PAMD_KEEP;
	if (r == 0)
		r = jh_pamd_text_edit(&t, deeds, ret, ret_len);
	free(deeds);
	jh_pamd_text_clear(&t);
	return r;
}
