/*
 * The text of a file of PAM's, taken apart into the lines that libpam sees, and
 * put together again with lines of ours more or less. Every byte that is not
 * meant stays: comments, blank lines, CRLF, no newline at the end. Pure.
 */
#ifndef JH_PAMD_TEXT_H
#define JH_PAMD_TEXT_H

#include "doctor_pam.h"

/* Stands behind each line that this program wrote; it changes no other. */
#define JH_PAMD_MARK	"# jit-helper pam"
/* Stands before what somebody else wrote and this program took out of service. */
#define JH_PAMD_REMOVED "# pam_jit removed: "

struct jh_pamd_line {
	size_t from, to;      /* its bytes, with the newline */
	unsigned first, last; /* its lines in the file, from 1 */
	enum jd_phase phase;  /* JD_PHASES: @include, or nothing that libpam knows */
	bool includes;	      /* @include: may hold lines of any phase */
	bool broken;	      /* libpam does not take it, and it names the module somewhere */
	bool marked;	      /* names a pam_jit.so and has our mark */
	char *module;	      /* as written, where it is a pam_jit.so; else NULL */
	char *control;	      /* with its brackets, where there is a module */
};

struct jh_pamd_text {
	const char *text; /* as it was handed in */
	size_t len;
	struct jh_pamd_line *lines;
	size_t count;
};

/* `services`: each line begins with the name of a service, as in /etc/pam.conf. 0 or -ENOMEM. */
int jh_pamd_text_read(const char *text, size_t len, bool services, struct jh_pamd_text *ret);
void jh_pamd_text_clear(struct jh_pamd_text *text);

/*
 * What becomes of a line. JH_PAMD_STAND_IN: a line that does nothing takes its place, and jumps count that.
 * JH_PAMD_CONSENT_IN: one that always succeeds does, with the same control.
 */
enum jh_pamd_deed { JH_PAMD_KEEP, JH_PAMD_DELETE, JH_PAMD_COMMENT, JH_PAMD_STAND_IN, JH_PAMD_CONSENT_IN };

/* The text after one deed a line; the caller frees it. 0 or -ENOMEM. */
int jh_pamd_text_edit(const struct jh_pamd_text *text, const enum jh_pamd_deed *deeds, char **ret, size_t *ret_len);
/* The text with `line` (no newline) put before byte `at`, the start of a line or the end. 0 or -ENOMEM. */
int jh_pamd_text_insert(const char *text, size_t len, size_t at, const char *line, char **ret, size_t *ret_len);
/* The text without our marked lines: byte for byte what it was before they were put there. 0 or -ENOMEM. */
int jh_pamd_text_strip(const char *text, size_t len, char **ret, size_t *ret_len);

#endif
