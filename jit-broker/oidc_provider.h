/*
 * The identity provider as we know it: its discovery document and its keys,
 * fetched when somebody needs them, kept for ten minutes, and fetched anew for a
 * token whose key is not among them, but not for every such token. However many
 * wait, one fetch is under way.
 */
#ifndef JB_OIDC_PROVIDER_H
#define JB_OIDC_PROVIDER_H

#include "oidc_about.h"
#include "oidc_keys.h"

struct jit_fetch;
struct jb_oidc_provider;

#define JB_OIDC_KEPT_MS	  600000 /* how long what is known counts */
#define JB_OIDC_ANEW_MS	  30000	 /* between two fetches for keys that are not known */
#define JB_OIDC_FAILED_MS 2000	 /* after a fetch that failed */

/* Somebody who waits; theirs to keep until they are told or forgotten. */
struct jb_oidc_wait {
	void (*done)(void *arg, const char *why); /* why: NULL, or why the provider is not known */
	void *arg;
	struct jb_oidc_wait *next;
	bool waiting;
};

enum jb_oidc_know {
	JB_OIDC_NOT_NOW = 0, /* jb_oidc_provider_why says why; nobody will be told */
	JB_OIDC_LATER,	     /* `wait` is told, once */
	JB_OIDC_NOW,	     /* it is known; nobody will be told */
};

/* Borrows both; fetch outlives it. NULL: out of memory. */
struct jb_oidc_provider *jb_oidc_provider_new(const struct jb_conf *conf, struct jit_fetch *fetch);
/* Tells nobody. NULL is fine. */
void jb_oidc_provider_free(struct jb_oidc_provider *provider);

/* `anew`: what is known is not enough. `now` in ms on a clock that only goes forward. */
enum jb_oidc_know jb_oidc_provider_know(struct jb_oidc_provider *provider, bool anew, int64_t now,
					struct jb_oidc_wait *wait);
/* Not told any more. */
void jb_oidc_provider_forget(struct jb_oidc_provider *provider, struct jb_oidc_wait *wait);

/* After JB_OIDC_NOW, or told without a why; good until the loop runs again. */
const struct jb_oidc_about *jb_oidc_provider_about(const struct jb_oidc_provider *provider);
const struct jb_oidc_keys *jb_oidc_provider_keys(const struct jb_oidc_provider *provider);
/* After JB_OIDC_NOT_NOW. */
const char *jb_oidc_provider_why(const struct jb_oidc_provider *provider);

#endif
