/*
 * An issuer that watches another one: how long each call took and how the last
 * one went, for whoever asks how the broker is. It changes nothing of what passes.
 */
#ifndef JB_ISSUER_WATCH_H
#define JB_ISSUER_WATCH_H

#include "issuer.h"

#define JB_ISSUE_BUCKETS 8				   /* the last one has no bound */
extern const double jb_issue_bounds[JB_ISSUE_BUCKETS - 1]; /* seconds */

struct jb_issue_stats {
	uint64_t bucket[JB_ISSUE_BUCKETS]; /* calls that took no longer than its bound and longer than the one before's
					    */
	uint64_t issued, refused, failed;  /* refused: for good; failed: worth another try */
	double seconds;			   /* of all */
	int64_t failing_since;		   /* boot-time ms of the last call, where that failed; 0: it did not */
};

/* Takes `inner` over; freed with jb_issuer_free. NULL: out of memory (inner is freed). */
struct jb_issuer *jb_issuer_watch_new(struct jb_issuer *inner);
/* Of an issuer that jb_issuer_watch_new made. */
const struct jb_issue_stats *jb_issuer_watch_stats(const struct jb_issuer *issuer);

#endif
