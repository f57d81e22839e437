/*
 * A usage plan as API Gateway has it: a token bucket (rate, burst) and a quota of
 * calls a day. Arithmetic alone: no clock, no store.
 */
#ifndef JB_PLAN_H
#define JB_PLAN_H

#include <stdbool.h>
#include <stdint.h>

struct jb_plan_terms {
	uint32_t rate;	/* tokens that come each second */
	uint32_t burst; /* tokens that the bucket holds: the most calls at once */
	uint32_t quota; /* calls a day, UTC; 0: as many as come */
};

/* What one caller has used. All zero: nothing yet, and a full bucket. */
struct jb_plan_count {
	bool begun;
	int64_t thousandths; /* of tokens in the bucket */
	int64_t at_ms;	     /* when they were counted, on a clock that nobody sets */
	int64_t day;	     /* days since 1970, UTC, and the calls that passed on it */
	int64_t calls;
};

enum jb_plan_verdict {
	JB_PLAN_USED_UP,  /* the day's quota: "Limit Exceeded" */
	JB_PLAN_TOO_FAST, /* the bucket is empty: "Too Many Requests" */
	JB_PLAN_PASSES,
};

int64_t jb_plan_day(int64_t now);

/*
 * One more call: `ms` on a clock that nobody sets, `now` in epoch seconds. What
 * is refused uses nothing. *ret_retry_after: seconds after which one may pass
 * again; only where it is refused.
 */
enum jb_plan_verdict jb_plan_take(const struct jb_plan_terms *terms, struct jb_plan_count *count, int64_t ms,
				  int64_t now, unsigned *ret_retry_after);

#endif
