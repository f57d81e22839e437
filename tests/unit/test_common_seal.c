/* common/seal: JWE by the RFCs' own vectors, and refusal of everything altered. base64url beside it. */
#include <errno.h>
#include <json-c/json.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "b64.h"
#include "seal.h"
#include "unit.h"

static void base64url_follows_rfc4648(void **state)
{
	static const struct {
		const char *plain, *text;
	} rows[] = {{"", ""},		{"f", "Zg"},	      {"fo", "Zm8"},	      {"foo", "Zm9v"},
		    {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xbf", "-_-_"}};
	static const char *const bad[] = {"Z", "Zg==", "Zh", "Zm9", "+/+/", "Zm9v\n", "Zm 9v"};
	uint8_t out[8];
	char text[16];
	size_t len;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		size_t n = strlen(rows[i].plain);

		jit_b64_encode((const uint8_t *)rows[i].plain, n, text);
		assert_string_equal(text, rows[i].text);
		assert_int_equal(strlen(text) + 1, JIT_B64_SIZE(n));
		assert_int_equal(jit_b64_decode(text, strlen(text), out, sizeof(out), &len), 0);
		assert_int_equal(len, n);
		assert_memory_equal(out, rows[i].plain, n);
	}
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_int_equal(jit_b64_decode(bad[i], strlen(bad[i]), out, sizeof(out), &len), -EINVAL);
	assert_int_equal(jit_b64_decode("Zm9v", 4, out, 2, &len), -ENOBUFS);
}

static char *sealed_to(EVP_PKEY *key, const char *plain)
{
	char *jwe = NULL;

	assert_int_equal(jit_seal(key, plain, strlen(plain), &jwe), 0);
	return jwe;
}

static void what_is_sealed_opens_with_its_key_alone(void **state)
{
	JIT_KEY EVP_PKEY *mine = NULL, *other = NULL;
	JIT_KEY EVP_PKEY *public = NULL;
	char jwk[JIT_JWK_SIZE], *plain;
	size_t len;

	(void)state;
	assert_int_equal(jit_key_new(&mine), 0);
	assert_int_equal(jit_key_new(&other), 0);
	assert_int_equal(jit_jwk_format(mine, jwk), 0);
	assert_int_equal(jit_jwk_parse(jwk, &public), 0);
	char *jwe = sealed_to(public, "{\"AccessKeyId\":\"x\"}");
	assert_int_equal(jit_unseal(mine, jwe, &plain, &len), 0);
	assert_string_equal(plain, "{\"AccessKeyId\":\"x\"}");
	assert_int_equal(len, strlen(plain));
	OPENSSL_secure_clear_free(plain, len + 1);
	assert_int_equal(jit_unseal(other, jwe, &plain, &len), -EBADMSG);
	free(jwe);
}

/* Every single character of a JWE is under the tag or part of the key agreement. */
static void any_altered_character_is_noticed(void **state)
{
	JIT_KEY EVP_PKEY *key = NULL;
	char *plain;
	size_t len;

	(void)state;
	assert_int_equal(jit_key_new(&key), 0);
	char *jwe = sealed_to(key, "secret");
	for (size_t i = 0; jwe[i]; i++) {
		char was = jwe[i];

		jwe[i] = was == 'A' ? 'B' : 'A';
		assert_int_not_equal(jit_unseal(key, jwe, &plain, &len), 0);
		jwe[i] = was;
	}
	assert_int_equal(jit_unseal(key, jwe, &plain, &len), 0);
	OPENSSL_secure_clear_free(plain, len + 1);
	free(jwe);
}

static void empty_and_largest_texts_are_sealed(void **state)
{
	static char big[JIT_SEAL_PLAIN_MAX + 1];
	JIT_KEY EVP_PKEY *key = NULL;
	char *jwe, *plain;
	size_t len;

	(void)state;
	assert_int_equal(jit_key_new(&key), 0);
	for (size_t n = 0; n <= JIT_SEAL_PLAIN_MAX; n += JIT_SEAL_PLAIN_MAX) {
		assert_int_equal(jit_seal(key, big, n, &jwe), 0);
		assert_int_equal(jit_unseal(key, jwe, &plain, &len), 0);
		assert_int_equal(len, n);
		OPENSSL_secure_clear_free(plain, len + 1);
		free(jwe);
	}
	assert_int_equal(jit_seal(key, big, sizeof(big), &jwe), -EINVAL);
}

static void keys_off_the_curve_or_of_another_kind_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":1,\"y\":2}",
		"{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0\"}",
		/* RFC 7518 appendix C's point under another curve's name */
		"{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0\","
		"\"y\":\"SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps\"}",
		/* one bit of y turned: no point of the curve */
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0\","
		"\"y\":\"SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFppo\"}",
		/* a coordinate of 31 bytes */
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SQ\","
		"\"y\":\"SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps\"}",
	};
	EVP_PKEY *key = NULL;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_int_equal(jit_jwk_parse(bad[i], &key), -EINVAL);
		assert_null(key);
	}
}

static void other_algorithms_are_refused(void **state)
{
	static const char *const headers[] = {
		"{\"alg\":\"dir\",\"enc\":\"A256GCM\",\"epk\":%s}",
		"{\"alg\":\"ECDH-ES+A256KW\",\"enc\":\"A256GCM\",\"epk\":%s}",
		"{\"alg\":\"ECDH-ES\",\"enc\":\"A128GCM\",\"epk\":%s}",
		"{\"alg\":\"ECDH-ES\",\"enc\":\"A256GCM\",\"zip\":\"DEF\",\"epk\":%s}",
		"{\"alg\":\"ECDH-ES\",\"enc\":\"A256GCM\",\"crit\":[\"x\"],\"epk\":%s}",
		"{\"alg\":\"ECDH-ES\",\"enc\":\"A256GCM\",\"apu\":\"QQ\",\"epk\":%s}",
		"{\"alg\":\"ECDH-ES\",\"enc\":\"A256GCM\",\"no\":%s}",
		"not json %s",
	};
	JIT_KEY EVP_PKEY *key = NULL;
	char jwk[JIT_JWK_SIZE], json[512], header[JIT_B64_SIZE(512)], jwe[1024], *plain;
	size_t len;

	(void)state;
	assert_int_equal(jit_key_new(&key), 0);
	assert_int_equal(jit_jwk_format(key, jwk), 0);
	for (size_t i = 0; i < COUNT_OF(headers); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		int n = snprintf(json, sizeof(json), headers[i], jwk);
#pragma GCC diagnostic pop
		jit_b64_encode((const uint8_t *)json, (size_t)n, header);
		snprintf(jwe, sizeof(jwe), "%s..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA", header);
		assert_int_equal(jit_unseal(key, jwe, &plain, &len), -EINVAL);
	}
	assert_int_equal(jit_unseal(key, "a.b.c.d", &plain, &len), -EINVAL);
	assert_int_equal(jit_unseal(key, "a..b.c.d.e", &plain, &len), -EINVAL);
	assert_int_equal(jit_unseal(key, "", &plain, &len), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64url_follows_rfc4648),
		cmocka_unit_test(what_is_sealed_opens_with_its_key_alone),
		cmocka_unit_test(any_altered_character_is_noticed),
		cmocka_unit_test(empty_and_largest_texts_are_sealed),
		cmocka_unit_test(keys_off_the_curve_or_of_another_kind_are_refused),
		cmocka_unit_test(other_algorithms_are_refused),
	};

	return cmocka_run_group_tests_name("common seal", tests, NULL, NULL);
}
