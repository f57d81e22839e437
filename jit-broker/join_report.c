/* See join_report.h. */
#include "join_report.h"

#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "doc.h"
#include "text.h"

struct jb_found {
	enum jb_finding_kind kind;
	int64_t at;
	size_t times;
	char request[16], key_id[136], address[64];
	char sentence[1024];
};

static const char *const kinds[] = {
	[JB_FOREIGN] = "foreign", [JB_ELSEWHERE] = "elsewhere", [JB_UNUSED] = "unused", [JB_UNSEEN] = "unseen"};

static void clean(char *buf, size_t size, const char *text)
{
	jit_text_clean_str(buf, size, text);
}

static struct jb_found *find_again(struct jb_report *report, const struct jb_found *found)
{
	for (size_t i = report->count; found->kind == JB_ELSEWHERE && i-- > 0;)
		if (report->found[i].kind == JB_ELSEWHERE && strcmp(report->found[i].key_id, found->key_id) == 0 &&
		    strcmp(report->found[i].address, found->address) == 0)
			return &report->found[i];
	return NULL;
}

void jb_report_add(struct jb_report *report, const struct jb_finding *finding, const char *format, ...)
{
	struct jb_found found = {.kind = finding->kind, .at = finding->at, .times = 1}, *again;
	char sentence[sizeof(found.sentence)];
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	clean(found.sentence, sizeof(found.sentence), sentence);
	clean(found.request, sizeof(found.request), finding->request);
	clean(found.key_id, sizeof(found.key_id), finding->key_id);
	clean(found.address, sizeof(found.address), finding->address);
	if ((again = find_again(report, &found))) {
		again->times++;
		return;
	}
	struct jb_found *grown =
		report->count < INT_MAX ? reallocarray(report->found, report->count + 1, sizeof(found)) : NULL;
	if (!grown) {
		report->no_memory = true;
		return;
	}
	report->found = grown;
	grown[report->count++] = found;
}

static int by_time(const void *a, const void *b)
{
	const struct jb_found *x = a, *y = b;

	return x->at != y->at ? (x->at < y->at ? -1 : 1) : (int)x->kind - (int)y->kind;
}

static void print_text(const struct jb_report *report, FILE *out)
{
	char from[JIT_ISO_SIZE], to[JIT_ISO_SIZE], at[JIT_ISO_SIZE];

	for (size_t i = 0; i < report->count; i++) {
		const struct jb_found *f = &report->found[i];

		jit_iso_format(f->at, at);
		fprintf(out, "%-9s %s  %s", kinds[f->kind], at, f->sentence);
		if (f->times > 1)
			fprintf(out, " (%zu times)", f->times);
		fputc('\n', out);
	}
	jit_iso_format(report->from, from);
	jit_iso_format(report->to, to);
	if (report->from > report->to)
		fputs("no event in the trail\n", out);
	else
		fprintf(out,
			"%s to %s: %zu AssumeRole of the configured roles, %zu of them by approvals here; %zu refused "
			"by "
			"AWS; %zu finding%s\n",
			from, to, report->assumed, report->matched, report->refused, report->count,
			report->count == 1 ? "" : "s");
}

static void add_text(struct jb_doc *doc, const char *name, const char *text)
{
	if (*text)
		jb_doc_text(doc, name, text);
}

static void add_time(struct jb_doc *doc, const char *name, int64_t at)
{
	char iso[JIT_ISO_SIZE];

	jit_iso_format(at, iso);
	add_text(doc, name, iso);
}

static json_object *found_as_json(const struct jb_found *f)
{
	struct jb_doc doc = {json_object_new_object()};

	add_text(&doc, "kind", kinds[f->kind]);
	add_time(&doc, "at", f->at);
	add_text(&doc, "request", f->request);
	add_text(&doc, "accessKeyId", f->key_id);
	add_text(&doc, "address", f->address);
	jb_doc_put(&doc, "times", json_object_new_int64((int64_t)f->times));
	add_text(&doc, "message", f->sentence);
	return doc.json;
}

static int print_json(const struct jb_report *report, FILE *out)
{
	JB_DOC doc = {json_object_new_object()};
	struct jb_doc list = {json_object_new_array()};

	for (size_t i = 0; i < report->count; i++)
		jb_doc_append(&list, found_as_json(&report->found[i]));
	jb_doc_put(&doc, "findings", list.json);
	if (report->from <= report->to) {
		add_time(&doc, "from", report->from);
		add_time(&doc, "to", report->to);
	}
	jb_doc_put(&doc, "assumed", json_object_new_int64((int64_t)report->assumed));
	jb_doc_put(&doc, "matched", json_object_new_int64((int64_t)report->matched));
	jb_doc_put(&doc, "refused", json_object_new_int64((int64_t)report->refused));
	const char *text = jit_json_text(doc.json, NULL);
	if (!text)
		return -1;
	fprintf(out, "%s\n", text);
	return 0;
}

int jb_report_print(struct jb_report *report, bool json, FILE *out)
{
	if (report->no_memory)
		return -1;
	if (report->count)
		qsort(report->found, report->count, sizeof(*report->found), by_time);
	if (json && print_json(report, out) < 0)
		return -1;
	if (!json)
		print_text(report, out);
	return (int)report->count;
}

void jb_report_clear(struct jb_report *report)
{
	free(report->found);
	*report = (struct jb_report){0};
}
