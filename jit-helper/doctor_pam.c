/* See doctor_pam.h. What is done with a line follows Linux-PAM's pam_handlers.c and pam_misc.c. */
#include "doctor_pam.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"
#include "doctor_file.h"
#include "doctor_line.h"
#include "safefile.h"
#include "text.h"

#define LEVELS_MAX 16
#define LINES_MAX  2048
#define FILES_MAX  256
#define ARGS_MAX   128
#define FILE_MAX   262144
#define ANY_PHASE  JD_PHASES

struct reading {
	struct jd_pam_stack *stack;
	jd_pam_open open;
	void *arg;
	size_t lines_room;
	int error; /* of the last file that could not be opened */
	bool no_memory;
};

/* Where a line stands and what was asked of it. */
struct place {
	const char *file;
	unsigned line;
	enum jd_phase wanted; /* ANY_PHASE, or of the include that led here */
	unsigned includes, level;
};

static const char *const phase_names[] = {"auth", "account", "session", "password"};

static const char *const code_names[JD_PAM_CODES] = {
	"success",
	"open_err",
	"symbol_err",
	"service_err",
	"system_err",
	"buf_err",
	"perm_denied",
	"auth_err",
	"cred_insufficient",
	"authinfo_unavail",
	"user_unknown",
	"maxtries",
	"new_authtok_reqd",
	"acct_expired",
	"session_err",
	"cred_unavail",
	"cred_expired",
	"cred_err",
	"no_module_data",
	"conv_err",
	"authtok_err",
	"authtok_recover_err",
	"authtok_lock_busy",
	"authtok_disable_aging",
	"try_again",
	"ignore",
	"abort",
	"authtok_expired",
	"module_unknown",
	"bad_item",
	"conv_again",
	"incomplete",
};

const char *jd_pam_code_name(int code)
{
	return code >= 0 && code < JD_PAM_CODES ? code_names[code] : "unknown";
}

const char *jd_pam_phase_name(enum jd_phase phase)
{
	return phase_names[phase];
}

enum jd_phase jd_pam_phase(const char *type)
{
	enum jd_phase phase = JD_AUTH;

	while (phase < JD_PHASES && strcasecmp(type + (type[0] == '-' ? 1 : 0), phase_names[phase]) != 0)
		phase++;
	return phase;
}

const char *jd_pam_module_name(const struct jd_pam_line *line)
{
	const char *slash = line->module ? strrchr(line->module, '/') : NULL;

	return slash ? slash + 1 : line->module ? line->module : "";
}

static void line_clear(struct jd_pam_line *line)
{
	for (int i = 0; i < line->argc; i++)
		free(line->argv[i]);
	free(line->argv);
	free(line->control);
	free(line->module);
}

void jd_pam_free(struct jd_pam_stack *stack)
{
	if (!stack)
		return;
	for (size_t i = 0; i < stack->count; i++)
		line_clear(&stack->lines[i]);
	for (size_t i = 0; i < stack->fault_count; i++)
		free(stack->faults[i].what);
	for (size_t i = 0; i < stack->file_count; i++)
		free(stack->files[i]);
	free(stack->lines);
	free(stack->faults);
	free(stack->files);
	free(stack);
}

/* libpam gives the whole service up (`whole`), or refuses in that line's place. */
static void fault(struct reading *r, const struct place *at, bool whole, const char *what, const char *which)
{
	struct jd_pam_stack *s = r->stack;

	if (s->fault_count >= LINES_MAX)
		return;
	struct jd_pam_fault *grown = reallocarray(s->faults, s->fault_count + 1, sizeof(*grown));
	char clean[256], *text = NULL;

	if (grown)
		s->faults = grown;
	jit_text_clean_str(clean, sizeof(clean), which ? which : "");
	if (!grown || asprintf(&text, "%s%s%s%s", what, clean[0] ? " \"" : "", clean, clean[0] ? "\"" : "") < 0) {
		r->no_memory = true;
		return;
	}
	s->faults[s->fault_count++] =
		(struct jd_pam_fault){.file = at->file, .line = at->line, .what = text, .whole = whole};
}

