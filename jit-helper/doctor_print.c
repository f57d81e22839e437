/* The doctor's report as text for people and as JSON for programs. See doctor_report.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "doctor_report.h"
#include "json.h"

#define COLUMNS	       80
#define INDENT	       4
#define OUTCOME_COLUMN 20

static const char *const severity_words[] = {"note", "warning", "error"};

/* Words of `text` from column `at` on, broken before COLUMNS and indented by `indent`. */
static void print_wrapped(const char *text, int at, int indent)
{
	while (*text) {
		int len = (int)strcspn(text, " ");

		if (at > indent && at + 1 + len > COLUMNS) {
			printf("\n%*s", indent, "");
			at = indent;
		} else if (at > indent) {
			putchar(' ');
			at++;
		}
		printf("%.*s", len, text);
		at += len;
		text += len;
		text += strspn(text, " ");
	}
	putchar('\n');
}

static void print_finding(const struct jd_finding *f, bool colour)
{
	static const char *const colours[] = {"\033[36m", "\033[33m", "\033[31m"};
	static const char *const words[] = {"NOTE", "WARNING", "ERROR"};

	printf("\n%s%s%s  %s%s%s\n", colour ? colours[f->severity] : "", words[f->severity], colour ? "\033[0m" : "",
	       f->service, f->service[0] ? "  " : "", f->code);
	if (f->file[0] && f->line)
		printf("%*s%s:%u\n", INDENT, "", f->file, f->line);
	else if (f->file[0])
		printf("%*s%s\n", INDENT, "", f->file);
	printf("%*s", INDENT, "");
	print_wrapped(f->what, INDENT, INDENT);
	if (f->fix[0]) {
		printf("%*s-> ", INDENT, "");
		print_wrapped(f->fix, INDENT + 3, INDENT + 3);
	}
}

static const struct {
	const char *situation, *words;
} situations[] = {
	{"approved", "approved"},      {"denied", "denied"},	 {"brokerDown", "broker down"},
	{"helperDown", "helper down"}, {"nopasswd", "NOPASSWD"}, {"ticket", "valid ticket"},
	{"nonInteractive", "sudo -n"}, {"list", "sudo -l, -v"},	 {"publickey", "public key"},
	{"root", "root asks"},	       {"exempt", "exempt"},
};

static const char *words_of(const char *situation)
{
	for (size_t i = 0; i < sizeof(situations) / sizeof(situations[0]); i++)
		if (strcmp(situation, situations[i].situation) == 0)
			return situations[i].words;
	return situation;
}

static void print_door(const struct jd_door *door)
{
	const struct jd_row *row;

	printf("\n%s (%s): %s\n", door->service, door->file, door->state);
	for (row = STAILQ_FIRST(&door->rows); row; row = STAILQ_NEXT(row, link)) {
		printf("%*s%-*s", INDENT, "", OUTCOME_COLUMN - INDENT, words_of(row->situation));
		print_wrapped(row->outcome, OUTCOME_COLUMN, OUTCOME_COLUMN);
	}
}

static bool is_open(const struct jd_door *door)
{
	return strcmp(door->state, "open") == 0 && STAILQ_EMPTY(&door->rows);
}

/* Those with a gate each with what happens there, the others in a line. */
static void print_doors(const struct jd_report *report)
{
	const struct jd_door *door;
	const char *before = "\nNot gated: ";

	if (STAILQ_EMPTY(&report->doors))
		return;
	puts("\nWhat happens at each door:");
	for (door = STAILQ_FIRST(&report->doors); door; door = STAILQ_NEXT(door, link))
		if (!is_open(door))
			print_door(door);
	for (door = STAILQ_FIRST(&report->doors); door; door = STAILQ_NEXT(door, link)) {
		if (!is_open(door))
			continue;
		printf("%s%s", before, door->service);
		before = ", ";
	}
	if (before[0] == ',')
		putchar('\n');
}

