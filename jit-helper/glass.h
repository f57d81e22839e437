/*
 * Break-glass: going on without an approval while no broker answers. Only for
 * members of break_glass_group, only where every broker failed by name,
 * connection, TLS, time or a 5xx, only with a reason, and only after the record
 * of it lies on the disk (spool.h). It gives a grant of this host alone: this
 * requester, login session and service, root or the target that is known, no
 * AWS, for break_glass_duration. The broker is told of it as an event, never
 * as a request.
 */
#ifndef JH_GLASS_H
#define JH_GLASS_H

#include <stdbool.h>

#include "verdict.h"

struct jh_grant;
struct jh_visit;

/* What the person must type, to the letter. */
#define JH_GLASS_WORDS	    "break glass"
#define JH_GLASS_REASON_MIN 8 /* visible characters */

/* Rule: is that a reason? */
bool jh_glass_reason(const char *text);

/* Could this visit ask for it, or has it already? */
bool jh_glass_may(const struct jh_visit *visit);

/*
 * A visit that is to be refused with `verdict` because no broker answers; it
 * waits for no request any more. True: it has been taken over, asks, or is told
 * in the end. False: refuse it. *verdict may then say how break-glass can be had.
 */
bool jh_glass_offer(struct jh_visit *visit, struct jh_verdict *verdict);

/* Its grant has ended: told to the broker as soon as it answers. */
void jh_glass_ended(struct jh_grant *grant, const char *why);

#endif
