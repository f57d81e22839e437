/*
 * A role with on_expiry = end: at its grant's end every process that the
 * elevations started and left behind is told to go (SIGHUP), and after
 * `end_grace` made to (SIGKILL), until none remains. Tidies up; it does not
 * contain somebody who was root.
 */
#ifndef JH_ENDING_H
#define JH_ENDING_H

#include "alarm.h"
#include "answer.h"
#include "trace.h"

struct jh_helper;

struct jh_ending {
	LIST_ENTRY(jh_ending) link;
	struct jh_helper *helper;
	char short_id[JH_SHORT_SIZE];
	char requester[JIT_NAME_SIZE]; /* empty: a helper before this one did not say */
	struct jh_traces traces;
	int64_t kill_ms;    /* boottime: from then on SIGKILL; 0: nobody has been told to go yet */
	int64_t give_up_ms; /* boottime; 0: no SIGKILL yet, or it is counted anew */
	unsigned blind;	    /* how often in a row /proc could not be read whole for want of descriptors or memory */
	bool waits;	    /* only what another grant may have left is there */
	bool roused;	    /* a grant is over, and its turn to be looked at is set */
	bool complained;
	struct jh_alarm again;
};

/*
 * Ends what its traces left, and takes it over: all zero but for short_id, requester, traces and kill_ms. With kill_ms
 * 0 it begins with SIGHUP; else it goes on where a helper before this one was. Its grant is not listed any more by its
 * first look.
 */
void jh_ending_begin(struct jh_helper *helper, struct jh_ending *ending);
/* A grant is over: what waited for it goes on. */
void jh_endings_look(struct jh_helper *helper);
/* Forgets them, when the helper stops. */
void jh_endings_free(struct jh_helper *helper);

#endif
