/*
 * What the doctor found, kept until it is told: findings with a stable code,
 * and the table of what happens at each service's door. Told as text that fits
 * 80 columns, or as JSON (jit(1)).
 */
#ifndef JD_REPORT_H
#define JD_REPORT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

enum jd_severity {
	JD_NOTE,    /* worth knowing */
	JD_WARNING, /* will hurt somebody some day */
	JD_ERROR,   /* the gate is open, or everybody is locked out */
};

struct jd_finding {
	STAILQ_ENTRY(jd_finding) link;
	enum jd_severity severity;
	const char *code; /* stable: "gate.auth_only" */
	char service[64]; /* "": of the host */
	char file[256];	  /* "": none */
	unsigned line;	  /* 0: none */
	char what[640];
	char fix[512]; /* "": nothing is to be done */
};

/* A case at a service's door, and what comes of it. */
struct jd_row {
	STAILQ_ENTRY(jd_row) link;
	const char *situation; /* stable word: "approved", "brokerDown" */
	char outcome[256];
};

struct jd_door {
	STAILQ_ENTRY(jd_door) link;
	char service[64];
	char file[256];
	const char *state; /* "gated", "observed", "spared", "open" */
	STAILQ_HEAD(jd_rows, jd_row) rows;
};

struct jd_report {
	STAILQ_HEAD(jd_findings, jd_finding) findings;
	STAILQ_HEAD(jd_doors, jd_door) doors;
	struct json_object *host; /* facts, for --json */
	const char *only;	  /* service that was asked for, or NULL: all */
	unsigned count[JD_ERROR + 1];
	bool no_memory;
	bool blind; /* something that decides could not be looked at */
};

/* 0 or -ENOMEM. */
int jd_report_start(struct jd_report *report, const char *only);
void jd_report_free(struct jd_report *report);

/*
 * A new finding, to be filled by jd_what and jd_fix; service, file and line may
 * be NULL and 0. Never NULL: a finding that cannot be kept, or that is about
 * another service than asked for, is thrown away after it was filled.
 */
struct jd_finding *jd_find(struct jd_report *report, enum jd_severity severity, const char *code, const char *service,
			   const char *file, unsigned line);
__attribute__((format(printf, 2, 3))) void jd_what(struct jd_finding *finding, const char *format, ...);
__attribute__((format(printf, 2, 3))) void jd_fix(struct jd_finding *finding, const char *format, ...);

/* NULL: out of memory (the report knows), or another service was asked for. */
struct jd_door *jd_door_new(struct jd_report *report, const char *service, const char *file, const char *state);
__attribute__((format(printf, 4, 5))) void jd_row(struct jd_report *report, struct jd_door *door, const char *situation,
						  const char *format, ...);

void jd_print_text(const struct jd_report *report, const char *host, bool colour);
/* 0 or -ENOMEM. */
int jd_print_json(const struct jd_report *report);

#endif
