/*
 * How the broker is: can it use its store, could it make credentials? Asked often
 * and by anybody, so it calls nobody and waits for nothing.
 */
#ifndef JB_HEALTH_H
#define JB_HEALTH_H

#include "conf.h"
#include "issuer.h"
#include "store.h"

struct jb_health {
	const char *store;  /* "ok", or what is wrong: words for anybody, without names and paths */
	const char *issuer; /* likewise */
};

/* True: both are ok. `issuer` is one of jb_issuer_watch_new. */
bool jb_health(const struct jb_conf *conf, struct jb_store *store, const struct jb_issuer *issuer,
	       struct jb_health *ret);

#endif
