/* An identity provider's keys and tokens, made with OpenSSL alone: what libjose is held against. */
#ifndef JIT_TEST_PROVIDER_H
#define JIT_TEST_PROVIDER_H

#include "unit.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <stdio.h>

#include "b64.h"

static inline void b64_number(EVP_PKEY *key, const char *name, int size, char *buf)
{
	BIGNUM *number = NULL;
	uint8_t bytes[1024];

	assert_int_equal(EVP_PKEY_get_bn_param(key, name, &number), 1);
	size = size ? size : BN_num_bytes(number);
	assert_int_equal(BN_bn2binpad(number, bytes, size), size);
	jit_b64_encode(bytes, (size_t)size, buf);
	BN_free(number);
}

/* The public half as a JWK; `more` are further members, each with a comma before it. */
static inline void public_jwk(EVP_PKEY *key, const char *kid, const char *more, char *buf, size_t size)
{
	char a[1500], b[1500];
	int len;

	if (EVP_PKEY_is_a(key, "EC")) {
		b64_number(key, OSSL_PKEY_PARAM_EC_PUB_X, 32, a);
		b64_number(key, OSSL_PKEY_PARAM_EC_PUB_Y, 32, b);
		len = snprintf(buf, size,
			       "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"%s}", kid, a,
			       b, more);
	} else {
		b64_number(key, OSSL_PKEY_PARAM_RSA_N, 0, a);
		b64_number(key, OSSL_PKEY_PARAM_RSA_E, 0, b);
		len = snprintf(buf, size, "{\"kty\":\"RSA\",\"kid\":\"%s\",\"n\":\"%s\",\"e\":\"%s\"%s}", kid, a, b,
			       more);
	}
	assert_true(len > 0 && (size_t)len < size);
}

/* Signs as RFC 7518 says: RSA PKCS#1 v1.5, or ECDSA as the two numbers side by side. */
static inline size_t sign_with(EVP_PKEY *key, const EVP_MD *digest, const char *text, uint8_t *buf, size_t size)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t der[1024];
	size_t len = sizeof(der);

	assert_int_equal(EVP_DigestSignInit(ctx, NULL, digest, NULL, key), 1);
	assert_int_equal(EVP_DigestSign(ctx, der, &len, (const uint8_t *)text, strlen(text)), 1);
	EVP_MD_CTX_free(ctx);
	assert_true(size >= 1024);
	if (!EVP_PKEY_is_a(key, "EC")) {
		memcpy(buf, der, len);
		return len;
	}
	const uint8_t *at = der;
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)len);
	assert_non_null(sig);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(sig), buf, 32), 32);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(sig), buf + 32, 32), 32);
	ECDSA_SIG_free(sig);
	return 64;
}

/* One more part of a compact token, behind a dot. */
static inline void put_part(const void *bytes, size_t len, char *buf, size_t size)
{
	const size_t before = strlen(buf);

	assert_true(before + JIT_B64_SIZE(len) + 1 < size);
	buf[before] = '.';
	jit_b64_encode(bytes, len, buf + before + 1);
}

/* "header.payload" */
static inline void signing_input(const char *header, const char *claims, char *buf, size_t size)
{
	assert_true(JIT_B64_SIZE(strlen(header)) < size);
	jit_b64_encode((const uint8_t *)header, strlen(header), buf);
	put_part(claims, strlen(claims), buf, size);
}

static inline void make_token(EVP_PKEY *key, const EVP_MD *digest, const char *header, const char *claims, char *buf,
			      size_t size)
{
	uint8_t signature[1024];

	signing_input(header, claims, buf, size);
	put_part(signature, sign_with(key, digest, buf, signature, sizeof(signature)), buf, size);
}

#endif
