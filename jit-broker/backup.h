/*
 * Back-ups of a store, and what has to be done to one that comes back: what it
 * remembers as open is over, because nobody knows what was revoked since.
 */
#ifndef JB_BACKUP_H
#define JB_BACKUP_H

#include <stddef.h>
#include <stdint.h>

#include <stdbool.h>

#include "conf.h"

struct jb_backup {
	int64_t records; /* of the audit chain */
};

/* Copies the store, which may be serving, into a new file. 0; -1 with a sentence; 1: it was made, and its chain is
 * broken (a sentence). */
int jb_backup(const struct jb_conf *conf, const char *to, struct jb_backup *ret, char *why, size_t why_size);

struct jb_restored {
	int64_t records;    /* of the back-up's chain */
	size_t ended;	    /* requests and grants that were open in it */
	size_t revoked;	    /* keys and tokens that the replaced store knew as revoked, and the back-up as good */
	bool revoked_known; /* false: there was no store that could be asked, and what was revoked since is good again
			     */
	size_t delivered;   /* notifications that waited in it, and have left the replaced store since */
	char replaced[512]; /* where the store from before is now; "" where there was none */
};

/* Puts the back-up in the store's place, which nobody may have open. 0 or -1 with a sentence: all is as it was. */
int jb_restore(const struct jb_conf *conf, const char *from, struct jb_restored *ret, char *why, size_t why_size);

#endif
