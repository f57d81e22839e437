/*
 * JWEs and JWKs from a stranger: nothing is opened but what was sealed to this key, a key that is taken is a point of
 * the curve, and what is sealed opens. The first byte says what the rest is.
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "b64.h"
#include "bob.h"
#include "fuzz.h"
#include "seal.h"

#define SEALED "sealed to Bob" /* what the seeds hold */

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
