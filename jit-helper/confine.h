/* The helper's sandbox: what it still may, once it serves. jit-helper(8) tells people the same. */
#ifndef JH_CONFINE_H
#define JH_CONFINE_H

#include <stddef.h>

#include "conf.h"

/* For good, as the unprivileged user. 0; 1: in part, with a sentence in `why` on what is missing; -1: not, and why. */
int jh_confine(const struct jh_conf *conf, char *why, size_t why_size);

#endif
