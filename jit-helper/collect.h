/*
 * Keeps the broker and a grant in step while it is used: /start after the first
 * elevation has begun, the first credentials, and their renewal for as long as
 * an elevation lives. Always in the background; a refusal ends the grant.
 */
#ifndef JH_COLLECT_H
#define JH_COLLECT_H

#include <stdbool.h>

#include "alarm.h"
#include "creds.h"
#include "proto.h"

#define JH_HOLD_MS 500 /* how long others are waited for while there are credentials that are good for a moment yet */

struct jh_answer;
struct jh_grant;
struct jit_fetch_call;

struct jh_collector {
	struct jit_fetch_call *call; /* at most one under way */
	int64_t called_ms;	     /* boottime: when it began, or the last one did */
	struct jh_alarm again;	     /* the next try, or the next renewal */
	unsigned failures;	     /* in a row */
	bool started;		     /* the broker knows that the clock runs */
	bool wanted;		     /* somebody has asked for credentials */
	bool without_token;	     /* the broker did not take the grant token: ask for a new one, once */
	struct jh_creds creds;
	int64_t renew_ms;	     /* boottime: when creds want renewal; 0: never again */
	char trouble[JIT_LINE_SIZE]; /* why the last try failed; "" after one that did not */
	bool refused;		     /* and AWS said so for good: who waits need not wait for the next one */
};

void jh_collect_init(struct jh_grant *grant);
/* Wipes what there is. */
void jh_collect_stop(struct jh_grant *grant);

/* Somebody uses the grant: does what is to be done next, if it is not being done or waited for. */
void jh_collect_kick(struct jh_grant *grant);
/* A session begins under the grant: the same, as soon as its program has had the time to start. */
void jh_collect_soon(struct jh_grant *grant);

/* Somebody waits for credentials: after a failure the next try comes within a second. */
void jh_collect_hurry(struct jh_grant *grant);

/* Credentials that are good to hand out now; NULL when there are none. */
const struct jh_creds *jh_collect_current(const struct jh_grant *grant);

/* Rule: when (boottime ms) to renew credentials of that life. `chance` 0..1000 spreads it by ±5 %. */
int64_t jh_renew_at(int64_t taken_ms, int64_t life_ms, unsigned chance);

/*
 * Rule: when credentials that came at now_ms are over on this host (boottime ms), and whether they are the grant's
 * last. By the broker's clock alone: this host's may be wrong. False: they are over already, or the answer does not say
 * by what clock they end.
 */
bool jh_creds_time(struct jh_creds *fresh, const struct jh_answer *answer, int64_t until_ms, int64_t now_ms);

/*
 * Rule: are the collector's credentials good to hand out? Not in their last two seconds while others are on their way;
 * to the end where the broker does not give any, and where they end with the grant.
 */
bool jh_creds_hold(const struct jh_collector *collector, int64_t now_ms);

#endif
