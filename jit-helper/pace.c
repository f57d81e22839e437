/* See pace.h. */
#include "pace.h"

#include <sys/random.h>

#define NOT_HELD_MS 1000 /* a poll that is answered sooner was not held: the next one comes so long after it began */
#define NEWS_MS	    100	 /* of time that one with news takes from the allowance */
#define BURST_MS    5000 /* the allowance: fifty polls without a pause, then ten a second */

int64_t jh_pace_around_ms(long retry_after_s, unsigned chance)
{
	int64_t whole = retry_after_s > 0 ? (int64_t)retry_after_s * 1000 : 0;
	int64_t ms = whole / 2 + whole * (int64_t)chance / 1000;

	return ms < JH_PACE_MAX_MS ? ms : JH_PACE_MAX_MS;
}

/* Up to half as much again, so that a fleet spreads; at the most allowed, down to three quarters of that. */
int64_t jh_pace_refused_ms(int64_t backoff_ms, long retry_after_s, bool idle, unsigned chance)
{
	int64_t most = idle ? JH_PACE_IDLE_MAX_MS : JH_PACE_MAX_MS;
	int64_t asked = retry_after_s > 0 ? (int64_t)retry_after_s * 1000 : 0;

	asked = asked < most ? asked + asked / 2 * (int64_t)chance / 1000 : INT64_MAX;
	if (asked > most)
		asked = most - most / 4 * (int64_t)chance / 1000;
	return asked > backoff_ms ? asked : backoff_ms;
}

int64_t jh_pace_next(struct jh_pace *pace, const struct jh_polled *p, unsigned chance)
{
	int64_t again = p->now_ms + jh_pace_around_ms(p->retry_after_s, chance);
	int64_t soonest = p->asked_ms + NOT_HELD_MS;

	if (p->now_ms >= soonest)
		return again;
	if (p->news) {
		pace->used_ms = (pace->used_ms > p->now_ms ? pace->used_ms : p->now_ms) + NEWS_MS;
		soonest = pace->used_ms - BURST_MS;
	}
	return again > soonest ? again : soonest;
}

unsigned jh_pace_chance(void)
{
	uint16_t n;

	return getrandom(&n, sizeof(n), GRND_NONBLOCK) == sizeof(n) ? n % 1001 : 500;
}
