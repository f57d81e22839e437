/*
 * What stands open at the broker for this host and nobody here has filed, or
 * not since the last start: what a control node asked for, and what a login
 * left to be taken up.
 */
#ifndef JH_ADOPT_H
#define JH_ADOPT_H

#include <stdbool.h>

#include "answer.h"

struct jh_helper;

/* Rule: is it to be followed here? `host`: this one's name at the broker, "" where that has not told it. */
bool jh_adopt_wants(const struct jh_answer *answer, const char *host);
/* Follows it. Clears the answer. */
void jh_adopt(struct jh_helper *helper, struct jh_answer *answer);

#endif
