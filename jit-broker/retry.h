/* How long to wait after the n-th failure in a row: twice as long each time, up to a limit, and never in step. */
#ifndef JB_RETRY_H
#define JB_RETRY_H

#include <stdint.h>

/*
 * Milliseconds: of first * 2^(failures - 1), at most `most`, the second half by
 * chance (`random` is any number). failures 0 counts as 1; both times in seconds.
 */
static inline int64_t jb_retry_ms(unsigned failures, uint32_t first, uint32_t most, uint32_t random)
{
	const unsigned doublings = failures > 1 ? failures - 1 : 0;
	int64_t ms = (int64_t)first * 1000, limit = (int64_t)most * 1000;

	for (unsigned i = 0; i < doublings && ms < limit; i++)
		ms *= 2;
	if (ms > limit)
		ms = limit;
	return ms / 2 + ms / 2 * (int64_t)random / UINT32_MAX;
}

#endif
