/*
 * How soon the broker is asked for changes again. One that holds the poll sets
 * the pace itself; one that cannot (it answers at once, and says Retry-After)
 * is asked after that time, and no answer whatever makes the helper spin. Pure
 * rules.
 */
#ifndef JH_PACE_H
#define JH_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* A host that is silent for 30 s loses its requests: whatever the broker says, it hears from us before. */
#define JH_PACE_MAX_MS	    20000
#define JH_PACE_IDLE_MAX_MS 300000 /* where it has none */

/* What came of a poll. */
struct jh_polled {
	long retry_after_s; /* 0: none */
	bool news;	    /* it brought changes, or moved the cursor */
	int64_t asked_ms, now_ms;
};

struct jh_pace {
	int64_t used_ms; /* until then the polls that were answered at once with news have used up */
};

/* Around that many seconds: from half of it to half as much again. `chance` 0..1000. 0 for 0. */
int64_t jh_pace_around_ms(long retry_after_s, unsigned chance);

/*
 * How long after a poll that was refused: `backoff_ms`, which grows from one to the next, and never sooner than the
 * broker asks for. `idle`: nothing is open here, so that no silence loses anything, and a long time is taken at its
 * word too.
 */
int64_t jh_pace_refused_ms(int64_t backoff_ms, long retry_after_s, bool idle, unsigned chance);

/* When (boottime ms) to ask again after an answer; now_ms: at once. */
int64_t jh_pace_next(struct jh_pace *pace, const struct jh_polled *polled, unsigned chance);

/* 0..1000. */
unsigned jh_pace_chance(void);

#endif
