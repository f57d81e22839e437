/* See oidc_keys.h. */
#include "oidc_keys.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "b64.h"

#define COORDINATE  32	 /* bytes of x and y on P-256 */
#define MODULUS_MIN 256	 /* bytes: RSA of 2048 bits */
#define MODULUS_MAX 1024 /* bytes: verifying larger ones takes time that others wait */

struct key {
	enum jb_oidc_alg alg;
	char *kid; /* NULL: it has none */
	json_t *jwk;
};

struct jb_oidc_keys {
	struct key key[JB_OIDC_KEYS_MAX];
	size_t count;
};

static const char *const names[] = {[JB_OIDC_ES256] = "ES256", [JB_OIDC_RS256] = "RS256"};

enum jb_oidc_alg jb_oidc_alg_of(const char *name)
{
	for (enum jb_oidc_alg alg = JB_OIDC_ES256; name && alg <= JB_OIDC_RS256; alg++)
		if (strcmp(name, names[alg]) == 0)
			return alg;
	return JB_OIDC_NO_ALG;
}

/* A number's bytes without leading zeros: how many there are; 0 when there is no such number. */
static size_t number_of(const json_t *jwk, const char *name, uint8_t *buf, size_t size)
{
	const char *text = jb_oidc_text(jwk, name);
	size_t len, zeros = 0;

	if (!text || jit_b64_decode(text, strlen(text), buf, size, &len) < 0)
		return 0;
	while (zeros < len && buf[zeros] == 0)
		zeros++;
	memmove(buf, buf + zeros, len - zeros);
	return len - zeros;
}

static json_t *take_ec(const json_t *jwk)
{
	const char *curve = jb_oidc_text(jwk, "crv"), *x = jb_oidc_text(jwk, "x"), *y = jb_oidc_text(jwk, "y");
	uint8_t coordinate[COORDINATE];
	size_t x_len = 0, y_len = 0;

	if (!curve || strcmp(curve, "P-256") != 0 || !x || !y ||
	    jit_b64_decode(x, strlen(x), coordinate, sizeof(coordinate), &x_len) < 0 ||
	    jit_b64_decode(y, strlen(y), coordinate, sizeof(coordinate), &y_len) < 0 || x_len != COORDINATE ||
	    y_len != COORDINATE)
		return NULL;
	return json_pack("{s:s,s:s,s:s,s:s,s:s}", "kty", "EC", "crv", "P-256", "x", x, "y", y, "alg", "ES256");
}

static json_t *take_rsa(const json_t *jwk)
{
	uint8_t number[MODULUS_MAX];
	const size_t modulus = number_of(jwk, "n", number, sizeof(number));
	const size_t exponent = modulus >= MODULUS_MIN ? number_of(jwk, "e", number, sizeof(uint64_t)) : 0;

	/* With an exponent of 1 every text is its own signature. */
	if (exponent == 0 || number[exponent - 1] % 2 == 0 || (exponent == 1 && number[0] == 1))
		return NULL;
	return json_pack("{s:s,s:s,s:s,s:s}", "kty", "RSA", "n", jb_oidc_text(jwk, "n"), "e", jb_oidc_text(jwk, "e"),
			 "alg", "RS256");
}

/* Is the key there for signatures, as far as it says for what it is? */
static bool is_for_signatures(const json_t *jwk)
{
	const json_t *use = jb_oidc_member(jwk, "use"), *operations = jb_oidc_member(jwk, "key_ops"), *operation;
	bool verifies = !operations;
	size_t i;

	json_array_foreach(operations, i, operation) verifies |=
		json_is_string(operation) && strcmp(json_string_value(operation), "verify") == 0;
	return verifies && (!use || (json_is_string(use) && strcmp(json_string_value(use), "sig") == 0));
}

/* Its own kind decides what a key may verify; what it says about that itself must be the same. */
static bool take_key(const json_t *jwk, struct key *ret)
{
	const char *kty = jb_oidc_text(jwk, "kty"), *kid = jb_oidc_text(jwk, "kid");
	const json_t *said = jb_oidc_member(jwk, "alg");
	struct key key = {0};

	if (!kty || !is_for_signatures(jwk))
		return false;
	if (strcmp(kty, "EC") == 0)
		key.alg = JB_OIDC_ES256;
	else if (strcmp(kty, "RSA") == 0)
		key.alg = JB_OIDC_RS256;
	if (key.alg == JB_OIDC_NO_ALG || (said && jb_oidc_alg_of(json_string_value(said)) != key.alg))
		return false;
	key.jwk = key.alg == JB_OIDC_ES256 ? take_ec(jwk) : take_rsa(jwk);
	key.kid = key.jwk && kid ? strdup(kid) : NULL;
	if (!key.jwk || (kid && !key.kid)) {
		json_decref(key.jwk);
		return false;
	}
	*ret = key;
	return true;
}

struct jb_oidc_keys *jb_oidc_keys_read(const char *text, size_t len, char *why, size_t why_size)
{
	json_t *set = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL), *list = jb_oidc_member(set, "keys"), *jwk;
	struct jb_oidc_keys *keys = calloc(1, sizeof(*keys));
	bool too_many = false;
	size_t i;

	json_array_foreach(list, i, jwk)
	{
		struct key key;

		too_many |= keys && keys->count == JB_OIDC_KEYS_MAX;
		if (keys && !too_many && take_key(jwk, &key))
			keys->key[keys->count++] = key;
	}
	const bool is_set = json_is_array(list);
	json_decref(set);
	if (keys && keys->count && !too_many)
		return keys;
	snprintf(why, why_size, "%s",
		 !keys	    ? "out of memory"
		 : !is_set  ? "it is no JSON Web Key Set"
		 : too_many ? "it has too many keys"
			    : "it has no key that could verify ES256 or RS256");
	jb_oidc_keys_free(keys);
	return NULL;
}

void jb_oidc_keys_free(struct jb_oidc_keys *keys)
{
	for (size_t i = 0; keys && i < keys->count; i++) {
		free(keys->key[i].kid);
		json_decref(keys->key[i].jwk);
	}
	free(keys);
}

const json_t *jb_oidc_keys_find(const struct jb_oidc_keys *keys, enum jb_oidc_alg alg, const char *kid)
{
	const json_t *found = NULL;

	for (size_t i = 0; i < keys->count; i++) {
		const struct key *key = &keys->key[i];

		if (key->alg != alg || (kid && (!key->kid || strcmp(key->kid, kid) != 0)))
			continue;
		if (found)
			return NULL;
		found = key->jwk;
	}
	return found;
}
