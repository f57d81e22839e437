/* See lambda_sweep.h. */
#include "lambda_sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "engine.h"
#include "lambda_call.h"
#include "log.h"
#include "notify.h"
#include "outbox.h"

#define TICKS	 100  /* batches of what is due, in one event */
#define LAST_MS	 1000 /* before the deadline nothing new is begun */
#define SEALINGS 20   /* as many rounds of the store's own work */

static void no_news(void *arg, const struct jb_request *request)
{
	(void)arg;
	(void)request;
}

static void add_waiting(void *arg, const char *channel, size_t waiting, int64_t oldest)
{
	(void)channel;
	(void)oldest;
	*(size_t *)arg += waiting;
}

static int64_t before(const struct jb_lambda_event *event)
{
	return event->deadline_ms - LAST_MS;
}

/* Until nothing is due any more. */
static bool tick(struct jb_lambda_broker *broker, const struct jb_lambda_event *event)
{
	if (jb_engine_ask_of_hosts(broker->engine, jit_wall_s()) < 0)
		return false;
	for (int i = 0; i < TICKS && jit_boottime_ms() < before(event); i++)
		if (jb_engine_tick(broker->engine, jit_wall_s()) > jit_wall_s())
			return true;
	return false;
}

/* What was written is sealed, and what is in the outbox then goes out: it may be the first that lets the second be
 * seen.
 */
static bool bring(struct jb_lambda_broker *broker, const struct jb_lambda_event *event)
{
	for (int i = 0; i < SEALINGS && jit_boottime_ms() < before(event); i++) {
		size_t before_it = 0, after = 0;

		if (jb_store_attend(broker->store, no_news, NULL) < 0 ||
		    jb_outbox_channels(broker->store, add_waiting, &before_it) < 0)
			return false;
		jb_notify_flush(broker->notify, before(event));
		if (jb_outbox_channels(broker->store, add_waiting, &after) < 0)
			return false;
		if (after >= before_it)
			break;
	}
	return true;
}

void jb_lambda_sweep(void *arg, const struct jb_lambda_event *event, struct jb_lambda_answer *answer)
{
	struct jb_lambda_broker *broker = arg;
	size_t waiting = 0;
	char text[64];

	const bool ticked = tick(broker, event);
	if (!bring(broker, event) || !ticked || jb_outbox_channels(broker->store, add_waiting, &waiting) < 0) {
		answer->error = "Store.Unavailable";
		snprintf(answer->message, sizeof(answer->message),
			 "Not all that is due could be done (%s); the next sweep goes on.",
			 jb_store_error(broker->store));
		jit_log(LOG_WARNING, "%s", answer->message);
		return;
	}
	snprintf(text, sizeof(text), "{\"waiting\":%zu}", waiting);
	answer->text = strdup(text);
	answer->len = answer->text ? strlen(text) : 0;
}