static void set_all(int *actions, int action)
{
	for (int i = 0; i < JD_PAM_CODES; i++)
		actions[i] = action;
}

static bool set_keyword(int *actions, const char *word)
{
	static const struct {
		const char *word;
		int success, ignore, other;
	} known[] = {
		{"required", JD_OK, JD_IGNORE, JD_BAD},
		{"requisite", JD_OK, JD_IGNORE, JD_DIE},
		{"optional", JD_OK, JD_IGNORE, JD_IGNORE},
		{"sufficient", JD_DONE, JD_IGNORE, JD_IGNORE},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcasecmp(word, known[i].word) != 0)
			continue;
		set_all(actions, known[i].other);
		actions[PAM_SUCCESS] = actions[PAM_NEW_AUTHTOK_REQD] = known[i].success;
		actions[PAM_IGNORE] = known[i].ignore;
		return true;
	}
	return false;
}

static bool read_action(const char *word, int *ret)
{
	static const struct {
		const char *word;
		int action;
	} known[] = {{"ignore", JD_IGNORE}, {"ok", JD_OK},   {"done", JD_DONE},
		     {"bad", JD_BAD},	    {"die", JD_DIE}, {"reset", JD_RESET}};
	uint64_t jump;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(word, known[i].word) != 0)
			continue;
		*ret = known[i].action;
		return true;
	}
	if (jit_parse_u64(word, LINES_MAX, &jump) < 0 || jump == 0)
		return false;
	*ret = (int)jump;
	return true;
}

/* "success=ok new_authtok_reqd=ok ignore=ignore default=bad" */
static bool set_pairs(int *actions, const char *text)
{
	const int unset = JD_RESET - 1;
	char copy[JD_PAM_LINE_SIZE], *rest = copy, *word;
	int fallback = unset; /* the first `default` counts */

	if (strlen(text) >= sizeof(copy))
		return false;
	memcpy(copy, text, strlen(text) + 1);
	set_all(actions, unset);
	while ((word = strsep(&rest, JD_PAM_BLANKS))) {
		char *value = strchr(word, '=');
		int code = 0, action;

		if (!*word)
			continue;
		if (!value)
			return false;
		*value++ = '\0';
		if (!read_action(value, &action))
			return false;
		while (code < JD_PAM_CODES && strcmp(word, code_names[code]) != 0)
			code++;
		if (code < JD_PAM_CODES)
			actions[code] = action;
		else if (strcmp(word, "default") == 0)
			fallback = fallback == unset ? action : fallback;
		else
			return false;
	}
	for (int i = 0; i < JD_PAM_CODES; i++)
		actions[i] = actions[i] != unset ? actions[i] : fallback != unset ? fallback : JD_BAD;
	return true;
}

static struct jd_pam_line *add_line(struct reading *r, const struct place *at, enum jd_kind kind, enum jd_phase phase)
{
	struct jd_pam_stack *s = r->stack;

	if (s->count == r->lines_room) {
		size_t room = r->lines_room ? 2 * r->lines_room : 32;
		struct jd_pam_line *grown = reallocarray(s->lines, room, sizeof(*grown));

		if (!grown) {
			r->no_memory = true;
			return NULL;
		}
		s->lines = grown;
		r->lines_room = room;
	}
	struct jd_pam_line *line = &s->lines[s->count++];
	*line = (struct jd_pam_line){
		.kind = kind, .phase = phase, .level = at->level, .file = at->file, .line = at->line};
	set_all(line->actions, JD_BAD);
	return line;
}

static bool read_file(struct reading *r, const char *name, const struct place *from);

static void set_arguments(struct reading *r, struct jd_pam_line *line, const struct place *at, char *rest)
{
	char *arg;

	line->argv = calloc(ARGS_MAX, sizeof(*line->argv));
	while (line->argv && line->argc < ARGS_MAX && (arg = jd_pam_token(&rest))) {
		line->argv[line->argc] = strdup(arg);
		if (!line->argv[line->argc])
			break;
		line->argc++;
	}
	if (!line->argv)
		r->no_memory = true;
	else if (line->argc == ARGS_MAX)
		fault(r, at, false, "this line has too many arguments", NULL);
}

