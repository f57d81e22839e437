/*
 * One exchange with the helper (docs/protocol-helper.md): a question, then the
 * helper's frames, which the module serves as a terminal, until the verdict.
 */
#ifndef PJ_EXCHANGE_H
#define PJ_EXCHANGE_H

#include "frame.h"
#include "proto.h"
#include "quiet.h"
#include "talk.h"
#include "verdict.h"

#include <stdbool.h>
#include <stdint.h>

#define PJ_FRAMES_MAX 64 /* before the verdict */
#define PJ_ENV_MAX    32
#define PJ_GRANT_MAX  (31 * 86400) /* seconds an elevation may be said to last */

/* How an exchange goes. All of it is the caller's. */
struct pj_exchange {
	int fd;	      /* to the helper */
	int client;   /* whose hang-up ends the exchange as CANCELLED, or -1 */
	int terminal; /* goes along with the question, or -1 */
	bool bare; /* nothing but a verdict is taken, and no elevation comes with it: nothing is ever shown or asked */
	enum pj_phase phase;
	int64_t deadline; /* jit_boottime_ms */
	struct pj_quiet *quiet;
	struct pj_talk *talk;
};

struct pj_answer {
	uint32_t outcome;	  /* enum jit_outcome; JIT_INVALID where the helper broke the protocol */
	char text[JIT_LINE_SIZE]; /* for the person; "" where the outcome's own sentence does */
	char grant[JIT_ID_SIZE];  /* "" where none was named */
	uint32_t remaining;	  /* of an allowed OPEN: seconds, positive */
	const uint8_t *token;	  /* of an allowed OPEN: in `frame` */
	struct jit_frame frame;	  /* the verdict; begins as {0}, and the caller wipes it */
};

/*
 * Sends the question and serves the helper until its verdict, the deadline, a
 * signal or the client's hang-up. A prompt that cannot be shown is answered with
 * a REPLY that has no TEXT. Always fills *ret_answer, whose texts are clean.
 */
void pj_exchange(const struct pj_exchange *how, const struct jit_frame *question, struct pj_answer *ret_answer);

/*
 * The nth (from 0) variable, "NAME=value", of an allowed OPEN. The answer has been checked: names of capitals, digits
 * and underscores, none that steers the dynamic linker, values of clean text.
 * Copies into buf. False when there are no more.
 */
bool pj_answer_env(const struct pj_answer *answer, unsigned nth, char *buf, size_t size);

#endif
