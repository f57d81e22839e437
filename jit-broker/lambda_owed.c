/* See lambda_owed.h. */
#include "lambda_owed.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "courier.h"
#include "engine.h"
#include "log.h"
#include "workflow.h"

#define BRING_MS 3000

struct jb_lambda_owed {
	struct event_base *base;
	struct jb_courier *courier;
	size_t under_way;
};

static void tell(const char *why)
{
	jit_log(LOG_WARNING, "the workflow was not told at once: %s; the sweep tells it", why);
}

static void on_brought(void *arg, const struct jb_brought_result *result)
{
	struct jb_lambda_owed *owed = arg;

	owed->under_way--;
	if (result->how != JB_BROUGHT)
		tell(result->why);
}

/* From within the engine's call, right after the write. The notice is read before this returns. */
static void on_owed(void *arg, const struct jb_notice *notice)
{
	struct jb_lambda_owed *owed = arg;
	struct jb_brought_result result;

	if (jb_courier_send(owed->courier, notice, jit_wall_s(), on_brought, owed, &result))
		owed->under_way++;
	else
		tell(result.why);
}

struct jb_lambda_owed *jb_lambda_owed_new(struct event_base *base, const struct jb_conf *conf, struct jb_engine *engine,
					  char *why, size_t why_size)
{
	struct jb_lambda_owed *owed = calloc(1, sizeof(*owed));

	snprintf(why, why_size, "out of memory");
	if (!owed || !(owed->courier = jb_courier_new(base, conf, JB_CHANNEL_WORKFLOW, why, why_size))) {
		free(owed);
		return NULL;
	}
	owed->base = base;
	jb_engine_on_owed(engine, on_owed, owed);
	return owed;
}

void jb_lambda_owed_free(struct jb_lambda_owed *owed)
{
	if (!owed)
		return;
	jb_courier_free(owed->courier);
	free(owed);
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

void jb_lambda_owed_bring(struct jb_lambda_owed *owed, int64_t until_ms)
{
	const int64_t now_ms = jit_boottime_ms();
	const int64_t left_ms = until_ms - now_ms < BRING_MS ? until_ms - now_ms : BRING_MS;
	const struct timeval tv = {.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000};
	bool is_late = left_ms <= 0;

	if (!owed || !owed->under_way)
		return;
	struct event *late = evtimer_new(owed->base, on_late, &is_late);
	is_late |= !late || event_add(late, &tv) < 0;
	while (owed->under_way && !is_late && event_base_loop(owed->base, EVLOOP_ONCE) == 0)
		;
	if (late)
		event_free(late);
}