static void read_module(struct reading *r, const struct place *at, enum jd_phase phase, const char *control, char *rest)
{
	struct jd_pam_line *line = add_line(r, at, JD_MODULE, phase);
	char *module = jd_pam_token(&rest);

	if (!line)
		return;
	if (!set_keyword(line->actions, control) && !set_pairs(line->actions, control)) {
		set_all(line->actions, JD_BAD);
		line->kind = JD_BROKEN;
		fault(r, at, false, "this control is not known:", control);
	}
	if (!module) {
		line->kind = JD_BROKEN;
		fault(r, at, false, "this line names no module", NULL);
	}
	line->control = strdup(control);
	line->module = strdup(module ? module : "");
	if (!line->control || !line->module)
		r->no_memory = true;
	set_arguments(r, line, at, rest);
}

/*
 * What stands in another file, of the wanted phase. Where it cannot be had libpam
 * gives the service up, or where one phase asked for it refuses in that phase.
 */
static void include(struct reading *r, const struct place *at, enum jd_phase wanted, const char *name, unsigned deeper)
{
	struct place inner = *at;
	bool whole = wanted == ANY_PHASE;
	size_t faults = r->stack->fault_count;

	inner.wanted = wanted;
	inner.includes++;
	inner.level += deeper;
	if (!name)
		fault(r, at, whole, "this include names no file", NULL);
	else if (inner.includes >= LEVELS_MAX)
		fault(r, at, whole, "includes lie deeper than libpam follows them:", name);
	else if (!read_file(r, name, &inner))
		fault(r, at, whole, "this include cannot be read:", name);
	if (!whole && r->stack->fault_count > faults && r->stack->faults[faults].file == at->file)
		add_line(r, at, JD_BROKEN, wanted);
}

/* One whole line, comments gone. */
static void read_line(struct reading *r, char *text, const struct place *at)
{
	char *rest = text, *type = jd_pam_token(&rest), *control;

	if (!type)
		return;
	if (strcasecmp(type, "@include") == 0) {
		include(r, at, at->wanted, jd_pam_token(&rest), 0);
		return;
	}
	enum jd_phase phase = jd_pam_phase(type);
	if (phase == JD_PHASES) {
		fault(r, at, false, "this is no type of PAM line:", type);
		add_line(r, at, JD_BROKEN, at->wanted == ANY_PHASE ? JD_AUTH : at->wanted);
		return;
	}
	if (at->wanted != ANY_PHASE && phase != at->wanted)
		return;
	control = jd_pam_token(&rest);
	if (!control) {
		fault(r, at, false, "this line has no control", NULL);
		add_line(r, at, JD_BROKEN, phase);
	} else if (strcasecmp(control, "include") == 0) {
		include(r, at, phase, jd_pam_token(&rest), 0);
	} else if (strcasecmp(control, "substack") == 0) {
		add_line(r, at, JD_SUBSTACK, phase);
		include(r, at, phase, jd_pam_token(&rest), 1);
	} else {
		read_module(r, at, phase, control, rest);
	}
}

static void read_text(struct reading *r, const char *text, size_t len, struct place *at)
{
	struct jd_pam_cursor cursor = {.text = text, .len = len};

	while (!r->no_memory && jd_pam_next(&cursor)) {
		at->line = cursor.last;
		if (cursor.broken) {
			fault(r, at, true, "this line is longer than libpam takes, or ends with a \\", NULL);
			return;
		}
		if (r->stack->count >= LINES_MAX || r->stack->fault_count >= LINES_MAX) {
			fault(r, at, true, "this stack has more lines than are looked at", NULL);
			return;
		}
		read_line(r, cursor.line, at);
	}
}

/* The stack keeps the path: lines and faults point at it. NULL: out of memory. */
static const char *keep_path(struct reading *r, char *path)
{
	struct jd_pam_stack *s = r->stack;
	char **grown = reallocarray(s->files, s->file_count + 1, sizeof(*grown));

	if (!grown || !path) {
		s->files = grown ? grown : s->files;
		free(path);
		r->no_memory = true;
		return NULL;
	}
	s->files = grown;
	return s->files[s->file_count++] = path;
}

