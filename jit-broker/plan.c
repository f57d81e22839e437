/* See plan.h. */
#include "plan.h"

#define DAY   86400
#define TOKEN 1000 /* thousandths */

int64_t jb_plan_day(int64_t now)
{
	return now / DAY;
}

/* A rate of so many a second is that many thousandths a millisecond. */
static void refill(const struct jb_plan_terms *terms, struct jb_plan_count *count, int64_t ms)
{
	const int64_t full = (int64_t)terms->burst * TOKEN;
	const int64_t passed = count->begun && ms > count->at_ms ? ms - count->at_ms : 0;

	if (!count->begun || passed > full / terms->rate)
		count->thousandths = full;
	else
		count->thousandths += passed * terms->rate;
	if (count->thousandths > full) /* or a reload made the bucket smaller */
		count->thousandths = full;
	count->begun = true;
	count->at_ms = ms;
}

enum jb_plan_verdict jb_plan_take(const struct jb_plan_terms *terms, struct jb_plan_count *count, int64_t ms,
				  int64_t now, unsigned *ret_retry_after)
{
	const int64_t day = jb_plan_day(now);

	if (count->day != day) {
		count->day = day;
		count->calls = 0;
	}
	refill(terms, count, ms);
	if (terms->quota && count->calls >= terms->quota) {
		*ret_retry_after = (unsigned)((day + 1) * DAY - now);
		return JB_PLAN_USED_UP;
	}
	if (count->thousandths < TOKEN) {
		*ret_retry_after = 1; /* a rate is one a second at least */
		return JB_PLAN_TOO_FAST;
	}
	count->thousandths -= TOKEN;
	count->calls++;
	return JB_PLAN_PASSES;
}
