/*
 * Anchors: what somebody kept elsewhere of an earlier end of the chain, a line
 * each ("12 <sha256> 2026-11-23T01:00:00Z": the last record's number, its hash, when
 * it was written down). A chain that lost its end, or was written anew, does
 * not have them. No store here.
 */
#ifndef JB_AUDIT_ANCHOR_H
#define JB_AUDIT_ANCHOR_H

#include <stddef.h>
#include <stdint.h>

#include "secret.h"

struct jb_anchor {
	int64_t seq; /* 0: of an empty chain */
	char hash[JB_HASH_SIZE];
	char at[32]; /* as it was written; "" where it was not */
};

struct jb_anchors {
	struct jb_anchor *anchor; /* by rising seq */
	size_t count;
	size_t met; /* how many the chain has had so far */
};

#define JB_ANCHOR_LINE 128 /* of a line, its end included */
/* The line, without its end. */
void jb_anchor_format(int64_t seq, const char *hash, int64_t now, char buf[static JB_ANCHOR_LINE]);

/* One line, or the name of a file of such lines (empty ones and comments, "# …", count for nothing). 0, or -1 with a
 * sentence in why. The caller clears *ret. */
int jb_anchors_read(const char *text_or_file, struct jb_anchors *ret, char *why, size_t why_size);
void jb_anchors_clear(struct jb_anchors *anchors);

/* The record `seq` of a chain, told in order from 1 on. NULL, or the anchor that names another record. */
const struct jb_anchor *jb_anchors_meet(struct jb_anchors *anchors, int64_t seq, const char *hash);
/* After the last one: the first anchor of a record that never came; NULL when all were met. */
const struct jb_anchor *jb_anchors_missed(const struct jb_anchors *anchors);

#endif
