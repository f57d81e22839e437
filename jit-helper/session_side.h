/*
 * session.sock: what `jit` asks. One frame, one answer, closed. Nothing here
 * ever opens a request at the broker; credentials are answered from memory.
 */
#ifndef JH_SESSION_SIDE_H
#define JH_SESSION_SIDE_H

#include "elevation.h"
#include "peer.h"

struct jh_listener *jh_session_side_new(struct jh_helper *helper, int fd);

/* The grant's credentials have come: whoever waits for them is answered. */
void jh_waiters_wake(struct jh_grant *grant);
/* The elevation ends: whoever waits under it gets a FAULT. */
void jh_waiters_refuse(struct jh_elevation *elevation, enum jit_exit status, const char *sentence);

#endif
