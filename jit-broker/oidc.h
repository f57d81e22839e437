/*
 * Sign-in with an identity provider (OpenID Connect, authorization code flow with
 * PKCE): a browser is sent there, comes back with a code, and the account that the
 * provider names for it becomes a session of the person who declares that account.
 * Nothing here blocks; the calls of browsers wait for the provider.
 */
#ifndef JB_OIDC_H
#define JB_OIDC_H

#include "api.h"

#define JB_OIDC_COOKIE	   "__Host-jit-sign-in" /* of a browser whose sign-in is under way */
#define JB_OIDC_CALLS	   64			/* that wait for the provider at once */
#define JB_OIDC_CALLS_PEER 16			/* of one address */

struct jb_oidc_signin;

/* Keeps `conf`'s oidc_ keys for its whole life; persons are looked up in what the api has then. NULL: out of memory. */
struct jb_oidc_signin *jb_oidc_signin_new(struct event_base *base, const struct jb_conf *conf);
/* After the server is gone. NULL is fine. */
void jb_oidc_signin_free(struct jb_oidc_signin *signin);

/* Handlers, open to everybody. GET /sign-in/oidc[?return_to=/r/…]: to the provider. */
void jb_oidc_begin(struct jb_ask *ask);
/* GET /sign-in/oidc/answer?state=…&code=…: back from there. */
void jb_oidc_answer(struct jb_ask *ask);

#endif
