/* A daemon's loop: libevent's, which leaves no piece of a secret in the registers while it waits (registers.h). */
#ifndef JIT_EVLOOP_H
#define JIT_EVLOOP_H

struct event_base;

/* As event_base_dispatch: until event_base_loopbreak or event_base_loopexit. 0, 1: nothing is left to wait for, -1. */
int jit_evloop_run(struct event_base *base);

#endif
