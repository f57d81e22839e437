/* See oidc_token.h. */
#include "oidc_token.h"

#include <jose/cfg.h>
#include <jose/jws.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "b64.h"
#include "secret.h"

#define SUBJECT_MAX 255 /* characters (OpenID Connect Core 1.0, section 2) */

/* A compact JWS, cut in place: its three parts as texts. */
struct parts {
	char *header, *payload, *signature;
};

static bool cut(char *token, struct parts *ret)
{
	char *first = strchr(token, '.'), *second = first ? strchr(first + 1, '.') : NULL;

	if (!second || strchr(second + 1, '.'))
		return false;
	*first = *second = '\0';
	*ret = (struct parts){token, first + 1, second + 1};
	return *ret->header && *ret->payload && *ret->signature;
}

/* A part as the object that it encodes; NULL when it is none. The caller releases it. */
static json_t *decode(const char *part)
{
	const size_t len = strlen(part);
	uint8_t *text = malloc(len + 1);
	json_t *json = NULL;
	size_t size = 0;

	if (text && jit_b64_decode(part, len, text, len + 1, &size) == 0)
		json = json_loadb((char *)text, size, JSON_REJECT_DUPLICATES, NULL);
	if (text)
		explicit_bzero(text, len + 1);
	free(text);
	if (json_is_object(json))
		return json;
	json_decref(json);
	return NULL;
}

/* libjose would tell standard error what a token says of itself. */
static void keep_quiet(void *misc, const char *file, int line, uint64_t err, const char *format, va_list args)
{
	(void)misc;
	(void)file;
	(void)line;
	(void)err;
	(void)format;
	(void)args;
}

static bool verify(const struct parts *parts, const json_t *jwk)
{
	JB_OIDC_JSON
	json_t *jws = json_pack("{s:s,s:s,s:s}", "protected", parts->header, "payload", parts->payload, "signature",
				parts->signature);
	jose_cfg_t *cfg = jose_cfg();
	bool good = false;

	if (cfg && jws) {
		jose_cfg_set_err_func(cfg, keep_quiet, NULL);
		good = jose_jws_ver(cfg, jws, NULL, jwk, false);
	}
	jose_cfg_decref(cfg);
	return good;
}

/* The header chooses among our algorithms and our keys, and decides nothing more. */
static enum jb_oidc_verdict check_signature(const struct jb_oidc_keys *keys, const struct parts *parts,
					    const char **ret_why)
{
	JB_OIDC_JSON json_t *header = decode(parts->header);
	const json_t *kid = jb_oidc_member(header, "kid"), *typ = jb_oidc_member(header, "typ");
	const enum jb_oidc_alg alg = jb_oidc_alg_of(jb_oidc_text(header, "alg"));

	*ret_why = "it is no signed JSON Web Token";
	if (!header || (kid && !json_is_string(kid)))
		return JB_OIDC_REFUSED;
	*ret_why = "it is not signed with ES256 or RS256";
	if (alg == JB_OIDC_NO_ALG)
		return JB_OIDC_REFUSED;
	*ret_why = "its header asks for what is not understood here";
	if (jb_oidc_member(header, "crit") || jb_oidc_member(header, "b64") || jb_oidc_member(header, "zip"))
		return JB_OIDC_REFUSED;
	*ret_why = "it is a token of another kind";
	if (typ && (!json_is_string(typ) || strcasecmp(json_string_value(typ), "JWT") != 0))
		return JB_OIDC_REFUSED;
	const json_t *jwk = jb_oidc_keys_find(keys, alg, json_string_value(kid));
	*ret_why = "the provider publishes no key of the kind and name that it was signed with";
	if (!jwk)
		return JB_OIDC_UNKNOWN_KEY;
	*ret_why = "its signature is wrong";
	return verify(parts, jwk) ? JB_OIDC_GOOD : JB_OIDC_REFUSED;
}

/* A time in seconds, whole or not; false when it is none that could be. */
static bool time_of(const json_t *claims, const char *name, int64_t *ret)
{
	const json_t *json = jb_oidc_member(claims, name);
	const double value = json_number_value(json);

	if (!json_is_number(json) || !(value >= 0) || value > 253402300799.0) /* the end of 9999 */
		return false;
	*ret = (int64_t)value;
	return true;
}

static const char *check_times(const json_t *claims, int64_t now)
{
	int64_t expires, issued, not_before = 0;

	if (!time_of(claims, "exp", &expires) || !time_of(claims, "iat", &issued) ||
	    (jb_oidc_member(claims, "nbf") && !time_of(claims, "nbf", &not_before)))
		return "it does not say from when until when it is good";
	if (now >= expires + JB_OIDC_LEEWAY)
		return "it has expired";
	if (issued > now + JB_OIDC_LEEWAY || not_before > now + JB_OIDC_LEEWAY)
		return "it is not good yet; compare the provider's clock with the broker's";
	if (issued < now - JB_OIDC_AGE_MAX)
		return "it was made too long ago; compare the provider's clock with the broker's";
	return NULL;
}

