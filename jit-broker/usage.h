/*
 * What callers have used: each host's calls under its plan (plan.h), and when each
 * key was presented last. Counted in memory and written every few seconds, and at
 * the end: no call waits for a write, and none fails for one. What a kill loses is
 * a few seconds of counts, in the host's favour.
 */
#ifndef JB_USAGE_H
#define JB_USAGE_H

#include "plan.h"
#include "store.h"

struct event_base;
struct jb_usage;

/* NULL: out of memory. */
struct jb_usage *jb_usage_new(struct event_base *base, struct jb_store *store);
/* Writes what is not written yet. NULL is fine. */
void jb_usage_free(struct jb_usage *usage);

/* Writes what is due now, and has the rest follow. */
void jb_usage_write(struct jb_usage *usage);

/*
 * One more call of that host. *ret_retry_after as in jb_plan_take; *ret_tell: it
 * is refused, and nobody has been told so of this host for a minute.
 */
enum jb_plan_verdict jb_usage_call(struct jb_usage *usage, const struct jb_plan_terms *terms, const char *host,
				   int64_t now, unsigned *ret_retry_after, bool *ret_tell);
/* This secret (its whole text) was presented, and is good. */
void jb_usage_seen(struct jb_usage *usage, const char *secret, int64_t now);

#endif
