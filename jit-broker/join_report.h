/* What audit join found, kept until all is read, then printed in the order of time. */
#ifndef JB_JOIN_REPORT_H
#define JB_JOIN_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum jb_finding_kind {
	JB_FOREIGN,   /* an AssumeRole of one of our roles that no approval here stands behind */
	JB_ELSEWHERE, /* credentials of ours used from another address than the host's */
	JB_UNUSED,    /* an approval that nobody ever used */
	JB_UNSEEN,    /* credentials issued here that AWS did not log */
};

struct jb_finding {
	enum jb_finding_kind kind;
	int64_t at;
	const char *request; /* short id; "" where there is none */
	const char *key_id;
	const char *address;
};

struct jb_found;

struct jb_report {
	struct jb_found *found;
	size_t count;
	size_t assumed, matched, refused; /* AssumeRoles of our roles: by anybody, by approvals here, refused by AWS */
	int64_t from, to;
	bool no_memory;
};

/* Texts are copied and cleaned. The same credentials from the same address again are counted, not told again. */
__attribute__((format(printf, 3, 4))) void jb_report_add(struct jb_report *report, const struct jb_finding *finding,
							 const char *format, ...);
/* How many findings were printed, or -1: out of memory. */
int jb_report_print(struct jb_report *report, bool json, FILE *out);
void jb_report_clear(struct jb_report *report);

#endif
