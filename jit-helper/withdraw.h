/*
 * Telling the broker that something is over: a request withdrawn, a grant given
 * back. Outlives whoever caused it, is tried until the broker has heard it or a
 * minute has passed, and is bounded by the requester's share of requests.
 */
#ifndef JH_WITHDRAW_H
#define JH_WITHDRAW_H

#include <stdbool.h>
#include <stddef.h>

struct jh_helper;

enum jh_withdraw_verb {
	JH_CANCEL, /* PENDING or APPROVED; an ACTIVE one ends */
	JH_END,
	JH_BEGIN_AND_END, /* the broker has not heard yet that the grant was used: it is told that first */
};

void jh_withdraw(struct jh_helper *helper, const char *requester, const char *id, const char *short_id,
		 enum jh_withdraw_verb verb);
/* One whose id is not known because the filing's answer never came: filed again under its key, then cancelled. */
void jh_withdraw_filing(struct jh_helper *helper, const char *requester, const char *body, const char *key);

/* The broker is being told that this one is over. */
bool jh_withdrawing(const struct jh_helper *helper, const char *id);
size_t jh_withdrawals_of(const struct jh_helper *helper, const char *requester);
/* Drops what is left, untold. */
void jh_withdraw_drop_all(struct jh_helper *helper);

#endif
