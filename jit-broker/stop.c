/* See stop.h. */
#include "stop.h"

#include <event2/event.h>
#include <stdlib.h>

#include "clock.h"
#include "log.h"

#define LIMIT_MS 8000 /* the unit's TimeoutStopSec is longer */
#define LOOK_MS	 20

struct jb_stop {
	struct event_base *base;
	const struct jb_running *running;
	struct event *look;
	int64_t deadline_ms;
};

/* Is there an answer that somebody waits for, or that is on its way? */
static bool is_busy(const struct jb_running *running)
{
	return jb_engine_collecting(running->engine) || jb_api_waited_for(running->api) ||
	       jb_server_busy(running->server) || jb_proxy_busy(running->proxy);
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	struct jb_stop *stop = arg;
	const bool late = jit_boottime_ms() >= stop->deadline_ms;

	(void)fd;
	(void)what;
	if (!late && is_busy(stop->running))
		return;
	if (late)
		jit_log(LOG_WARNING, "stopped with answers under way: they took longer than %d s", LIMIT_MS / 1000);
	event_base_loopbreak(stop->base);
}

struct jb_stop *jb_stop_new(struct event_base *base, const struct jb_running *running)
{
	const struct timeval every = {.tv_usec = LOOK_MS * 1000};
	struct jb_stop *stop = calloc(1, sizeof(*stop));

	if (stop) {
		*stop = (struct jb_stop){.base = base, .running = running, .deadline_ms = jit_boottime_ms() + LIMIT_MS};
		stop->look = event_new(base, -1, EV_PERSIST, on_look, stop);
	}
	if (!stop || !stop->look || event_add(stop->look, &every) < 0) {
		jb_stop_free(stop);
		event_base_loopbreak(base);
		return NULL;
	}
	jb_api_drain(running->api);
	jb_server_drain(running->server);
	jb_proxy_drain(running->proxy);
	return stop;
}

void jb_stop_free(struct jb_stop *stop)
{
	if (!stop)
		return;
	if (stop->look)
		event_free(stop->look);
	free(stop);
}
