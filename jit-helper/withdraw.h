/*
 * Telling the broker that something is over: a request withdrawn, a grant given
 * back. Outlives whoever caused it, is tried until the broker has heard it or a
 * minute has passed, and is bounded by the requester's share of requests. That a
 * grant was used is a record that nobody else has: it is tried for a day, and
 * what ends a grant is kept over a restart (state.h).
 */
#ifndef JH_WITHDRAW_H
#define JH_WITHDRAW_H

#include <stdbool.h>
#include <stddef.h>

#include "alarm.h"
#include "answer.h"

#define JH_FILING_KEY_SIZE 64

struct jh_helper;
struct jit_fetch_call;

enum jh_withdraw_verb {
	JH_CANCEL, /* PENDING or APPROVED; an ACTIVE one ends */
	JH_END,
	JH_BEGIN_AND_END, /* the broker has not heard yet that the grant was used: it is told that first */
};

struct jh_withdrawal {
	LIST_ENTRY(jh_withdrawal) link;
	struct jh_helper *helper;
	char requester[JIT_NAME_SIZE];
	char id[JIT_ID_SIZE]; /* "": not known, see body and key */
	char short_id[JH_SHORT_SIZE];
	enum jh_withdraw_verb verb;
	char *body; /* of a filing, and its idempotency key */
	char key[JH_FILING_KEY_SIZE];
	int64_t give_up_ms;
	unsigned failures;
	struct jit_fetch_call *call;
	struct jh_alarm again;
};

void jh_withdraw(struct jh_helper *helper, const char *requester, const char *id, const char *short_id,
		 enum jh_withdraw_verb verb);
/* One whose id is not known because the filing's answer never came: filed again under its key, then cancelled. Takes
 * `body` over: a copy could be out of reach just when it matters. */
void jh_withdraw_filing(struct jh_helper *helper, const char *requester, char *body, const char *key);

/* One that the next helper goes on with: a grant's. A request that it does not know is cancelled by it anyhow. */
bool jh_withdrawal_is_kept(const struct jh_withdrawal *withdrawal);

/* The broker is being told that this one is over. */
bool jh_withdrawing(const struct jh_helper *helper, const char *id);
size_t jh_withdrawals_of(const struct jh_helper *helper, const char *requester);
/* The helper stops: writes its state with what is kept, then drops all of it untold. */
void jh_withdraw_leave(struct jh_helper *helper);

#endif
