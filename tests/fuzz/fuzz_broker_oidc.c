/*
 * What an identity provider sends: key sets and ID tokens. A token is believed where our provider has signed it and its
 * header and each of its claims are as they must be, and nowhere else. The first byte says what the rest is.
 */
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <strings.h>

#include "b64.h"
#include "bob.h"
#include "fuzz.h"
#include "oidc_about.h"
#include "oidc_token.h"

#define ISSUER "https://login.example"
#define CLIENT "jit-broker"
#define NONCE  "n-0S6_WzA2Mj"
#define NOW    ((int64_t)1795363200)

static const struct jb_oidc_expect expect = {ISSUER, CLIENT, NONCE, NOW};

static const struct jb_oidc_keys *keys(void)
{
	static const char set[] =
		"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"e1\",\"use\":\"sig\",\"x\":\"" BOB_X
		"\",\"y\":\"" BOB_Y "\"}]}";
	static struct jb_oidc_keys *read;
	char why[256];

	if (!read)
		FUZZ_CHECK((read = jb_oidc_keys_read(set, strlen(set), why, sizeof(why))));
	return read;
}

/* The signature of ES256 over a text: the two numbers side by side. */
static void sign(const char *text, uint8_t signature[static 64])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t der[128];
	const uint8_t *at = der;
	size_t len = sizeof(der);

	FUZZ_CHECK(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, bob()) == 1 &&
		   EVP_DigestSign(ctx, der, &len, (const uint8_t *)text, strlen(text)) == 1);
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)len);
	FUZZ_CHECK(sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), signature, 32) == 32 &&
		   BN_bn2binpad(ECDSA_SIG_get0_s(sig), signature + 32, 32) == 32);
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(ctx);
}

/* Header and claims, each a line of JSON, as our provider would sign them; or with another's signature. */
static char *make_token(const char *text, bool ours)
{
	const size_t head = strcspn(text, "\n");
	const char *claims = text + head + (text[head] == '\n');
	const size_t size = JIT_B64_SIZE(head) + JIT_B64_SIZE(strlen(claims)) + JIT_B64_SIZE(64) + 2;
	char *token = malloc(size);
	uint8_t signature[64];

	FUZZ_CHECK(token);
	jit_b64_encode((const uint8_t *)text, head, token);
	strncat(token, ".", size - strlen(token) - 1);
	jit_b64_encode((const uint8_t *)claims, strlen(claims), token + strlen(token));
	sign(ours ? token : "another text", signature);
	strncat(token, ".", size - strlen(token) - 1);
	jit_b64_encode(signature, sizeof(signature), token + strlen(token));
	return token;
}

/* Everything that the specification wants, looked at once more. */

static bool is_text(const json_t *json, const char *text)
{
	return json_is_string(json) && strcmp(json_string_value(json), text) == 0;
}

static bool header_is_good(const json_t *header)
{
	const json_t *kid = jb_oidc_member(header, "kid"), *typ = jb_oidc_member(header, "typ");

	return is_text(jb_oidc_member(header, "alg"), "ES256") && (!kid || is_text(kid, "e1")) &&
	       (!typ || (json_is_string(typ) && strcasecmp(json_string_value(typ), "JWT") == 0)) &&
	       !jb_oidc_member(header, "crit") && !jb_oidc_member(header, "b64") && !jb_oidc_member(header, "zip");
}

/* For us: alone, or among others by a provider that says so. */
static bool audience_is_good(const json_t *claims)
{
	const json_t *audience = jb_oidc_member(claims, "aud"), *party = jb_oidc_member(claims, "azp");
	const size_t count = json_is_string(audience) ? 1 : json_array_size(audience);
	size_t ours = 0;

	for (size_t i = 0; i < count; i++) {
		const json_t *one = json_is_string(audience) ? audience : json_array_get(audience, i);

		if (!json_is_string(one))
			return false;
		ours += is_text(one, CLIENT);
	}
	return ours > 0 && (party ? is_text(party, CLIENT) : count == 1);
}

/* A number of this era, whose whole seconds lie between these two. */
static bool is_time(const json_t *json, int64_t least, int64_t most)
{
	const double value = json_number_value(json);

	return json_is_number(json) && value >= 0 && value <= 253402300799.0 && (int64_t)value >= least &&
	       (int64_t)value <= most;
}

static bool claims_are_good(const json_t *claims)
{
	const char *subject = jb_oidc_text(claims, "sub");
	const json_t *not_before = jb_oidc_member(claims, "nbf");

	return is_text(jb_oidc_member(claims, "iss"), ISSUER) && is_text(jb_oidc_member(claims, "nonce"), NONCE) &&
	       audience_is_good(claims) && subject && *subject && strlen(subject) <= 255 &&
	       is_time(jb_oidc_member(claims, "exp"), NOW - 59, INT64_MAX) &&
	       is_time(jb_oidc_member(claims, "iat"), NOW - 600, NOW + 60) &&
	       (!not_before || is_time(not_before, 0, NOW + 60));
}

/* `header`, `claims`: what our provider has signed; NULL: it has not signed this. */
static void judge(const char *token, const json_t *header, const json_t *claims)
{
	const bool is_good = header_is_good(header) && claims_are_good(claims);
	json_t *said = NULL;
	char why[256] = "";
	const enum jb_oidc_verdict verdict = jb_oidc_token_check(keys(), &expect, token, &said, why, sizeof(why));

	FUZZ_CHECK((said != NULL) == (verdict == JB_OIDC_GOOD) && (verdict == JB_OIDC_GOOD) == is_good);
	FUZZ_CHECK(said ? json_equal(said, claims) : why[0]);
	json_decref(said);
}

/* The same, of a header and claims that are made into a token here. */
static void judge_made(const char *text, bool ours)
{
	const size_t head = strcspn(text, "\n");
	json_t *header = json_loadb(text, head, JSON_REJECT_DUPLICATES, NULL);
	json_t *claims = text[head] ? json_loads(text + head + 1, JSON_REJECT_DUPLICATES, NULL) : NULL;
	char *token = make_token(text, ours);

	judge(token, ours ? header : NULL, ours ? claims : NULL);
	free(token);
	json_decref(header);
	json_decref(claims);
}

static void read_keys(const char *text, size_t len)
{
	char why[256] = "";
	struct jb_oidc_keys *read = jb_oidc_keys_read(text, len, why, sizeof(why));

	if (!read) {
		FUZZ_CHECK(why[0]);
		return;
	}
	for (enum jb_oidc_alg alg = JB_OIDC_ES256; alg <= JB_OIDC_RS256; alg++) {
		const json_t *jwk = jb_oidc_keys_find(read, alg, NULL);

		FUZZ_CHECK(!jwk || (jb_oidc_alg_of(jb_oidc_text(jwk, "alg")) == alg && !jb_oidc_member(jwk, "d") &&
				    !jb_oidc_member(jwk, "k")));
	}
	jb_oidc_keys_free(read);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	char *text = fuzz_all(data + 1, size - 1);

	switch (data[0]) {
	case 's':
	case 'u':
		judge_made(text, data[0] == 's');
		break;
	case 'k':
		read_keys(text, size - 1);
		break;
	default:
		judge(text, NULL, NULL);
	}
	free(text);
	return 0;
}
