/* See watchdog.h. */
#include "watchdog.h"

#include <errno.h>
#include <event2/event.h>
#include <stdint.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

#include "log.h"
#include "store.h"

#define PER_INTERVAL 3 /* times it is told within what it waits for */

struct jb_watchdog {
	struct jb_store *store;
	struct event *timer;
};

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct jb_watchdog *watchdog = arg;

	(void)fd;
	(void)what;
	/* A new process would find a table no better, and who waits here would have lost their place. */
	if (jb_store_is_remote(watchdog->store) || jb_store_ping(watchdog->store) == 0)
		sd_notify(0, "WATCHDOG=1");
	else
		jit_log(LOG_ERR, "the store does not answer (%s): systemd's watchdog is not told",
			jb_store_error(watchdog->store));
}

int jb_watchdog_new(struct event_base *base, struct jb_store *store, struct jb_watchdog **ret)
{
	struct jb_watchdog *watchdog;
	uint64_t interval;

	*ret = NULL;
	if (sd_watchdog_enabled(0, &interval) <= 0)
		return 0;
	interval /= PER_INTERVAL;
	const struct timeval every = {.tv_sec = (time_t)(interval / 1000000),
				      .tv_usec = (suseconds_t)(interval % 1000000)};
	watchdog = calloc(1, sizeof(*watchdog));
	if (!watchdog)
		return -ENOMEM;
	watchdog->store = store;
	watchdog->timer = event_new(base, -1, EV_PERSIST, on_timer, watchdog);
	if (!watchdog->timer || event_add(watchdog->timer, &every) < 0) {
		jb_watchdog_free(watchdog);
		return -ENOMEM;
	}
	*ret = watchdog;
	return 0;
}

void jb_watchdog_free(struct jb_watchdog *watchdog)
{
	if (!watchdog)
		return;
	if (watchdog->timer)
		event_free(watchdog->timer);
	free(watchdog);
}
