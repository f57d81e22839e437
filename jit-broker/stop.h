/*
 * Stopping in good order: nobody new is let in, whoever waits is answered with
 * what is now, what AWS is being asked for is waited for, and the last answers
 * reach their peers. All of it within a limit.
 */
#ifndef JB_STOP_H
#define JB_STOP_H

#include "reload.h"

struct event_base;
struct jb_stop;

/* Begins; the loop ends when all is done, or the limit is over. NULL: out of memory, the loop ends at once. */
struct jb_stop *jb_stop_new(struct event_base *base, const struct jb_running *running);
void jb_stop_free(struct jb_stop *stop); /* NULL is fine */

#endif
