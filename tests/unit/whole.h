/*
 * What is written while memory runs out is whole, or it is not there: each thing is
 * made with the first of its allocations failing, then the second, and so on.
 */
#ifndef JIT_TEST_WHOLE_H
#define JIT_TEST_WHOLE_H

#include <stdio.h>

#include "no_memory.h"

#ifdef JIT_TEST_NO_MEMORY

struct thing {
	const char *what;
	char *(*make)(void); /* allocates between begin() and end(); NULL where there is no thing */
	unsigned least;	     /* allocations that it takes */
};

#define THING(name, least)                                                                                             \
	{                                                                                                              \
#name, name, least                                                                                     \
	}

static long nth = LONG_MAX; /* the allocation that fails */
static bool all_were_had;

static void begin(void)
{
	left = nth;
}

static void end(void)
{
	all_were_had = left >= 0;
	left = LONG_MAX;
}

static void whole_or_not_there(const struct thing *thing)
{
	unsigned failed = 0;

	nth = LONG_MAX;
	char *whole = thing->make();
	assert_non_null(whole);
	all_were_had = false;
	for (nth = 0; !all_were_had; nth++) {
		char *text = thing->make();

		if (text && strcmp(text, whole) != 0)
			fail_msg("%s, when allocation %ld failed: %s\nis not whole: %s", thing->what, nth, text, whole);
		failed += !text;
		free(text);
	}
	if (failed < thing->least)
		fail_msg("%s: only %u allocations failed", thing->what, failed);
	free(whole);
}

static void all_whole_or_not_there(const struct thing *things, size_t count)
{
	if (!memory_can_run_out())
		skip();
	for (size_t i = 0; i < count; i++)
		whole_or_not_there(&things[i]);
}

#endif
#endif
