/*
 * The one place where an outcome becomes a PAM code and a sentence. What is not
 * ALLOW or IGNORE refuses; a number that nobody knows refuses.
 */
#ifndef PJ_VERDICT_H
#define PJ_VERDICT_H

#include "args.h"
#include "proto.h"

#include <stdint.h>

enum pj_phase {
	PJ_ACCOUNT,
	PJ_OPEN,
};

/* An outcome of the module's own, never on the wire: this host is set up wrongly. */
#define PJ_BROKEN 0x10000U

/* `outcome` is an enum jit_outcome as it came, or PJ_BROKEN. */
int pj_verdict_code(uint32_t outcome, enum pj_phase phase, enum pj_app app);

/* What to tell the person where the helper sent no text. Never NULL. */
const char *pj_verdict_sentence(uint32_t outcome);

/* "allowed", "denied", …: the word for the log. */
const char *pj_verdict_word(uint32_t outcome);

#endif
