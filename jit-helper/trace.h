/*
 * What a grant must remember of its elevations so that what they leave behind
 * can be ended with it, and whom that is: pure rules over what was seen in
 * /proc. An elevation that is over stays in the memory: a job in the background
 * outlives it.
 */
#ifndef JH_TRACE_H
#define JH_TRACE_H

#include <stdbool.h>
#include <stddef.h>

#include "sight.h"

#define JH_TRACES_MAX 128

struct jh_trace {
	uint32_t audit; /* JH_NO_AUDIT: none */
	uid_t uid;	/* the target's */
	/* Whoever asked has the same uid outside the elevation (sudo -u SELF): only descendants are told from it. */
	bool descent;
	pid_t pid; /* of the elevation's process */
	uint64_t start;
};

struct jh_traces {
	size_t count;
	struct jh_trace at[JH_TRACES_MAX];
	size_t look; /* where jh_traces_add goes on looking for those whose process is gone */
};

/*
 * Remembers one more. `alive` says whether a trace's process still is: one that
 * is gone and says nothing that another does not say makes room, and where none
 * is, the oldest. It is asked of two, and of all only where there is no room:
 * of many sessions that begin at once each would ask for all. False when
 * something had to be forgotten.
 */
bool jh_traces_add(struct jh_traces *traces, const struct jh_trace *trace, bool (*alive)(const struct jh_trace *trace));

enum jh_fate {
	JH_SPARED,
	JH_DOOMED,   /* it descends from one of mine, whoever else there is */
	JH_LEFT,     /* doomed too, if all was seen: left behind by one of mine */
	JH_DISPUTED, /* left behind by nobody knows which grant: waits until the others are over too */
};

/*
 * Is the process at `i` to be ended with the grant whose elevations are `mine`?
 * `seen` is sorted by pid. `others` are those of grants that go on.
 *
 * It is when the closest elevation above it is one of mine, it runs as that
 * one's target, and in its audit session. With no elevation above it, it is
 * what an elevation left behind: when it began after one of mine, in its audit
 * session, as its target, and no other grant has had an elevation like it.
 * Never an elevation's own process, nor one that it descends from.
 */
enum jh_fate jh_fate(const struct jh_sight *seen, size_t count, size_t i, const struct jh_traces *mine,
		     const struct jh_traces *const *others, size_t other_count);

#endif
