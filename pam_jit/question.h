/* The question of each phase as a frame: ELEVATE for account, OPEN for open_session. */
#ifndef PJ_QUESTION_H
#define PJ_QUESTION_H

#include "args.h"
#include "frame.h"
#include "verdict.h"
#include "who.h"

#include <security/pam_modules.h>
#include <stdbool.h>
#include <stdint.h>

/* What else the helper has to know. */
struct pj_terms {
	uint32_t wait_s; /* after which the module gives up */
	bool live;	 /* text is shown at once */
};

void pj_question_build(pam_handle_t *pamh, enum pj_phase phase, const struct pj_args *args, const struct pj_who *who,
		       const struct pj_terms *terms, struct jit_frame *ret);

#endif