/* False: there is no such file, or it cannot be read; what is wrong inside of it has been told. */
static bool read_file(struct reading *r, const char *name, const struct place *from)
{
	JIT_FREE char *text = NULL;
	char *path = NULL;
	struct place at = *from;
	size_t len = 0;

	if (r->stack->file_count >= FILES_MAX || r->stack->fault_count >= LINES_MAX)
		return false;
	r->error = r->open(r->arg, name, &text, &len, &path);
	r->no_memory = r->no_memory || r->error == -ENOMEM;
	if (r->error < 0)
		return false;
	at.line = 0;
	at.file = keep_path(r, path);
	if (at.file)
		read_text(r, text, len, &at);
	return true;
}

static bool has_phase(const struct jd_pam_stack *stack, enum jd_phase phase)
{
	for (size_t i = 0; i < stack->count; i++)
		if (stack->lines[i].phase == phase)
			return true;
	return false;
}

/* A phase without a line: libpam takes those of `other`. */
static void fill_from_other(struct reading *r)
{
	for (enum jd_phase phase = JD_AUTH; phase < JD_PHASES; phase++) {
		const struct place at = {.file = "other", .wanted = phase};

		if (has_phase(r->stack, phase))
			continue;
		r->stack->from_other[phase] = true;
		read_file(r, "other", &at);
	}
}

static int finish(struct reading *r, struct jd_pam_stack **ret)
{
	if (r->no_memory) {
		jd_pam_free(r->stack);
		return -ENOMEM;
	}
	*ret = r->stack;
	return 0;
}

int jd_pam_read(const char *service, jd_pam_open open, void *arg, struct jd_pam_stack **ret)
{
	struct reading r = {.stack = calloc(1, sizeof(*r.stack)), .open = open, .arg = arg};
	const struct place at = {.file = "", .wanted = ANY_PHASE};

	if (!r.stack)
		return -ENOMEM;
	r.stack->missing = !read_file(&r, service, &at);
	if (r.stack->missing && r.error != -ENOENT)
		fault(&r, &at, true,
		      "its file cannot be looked at:", r.error == -EINVAL ? "no regular file" : strerror(-r.error));
	if (strcmp(service, "other") != 0)
		fill_from_other(&r);
	return finish(&r, ret);
}

static int open_nothing(void *arg, const char *name, char **ret_text, size_t *ret_len, char **ret_path)
{
	(void)arg;
	(void)name;
	(void)ret_text;
	(void)ret_len;
	(void)ret_path;
	return -ENOENT;
}

int jd_pam_read_text(const char *text, size_t len, struct jd_pam_stack **ret)
{
	struct reading r = {.stack = calloc(1, sizeof(*r.stack)), .open = open_nothing};
	struct place at = {.file = "text", .wanted = ANY_PHASE};

	if (!r.stack)
		return -ENOMEM;
	read_text(&r, text, len, &at);
	return finish(&r, ret);
}

static int open_path(char *path, char **ret_text, size_t *ret_len, char **ret_path)
{
	JIT_FCLOSE FILE *file = jd_file_open(path);
	JIT_FREE char *text = file ? malloc(FILE_MAX + 1) : NULL;

	if (!file || !text)
		return file ? -ENOMEM : -errno;
	size_t len = fread(text, 1, FILE_MAX + 1, file);
	if (ferror(file) || len > FILE_MAX)
		return ferror(file) ? -EIO : -EFBIG;
	text[len] = '\0';
	*ret_len = len;
	*ret_text = JIT_TAKE(text);
	*ret_path = path;
	return 0;
}

int jd_pam_open_host(void *arg, const char *name, char **ret_text, size_t *ret_len, char **ret_path)
{
	static const char *const folders[] = {"/etc/pam.d/", "/usr/lib/pam.d/"};
	int error = -ENOENT;

	(void)arg;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]) && error == -ENOENT; i++) {
		char *path;

		if (asprintf(&path, "%s%s", name[0] == '/' ? "" : folders[i], name) < 0)
			return -ENOMEM;
		error = open_path(path, ret_text, ret_len, ret_path);
		if (error < 0)
			free(path);
	}
	return error;
}
