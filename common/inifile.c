/* See inifile.h. */
#include "inifile.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "safefile.h"

struct reader {
	const char *name;
	const char *at; /* next byte to read */
	unsigned line;	/* of the line handed out last */
	int errors;
	jit_ini_key on_key;
	jit_ini_error on_error;
	void *arg;
};

static void tell(struct reader *r, const char *sentence)
{
	char message[1024];

	snprintf(message, sizeof(message), "%s:%u: %s", r->name, r->line, sentence);
	r->on_error(r->arg, message);
	r->errors++;
}

/* libinih tells only the first line that is none of what a file is made of, and so we look before it does. */
static bool is_understood(const char *line, size_t len)
{
	const char first = len ? line[strspn(line, " \t\r")] : '\n';

	if (first == '\n' || first == '\0' || first == '#' || first == ';')
		return true;
	return first == '[' ? memchr(line, ']', len) != NULL : memchr(line, '=', len) || memchr(line, ':', len);
}

/* fgets for libinih over memory: counts lines, and refuses those that it would split, or not understand. */
static char *next_line(char *buf, int size, void *stream)
{
	struct reader *r = stream;

	for (;;) {
		if (!*r->at)
			return NULL;
		size_t len = strcspn(r->at, "\n");
		const char *line = r->at;

		r->at += len + (r->at[len] == '\n');
		r->line++;
		if (len > JIT_INI_LINE_MAX || len + 2 > (size_t)size) {
			tell(r, "this line is longer than 198 bytes; repeat the key to go on with a list");
			continue;
		}
		/* libinih would take it for more of the value above: "  approvals = 2" as three targets. */
		size_t blanks = strspn(line, " \t\r");
		if (blanks && blanks < len && line[blanks] != '#' && line[blanks] != ';') {
			tell(r, "this line begins with a blank; write it from the first column on");
			continue;
		}
		if (!is_understood(line, len)) {
			tell(r, "this is neither a [section], a 'name = value' nor a comment");
			continue;
		}
		memcpy(buf, line, len);
		buf[len] = '\n';
		buf[len + 1] = '\0';
		return buf;
	}
}

static int on_pair(void *user, const char *section, const char *name, const char *value)
{
	struct reader *r = user;
	char why[512] = "";

	if (!r->on_key(r->arg, section, name, value ? value : "", r->line, why, sizeof(why)))
		tell(r, why);
	return 1;
}

int jit_ini_parse(const char *name, const char *text, jit_ini_key on_key, jit_ini_error on_error, void *arg)
{
	struct reader r = {.name = name, .at = text, .on_key = on_key, .on_error = on_error, .arg = arg};
	int bad = ini_parse_stream(next_line, &r, on_pair, &r);

	if (bad != 0) { /* libinih's own complaint: what it makes of a line is not what we do */
		r.line = bad > 0 ? (unsigned)bad : 0;
		tell(&r, "this is neither a [section], a 'name = value' nor a comment");
	}
	return r.errors;
}

int jit_ini_read(const char *path, bool secret, jit_ini_key on_key, jit_ini_error on_error, void *arg)
{
	const struct jit_file_rule rule = {.secret = secret, .max_size = JIT_INI_MAX_SIZE};
	JIT_FREE char *text = NULL;
	char why[512];
	size_t len;

	int r = jit_file_read(path, &rule, &text, &len, why, sizeof(why));
	if (r < 0) {
		on_error(arg, why);
		errno = -r;
		return 1;
	}
	int errors = jit_ini_parse(path, text, on_key, on_error, arg);
	if (secret)
		explicit_bzero(text, len);
	return errors;
}
