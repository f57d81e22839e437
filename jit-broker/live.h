/*
 * Open pages that wait for news: each has one call that is answered when what its
 * person sees has changed. What many pages of one person see is looked up once,
 * and after a change at most a few times a second. A page whose browser leaves is
 * forgotten at once.
 */
#ifndef JB_LIVE_H
#define JB_LIVE_H

#include <stdbool.h>
#include <stddef.h>

#include "call.h"
#include "proto.h"

#define JB_LIVE_PATH_SIZE  64
#define JB_LIVE_TOKEN_SIZE 33
#define JB_LIVE_PER_PERSON 16
#define JB_LIVE_MAX	   1024
#define JB_LIVE_WAIT_MAX   25 /* seconds */

struct event_base;
struct jb_live;

struct jb_live_page {
	struct jb_call *call;
	bool proxied;
	char person[JIT_NAME_SIZE];
	char path[JB_LIVE_PATH_SIZE];  /* which page it is */
	char seen[JB_LIVE_TOKEN_SIZE]; /* what it shows: a token of its state */
};

struct jb_live_calls {
	/* The token of what that person would see there now; false: nothing can be said (the page is answered then). */
	bool (*look)(void *arg, const char *person, const char *path, char token[static JB_LIVE_TOKEN_SIZE]);
	/* It changed, or its time is over: answers the call. */
	void (*answer)(void *arg, const struct jb_live_page *page, bool changed);
};

struct jb_live *jb_live_new(struct event_base *base, const struct jb_live_calls *calls, void *arg);
/* Before this the servers must be gone. NULL is fine. */
void jb_live_free(struct jb_live *live);

/* 0; -EBUSY: this person, or everybody, waits with too many pages already; -ENOMEM. Then the caller answers. */
int jb_live_add(struct jb_live *live, const struct jb_live_page *page, unsigned seconds);
/* That person has signed out somewhere: each of their pages is answered, and finds out whether it was there. */
void jb_live_ask_again(struct jb_live *live, const char *person);
/* Each page is answered, and one that comes from here on at once; done when nobody is left. */
void jb_live_drain(struct jb_live *live);
size_t jb_live_count(const struct jb_live *live);
/* Something was filed or has changed. */
void jb_live_wake(struct jb_live *live);

#endif
