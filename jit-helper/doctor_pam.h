/*
 * PAM's configuration as libpam reads it (pam.d(5), and Debian's @include):
 * text in memory becomes lines, a service becomes its whole stack with every
 * include in place. Pure: files come through a callback, so that tests and
 * fuzzers hand in what they like. Prefix of the doctor's files: jd_.
 */
#ifndef JD_PAM_H
#define JD_PAM_H

#include <security/_pam_types.h>
#include <stdbool.h>
#include <stddef.h>

#define JD_PAM_CODES _PAM_RETURN_VALUES /* return codes 0 … 31 */

enum jd_phase { JD_AUTH, JD_ACCOUNT, JD_SESSION, JD_PASSWORD, JD_PHASES };

/* What becomes of a module's answer; a positive number jumps over that many lines. */
enum jd_action { JD_IGNORE = 0, JD_OK = -1, JD_DONE = -2, JD_BAD = -3, JD_DIE = -4, JD_RESET = -5 };

enum jd_kind {
	JD_MODULE,
	JD_SUBSTACK, /* its lines follow, one level deeper; itself it answers nothing */
	JD_BROKEN,   /* libpam could not read it and refuses in its place */
};

struct jd_pam_line {
	enum jd_kind kind;
	enum jd_phase phase;
	unsigned level;		   /* depth of substacks */
	int actions[JD_PAM_CODES]; /* enum jd_action or a jump */
	char *control;		   /* as written, without brackets */
	char *module;		   /* as written: a name or an absolute path */
	char **argv;
	int argc;
	const char *file; /* of the stack's list of files */
	unsigned line;
};

/* Something libpam cannot read: it refuses the whole service, or that line. */
struct jd_pam_fault {
	const char *file; /* of the stack's list of files */
	unsigned line;
	char *what;
	bool whole; /* the service's file or an include could not be read to its end: libpam refuses everybody */
};

struct jd_pam_stack {
	struct jd_pam_line *lines; /* of all phases, in order */
	size_t count;
	struct jd_pam_fault *faults;
	size_t fault_count;
	char **files; /* every file that was read, the service's own first */
	size_t file_count;
	bool missing;		    /* there is no file for the service: libpam takes `other` */
	bool from_other[JD_PHASES]; /* no line of its own: libpam takes those of `other` */
};

/*
 * A file by its name, or by an absolute path: its text (NUL-terminated, the
 * caller frees it) and length, and its path. 0, -ENOENT, or -errno.
 */
typedef int (*jd_pam_open)(void *arg, const char *name, char **ret_text, size_t *ret_len, char **ret_path);

/* Where files come from. */
struct jd_pam_source {
	jd_pam_open open;
	void *arg;
};

/* From /etc/pam.d, else /usr/lib/pam.d, in libpam's order; `arg` is not used. */
int jd_pam_open_host(void *arg, const char *name, char **ret_text, size_t *ret_len, char **ret_path);

/*
 * Reads a service's stack. 0 and *ret, faults inside; -ENOMEM. Limits: 16 levels
 * of includes as in libpam, 2048 lines, 256 files.
 */
int jd_pam_read(const char *service, jd_pam_open open, void *arg, struct jd_pam_stack **ret);
/* One file's text alone, for fuzzing: includes find nothing. */
int jd_pam_read_text(const char *text, size_t len, struct jd_pam_stack **ret);
void jd_pam_free(struct jd_pam_stack *stack);

/* "perm_denied" for PAM_PERM_DENIED: the words of [value=action]. */
const char *jd_pam_code_name(int code);
/* The module's name without folder: "pam_unix.so". */
const char *jd_pam_module_name(const struct jd_pam_line *line);
/* "auth", "account", "session", "password" */
const char *jd_pam_phase_name(enum jd_phase phase);
/* Of a line's first word, "account" or "-account"; JD_PHASES: of none. */
enum jd_phase jd_pam_phase(const char *type);

#endif
