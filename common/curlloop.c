/* See curlloop.h. */
#include "curlloop.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "curlmem.h"

struct transfer {
	CURL *easy;
	bool lost;  /* with the multi handle that it was in: its owner is still to be told */
	bool is_in; /* the multi handle */
	LIST_ENTRY(transfer) link;
};

struct jit_curlloop {
	struct event_base *base;
	CURLM *multi; /* NULL: it was given up, and nothing was added since */
	struct event *timer;
	jit_curlloop_done done;
	LIST_HEAD(transfer_list, transfer) transfers;
};

static void reap(struct jit_curlloop *loop)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(loop->multi, &left)))
		if (msg->msg == CURLMSG_DONE)
			loop->done(msg->easy_handle, msg->data.result);
}

static struct transfer *next_lost(const struct jit_curlloop *loop)
{
	for (struct transfer *t = LIST_FIRST(&loop->transfers); t; t = LIST_NEXT(t, link))
		if (t->lost)
			return t;
	return NULL;
}

static void lose(struct jit_curlloop *loop, struct transfer *t)
{
	if (!t->is_in)
		return;
	curl_multi_remove_handle(loop->multi, t->easy);
	t->is_in = false;
	t->lost = true;
}

/*
 * A libcurl without memory for what it keeps of a socket leaves the transfer
 * there for good, with nothing that would wake it, and what it leaves of the
 * entry ends the process when that socket is used again (it divides by 0; 7.88).
 * So all that it has is given up, and told as what it is.
 */
static void give_up(struct jit_curlloop *loop)
{
	for (struct transfer *t = LIST_FIRST(&loop->transfers); t; t = LIST_NEXT(t, link))
		lose(loop, t);
	curl_multi_cleanup(loop->multi);
	loop->multi = NULL;
	event_del(loop->timer);
	for (struct transfer *t; (t = next_lost(loop));) {
		t->lost = false;
		loop->done(t->easy, CURLE_OUT_OF_MEMORY);
	}
}

static void act(struct jit_curlloop *loop, curl_socket_t fd, int action)
{
	int running;

	if (!loop->multi) /* an event that was on its way when it was given up */
		return;
	const CURLMcode code = curl_multi_socket_action(loop->multi, fd, action, &running);
	reap(loop);
	if (code > CURLM_OK)
		give_up(loop);
}

static void on_socket_event(evutil_socket_t fd, short what, void *arg)
{
	int action = 0;

	if (what & EV_READ)
		action |= CURL_CSELECT_IN;
	if (what & EV_WRITE)
		action |= CURL_CSELECT_OUT;
	act(arg, fd, action);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	act(arg, CURL_SOCKET_TIMEOUT, 0);
}

/* libcurl tells which socket it waits for; the event is kept as the socket's private pointer. */
static int want_socket(CURL *easy, curl_socket_t fd, int action, void *arg, void *socket_event)
{
	struct jit_curlloop *loop = arg;
	struct event *event = socket_event;
	short what = EV_PERSIST;

	(void)easy;
	if (event) {
		event_free(event);
		curl_multi_assign(loop->multi, fd, NULL);
	}
	if (action == CURL_POLL_REMOVE)
		return 0;
	if (action & CURL_POLL_IN)
		what |= EV_READ;
	if (action & CURL_POLL_OUT)
		what |= EV_WRITE;
	event = event_new(loop->base, fd, what, on_socket_event, loop);
	if (!event || event_add(event, NULL) < 0) {
		if (event)
			event_free(event);
		return -1; /* libcurl fails what it was called for, and all that it has is given up */
	}
	curl_multi_assign(loop->multi, fd, event);
	return 0;
}

/* One that cannot be set fires at once: nothing waits for good. */
static int want_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct jit_curlloop *loop = arg;
	struct timeval tv = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};

	(void)multi;
	if (timeout_ms < 0)
		event_del(loop->timer);
	else if (event_add(loop->timer, &tv) < 0)
		event_active(loop->timer, EV_TIMEOUT, 0);
	return 0;
}

static int begin(struct jit_curlloop *loop)
{
	loop->multi = curl_multi_init();
	if (!loop->multi)
		return -1;
	curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	curl_multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop);
	curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, want_timer);
	curl_multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop);
	return 0;
}

struct jit_curlloop *jit_curlloop_new(struct event_base *base, jit_curlloop_done done)
{
	struct jit_curlloop *loop;

	if (jit_curlmem_start() < 0 || !(loop = calloc(1, sizeof(*loop))))
		return NULL;
	loop->base = base;
	loop->done = done;
	loop->timer = evtimer_new(base, on_timer, loop);
	if (!loop->timer || begin(loop) < 0) {
		jit_curlloop_free(loop);
		return NULL;
	}
	return loop;
}

void jit_curlloop_free(struct jit_curlloop *loop)
{
	if (!loop)
		return;
	if (loop->multi)
		curl_multi_cleanup(loop->multi);
	if (loop->timer)
		event_free(loop->timer);
	free(loop);
}

int jit_curlloop_add(struct jit_curlloop *loop, CURL *easy)
{
	struct transfer *t = calloc(1, sizeof(*t));

	if (!t || (!loop->multi && begin(loop) < 0) || curl_multi_add_handle(loop->multi, easy) != CURLM_OK) {
		free(t);
		return -1;
	}
	t->easy = easy;
	t->is_in = true;
	LIST_INSERT_HEAD(&loop->transfers, t, link);
	return 0;
}

static struct transfer *find(const struct jit_curlloop *loop, const CURL *easy)
{
	for (struct transfer *t = LIST_FIRST(&loop->transfers); t; t = LIST_NEXT(t, link))
		if (t->easy == easy)
			return t;
	return NULL;
}

int jit_curlloop_remove(struct jit_curlloop *loop, CURL *easy)
{
	struct transfer *t = find(loop, easy);
	int r = 0;

	if (!t)
		return 0;
	if (t->is_in && curl_multi_remove_handle(loop->multi, easy) != CURLM_OK)
		r = -1;
	LIST_REMOVE(t, link);
	free(t);
	return r;
}
