/* See doctor_report.h. */
#include "doctor_report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

int jd_report_start(struct jd_report *report, const char *only)
{
	*report = (struct jd_report){.only = only, .host = json_object_new_object()};
	STAILQ_INIT(&report->findings);
	STAILQ_INIT(&report->doors);
	return report->host ? 0 : -ENOMEM;
}

static void door_free(struct jd_door *door)
{
	struct jd_row *row;

	while ((row = STAILQ_FIRST(&door->rows))) {
		STAILQ_REMOVE_HEAD(&door->rows, link);
		free(row);
	}
	free(door);
}

void jd_report_free(struct jd_report *report)
{
	struct jd_finding *finding;
	struct jd_door *door;

	while ((finding = STAILQ_FIRST(&report->findings))) {
		STAILQ_REMOVE_HEAD(&report->findings, link);
		free(finding);
	}
	while ((door = STAILQ_FIRST(&report->doors))) {
		STAILQ_REMOVE_HEAD(&report->doors, link);
		door_free(door);
	}
	json_object_put(report->host);
}

static bool is_wanted(const struct jd_report *report, const char *service)
{
	return !report->only || !service || !*service || strcmp(report->only, service) == 0;
}

struct jd_finding *jd_find(struct jd_report *report, enum jd_severity severity, const char *code, const char *service,
			   const char *file, unsigned line)
{
	static struct jd_finding discarded;
	struct jd_finding *f;

	if (!is_wanted(report, service))
		return &discarded;
	f = calloc(1, sizeof(*f));
	if (!f) {
		report->no_memory = true;
		return &discarded;
	}
	f->severity = severity;
	f->code = code;
	f->line = line;
	jit_text_clean_str(f->service, sizeof(f->service), service);
	jit_text_clean_str(f->file, sizeof(f->file), file);
	report->count[severity]++;
	/* The worst first, in the order in which they were found. */
	struct jd_finding *before = NULL, *other;
	for (other = STAILQ_FIRST(&report->findings); other; other = STAILQ_NEXT(other, link))
		if (other->severity >= severity)
			before = other;
	if (before)
		STAILQ_INSERT_AFTER(&report->findings, before, f, link);
	else
		STAILQ_INSERT_HEAD(&report->findings, f, link);
	return f;
}

__attribute__((format(printf, 3, 0))) static void put_text(char *buf, size_t size, const char *format, va_list args)
{
	char raw[1024];

	vsnprintf(raw, sizeof(raw), format, args);
	jit_text_clean_str(buf, size, raw);
}

void jd_what(struct jd_finding *finding, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_text(finding->what, sizeof(finding->what), format, args);
	va_end(args);
}

void jd_fix(struct jd_finding *finding, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_text(finding->fix, sizeof(finding->fix), format, args);
	va_end(args);
}

struct jd_door *jd_door_new(struct jd_report *report, const char *service, const char *file, const char *state)
{
	struct jd_door *door = is_wanted(report, service) ? calloc(1, sizeof(*door)) : NULL;

	if (!door) {
		report->no_memory = report->no_memory || is_wanted(report, service);
		return NULL;
	}
	STAILQ_INIT(&door->rows);
	door->state = state;
	jit_text_clean_str(door->service, sizeof(door->service), service);
	jit_text_clean_str(door->file, sizeof(door->file), file);
	STAILQ_INSERT_TAIL(&report->doors, door, link);
	return door;
}

void jd_row(struct jd_report *report, struct jd_door *door, const char *situation, const char *format, ...)
{
	struct jd_row *row = calloc(1, sizeof(*row));
	va_list args;

	if (!row) {
		report->no_memory = true;
		return;
	}
	row->situation = situation;
	va_start(args, format);
	put_text(row->outcome, sizeof(row->outcome), format, args);
	va_end(args);
	STAILQ_INSERT_TAIL(&door->rows, row, link);
}
