/*
 * JWEs and JWKs from a stranger: nothing is opened but what was sealed to this key, a key that is taken is a point of
 * the curve, and what is sealed opens. The first byte says what the rest is.
 */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "b64.h"
#include "fuzz.h"
#include "seal.h"

#define SEALED "sealed to Bob" /* what the seeds hold */

/* Bob's key of RFC 7518, appendix C. */
static EVP_PKEY *bob(void)
{
	static const char *const parts[] = {"VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw",
					    "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
					    "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck"};
	static EVP_PKEY *key;
	uint8_t secret[32], point[65] = {4};
	size_t len;

	if (key)
		return key;
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	for (int i = 0; i < 3; i++)
		FUZZ_CHECK(jit_b64_decode(parts[i], 43, i ? point + 1 + 32 * (i - 1) : secret, 32, &len) == 0);
	BIGNUM *d = BN_bin2bn(secret, sizeof(secret), NULL);
	OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
	OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point));
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, d);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	FUZZ_CHECK(EVP_PKEY_fromdata_init(ctx) == 1 && EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) == 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	BN_free(d);
	return key;
}

static void open_jwe(const char *jwe)
{
	char *plain = NULL;
	size_t len = 0;

	if (jit_unseal(bob(), jwe, &plain, &len) < 0) {
		FUZZ_CHECK(!plain && len == 0);
		return;
	}
	FUZZ_CHECK(len == strlen(SEALED) && strcmp(plain, SEALED) == 0);
	OPENSSL_secure_clear_free(plain, len + 1);
}

/* The JSON of a header, which would hardly be found behind its base64. */
static void open_header(const char *json, size_t len)
{
	static const char rest[] = "..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA";
	size_t room = JIT_B64_SIZE(len);
	char *jwe = malloc(room + sizeof(rest)), *plain;
	size_t plain_len;

	FUZZ_CHECK(jwe);
	jit_b64_encode((const uint8_t *)json, len, jwe);
	memcpy(jwe + strlen(jwe), rest, sizeof(rest));
	FUZZ_CHECK(jit_unseal(bob(), jwe, &plain, &plain_len) < 0);
	free(jwe);
}

static void read_jwk(const char *json)
{
	char one[JIT_JWK_SIZE], two[JIT_JWK_SIZE];
	EVP_PKEY *key = NULL, *again = NULL;

	if (jit_jwk_parse(json, &key) < 0) {
		FUZZ_CHECK(!key);
		return;
	}
	FUZZ_CHECK(jit_jwk_format(key, one) == 0 && jit_jwk_parse(one, &again) == 0);
	FUZZ_CHECK(jit_jwk_format(again, two) == 0 && strcmp(one, two) == 0 && EVP_PKEY_eq(key, again) == 1);
	EVP_PKEY_free(key);
	EVP_PKEY_free(again);
}

static void seal_and_open(const char *plain, size_t len)
{
	char *jwe = NULL, *opened = NULL;
	size_t n;

	int r = jit_seal(bob(), plain, len, &jwe);
	FUZZ_CHECK((r == 0) == (len <= JIT_SEAL_PLAIN_MAX));
	if (r < 0)
		return;
	FUZZ_CHECK(strlen(jwe) <= JIT_SEAL_JWE_MAX && jit_unseal(bob(), jwe, &opened, &n) == 0);
	FUZZ_CHECK(n == len && memcmp(opened, plain, len) == 0);
	OPENSSL_secure_clear_free(opened, n + 1);
	free(jwe);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	char *text = fuzz_all(data + 1, size - 1);

	if (data[0] == 'j')
		open_jwe(text);
	else if (data[0] == 'h')
		open_header(text, size - 1);
	else if (data[0] == 'k')
		read_jwk(text);
	else
		seal_and_open(text, size - 1);
	free(text);
	return 0;
}
