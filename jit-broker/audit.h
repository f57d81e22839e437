/*
 * One record of the audit chain: its text and its hash. A record's text is a
 * JSON object in one line that holds the hash of the record before it ("prev");
 * its own hash is the SHA-256 of exactly these bytes. Whoever has the lines can
 * verify them without the broker. The store keeps them; nothing here does I/O.
 */
#ifndef JB_AUDIT_H
#define JB_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "secret.h"
#include "store.h"

/* "prev" of record 1. */
#define JB_AUDIT_FIRST "0000000000000000000000000000000000000000000000000000000000000000"

struct json_object;

/* The record's detail; NULL: it has none. 0; -EINVAL: it is no JSON object; -ENOMEM. */
int jb_audit_detail(const struct jb_audit *audit, struct json_object **ret);

/*
 * {"seq":1,"at":"…Z","action":…,"actor":…,"requestId":…,"detail":{…},"prev":"…"}: members without a value are left out.
 * *ret_text is the caller's to free. 0; errors of jb_audit_detail; -EIO.
 */
int jb_audit_format(int64_t seq, const char *prev, const struct jb_audit *audit, char **ret_text,
		    char hash[static JB_HASH_SIZE]);

/* A record as it lies in a store; nothing says that it is one. */
struct jb_audit_row {
	int64_t seq;
	const char *text;
	size_t len; /* of the text: a NUL within it is an alteration */
	const char *hash;
};

/* NULL: this is record `seq`, unaltered, and follows the record whose hash is prev; else what is wrong with it. */
const char *jb_audit_flaw(const struct jb_audit_row *row, int64_t seq, const char *prev);

/* The record as it is shown: its text with its hash as one more member. NULL: out of memory. The caller frees. */
char *jb_audit_show(const char *text, const char *hash);

#endif
