/* See alarm.h. */
#include "alarm.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

struct jh_alarms {
	int fd;
	struct event *event;
	int64_t armed_ms; /* what the descriptor is set to; 0: nothing */
	LIST_HEAD(jh_alarm_list, jh_alarm) set;
};

static struct jh_alarm *earliest(const struct jh_alarms *all)
{
	struct jh_alarm *first = NULL, *a;

	for (a = LIST_FIRST(&all->set); a; a = LIST_NEXT(a, link))
		if (!first || a->when_ms < first->when_ms)
			first = a;
	return first;
}

static void arm(struct jh_alarms *all)
{
	const struct jh_alarm *first = earliest(all);
	const int64_t when_ms = first ? first->when_ms : 0;
	const struct itimerspec when = {.it_value = {.tv_sec = when_ms / 1000, .tv_nsec = when_ms % 1000 * 1000000}};

	if (when_ms != all->armed_ms && timerfd_settime(all->fd, TFD_TIMER_ABSTIME, &when, NULL) == 0)
		all->armed_ms = when_ms;
}

static void on_time(evutil_socket_t fd, short what, void *arg)
{
	struct jh_alarms *all = arg;
	int64_t now = jit_boottime_ms();
	struct jh_alarm *due;
	uint64_t times;

	(void)what;
	if (read(fd, &times, sizeof(times)) < 0)
		times = 0; /* armed anew meanwhile: the list decides, not the count */
	/* What a callback sets lies after `now` (jh_alarm_at), so this ends. */
	while ((due = earliest(all)) && due->when_ms <= now) {
		LIST_REMOVE(due, link);
		due->when_ms = 0;
		due->fire(due->arg);
	}
	all->armed_ms = 0; /* it has run out */
	arm(all);
}

struct jh_alarms *jh_alarms_new(struct event_base *base)
{
	struct jh_alarms *all = calloc(1, sizeof(*all));

	if (!all)
		return NULL;
	LIST_INIT(&all->set);
	all->fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (all->fd >= 0)
		all->event = event_new(base, all->fd, EV_READ | EV_PERSIST, on_time, all);
	if (!all->event || event_add(all->event, NULL) < 0) {
		jh_alarms_free(all);
		return NULL;
	}
	return all;
}

void jh_alarms_free(struct jh_alarms *all)
{
	if (!all)
		return;
	if (all->event)
		event_free(all->event);
	if (all->fd >= 0)
		close(all->fd);
	free(all);
}

void jh_alarm_init(struct jh_alarm *alarm, struct jh_alarms *all, void (*fire)(void *arg), void *arg)
{
	alarm->all = all;
	alarm->when_ms = 0;
	alarm->fire = fire;
	alarm->arg = arg;
}

void jh_alarm_at(struct jh_alarm *alarm, int64_t when_ms)
{
	int64_t now = jit_boottime_ms();

	if (alarm->when_ms)
		LIST_REMOVE(alarm, link);
	alarm->when_ms = when_ms > now ? when_ms : now + 1;
	LIST_INSERT_HEAD(&alarm->all->set, alarm, link);
	arm(alarm->all);
}

void jh_alarm_in(struct jh_alarm *alarm, int64_t delay_ms)
{
	jh_alarm_at(alarm, jit_boottime_ms() + delay_ms);
}

void jh_alarm_clear(struct jh_alarm *alarm)
{
	if (!alarm->when_ms)
		return;
	LIST_REMOVE(alarm, link);
	alarm->when_ms = 0;
	arm(alarm->all);
}

int64_t jh_backoff_ms(unsigned attempt, int64_t first_ms, int64_t cap_ms)
{
	int64_t delay = first_ms;
	uint32_t chance = 0;

	for (unsigned i = 0; i < attempt && delay < cap_ms; i++)
		delay *= 2;
	if (delay > cap_ms)
		delay = cap_ms;
	if (getrandom(&chance, sizeof(chance), GRND_NONBLOCK) != sizeof(chance))
		chance = 0;
	return delay - (int64_t)(chance % (uint32_t)(delay / 2 + 1));
}
