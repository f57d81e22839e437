/* See waiters.h. */
#include "waiters.h"

#include <errno.h>
#include <event2/event.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "deadline.h"
#include "proto.h"

struct waiter {
	struct host *host;
	TAILQ_ENTRY(waiter) of_host;
	TAILQ_ENTRY(waiter) of_ready;
	struct event *deadline;
	bool is_ready; /* to be answered */
	struct jb_wait wait;
	char id[JIT_ID_SIZE];
	jb_wait_answer answer;
};

TAILQ_HEAD(waiter_list, waiter);

/* A host that waits: there are thousands, and each change concerns one or two of them. */
struct host {
	struct jb_waiters *waiters;
	char *name;
	struct waiter_list list;
	unsigned count;
};

struct jb_waiters {
	void *hosts; /* tsearch(3) */
	struct waiter_list ready;
	struct event_base *base;
	struct event *round;
	unsigned count;
	bool draining;
	void *arg;
};

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct host *)a)->name, ((const struct host *)b)->name);
}

static struct host *find_host(const struct jb_waiters *waiters, const char *name)
{
	const struct host wanted = {.name = (char *)(uintptr_t)name};
	void *found = tfind(&wanted, &waiters->hosts, compare);

	return found ? *(struct host **)found : NULL;
}

static void host_free(struct host *host)
{
	free(host->name);
	free(host);
}

static struct host *make_host(struct jb_waiters *waiters, const char *name)
{
	struct host *host = calloc(1, sizeof(*host));

	if (!host)
		return NULL;
	TAILQ_INIT(&host->list);
	host->waiters = waiters;
	host->name = strdup(name);
	if (!host->name || !tsearch(host, &waiters->hosts, compare)) {
		host_free(host);
		return NULL;
	}
	return host;
}

static void drop_if_empty(struct host *host)
{
	if (host->count)
		return;
	tdelete(host, &host->waiters->hosts, compare);
	host_free(host);
}

static void waiter_free(struct waiter *waiter)
{
	struct host *host = waiter->host;

	if (waiter->is_ready)
		TAILQ_REMOVE(&host->waiters->ready, waiter, of_ready);
	TAILQ_REMOVE(&host->list, waiter, of_host);
	host->count--;
	host->waiters->count--;
	event_free(waiter->deadline);
	free(waiter);
	drop_if_empty(host);
}

static void on_gone(void *arg)
{
	waiter_free(arg);
}

static void start_round(struct jb_waiters *waiters)
{
	const struct timeval next_turn = {0};

	event_add(waiters->round, &next_turn);
}

static void make_ready(struct waiter *waiter)
{
	struct jb_waiters *waiters = waiter->host->waiters;

	if (waiter->is_ready)
		return;
	waiter->is_ready = true;
	event_del(waiter->deadline);
	TAILQ_INSERT_TAIL(&waiters->ready, waiter, of_ready);
	start_round(waiters);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	make_ready(arg);
}

static bool same_question(const struct waiter *a, const struct waiter *b)
{
	return a->host == b->host && a->answer == b->answer && a->wait.after == b->wait.after &&
	       strcmp(a->id, b->id) == 0;
}

void jb_waiters_answer(struct jb_waiters *waiters)
{
	struct waiter *first = TAILQ_FIRST(&waiters->ready), *same[JB_WAITS_AT_ONCE], *w;
	const struct jb_wait *waits[JB_WAITS_AT_ONCE];
	size_t n = 0;

	for (w = first; w && n < JB_WAITS_AT_ONCE && same_question(first, w); w = TAILQ_NEXT(w, of_ready)) {
		jb_call_on_gone(w->wait.call, NULL, NULL);
		waits[n] = &w->wait;
		same[n++] = w;
	}
	if (n)
		first->answer(waiters->arg, waits, n);
	for (size_t i = 0; i < n; i++)
		waiter_free(same[i]);
}

/* Comes by a timer: the loop looks at its sockets between two of them. */
static void on_round(evutil_socket_t fd, short what, void *arg)
{
	struct jb_waiters *waiters = arg;

	(void)fd;
	(void)what;
	jb_waiters_answer(waiters);
	if (!TAILQ_EMPTY(&waiters->ready))
		start_round(waiters);
}

