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

#include <stdint.h>

#define PJ_FRAMES_MAX 64 /* before the verdict */
#define PJ_ENV_MAX    32
#define PJ_GRANT_MAX  (31 * 86400) /* seconds an elevation may be said to last */

struct pj_answer {
	uint32_t outcome;	  /* enum jit_outcome; JIT_INVALID where the helper broke the protocol */
	char text[JIT_LINE_SIZE]; /* for the person; "" where the outcome's own sentence does */
	char grant[JIT_ID_SIZE];  /* "" where none was named */
	uint32_t remaining;	  /* of an allowed OPEN: seconds, positive */
	const uint8_t *token;	  /* of an allowed OPEN: in `frame` */
	struct jit_frame frame;	  /* the verdict; the caller wipes it */
};

/*
 * Sends the question and serves the helper until its verdict, `deadline`
 * (jit_boottime_ms) or a signal. Always fills *ret_answer, whose texts are clean.
 */
void pj_exchange(int fd, const struct jit_frame *question, enum pj_phase phase, enum pj_app app, int64_t deadline,
		 struct pj_quiet *quiet, struct pj_talk *talk, struct pj_answer *ret_answer);

/*
 * The nth (from 0) variable, "NAME=value", of an allowed OPEN. The answer has been checked: names of capitals, digits
 * and underscores, none that steers the dynamic linker, values of clean text.
 * Copies into buf. False when there are no more.
 */
bool pj_answer_env(const struct pj_answer *answer, unsigned nth, char *buf, size_t size);

#endif
