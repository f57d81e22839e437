/*
 * An invocation as a call of the API: the event is read (gateway.h), handed to
 * the same handlers that serve connections, and their answer written in the form
 * that the gateway takes. Nothing waits for a change here, since a waiting
 * function is paid for: a caller is told what is now and when to ask again. What
 * the broker itself has to wait for (the issuer) it waits for until the
 * invocation's deadline.
 */
#ifndef JB_LAMBDA_CALL_H
#define JB_LAMBDA_CALL_H

#include "lambda_runtime.h"

struct event_base;
struct jb_api;
struct jb_function;

struct jb_lambda_broker {
	struct event_base *base;
	struct jb_api *api;
	const struct jb_function *function; /* the calls that it serves */
	const char *host; /* for whom whoever may invoke the function directly files; NULL: nobody may */
};

/* A jb_lambda_handler; arg is a jb_lambda_broker. */
void jb_lambda_call(void *arg, const struct jb_lambda_event *event, struct jb_lambda_answer *answer);

#endif
