/* See attend.h. */
#include "attend.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>

#include "api.h"
#include "log.h"
#include "store.h"

#define AGAIN_MS 1000 /* after a failure */

struct jb_attend {
	struct jb_store *store;
	struct jb_api *api;
	struct event *timer;
	bool failing;
};

static void come_back(struct jb_attend *attend, int ms)
{
	const struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};

	event_add(attend->timer, &tv);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct jb_attend *attend = arg;
	const int ms = jb_store_attend(attend->store, jb_api_news, attend->api);

	(void)fd;
	(void)what;
	if (ms < 0 && !attend->failing)
		jit_log(LOG_ERR, "the store cannot be looked after: %s; tried again every second",
			jb_store_error(attend->store));
	if (ms >= 0 && attend->failing)
		jit_log(LOG_NOTICE, "the store can be looked after again");
	attend->failing = ms < 0;
	if (ms)
		come_back(attend, ms < 0 ? AGAIN_MS : ms);
}

struct jb_attend *jb_attend_new(struct event_base *base, struct jb_store *store, struct jb_api *api)
{
	struct jb_attend *attend = calloc(1, sizeof(*attend));

	if (!attend)
		return NULL;
	attend->store = store;
	attend->api = api;
	attend->timer = evtimer_new(base, on_timer, attend);
	if (!attend->timer) {
		free(attend);
		return NULL;
	}
	come_back(attend, 0);
	return attend;
}

void jb_attend_free(struct jb_attend *attend)
{
	if (!attend)
		return;
	event_free(attend->timer);
	free(attend);
}