static struct waiter *make_waiter(struct host *host, const struct jb_wait *wait, jb_wait_answer answer)
{
	struct waiter *waiter = strlen(wait->id) < sizeof(waiter->id) ? calloc(1, sizeof(*waiter)) : NULL;

	if (!waiter)
		return NULL;
	waiter->deadline = evtimer_new(host->waiters->base, on_deadline, waiter);
	if (!waiter->deadline) {
		free(waiter);
		return NULL;
	}
	waiter->host = host;
	waiter->wait = *wait;
	waiter->answer = answer;
	memcpy(waiter->id, wait->id, strlen(wait->id) + 1);
	waiter->wait.host = host->name;
	waiter->wait.id = waiter->id;
	TAILQ_INSERT_TAIL(&host->list, waiter, of_host);
	host->count++;
	host->waiters->count++;
	return waiter;
}

int jb_waiters_add(struct jb_waiters *waiters, const struct jb_wait *wait, jb_wait_answer answer)
{
	const unsigned seconds = wait->seconds < JB_WAIT_MAX ? wait->seconds : JB_WAIT_MAX;
	struct host *host = find_host(waiters, wait->host);

	if (host && host->count >= JB_WAITERS_PER_HOST)
		return -EBUSY;
	if (!host && !(host = make_host(waiters, wait->host)))
		return -ENOMEM;
	struct waiter *waiter = make_waiter(host, wait, answer);
	if (!waiter) {
		drop_if_empty(host);
		return -ENOMEM;
	}
	jb_deadline_set(waiter->deadline, seconds * 1000);
	if (waiters->draining)
		make_ready(waiter);
	jb_call_on_gone(wait->call, on_gone, waiter);
	return 0;
}

static void wake_host(struct jb_waiters *waiters, const char *name, const struct jb_request *request)
{
	struct host *host = find_host(waiters, name);
	struct waiter *waiter;

	if (!host)
		return;
	for (waiter = TAILQ_FIRST(&host->list); waiter; waiter = TAILQ_NEXT(waiter, of_host))
		/* A first approval of two leaves it PENDING, and its waiter waiting. */
		if (!*waiter->id || (strcmp(waiter->id, request->id) == 0 && request->status != JB_PENDING))
			make_ready(waiter);
}

void jb_waiters_wake(struct jb_waiters *waiters, const struct jb_request *request)
{
	/* Answered in a turn of their own: the engine that told us may be in the middle of its work. */
	wake_host(waiters, request->host, request);
	if (request->filed_by)
		wake_host(waiters, request->filed_by, request);
}

static void wake_all_of(const void *node, VISIT which, void *arg)
{
	const struct host *host = *(struct host *const *)node;
	struct waiter *waiter;

	(void)arg;
	if (which == postorder || which == leaf)
		for (waiter = TAILQ_FIRST(&host->list); waiter; waiter = TAILQ_NEXT(waiter, of_host))
			make_ready(waiter);
}

void jb_waiters_drain(struct jb_waiters *waiters)
{
	waiters->draining = true;
	twalk_r(waiters->hosts, wake_all_of, NULL);
}

unsigned jb_waiters_count(const struct jb_waiters *waiters)
{
	return waiters->count;
}

struct jb_waiters *jb_waiters_new(struct event_base *base, void *arg)
{
	struct jb_waiters *waiters = calloc(1, sizeof(*waiters));

	if (!waiters)
		return NULL;
	TAILQ_INIT(&waiters->ready);
	waiters->base = base;
	waiters->arg = arg;
	waiters->round = evtimer_new(base, on_round, waiters);
	if (!waiters->round) {
		jb_waiters_free(waiters);
		return NULL;
	}
	return waiters;
}

void jb_waiters_free(struct jb_waiters *waiters)
{
	if (!waiters)
		return;
	while (waiters->hosts) /* the last waiter of a host takes the host with it */
		waiter_free(TAILQ_FIRST(&(*(struct host **)waiters->hosts)->list));
	if (waiters->round)
		event_free(waiters->round);
	free(waiters);
}
