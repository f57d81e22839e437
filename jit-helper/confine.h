/* The helper's sandbox: what it still may, once it serves. jit-helper(8) tells people the same. */
#ifndef JH_CONFINE_H
#define JH_CONFINE_H

#include <stddef.h>

#include "conf.h"

/* For good, as the unprivileged user. 0; 1: without Landlock or seccomp; `why` says by what it is confined. -errno:
 * not, and why. */
int jh_confine(const struct jh_conf *conf, char *why, size_t why_size);

#endif
