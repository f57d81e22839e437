/* See audit_anchor.h. */
#include "audit_anchor.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "cleanup.h"
#include "clock.h"
#include "safefile.h"
#include "text.h"

#define ANCHORS_MAX    100000
#define FILE_MAX_BYTES (ANCHORS_MAX * 128)

void jb_anchor_format(int64_t seq, const char *hash, int64_t now, char buf[static JB_ANCHOR_LINE])
{
	char at[JIT_ISO_SIZE];

	jit_iso_format(now, at);
	snprintf(buf, JB_ANCHOR_LINE, "%lld %s %s", (long long)seq, hash, at);
}

/* The next word of the line, cut out. NULL: there is none. */
static char *next_word(char **line)
{
	char *word = *line + strspn(*line, " \t\r\n");
	size_t len = strcspn(word, " \t\r\n");

	if (len == 0)
		return NULL;
	*line = word + len + (word[len] != '\0');
	word[len] = '\0';
	return word;
}

static bool is_hash(const char *word)
{
	return strlen(word) == JB_HASH_SIZE - 1 && strspn(word, "0123456789abcdef") == JB_HASH_SIZE - 1;
}

static bool parse(char *line, struct jb_anchor *ret)
{
	const char *seq = next_word(&line), *hash = seq ? next_word(&line) : NULL, *at = hash ? next_word(&line) : NULL;
	uint64_t number;
	int64_t instant;

	if (!hash || jit_parse_u64(seq, INT64_MAX, &number) < 0 || !is_hash(hash) ||
	    (at && jit_iso_parse(at, &instant) < 0) || next_word(&line))
		return false;
	ret->seq = (int64_t)number;
	snprintf(ret->hash, sizeof(ret->hash), "%s", hash);
	snprintf(ret->at, sizeof(ret->at), "%s", at ? at : "");
	return true;
}

static int add(struct jb_anchors *anchors, char *line)
{
	struct jb_anchor anchor = {0};
	const char *first = line + strspn(line, " \t\r\n");

	if (!*first || *first == '#')
		return 0;
	if (!parse(line, &anchor))
		return -EINVAL;
	struct jb_anchor *grown =
		anchors->count < ANCHORS_MAX ? reallocarray(anchors->anchor, anchors->count + 1, sizeof(anchor)) : NULL;
	if (!grown)
		return -ENOMEM;
	anchors->anchor = grown;
	grown[anchors->count++] = anchor;
	return 0;
}

static int by_seq(const void *a, const void *b)
{
	const struct jb_anchor *x = a, *y = b;

	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static int read_file(const char *path, struct jb_anchors *ret, char *why, size_t why_size)
{
	static const struct jit_file_rule rule = {.linked = true, .max_size = FILE_MAX_BYTES};
	JIT_FREE char *text = NULL;
	char reason[512];
	unsigned number = 0;
	size_t len;
	int r = 0;

	if (jit_file_read(path, &rule, &text, &len, reason, sizeof(reason)) < 0) {
		snprintf(why, why_size, "the anchor: %s", reason);
		return -1;
	}
	char *rest = text;
	for (char *line; r == 0 && (line = strsep(&rest, "\n")) != NULL; number++)
		r = add(ret, line);
	if (r == 0 && ret->count)
		return 0;
	if (r < 0)
		snprintf(why, why_size, "%s:%u: %s", path, number,
			 r == -EINVAL ? "an anchor is a line of jit-broker audit anchor: NUMBER SHA256 TIME"
				      : "there are too many anchors");
	else
		snprintf(why, why_size, "there is no anchor in %s", path);
	return -1;
}

int jb_anchors_read(const char *text_or_file, struct jb_anchors *ret, char *why, size_t why_size)
{
	JIT_FREE char *line = strdup(text_or_file);
	int r = -1;

	*ret = (struct jb_anchors){0};
	/* A number and a hash are no file's name. */
	if (line && add(ret, line) == 0 && ret->count)
		r = 0;
	else
		r = read_file(text_or_file, ret, why, why_size);
	if (r < 0) {
		jb_anchors_clear(ret);
		return -1;
	}
	qsort(ret->anchor, ret->count, sizeof(*ret->anchor), by_seq);
	jb_anchors_meet(ret, 0, JB_AUDIT_FIRST); /* an empty chain is the beginning of every one */
	return 0;
}

void jb_anchors_clear(struct jb_anchors *anchors)
{
	free(anchors->anchor);
	*anchors = (struct jb_anchors){0};
}

const struct jb_anchor *jb_anchors_meet(struct jb_anchors *anchors, int64_t seq, const char *hash)
{
	for (; anchors->met < anchors->count && anchors->anchor[anchors->met].seq == seq; anchors->met++)
		if (strcmp(anchors->anchor[anchors->met].hash, hash) != 0)
			return &anchors->anchor[anchors->met];
	return NULL;
}

const struct jb_anchor *jb_anchors_missed(const struct jb_anchors *anchors)
{
	return anchors->met < anchors->count ? &anchors->anchor[anchors->met] : NULL;
}
