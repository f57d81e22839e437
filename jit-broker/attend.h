/*
 * Looks after the store while the broker serves: some stores want to be seen to now
 * and then, and tell of what other processes have written (jb_store_attend).
 */
#ifndef JB_ATTEND_H
#define JB_ATTEND_H

struct event_base;
struct jb_api;
struct jb_attend;
struct jb_store;

/* NULL: out of memory. What others write wakes who waits at the api. */
struct jb_attend *jb_attend_new(struct event_base *base, struct jb_store *store, struct jb_api *api);
/* NULL is fine. */
void jb_attend_free(struct jb_attend *attend);

#endif
