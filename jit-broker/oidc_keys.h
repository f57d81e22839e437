/*
 * The keys with which an identity provider signs (a JWK set, RFC 7517): of all
 * that a provider publishes, only what can verify ES256 or RS256. Each key is
 * kept as a new JWK of ours, which holds the public numbers, the one algorithm
 * that we use it with, and nothing else the provider wrote. No I/O.
 */
#ifndef JB_OIDC_KEYS_H
#define JB_OIDC_KEYS_H

#include <stddef.h>

#include "oidc_json.h"

#define JB_OIDC_KEYS_MAX 64 /* usable keys in one set */

/* The signatures that are believed: no others, whatever libjose could verify. */
enum jb_oidc_alg { JB_OIDC_NO_ALG, JB_OIDC_ES256, JB_OIDC_RS256 };

struct jb_oidc_keys;

/* What a token or a key calls itself; JB_OIDC_NO_ALG for every other name, and for NULL. */
enum jb_oidc_alg jb_oidc_alg_of(const char *name);

/*
 * Reads a set; keys that are of no use here (encryption, other curves, RSA below
 * 2048 bits, symmetric ones) are passed over. NULL with a phrase in why when it
 * is no set, or has no key of use or too many. jb_oidc_keys_free frees it.
 */
struct jb_oidc_keys *jb_oidc_keys_read(const char *text, size_t len, char *why, size_t why_size);
void jb_oidc_keys_free(struct jb_oidc_keys *keys);

/*
 * The one key of that algorithm with that id, or the only key of that algorithm
 * where the token names none (kid NULL). NULL: there is none, or more than one.
 * Owned by keys.
 */
const json_t *jb_oidc_keys_find(const struct jb_oidc_keys *keys, enum jb_oidc_alg alg, const char *kid);

#endif
