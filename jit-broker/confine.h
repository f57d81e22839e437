/*
 * The broker's sandbox: which files, ports and system calls its configuration
 * needs, and whether one that was changed needs more. jit-broker(8) tells people the same.
 */
#ifndef JB_CONFINE_H
#define JB_CONFINE_H

#include <stdbool.h>
#include <stddef.h>

#include "conf.h"

struct jit_sandbox;

/* For good. 0; 1: without Landlock or seccomp; `why` says by what it is confined. -1: not, and why. *ret, which the
 * caller frees with jit_sandbox_free, says later what is allowed. */
int jb_confine(const struct jb_conf *conf, struct jit_sandbox **ret, char *why, size_t why_size);

/* May the broker, as it was confined, use all that this configuration names? False with a sentence in `why`. */
bool jb_confine_allows(const struct jit_sandbox *entered, const struct jb_conf *conf, char *why, size_t why_size);

#endif
