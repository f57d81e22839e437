/*
 * Is this ID token (OpenID Connect Core 1.0, section 3.1.3.7) the word of our
 * provider, to us, about this very sign-in, now? The signature is libjose's to
 * verify; which algorithms and keys count, and every claim, is judged here. No I/O.
 */
#ifndef JB_OIDC_TOKEN_H
#define JB_OIDC_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "oidc_json.h"
#include "oidc_keys.h"

#define JB_OIDC_TOKEN_MAX 16384 /* bytes of a token */
#define JB_OIDC_LEEWAY	  60	/* seconds that the provider's clock may differ from ours */
#define JB_OIDC_AGE_MAX	  600	/* seconds: a token is made for the sign-in that fetches it */

struct jb_oidc_expect {
	const char *issuer;    /* exactly */
	const char *client_id; /* our name at the provider */
	const char *nonce;     /* of this browser's sign-in */
	int64_t now;	       /* seconds since the epoch */
};

enum jb_oidc_verdict {
	JB_OIDC_REFUSED = 0,
	JB_OIDC_UNKNOWN_KEY, /* the provider may have new keys; nothing else has been believed */
	JB_OIDC_GOOD,
};

/*
 * JB_OIDC_GOOD alone sets *ret_claims, which the caller releases with
 * json_decref; their "sub" is a text. The others leave a phrase in why ("it is
 * meant for another client").
 */
enum jb_oidc_verdict jb_oidc_token_check(const struct jb_oidc_keys *keys, const struct jb_oidc_expect *expect,
					 const char *token, json_t **ret_claims, char *why, size_t why_size);

/*
 * The person whose account these claims are, by `sub` or by any other claim that
 * [person] sections name. A mail address or telephone number counts only where the
 * provider says that it is verified. NULL with a phrase in why: nobody, several
 * persons, or a shared account. Owned by conf.
 */
const struct jb_person *jb_oidc_person(const struct jb_conf *conf, const char *issuer, const json_t *claims, char *why,
				       size_t why_size);

/* Whatever jansson frees from here on is wiped: tokens pass through it. Once or often. */
void jb_oidc_wipe_json(void);

#endif
