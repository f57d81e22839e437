/*
 * Where a login session comes from: the remote host, or this machine's own
 * console. Grants of scope user reach as far as their place does; where nobody
 * knows it, they reach no further than their login session.
 */
#ifndef JH_PLACE_H
#define JH_PLACE_H

#include "question.h"
#include "session.h"

struct jh_peer;

/* No host has a name with parentheses. */
#define JH_PLACE_LOCAL "(local)"

/* Rule: what a login service says. "" where it does not know. */
void jh_place_of_login(const struct jh_question *question, char place[static JIT_NAME_SIZE]);

/*
 * Fills session->place, for a peer that asks `question`, or with NULL for one
 * that stands in the session: from an elevation or a grant of it, else from
 * logind; "" where nobody knows.
 */
void jh_place_find(struct jh_peer *peer, const struct jh_question *question, struct jh_session *session);

/* Both are known, and the same? */
bool jh_place_same(const struct jh_session *a, const struct jh_session *b);

#endif
