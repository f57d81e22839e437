/* See curlloop.h. */
#include "curlloop.h"

#include <event2/event.h>
#include <stdlib.h>

#include "curlmem.h"

struct jit_curlloop {
	struct event_base *base;
	CURLM *multi;
	struct event *timer;
	jit_curlloop_done done;
};

static void reap(struct jit_curlloop *loop)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(loop->multi, &left)))
		if (msg->msg == CURLMSG_DONE)
			loop->done(msg->easy_handle, msg->data.result);
}

static void on_socket_event(evutil_socket_t fd, short what, void *arg)
{
	struct jit_curlloop *loop = arg;
	int running, action = 0;

	if (what & EV_READ)
		action |= CURL_CSELECT_IN;
	if (what & EV_WRITE)
		action |= CURL_CSELECT_OUT;
	curl_multi_socket_action(loop->multi, fd, action, &running);
	reap(loop);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct jit_curlloop *loop = arg;
	int running;

	(void)fd;
	(void)what;
	curl_multi_socket_action(loop->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	reap(loop);
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
	if (!event || event_add(event, NULL) < 0)
		return -1;
	curl_multi_assign(loop->multi, fd, event);
	return 0;
}

static int want_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct jit_curlloop *loop = arg;
	struct timeval tv = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};

	(void)multi;
	if (timeout_ms < 0)
		return event_del(loop->timer) < 0 ? -1 : 0;
	return event_add(loop->timer, &tv) < 0 ? -1 : 0;
}

struct jit_curlloop *jit_curlloop_new(struct event_base *base, jit_curlloop_done done)
{
	struct jit_curlloop *loop;

	if (jit_curlmem_start() < 0 || !(loop = calloc(1, sizeof(*loop))))
		return NULL;
	loop->base = base;
	loop->done = done;
	loop->multi = curl_multi_init();
	loop->timer = evtimer_new(base, on_timer, loop);
	if (!loop->multi || !loop->timer) {
		jit_curlloop_free(loop);
		return NULL;
	}
	curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	curl_multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop);
	curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, want_timer);
	curl_multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop);
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
	return curl_multi_add_handle(loop->multi, easy) == CURLM_OK ? 0 : -1;
}

int jit_curlloop_remove(struct jit_curlloop *loop, CURL *easy)
{
	return curl_multi_remove_handle(loop->multi, easy) == CURLM_OK ? 0 : -1;
}
