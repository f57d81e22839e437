/*
 * Calls of common/fetch that never leave: whoever starts one is answered by the target. Linked in place of
 * jit_fetch_start, _cancel and _free, by --wrap; the rest of fetch is as ever.
 */
#ifndef JIT_FUZZ_CALLS_H
#define JIT_FUZZ_CALLS_H

#include "fetch.h"
#include "fuzz.h"

/* What waits for its answer, the one that was started first. */
struct fuzz_call {
	char *method, *url, *headers; /* headers: a line each, LF behind it */
	char *body;		      /* NULL: none */
};
/* NULL: nobody waits. */
const struct fuzz_call *fuzz_fetch_first(void);

/*
 * Answers it with what the input has up to the next 0x1e, which is taken too: a letter for how it went, and the body.
 * False: nobody waits.
 */
bool fuzz_fetch_answer(struct fuzz_input *in);
/* What that letter stands for: '2' is 200, 'd' the same with a date (FUZZ_DATE). */
#define FUZZ_DATE 1795363200 /* 2026-11-22T16:00:00Z */
void fuzz_fetch_outcome(char letter, struct jit_fetch_result *ret);

#endif