void jd_print_text(const struct jd_report *report, const char *host, bool colour)
{
	const struct jd_finding *finding;

	printf("jit doctor on %s: %u error%s, %u warning%s, %u note%s\n", host, report->count[JD_ERROR],
	       report->count[JD_ERROR] == 1 ? "" : "s", report->count[JD_WARNING],
	       report->count[JD_WARNING] == 1 ? "" : "s", report->count[JD_NOTE],
	       report->count[JD_NOTE] == 1 ? "" : "s");
	for (finding = STAILQ_FIRST(&report->findings); finding; finding = STAILQ_NEXT(finding, link))
		print_finding(finding, colour);
	print_doors(report);
}

static int put_string(struct json_object *object, const char *name, const char *text)
{
	struct json_object *value = json_object_new_string(text);

	return value && json_object_object_add(object, name, value) == 0 ? 0 : -ENOMEM;
}

static int add_finding(struct json_object *list, const struct jd_finding *f)
{
	JIT_JSON struct json_object *o = json_object_new_object();

	if (!o || put_string(o, "code", f->code) < 0 || put_string(o, "severity", severity_words[f->severity]) < 0 ||
	    (f->service[0] && put_string(o, "service", f->service) < 0) ||
	    (f->file[0] && put_string(o, "file", f->file) < 0) ||
	    (f->line && json_object_object_add(o, "line", json_object_new_int64(f->line)) < 0) ||
	    put_string(o, "what", f->what) < 0 || (f->fix[0] && put_string(o, "fix", f->fix) < 0) ||
	    json_object_array_add(list, o) < 0)
		return -ENOMEM;
	o = NULL;
	return 0;
}

static int add_door(struct json_object *list, const struct jd_door *door)
{
	JIT_JSON struct json_object *o = json_object_new_object();
	struct json_object *rows = json_object_new_object();
	const struct jd_row *row;

	if (!o || !rows || json_object_object_add(o, "outcomes", rows) < 0) {
		json_object_put(rows);
		return -ENOMEM;
	}
	if (put_string(o, "service", door->service) < 0 || put_string(o, "file", door->file) < 0 ||
	    put_string(o, "state", door->state) < 0)
		return -ENOMEM;
	for (row = STAILQ_FIRST(&door->rows); row; row = STAILQ_NEXT(row, link))
		if (put_string(rows, row->situation, row->outcome) < 0)
			return -ENOMEM;
	if (json_object_array_add(list, o) < 0)
		return -ENOMEM;
	o = NULL;
	return 0;
}

/* A new list in the document. NULL: out of memory. */
static struct json_object *add_list(struct json_object *document, const char *name)
{
	struct json_object *list = json_object_new_array();

	if (list && json_object_object_add(document, name, list) == 0)
		return list;
	json_object_put(list);
	return NULL;
}

int jd_print_json(const struct jd_report *report)
{
	JIT_JSON struct json_object *document = json_object_new_object();
	const struct jd_finding *finding;
	const struct jd_door *door;
	struct json_object *findings, *services;

	if (!document || json_object_object_add(document, "version", json_object_new_int(1)) < 0 ||
	    !(findings = add_list(document, "findings")) || !(services = add_list(document, "services")))
		return -ENOMEM;
	for (finding = STAILQ_FIRST(&report->findings); finding; finding = STAILQ_NEXT(finding, link))
		if (add_finding(findings, finding) < 0)
			return -ENOMEM;
	for (door = STAILQ_FIRST(&report->doors); door; door = STAILQ_NEXT(door, link))
		if (add_door(services, door) < 0)
			return -ENOMEM;
	if (json_object_object_add(document, "host", json_object_get(report->host)) < 0)
		return -ENOMEM;
	const char *text =
		json_object_to_json_string_ext(document, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
	if (!text)
		return -ENOMEM;
	puts(text);
	return 0;
}