/* `aud` is a text or a list; with several, `azp` must name us too. */
static bool is_for(const json_t *claims, const char *client_id)
{
	const json_t *audience = jb_oidc_member(claims, "aud"), *party = jb_oidc_member(claims, "azp"), *one;
	bool found = false;
	size_t i;

	if (party && (!json_is_string(party) || strcmp(json_string_value(party), client_id) != 0))
		return false;
	if (json_is_string(audience))
		return strcmp(json_string_value(audience), client_id) == 0;
	json_array_foreach(audience, i, one)
	{
		if (!json_is_string(one))
			return false;
		found |= strcmp(json_string_value(one), client_id) == 0;
	}
	return found && (json_array_size(audience) == 1 || party);
}

/* NULL when every claim is as it must be. */
static const char *check_claims(const json_t *claims, const struct jb_oidc_expect *expect)
{
	const char *issuer = jb_oidc_text(claims, "iss"), *subject = jb_oidc_text(claims, "sub");

	if (!issuer || strcmp(issuer, expect->issuer) != 0)
		return "it comes from another issuer";
	if (!is_for(claims, expect->client_id))
		return "it is meant for another client";
	if (!subject || !*subject || strlen(subject) > SUBJECT_MAX)
		return "it does not say whom it is about";
	if (!jb_secret_same(jb_oidc_text(claims, "nonce"), expect->nonce))
		return "it was made for another sign-in";
	return check_times(claims, expect->now);
}

enum jb_oidc_verdict jb_oidc_token_check(const struct jb_oidc_keys *keys, const struct jb_oidc_expect *expect,
					 const char *token, json_t **ret_claims, char *why, size_t why_size)
{
	const size_t len = strnlen(token, JB_OIDC_TOKEN_MAX + 1);
	const char *trouble = "it is no signed JSON Web Token, or longer than 16 KiB";
	enum jb_oidc_verdict verdict = JB_OIDC_REFUSED;
	char *copy = len <= JB_OIDC_TOKEN_MAX ? strdup(token) : NULL;
	json_t *claims = NULL;
	struct parts parts;

	if (copy && cut(copy, &parts))
		verdict = check_signature(keys, &parts, &trouble);
	if (verdict == JB_OIDC_GOOD) {
		claims = decode(parts.payload);
		trouble = claims ? check_claims(claims, expect) : "it holds no claims";
		if (trouble)
			verdict = JB_OIDC_REFUSED;
	}
	if (copy)
		explicit_bzero(copy, len);
	free(copy);
	if (verdict == JB_OIDC_GOOD) {
		*ret_claims = claims;
		return verdict;
	}
	json_decref(claims);
	snprintf(why, why_size, "%s", trouble);
	return verdict;
}

/* What the provider has only been told, and by the person themselves, is nobody's name. */
static bool is_vouched_for(const json_t *claims, const char *claim)
{
	if (strcmp(claim, "email") == 0)
		return json_is_true(jb_oidc_member(claims, "email_verified"));
	if (strcmp(claim, "phone_number") == 0)
		return json_is_true(jb_oidc_member(claims, "phone_number_verified"));
	return true;
}

static const struct jb_person *person_by_claim(const struct jb_conf *conf, const char *issuer, const json_t *claims,
					       const char *claim)
{
	const char *value = jb_oidc_text(claims, claim);

	return value && is_vouched_for(claims, claim) ? jb_conf_person_by_oidc(conf, issuer, claim, value) : NULL;
}

const struct jb_person *jb_oidc_person(const struct jb_conf *conf, const char *issuer, const json_t *claims, char *why,
				       size_t why_size)
{
	const struct jb_person *found = NULL;

	for (size_t i = 0; i < conf->person_count; i++)
		for (size_t k = 0; k < conf->persons[i].oidc_count; k++) {
			const struct jb_person *person =
				person_by_claim(conf, issuer, claims, conf->persons[i].oidc[k].claim);

			if (person && found && person != found) {
				snprintf(why, why_size, "it is an account of both %s and %s", found->name,
					 person->name);
				return NULL;
			}
			found = person ? person : found;
		}
	if (!found || found->shared) {
		snprintf(why, why_size, "%s", found ? "it is a shared account" : "nobody has that account");
		return NULL;
	}
	return found;
}

static void wipe_and_free(void *block)
{
	if (block)
		explicit_bzero(block, malloc_usable_size(block));
	free(block);
}

void jb_oidc_wipe_json(void)
{
	json_set_alloc_funcs(malloc, wipe_and_free);
}
