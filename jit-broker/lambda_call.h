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
struct jb_conf;
struct jb_engine;
struct jb_function;
struct jb_issuer;
struct jb_lambda_owed;
struct jb_notify;
struct jb_store;

struct jb_lambda_broker {
	struct event_base *base;
	const struct jb_conf *conf;
	struct jb_store *store;
	struct jb_engine *engine;
	struct jb_issuer *issuer;
	struct jb_lambda_owed *owed; /* NULL: there is no workflow */
	struct jb_notify *notify;    /* of a sweep; else NULL */
	struct jb_api *api;
	const struct jb_function *function; /* the calls that it serves */
	const char *host; /* for whom whoever may invoke the function directly files; NULL: nobody may */
};

#define JB_LAMBDA_MARGIN_MS 300 /* before the deadline: for the answer's own way */

/* A jb_lambda_handler; arg is a jb_lambda_broker. */
void jb_lambda_call(void *arg, const struct jb_lambda_event *event, struct jb_lambda_answer *answer);

#endif
