/*
 * One call of an issuer, from its being asked to its one answer: what every kind of
 * issuer has of it. A kind's own call begins with struct jb_issuer_call, in memory
 * of its own that is freed with it.
 */
#ifndef JB_ISSUER_CALL_H
#define JB_ISSUER_CALL_H

#include <stdbool.h>

#include "issuer.h"

struct event;
struct event_base;
struct jit_fetch_call;

struct jb_issuer_call {
	struct jb_issuer_call *next, **link;
	struct jit_fetch_call *fetch; /* under way; NULL: nothing was sent, or it has called back */
	struct event *soon;
	void (*soon_fn)(struct jb_issuer_call *call);
	void (*clear)(struct jb_issuer_call *call); /* of what the kind's own part holds; NULL: nothing */
	bool passing;
	char why[512];
	jb_issued done;
	void *arg;
};

/*
 * Puts the call at the head of the issuer's list. `soon`: called from the loop, where
 * jb_issuer_call_soon asks for it; NULL: the call ends then with what stands in why.
 * 0, or -ENOMEM and the call is no more.
 */
int jb_issuer_call_begin(struct jb_issuer_call *call, struct jb_issuer_call **list, struct event_base *base,
			 void (*soon)(struct jb_issuer_call *call), jb_issued done, void *arg);
/* In the next turn of the loop: an issuer never answers from within the call that asks it. */
void jb_issuer_call_soon(struct jb_issuer_call *call);
/* The caller hears of it (credentials NULL: call->why, call->passing) and the call is no more. */
void jb_issuer_call_finish(struct jb_issuer_call *call, const struct jb_credentials *credentials);
/* All of the list end without a word. */
void jb_issuer_calls_drop(struct jb_issuer_call *list);

#endif
