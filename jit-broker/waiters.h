/*
 * Long polls: calls whose answer waits for something to change. Each has a
 * deadline; a host has at most JB_WAITERS_PER_HOST of them; one whose peer leaves
 * is forgotten at once.
 */
#ifndef JB_WAITERS_H
#define JB_WAITERS_H

#include <stddef.h>
#include <stdint.h>

#include "call.h"
#include "request.h"

#define JB_WAITERS_PER_HOST 64
#define JB_WAIT_MAX	    25 /* seconds */
#define JB_WAITS_AT_ONCE    16 /* answers in one turn of the loop: who calls meanwhile waits for no more */

struct event_base;
struct jb_waiters;

struct jb_wait {
	struct jb_call *call;
	const char *host; /* whose key the call came with; copied */
	const char *id;	  /* uuid of the one request waited for; "": anything of that host; copied */
	int64_t after;	  /* for the answer: the cursor that was asked with */
	unsigned seconds;
};

/*
 * Called from the loop when it has changed or the time is over: answers the calls
 * with what is now. They came from one host and asked the same, so that one look
 * serves all of them; of many that are due, a few are answered in a turn of the loop.
 */
typedef void (*jb_wait_answer)(void *arg, const struct jb_wait *const waits[], size_t count);

struct jb_waiters *jb_waiters_new(struct event_base *base, void *arg);
/* Before this the server must be gone, and with it every call that waits. NULL is fine. */
void jb_waiters_free(struct jb_waiters *waiters);

/* 0; -EBUSY: this host waits with too many calls already; -ENOMEM. Then the caller answers. */
int jb_waiters_add(struct jb_waiters *waiters, const struct jb_wait *wait, jb_wait_answer answer);

/* Everybody is answered, and whoever comes from here on at once; done when nobody is left. */
void jb_waiters_drain(struct jb_waiters *waiters);
unsigned jb_waiters_count(const struct jb_waiters *waiters);

/* A request changed: whoever waits for it is answered soon, after the current callback. */
void jb_waiters_wake(struct jb_waiters *waiters, const struct jb_request *request);

/* Answers the first of them now, as many as go in a turn. For whoever is done with the engine, and has a caller of
 * their own to answer, who is in less of a hurry. */
void jb_waiters_answer(struct jb_waiters *waiters);

#endif
