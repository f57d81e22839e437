/* See deadline.h. */
#include "deadline.h"

#include <errno.h>
#include <event2/event.h>
#include <stddef.h>

#define ROOM 1024 /* timers: each thing that comes back has one, each call that we make a few */

void jb_deadline_set(struct event *timer, unsigned ms)
{
	const struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};
	/* The same one for the same length; NULL: there are too many lengths already. */
	const struct timeval *alike = event_base_init_common_timeout(event_get_base(timer), &tv);

	if (event_add(timer, alike ? alike : &tv) < 0)
		event_active(timer, EV_TIMEOUT, 0);
}

static void never(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

/* The loop's heap grows with what is put into it, and never shrinks. */
int jb_deadline_reserve(struct event_base *base)
{
	const struct timeval tv = {.tv_sec = 3600};
	struct event *timers[ROOM] = {NULL};
	int r = 0;

	for (size_t i = 0; i < ROOM && r == 0; i++) {
		timers[i] = evtimer_new(base, never, NULL);
		if (!timers[i] || event_add(timers[i], &tv) < 0)
			r = -ENOMEM;
	}
	for (size_t i = 0; i < ROOM && timers[i]; i++)
		event_free(timers[i]);
	return r;
}
