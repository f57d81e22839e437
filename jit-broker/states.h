/*
 * A client of Step Functions
 * (https://docs.aws.amazon.com/step-functions/latest/apireference/Welcome.html):
 * brings one notice of the outbox's workflow channel (workflow.h), once. That an
 * execution is there already, or that its step waits no more, is as good as
 * delivered: the table is the truth, and the workflow reads it after a time-out.
 */
#ifndef JB_STATES_H
#define JB_STATES_H

#include "courier.h"

struct event_base;
struct jb_states;
struct jb_states_call;

/* `conf` must outlive it; it has a workflow. NULL with a sentence in why. */
struct jb_states *jb_states_new(struct event_base *base, const struct jb_conf *conf, char *why, size_t why_size);
/* After its calls. NULL is fine. */
void jb_states_free(struct jb_states *states);

/* `done` comes once, from the loop; NULL with a sentence in why: it will not. */
struct jb_states_call *jb_states_send(struct jb_states *states, const struct jb_notice *notice, jb_brought_fn done,
				      void *arg, char *why, size_t why_size);
/* Ends a call that has not called back yet. NULL is fine. */
void jb_states_cancel(struct jb_states_call *call);

#endif
