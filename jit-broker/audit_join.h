/*
 * The audit chain beside CloudTrail: what AWS saw that nobody approved here, and
 * what was approved here that AWS did not see. Read-only.
 */
#ifndef JB_AUDIT_JOIN_H
#define JB_AUDIT_JOIN_H

#include <stdbool.h>
#include <stdio.h>

#include "conf.h"
#include "store.h"

struct jb_join {
	const struct jb_conf *conf; /* which roles are ours, and where hosts are */
	struct jb_store *store;
	char *const *files; /* CloudTrail's log files */
	size_t file_count;
	int64_t from, to; /* of what is looked at; 0 and INT64_MAX: from the trail's first event to its last */
	bool json;
};

/* Prints what it finds, a line each, and a summary (or one JSON object). How many were found, or -1 with a sentence. */
int jb_audit_join(const struct jb_join *join, FILE *out, char *why, size_t why_size);

#endif
