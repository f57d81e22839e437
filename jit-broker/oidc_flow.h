/*
 * Sign-ins that have been begun and not ended: what the broker must know again
 * when the browser comes back from the provider. Each is good once, for ten
 * minutes, and for the browser alone that began it. Bounded memory; no I/O.
 */
#ifndef JB_OIDC_FLOW_H
#define JB_OIDC_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "source.h"

#define JB_OIDC_FLOW_S	   600	/* seconds that a person may take at the provider */
#define JB_OIDC_FLOWS	   1024 /* at once; past it the oldest is forgotten */
#define JB_OIDC_FLOWS_PEER 64	/* of one address (of IPv6 its /64); past it that address's oldest is forgotten */
#define JB_OIDC_RANDOM	   44	/* 256 random bits in base64url, NUL included */
#define JB_OIDC_RETURN	   64	/* of a path to which a sign-in leads back, NUL included */

/* What the browser is given: state, nonce and challenge in the provider's address, the cookie for itself. */
struct jb_oidc_begun {
	char state[JB_OIDC_RANDOM], nonce[JB_OIDC_RANDOM], cookie[JB_OIDC_RANDOM];
	char challenge[JB_OIDC_RANDOM]; /* SHA-256 of the verifier (RFC 7636, S256) */
};

/* What stays here until it is back. The caller wipes it: the verifier is a secret. */
struct jb_oidc_flow {
	char nonce[JB_OIDC_RANDOM], verifier[JB_OIDC_RANDOM];
	char return_to[JB_OIDC_RETURN];
};

struct jb_oidc_flows;

struct jb_oidc_flows *jb_oidc_flows_new(void);
void jb_oidc_flows_free(struct jb_oidc_flows *flows); /* NULL is fine */

/*
 * Begins one. `cookie`: what the browser has of an earlier one, or NULL: a browser
 * with two tabs has one cookie. `now` is in ms on any clock that only goes
 * forward. 0; -EINVAL: return_to is too long; -EIO: there is no randomness.
 */
int jb_oidc_flows_begin(struct jb_oidc_flows *flows, const struct jb_address *peer, const char *cookie,
			const char *return_to, int64_t now, struct jb_oidc_begun *ret);

/*
 * Takes the one of that state out, so that no second answer finds it. False: there
 * is none, it is too old, or another browser's (it is taken out all the same).
 */
bool jb_oidc_flows_take(struct jb_oidc_flows *flows, const char *state, const char *cookie, int64_t now,
			struct jb_oidc_flow *ret);

#endif
