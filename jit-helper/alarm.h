/*
 * Deadlines on CLOCK_BOOTTIME: one timerfd for all of them, so that the time a
 * machine sleeps counts as time that passed (libevent's own timers stop then).
 */
#ifndef JH_ALARM_H
#define JH_ALARM_H

#include <stdint.h>
#include <sys/queue.h>

struct event_base;
struct jh_alarms;

/* Lies inside whatever it wakes. Initialised once, then set and cleared as often as needed. */
struct jh_alarm {
	struct jh_alarms *all;
	int64_t when_ms; /* 0: not set */
	void (*fire)(void *arg);
	void *arg;
	LIST_ENTRY(jh_alarm) link;
};

/* NULL: no timerfd, or out of memory. */
struct jh_alarms *jh_alarms_new(struct event_base *base);
/* Every alarm must have been cleared. NULL is fine. */
void jh_alarms_free(struct jh_alarms *all);

void jh_alarm_init(struct jh_alarm *alarm, struct jh_alarms *all, void (*fire)(void *arg), void *arg);
/* Fires once, at that moment (jit_boottime_ms) or right after; setting it again moves it. */
void jh_alarm_at(struct jh_alarm *alarm, int64_t when_ms);
void jh_alarm_in(struct jh_alarm *alarm, int64_t delay_ms);
/* Fine for one that is not set, and for one that is all zero. */
void jh_alarm_clear(struct jh_alarm *alarm);

/*
 * How long to wait before try `attempt` (from 0): `first_ms`, doubled each time
 * up to `cap_ms`, and a random part of the upper half taken off, so that a
 * fleet does not come back in step.
 */
int64_t jh_backoff_ms(unsigned attempt, int64_t first_ms, int64_t cap_ms);

#endif
