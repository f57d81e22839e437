/* See live.h. */
#include "live.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#define GATHER_MS 60  /* what happens together is shown together */
#define REST_MS	  250 /* between two looks */

struct waiting {
	struct jb_live *live;
	struct waiting *prev, *next;
	struct event *due;
	struct jb_live_page page;
	bool looked_at; /* in this round */
};

struct jb_live {
	struct event_base *base;
	struct jb_live_calls calls;
	void *arg;
	struct waiting *first;
	size_t count;
	struct event *round;
	bool resting, again, draining;
};

static void waiting_free(struct waiting *w)
{
	if (w->prev)
		w->prev->next = w->next;
	else if (w->live->first == w)
		w->live->first = w->next;
	if (w->next)
		w->next->prev = w->prev;
	w->live->count--;
	if (w->due)
		event_free(w->due);
	free(w);
}

static void on_gone(void *arg)
{
	waiting_free(arg);
}

static void answer(struct waiting *w, bool changed)
{
	struct jb_live *live = w->live;
	const struct jb_live_page page = w->page;

	jb_call_on_gone(page.call, NULL, NULL);
	waiting_free(w);
	live->calls.answer(live->arg, &page, changed);
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	answer(arg, false);
}

static bool is_same_view(const struct jb_live_page *a, const struct jb_live_page *b)
{
	return strcmp(a->person, b->person) == 0 && strcmp(a->path, b->path) == 0;
}

/* Answers, of the pages that show this view, those that show an older state of it. Answering changes the list. */
static void tell(struct jb_live *live, const struct jb_live_page *view, const char *token)
{
	struct waiting *next;

	for (struct waiting *w = live->first; w; w = next) {
		next = w->next;
		if (w->looked_at || !is_same_view(&w->page, view))
			continue;
		w->looked_at = true;
		if (!token || strcmp(w->page.seen, token) != 0)
			answer(w, true);
	}
}

static void look_round(struct jb_live *live)
{
	struct waiting *w;

	for (w = live->first; w; w = w->next)
		w->looked_at = false;
	for (;;) {
		char token[JB_LIVE_TOKEN_SIZE];

		for (w = live->first; w && w->looked_at;)
			w = w->next;
		if (!w)
			return;
		const struct jb_live_page view = w->page;
		const bool known = live->calls.look(live->arg, view.person, view.path, token);
		tell(live, &view, known ? token : NULL);
	}
}

static void rest(struct jb_live *live, unsigned ms)
{
	const struct timeval tv = {.tv_usec = (suseconds_t)ms * 1000};

	live->resting = true;
	event_add(live->round, &tv);
}

static void on_round(evutil_socket_t fd, short what, void *arg)
{
	struct jb_live *live = arg;

	(void)fd;
	(void)what;
	live->resting = false;
	if (!live->again)
		return;
	live->again = false;
	look_round(live);
	rest(live, REST_MS);
}

void jb_live_wake(struct jb_live *live)
{
	live->again = true;
	if (!live->resting)
		rest(live, GATHER_MS);
}

void jb_live_ask_again(struct jb_live *live, const char *person)
{
	/* Each by its own event: to answer here would change the list that is walked. */
	for (struct waiting *w = live->first; w; w = w->next)
		if (strcmp(w->page.person, person) == 0)
			event_active(w->due, EV_TIMEOUT, 0);
}

void jb_live_drain(struct jb_live *live)
{
	live->draining = true;
	for (struct waiting *w = live->first; w; w = w->next)
		event_active(w->due, EV_TIMEOUT, 0);
}

size_t jb_live_count(const struct jb_live *live)
{
	return live->count;
}

int jb_live_add(struct jb_live *live, const struct jb_live_page *page, unsigned seconds)
{
	const unsigned wait = live->draining ? 0 : seconds < JB_LIVE_WAIT_MAX ? seconds : JB_LIVE_WAIT_MAX;
	const struct timeval tv = {.tv_sec = wait};
	size_t own = 0;

	for (const struct waiting *w = live->first; w; w = w->next)
		own += strcmp(w->page.person, page->person) == 0;
	if (own >= JB_LIVE_PER_PERSON || live->count >= JB_LIVE_MAX)
		return -EBUSY;
	struct waiting *w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->live = live;
	w->page = *page;
	w->due = evtimer_new(live->base, on_due, w);
	w->next = live->first;
	if (w->next)
		w->next->prev = w;
	live->first = w;
	live->count++;
	if (!w->due || event_add(w->due, &tv) < 0) {
		waiting_free(w);
		return -ENOMEM;
	}
	w->looked_at = true;
	jb_call_on_gone(page->call, on_gone, w);
	return 0;
}

struct jb_live *jb_live_new(struct event_base *base, const struct jb_live_calls *calls, void *arg)
{
	struct jb_live *live = calloc(1, sizeof(*live));

	if (!live)
		return NULL;
	live->base = base;
	live->calls = *calls;
	live->arg = arg;
	live->round = evtimer_new(base, on_round, live);
	if (!live->round) {
		jb_live_free(live);
		return NULL;
	}
	return live;
}

void jb_live_free(struct jb_live *live)
{
	if (!live)
		return;
	while (live->first)
		waiting_free(live->first);
	if (live->round)
		event_free(live->round);
	free(live);
}
