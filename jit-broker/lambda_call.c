/* See lambda_call.h. */
#include "lambda_call.h"

#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "call_transport.h"
#include "clock.h"
#include "gateway.h"
#include "lambda_functions.h"
#include "lambda_owed.h"
#include "log.h"
#include "reply.h"
#include "usage.h"

#define HEADERS_MAX 4096

struct event_call {
	struct jb_call call; /* the first: a call of ours is its event */
	struct event_base *base;
	struct jb_lambda_answer *answer;
	bool answered, late;
};

static void refuse_event(struct jb_lambda_answer *answer, const char *error, const char *message)
{
	answer->error = error;
	snprintf(answer->message, sizeof(answer->message), "%s", message);
}

static void reply(struct jb_call *call, int status, const char *headers, const char *body, size_t len)
{
	struct event_call *c = (struct event_call *)call;
	char lines[HEADERS_MAX], again[40] = "";

	if (call->again_s && !strstr(headers, "Retry-After:"))
		snprintf(again, sizeof(again), "Retry-After: %u\r\n", call->again_s);
	int n = snprintf(lines, sizeof(lines), "%s%s%s",
			 strstr(headers, "Cache-Control:") ? "" : "Cache-Control: no-store\r\n", headers, again);

	if (n > 0 && (size_t)n < sizeof(lines))
		c->answer->text = jb_gateway_answer(status, lines, body, len, &c->answer->len);
	if (!c->answer->text)
		refuse_event(c->answer, "Function.OutOfMemory", "There is no memory for the answer.");
	c->answered = true;
	event_base_loopbreak(c->base);
}

static const struct jb_transport transport = {.may_wait = false, .reply = reply};

static void on_late(evutil_socket_t fd, short what, void *arg)
{
	struct event_call *c = arg;

	(void)fd;
	(void)what;
	c->late = true;
}

/* Runs what the answer waits for. */
static void wait_for_answer(struct event_call *c, int64_t deadline_ms)
{
	int64_t left_ms = deadline_ms - JB_LAMBDA_MARGIN_MS - jit_boottime_ms();
	struct event *late = evtimer_new(c->base, on_late, c);
	struct timeval tv = {.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000};

	c->late = left_ms <= 0 || !late || event_add(late, &tv) < 0;
	while (!c->answered && !c->late && event_base_loop(c->base, EVLOOP_ONCE) == 0)
		;
	if (late)
		event_free(late);
	if (c->answered)
		return;
	jb_call_lost(&c->call);
	jb_reply_error(&c->call, 503, "function.deadline",
		       "The function's time was over before the broker could answer; ask again.");
}

static void serve(struct jb_lambda_broker *broker, struct event_call *c, const struct jb_lambda_event *event)
{
	/* Which hosts were heard of is known to this instance only for as long as it was asked, and it sleeps between
	 * events: it does not judge that one has been silent. */
	jb_engine_awake(broker->api->engine, jit_wall_s());
	jb_api_handle(broker->api, &c->call);
	if (!c->answered)
		wait_for_answer(c, event->deadline_ms);
	jb_usage_write(broker->api->usage); /* the instance is frozen before a timer comes, or ended */
	jb_lambda_owed_bring(broker->owed, event->deadline_ms - JB_LAMBDA_MARGIN_MS);
}

/* The caller's own fault: said to the caller, in the form of an answer. */
static void refuse_caller(struct event_call *c, int status, const char *why)
{
	jb_reply_error(&c->call, status, "http.request", why);
}

static void take(struct jb_lambda_broker *broker, struct event_call *c, const struct jb_gateway_event *read,
		 const struct jb_lambda_event *event)
{
	const bool direct = read->kind == JB_GATEWAY_DIRECT;

	c->call.head = read->head;
	c->call.body = read->body;
	c->call.peer = read->peer;
	if (direct && (!broker->host || !jb_function_is_direct(broker->function))) {
		refuse_event(c->answer, "Event.Direct",
			     "This function is not to be invoked directly: name the host that it then stands for in "
			     "JIT_DIRECT_HOST of its configuration, or call it through the API.");
		return;
	}
	if (direct)
		c->call.host = broker->host;
	if (jb_function_serves(broker->function, read->head.method, read->head.path))
		serve(broker, c, event);
	else
		jb_reply_message(&c->call, 403, "Missing Authentication Token");
}

void jb_lambda_call(void *arg, const struct jb_lambda_event *event, struct jb_lambda_answer *answer)
{
	struct jb_lambda_broker *broker = arg;
	struct event_call c = {.call = {.transport = &transport}, .base = broker->base, .answer = answer};
	struct jb_gateway_event read;
	char why[256] = "";
	int status = jb_gateway_read(event->text, event->len, &read, why, sizeof(why));

	if (status == -ENOMEM) {
		refuse_event(answer, "Function.OutOfMemory", "There is no memory for the event.");
	} else if (status < 0) {
		refuse_event(answer, "Event.Unknown",
			     "The event is neither an API Gateway's (payload 1.0 or 2.0) nor a filing.");
	} else if (status > 0) {
		refuse_caller(&c, status, why);
	} else {
		take(broker, &c, &read, event);
		jb_gateway_clear(&read);
	}
}
