/*
 * What an identity provider sends: key sets, discovery documents and ID tokens. A token is believed where our provider
 * has signed it, and then every claim of it is as it must be. The first byte says what the rest is.
 */
#include <openssl/ecdsa.h>
#include <openssl/evp.h>

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
static void check_claims(const json_t *claims)
{
	const char *subject = jb_oidc_text(claims, "sub"), *issuer = jb_oidc_text(claims, "iss");
	const json_t *expires = jb_oidc_member(claims, "exp"), *issued = jb_oidc_member(claims, "iat");

	FUZZ_CHECK(issuer && strcmp(issuer, ISSUER) == 0 && subject && *subject);
	FUZZ_CHECK(strcmp(jb_oidc_text(claims, "nonce"), NONCE) == 0 && jb_oidc_member(claims, "aud"));
	FUZZ_CHECK(json_number_value(expires) + JB_OIDC_LEEWAY >= NOW);
	FUZZ_CHECK(json_number_value(issued) < NOW + JB_OIDC_LEEWAY + 1 &&
		   json_number_value(issued) > NOW - JB_OIDC_AGE_MAX - 1);
}

/* `is_signed`: by our provider. */
static void judge(const char *token, bool is_signed)
{
	json_t *claims = NULL;
	char why[256] = "";
	const enum jb_oidc_verdict verdict = jb_oidc_token_check(keys(), &expect, token, &claims, why, sizeof(why));

	FUZZ_CHECK((claims != NULL) == (verdict == JB_OIDC_GOOD));
	if (!claims) {
		FUZZ_CHECK(why[0]);
		return;
	}
	FUZZ_CHECK(is_signed);
	check_claims(claims);
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
	char *text = fuzz_all(data + 1, size - 1), *token;

	switch (data[0]) {
	case 's':
	case 'u':
		token = make_token(text, data[0] == 's');
		judge(token, data[0] == 's');
		free(token);
		break;
	case 'k':
		read_keys(text, size - 1);
		break;
	default:
		judge(text, false);
	}
	free(text);
	return 0;
}
