/*
 * What a restart must know, as text: grants, their elevations, and what is
 * being ended. Ids, identities, times on CLOCK_BOOTTIME and hashes of tokens;
 * no secret. Read strictly: what another boot, another version or another hand
 * wrote is refused whole. No I/O.
 */
#ifndef JH_SAVED_H
#define JH_SAVED_H

#include "elevation.h"
#include "ending.h"
#include "grant.h"
#include "helper.h"

#define JH_SAVED_VERSION  3 /* the one that is written; two before it are read too */
#define JH_BOOT_SIZE	  37
#define JH_SAVED_MAX	  (32 << 20) /* bytes: all that one list of each kind can hold, with the longest names */
#define JH_SAVED_LIST_MAX 1280	     /* of each kind */

struct jh_saved_elevation {
	LIST_ENTRY(jh_saved_elevation) link;
	char grant[JIT_ID_SIZE];
	pid_t pid;
	uint64_t start;
	struct jh_elevation facts; /* session, target, target_uid, hash, keyless, descent */
};

/* What the broker has not been told yet. */
struct jh_saved_withdrawal {
	LIST_ENTRY(jh_saved_withdrawal) link;
	char id[JIT_ID_SIZE];
	char short_id[JH_SHORT_SIZE];
	char requester[JIT_NAME_SIZE];
	bool unheard; /* also that it was used */
};

struct jh_saved {
	struct jh_grant_list grants;   /* facts alone, for jh_grant_restore */
	struct jh_ending_list endings; /* the same, for jh_ending_begin */
	LIST_HEAD(jh_saved_elevation_list, jh_saved_elevation) elevations;
	LIST_HEAD(jh_saved_withdrawal_list, jh_saved_withdrawal) withdrawals;
};

/* The text, which the caller frees, and its length. 0; -ENOMEM; -EFBIG: it would be more than is read. */
int jh_saved_format(const struct jh_helper *helper, const char *boot_id, char **ret, size_t *ret_len);

/*
 * 0 and *ret, which is to be cleared; else -EINVAL or -ENOMEM, nothing in *ret, and a sentence.
 * No time in it lies further off than it can, counted from `now_ms`: an end no further than the grant is long.
 */
int jh_saved_parse(const char *text, size_t len, const char *boot_id, int64_t now_ms, struct jh_saved *ret, char *why,
		   size_t why_size);
void jh_saved_clear(struct jh_saved *saved);

#endif
