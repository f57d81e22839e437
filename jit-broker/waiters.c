/* See waiters.h. */
#include "waiters.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "proto.h"

struct waiter {
	struct jb_waiters *waiters;
	struct waiter *prev, *next;
	struct event *due; /* the deadline; made active by a change */
	struct jb_wait wait;
	char *host;
	char id[JIT_ID_SIZE];
	jb_wait_answer answer;
};

struct jb_waiters {
	struct event_base *base;
	struct waiter *first;
	bool draining;
	void *arg;
};

static void waiter_free(struct waiter *waiter)
{
	if (waiter->prev)
		waiter->prev->next = waiter->next;
	else if (waiter->waiters->first == waiter)
		waiter->waiters->first = waiter->next;
	if (waiter->next)
		waiter->next->prev = waiter->prev;
	if (waiter->due)
		event_free(waiter->due);
	free(waiter->host);
	free(waiter);
}

static void on_gone(void *arg)
{
	waiter_free(arg);
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
	struct waiter *waiter = arg;

	(void)fd;
	(void)what;
	jb_call_on_gone(waiter->wait.call, NULL, NULL);
	waiter->answer(waiter->waiters->arg, &waiter->wait);
	waiter_free(waiter);
}

static unsigned count_of(const struct jb_waiters *waiters, const char *host)
{
	unsigned n = 0;

	for (const struct waiter *w = waiters->first; w; w = w->next)
		n += strcmp(w->host, host) == 0;
	return n;
}

int jb_waiters_add(struct jb_waiters *waiters, const struct jb_wait *wait, jb_wait_answer answer)
{
	struct timeval tv = {.tv_sec = wait->seconds < JB_WAIT_MAX ? wait->seconds : JB_WAIT_MAX};
	struct waiter *waiter;

	if (count_of(waiters, wait->host) >= JB_WAITERS_PER_HOST)
		return -EBUSY;
	waiter = calloc(1, sizeof(*waiter));
	if (!waiter)
		return -ENOMEM;
	waiter->waiters = waiters;
	waiter->wait = *wait;
	waiter->answer = answer;
	waiter->host = strdup(wait->host);
	waiter->due = evtimer_new(waiters->base, on_due, waiter);
	if (!waiter->host || !waiter->due || strlen(wait->id) >= sizeof(waiter->id)) {
		waiter_free(waiter);
		return -ENOMEM;
	}
	memcpy(waiter->id, wait->id, strlen(wait->id) + 1);
	waiter->wait.host = waiter->host;
	waiter->wait.id = waiter->id;
	waiter->next = waiters->first;
	if (waiter->next)
		waiter->next->prev = waiter;
	waiters->first = waiter;
	if (waiters->draining)
		tv = (struct timeval){0};
	event_add(waiter->due, &tv);
	jb_call_on_gone(wait->call, on_gone, waiter);
	return 0;
}

static bool concerns(const struct waiter *waiter, const struct jb_request *request)
{
	if (*waiter->id) /* a first approval of two leaves it PENDING, and its waiter waiting */
		return strcmp(waiter->id, request->id) == 0 && request->status != JB_PENDING;
	return strcmp(waiter->host, request->host) == 0 ||
	       (request->filed_by && strcmp(waiter->host, request->filed_by) == 0);
}

void jb_waiters_wake(struct jb_waiters *waiters, const struct jb_request *request)
{
	/* Answered from an event of its own: the engine that told us may be in the middle of its work. */
	for (struct waiter *w = waiters->first; w; w = w->next)
		if (concerns(w, request))
			event_active(w->due, EV_TIMEOUT, 0);
}

void jb_waiters_drain(struct jb_waiters *waiters)
{
	waiters->draining = true;
	for (struct waiter *w = waiters->first; w; w = w->next)
		event_active(w->due, EV_TIMEOUT, 0);
}

unsigned jb_waiters_count(const struct jb_waiters *waiters)
{
	unsigned n = 0;

	for (const struct waiter *w = waiters->first; w; w = w->next)
		n++;
	return n;
}

struct jb_waiters *jb_waiters_new(struct event_base *base, void *arg)
{
	struct jb_waiters *waiters = calloc(1, sizeof(*waiters));

	if (!waiters)
		return NULL;
	waiters->base = base;
	waiters->arg = arg;
	return waiters;
}

void jb_waiters_free(struct jb_waiters *waiters)
{
	if (!waiters)
		return;
	while (waiters->first)
		waiter_free(waiters->first);
	free(waiters);
}
