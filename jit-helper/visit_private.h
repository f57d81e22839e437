/* Between how a visit begins (visit_begin.c) and how it goes on (visit.c). */
#ifndef JH_VISIT_PRIVATE_H
#define JH_VISIT_PRIVATE_H

#include "visit.h"

/* The peer is its own from here on. NULL: out of memory. */
struct jh_visit *jh_visit_new(struct jh_peer *peer, const struct jh_question *question,
			      const struct jh_session *session);
/* With that as its last word, whatever it waited for; frees it. */
void jh_visit_end(struct jh_visit *visit, const struct jh_verdict *verdict);

#endif
