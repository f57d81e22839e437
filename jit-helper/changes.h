/*
 * The one long poll of this host (GET /changes): decisions, revocations and ends
 * of all its requests. Runs all the time, survives a broker that is away or does
 * not hold the poll (pace.h), and is the host's heartbeat at the broker.
 */
#ifndef JH_CHANGES_H
#define JH_CHANGES_H

#include <stdint.h>

#include "answer.h"

struct jh_helper;
struct jh_changes;

/* Starts polling; NULL: out of memory. */
struct jh_changes *jh_changes_new(struct jh_helper *helper);
void jh_changes_free(struct jh_changes *changes);

/*
 * Something is open now: a poll that is not under way (the broker is away, or does not hold polls) comes at once, or
 * around that many seconds from now where the broker said so of the request. One that went out while nothing was open
 * is followed by the next at once.
 */
void jh_changes_hurry(struct jh_changes *changes, long retry_after_s);

/*
 * How many changes came for requests that nobody here knew. A decision can
 * overtake the answer to the filing: whoever sees this move between filing and
 * answer asks the broker once more.
 */
uint64_t jh_changes_strangers(const struct jh_changes *changes);

/* Why decisions cannot be heard just now, a clause of a sentence; NULL where nothing is known to be in their way. */
const char *jh_changes_trouble(const struct jh_changes *changes);

#endif
