/* See issuer_call.h. */
#include "issuer_call.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include "fetch.h"

static void call_free(struct jb_issuer_call *call)
{
	*call->link = call->next;
	if (call->next)
		call->next->link = call->link;
	jit_fetch_cancel(call->fetch);
	if (call->clear)
		call->clear(call);
	event_free(call->soon);
	free(call);
}

void jb_issuer_call_finish(struct jb_issuer_call *call, const struct jb_credentials *credentials)
{
	const jb_issued done = call->done;
	void *const arg = call->arg;
	const bool passing = call->passing;
	char why[sizeof(call->why)];

	snprintf(why, sizeof(why), "%s", call->why);
	call_free(call);
	done(arg, &(struct jb_issue){.credentials = credentials, .passing = passing, .why = why});
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
	struct jb_issuer_call *call = arg;

	(void)fd;
	(void)what;
	if (call->soon_fn)
		call->soon_fn(call);
	else
		jb_issuer_call_finish(call, NULL);
}

int jb_issuer_call_begin(struct jb_issuer_call *call, struct jb_issuer_call **list, struct event_base *base,
			 void (*soon)(struct jb_issuer_call *call), jb_issued done, void *arg)
{
	call->soon = evtimer_new(base, on_soon, call);
	if (!call->soon) {
		free(call);
		return -ENOMEM;
	}
	call->soon_fn = soon;
	call->done = done;
	call->arg = arg;
	call->link = list;
	call->next = *list;
	if (call->next)
		call->next->link = &call->next;
	*list = call;
	return 0;
}

void jb_issuer_call_soon(struct jb_issuer_call *call)
{
	const struct timeval at_once = {0};

	event_add(call->soon, &at_once);
}

void jb_issuer_calls_drop(struct jb_issuer_call *list)
{
	for (struct jb_issuer_call *next; list; list = next) {
		next = list->next;
		call_free(list);
	}
}
