/* See grace.h. */
#include "grace.h"

#include "cleanup.h"
#include "safefile.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONFIG_MAX (256UL << 10) /* bytes of one file */
#define FILES_MAX  64		 /* of one configuration */
#define DEPTH_MAX  16		 /* sshd's own */
#define BLANKS	   " \t\r\f"

/* One reading of a configuration. */
struct search {
	char folder[PATH_MAX]; /* of the first file */
	unsigned files;
	uint32_t grace;
};

static uint32_t unit_seconds(char unit)
{
	switch (unit) {
	case '\0':
	case 's':
	case 'S':
		return 1;
	case 'm':
	case 'M':
		return 60;
	case 'h':
	case 'H':
		return 3600;
	case 'd':
	case 'D':
		return 86400;
	case 'w':
	case 'W':
		return 7 * 86400;
	default:
		return 0;
	}
}

int pj_grace_parse(const char *s, uint32_t *ret)
{
	uint64_t total = 0;

	if (!*s)
		return -EINVAL;
	while (*s) {
		uint64_t n = 0;
		size_t digits = strspn(s, "0123456789");

		for (size_t i = 0; i < digits && n <= INT_MAX; i++)
			n = n * 10 + (uint64_t)(s[i] - '0');
		s += digits;
		size_t fraction = *s == '.' ? 1 + strspn(s + 1, "0123456789") : 0;
		s += fraction;
		uint32_t unit = unit_seconds(*s);
		/* Fractions of a second are let fall, as sshd does; there are none of anything longer. */
		if (digits == 0 || fraction == 1 || unit == 0 || (fraction && unit != 1))
			return -EINVAL;
		total += n * unit;
		if (total > INT_MAX)
			return -EINVAL;
		s += *s != '\0';
	}
	*ret = (uint32_t)total;
	return 0;
}

/*
 * The next word at *rest, which moves past it: up to a blank, or within quotes. NULL at the line's end or at a
 * comment. Cuts up the line.
 */
static char *next_word(char **rest)
{
	char *word = *rest + strspn(*rest, BLANKS), *end;

	if (*word == '\0' || *word == '#')
		return NULL;
	if (*word == '"') {
		word++;
		end = word + strcspn(word, "\"");
	} else {
		end = word + strcspn(word, BLANKS);
	}
	*rest = end + (*end != '\0');
	*end = '\0';
	return word;
}

/* The line's first word, which ends at a blank or at one '='. NULL where there is none. */
static char *next_keyword(char **rest)
{
	char *word = *rest + strspn(*rest, BLANKS);
	size_t len = strcspn(word, BLANKS "=");
	char *after = word + len + strspn(word + len, BLANKS);

	if (len == 0 || *word == '#')
		return NULL;
	*rest = after + (*after == '=');
	word[len] = '\0';
	return word;
}

static bool search_file(struct search *search, const char *path, unsigned depth);

static bool search_files(struct search *search, const char *pattern, unsigned depth)
{
	char path[2 * PATH_MAX];
	glob_t found = {0};
	bool done = false;

	if (pattern[0] == '/')
		snprintf(path, sizeof(path), "%s", pattern);
	else
		snprintf(path, sizeof(path), "%s/%s", search->folder, pattern);
	if (glob(path, 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc && !done; i++)
			done = search_file(search, found.gl_pathv[i], depth);
	globfree(&found);
	return done;
}

/* True: found, or nothing more can be. */
static bool search_line(struct search *search, char *line, unsigned depth, bool *in_match)
{
	char *rest = line, *word = next_keyword(&rest);

	if (!word)
		return false;
	if (strcasecmp(word, "Match") == 0) {
		*in_match = true;
	} else if (!*in_match && strcasecmp(word, "LoginGraceTime") == 0) {
		word = next_word(&rest);
		return word && pj_grace_parse(word, &search->grace) == 0;
	} else if (!*in_match && strcasecmp(word, "Include") == 0) {
		while ((word = next_word(&rest)) != NULL)
			if (search_files(search, word, depth + 1))
				return true;
	}
	return false;
}

/* A Match block ends with its file. */
static bool search_file(struct search *search, const char *path, unsigned depth)
{
	static const struct jit_file_rule rule = {.max_size = CONFIG_MAX};
	JIT_FREE char *real = NULL;
	JIT_FREE char *text = NULL;
	char why[2 * PATH_MAX];
	bool in_match = false;
	size_t len;

	/* sshd follows symbolic links here. */
	if (depth > DEPTH_MAX || search->files++ >= FILES_MAX || !(real = realpath(path, NULL)) ||
	    jit_file_read(real, &rule, &text, &len, why, sizeof(why)) < 0)
		return false;
	char *rest = text;
	for (char *line; (line = strsep(&rest, "\n")) != NULL;)
		if (search_line(search, line, depth, &in_match))
			return true;
	return false;
}

uint32_t pj_grace_read(const char *config)
{
	struct search search = {.grace = PJ_GRACE_DEFAULT};
	const char *slash = strrchr(config, '/');

	snprintf(search.folder, sizeof(search.folder), "%.*s", slash ? (int)(slash - config) : 0, config);
	search_file(&search, config, 0);
	return search.grace;
}
