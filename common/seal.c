/* See seal.h. */
#include "seal.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "b64.h"
#include "cleanup.h"
#include "json.h"
#include "json_read.h"

#define COORD	   32 /* bytes of a P-256 coordinate */
#define CEK	   32 /* bytes of an A256GCM key */
#define IV	   12
#define TAG	   16
#define HEADER_MAX 512 /* bytes of a protected header, decoded */

#define CLEANUP_OF(name, type, release)                                                                                \
	static void name(type **p)                                                                                     \
	{                                                                                                              \
		release(*p);                                                                                           \
	}
CLEANUP_OF(pkey_ctxp, EVP_PKEY_CTX, EVP_PKEY_CTX_free)
CLEANUP_OF(cipher_ctxp, EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)
CLEANUP_OF(kdfp, EVP_KDF, EVP_KDF_free)
CLEANUP_OF(kdf_ctxp, EVP_KDF_CTX, EVP_KDF_CTX_free)

void jit_keyp(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

/* The curve, made once: OpenSSL takes longer to make it than for all else that is done to a key. NULL: it cannot be. */
static EVP_PKEY *curve(void)
{
	static EVP_PKEY *p256;

	if (p256)
		return p256;
	__attribute__((cleanup(pkey_ctxp))) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	if (ctx && EVP_PKEY_paramgen_init(ctx) == 1 && EVP_PKEY_CTX_set_group_name(ctx, "P-256") == 1 &&
	    EVP_PKEY_paramgen(ctx, &p256) != 1)
		p256 = NULL;
	return p256;
}

int jit_key_new(EVP_PKEY **ret)
{
	EVP_PKEY *p256 = curve(), *key = NULL;
	__attribute__((cleanup(pkey_ctxp))) EVP_PKEY_CTX *ctx =
		p256 ? EVP_PKEY_CTX_new_from_pkey(NULL, p256, NULL) : NULL;

	if (!ctx || EVP_PKEY_keygen_init(ctx) != 1 || EVP_PKEY_generate(ctx, &key) != 1)
		return -EIO;
	*ret = key;
	return 0;
}

int jit_jwk_format(EVP_PKEY *key, char buf[static JIT_JWK_SIZE])
{
	uint8_t point[1 + 2 * COORD];
	char x[JIT_B64_SIZE(COORD)], y[JIT_B64_SIZE(COORD)];
	size_t len;

	if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point), &len) != 1 ||
	    len != sizeof(point) || point[0] != 4)
		return -EIO;
	jit_b64_encode(point + 1, COORD, x);
	jit_b64_encode(point + 1 + COORD, COORD, y);
	snprintf(buf, JIT_JWK_SIZE, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"}", x, y);
	return 0;
}

static const char *member(json_object *object, const char *name)
{
	json_object *value;

	if (!json_object_object_get_ex(object, name, &value) || !json_object_is_type(value, json_type_string))
		return "";
	return json_object_get_string(value);
}

static bool is_coord(const char *text, uint8_t out[static COORD])
{
	size_t len;

	return jit_b64_decode(text, strlen(text), out, COORD, &len) == 0 && len == COORD;
}

static int key_from_jwk(json_object *jwk, EVP_PKEY **ret)
{
	uint8_t point[1 + 2 * COORD] = {4};
	EVP_PKEY *p256 = curve();
	JIT_KEY EVP_PKEY *key = EVP_PKEY_new();

	if (!p256 || !key)
		return -ENOMEM;
	if (strcmp(member(jwk, "kty"), "EC") != 0 || strcmp(member(jwk, "crv"), "P-256") != 0 ||
	    !is_coord(member(jwk, "x"), point + 1) || !is_coord(member(jwk, "y"), point + 1 + COORD))
		return -EINVAL;
	if (EVP_PKEY_copy_parameters(key, p256) != 1)
		return -EIO;
	if (EVP_PKEY_set1_encoded_public_key(key, point, sizeof(point)) != 1)
		return -EINVAL;
	/* An off-curve point would let its sender learn our private key. Whether it is on the curve and not at infinity
	 * is all there is to check: P-256 has the cofactor 1, so that every such point has the group's order. */
	__attribute__((cleanup(pkey_ctxp))) EVP_PKEY_CTX *check = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	if (!check || EVP_PKEY_public_check_quick(check) != 1)
		return -EINVAL;
	*ret = JIT_TAKE(key);
	return 0;
}

int jit_jwk_parse(const char *json, EVP_PKEY **ret)
{
	JIT_JSON json_object *jwk = jit_json_of(json);

	if (!jwk || !json_object_is_type(jwk, json_type_object))
		return -EINVAL;
	return key_from_jwk(jwk, ret);
}

/* Concat KDF (RFC 7518 section 4.6.2) for enc = A256GCM, apu and apv empty. */
static int derive_cek(EVP_PKEY *mine, EVP_PKEY *peer, uint8_t cek[static CEK])
{
	static const uint8_t info[] = {0, 0, 0, 7, 'A', '2', '5', '6', 'G', 'C', 'M', 0,
				       0, 0, 0, 0, 0,	0,   0,	  0,   0,   1,	 0};
	uint8_t z[COORD];
	size_t z_len = sizeof(z);
	__attribute__((cleanup(pkey_ctxp))) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, mine, NULL);
	__attribute__((cleanup(kdfp))) EVP_KDF *kdf = EVP_KDF_fetch(NULL, "SSKDF", NULL);
	__attribute__((cleanup(kdf_ctxp))) EVP_KDF_CTX *kctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;

	if (!ctx || !kctx)
		return -ENOMEM;
	/* 0: the peer's key has been checked when it was read (key_from_jwk). */
	if (EVP_PKEY_derive_init(ctx) != 1 || EVP_PKEY_derive_set_peer_ex(ctx, peer, 0) != 1 ||
	    EVP_PKEY_derive(ctx, z, &z_len) != 1 || z_len != sizeof(z))
		return -EBADMSG;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, z, z_len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info, sizeof(info)),
		OSSL_PARAM_construct_end(),
	};
	int ok = EVP_KDF_derive(kctx, cek, CEK, params);
	OPENSSL_cleanse(z, sizeof(z));
	return ok == 1 ? 0 : -EIO;
}

/* The protected header for an ephemeral public key, as base64url. */
static int make_header(EVP_PKEY *ephemeral, char *buf, size_t size)
{
	char jwk[JIT_JWK_SIZE], json[HEADER_MAX];

	if (jit_jwk_format(ephemeral, jwk) < 0)
		return -EIO;
	int n = snprintf(json, sizeof(json), "{\"alg\":\"ECDH-ES\",\"enc\":\"A256GCM\",\"epk\":%s}", jwk);
	if (n < 0 || JIT_B64_SIZE((size_t)n) > size)
		return -EIO;
	jit_b64_encode((const uint8_t *)json, (size_t)n, buf);
	return 0;
}

static int encrypt(const uint8_t *cek, const uint8_t *iv, const char *aad, const void *plain, size_t len, uint8_t *out,
		   uint8_t *tag)
{
	__attribute__((cleanup(cipher_ctxp))) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n;

	if (!ctx)
		return -ENOMEM;
	if (EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, cek, iv) != 1 ||
	    EVP_EncryptUpdate(ctx, NULL, &n, (const uint8_t *)aad, (int)strlen(aad)) != 1 ||
	    EVP_EncryptUpdate(ctx, out, &n, plain, (int)len) != 1 || (size_t)n != len ||
	    EVP_EncryptFinal_ex(ctx, out + n, &n) != 1 || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG, tag) != 1)
		return -EIO;
	return 0;
}

static int join_parts(const char *header, const uint8_t *iv, const uint8_t *sealed, size_t len, const uint8_t *tag,
		      char **ret)
{
	char iv64[JIT_B64_SIZE(IV)], tag64[JIT_B64_SIZE(TAG)];
	JIT_FREE char *text64 = malloc(JIT_B64_SIZE(len));
	char *jwe;

	if (!text64)
		return -ENOMEM;
	jit_b64_encode(iv, IV, iv64);
	jit_b64_encode(tag, TAG, tag64);
	jit_b64_encode(sealed, len, text64);
	/* The empty second part: with ECDH-ES alone there is no encrypted key. */
	if (asprintf(&jwe, "%s..%s.%s.%s", header, iv64, text64, tag64) < 0)
		return -ENOMEM;
	*ret = jwe;
	return 0;
}

int jit_seal(EVP_PKEY *to, const void *plain, size_t len, char **ret_jwe)
{
	JIT_KEY EVP_PKEY *ephemeral = NULL;
	char header[JIT_B64_SIZE(HEADER_MAX)];
	uint8_t cek[CEK], iv[IV], tag[TAG];

	if (len > JIT_SEAL_PLAIN_MAX)
		return -EINVAL;
	JIT_FREE uint8_t *sealed = malloc(len + 1);
	if (!sealed)
		return -ENOMEM;
	int r = jit_key_new(&ephemeral);
	if (r == 0)
		r = make_header(ephemeral, header, sizeof(header));
	if (r == 0 && RAND_bytes(iv, sizeof(iv)) != 1)
		r = -EIO;
	if (r == 0)
		r = derive_cek(ephemeral, to, cek);
	if (r == 0)
		r = encrypt(cek, iv, header, plain, len, sealed, tag);
	OPENSSL_cleanse(cek, sizeof(cek));
	return r < 0 ? r : join_parts(header, iv, sealed, len, tag, ret_jwe);
}

/* Five base64url parts; start and length of each. */
static bool split_parts(const char *jwe, const char *part[static 5], size_t len[static 5])
{
	for (int i = 0; i < 5; i++) {
		part[i] = jwe;
		len[i] = strcspn(jwe, ".");
		jwe += len[i];
		if (*jwe != (i < 4 ? '.' : '\0'))
			return false;
		jwe += i < 4;
	}
	return true;
}

/* The sender's ephemeral key out of the protected header; any other algorithm, and anything critical, is refused. */
static int read_header(const char *part, size_t len, EVP_PKEY **ret)
{
	char json[HEADER_MAX + 1];
	size_t n;

	if (jit_b64_decode(part, len, (uint8_t *)json, HEADER_MAX, &n) < 0)
		return -EINVAL;
	json[n] = '\0';
	JIT_JSON json_object *header = jit_json_of(json);
	json_object *epk, *other;
	if (!header || !json_object_is_type(header, json_type_object) ||
	    strcmp(member(header, "alg"), "ECDH-ES") != 0 || strcmp(member(header, "enc"), "A256GCM") != 0 ||
	    json_object_object_get_ex(header, "crit", &other) || json_object_object_get_ex(header, "zip", &other) ||
	    json_object_object_get_ex(header, "apu", &other) || json_object_object_get_ex(header, "apv", &other) ||
	    !json_object_object_get_ex(header, "epk", &epk) || !json_object_is_type(epk, json_type_object))
		return -EINVAL;
	return key_from_jwk(epk, ret);
}

static int decrypt(const uint8_t *cek, const uint8_t *iv, const char *aad, size_t aad_len, const uint8_t *sealed,
		   size_t len, uint8_t *tag, uint8_t *plain)
{
	__attribute__((cleanup(cipher_ctxp))) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n;

	if (!ctx)
		return -ENOMEM;
	if (EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, cek, iv) != 1 ||
	    EVP_DecryptUpdate(ctx, NULL, &n, (const uint8_t *)aad, (int)aad_len) != 1 ||
	    EVP_DecryptUpdate(ctx, plain, &n, sealed, (int)len) != 1 || (size_t)n != len ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG, tag) != 1)
		return -EIO;
	return EVP_DecryptFinal_ex(ctx, plain + n, &n) == 1 ? 0 : -EBADMSG;
}

int jit_unseal(EVP_PKEY *mine, const char *jwe, char **ret_plain, size_t *ret_len)
{
	const char *part[5];
	size_t part_len[5], iv_len, tag_len, len;
	uint8_t cek[CEK], iv[IV], tag[TAG];
	JIT_KEY EVP_PKEY *sender = NULL;

	if (strnlen(jwe, JIT_SEAL_JWE_MAX + 1) > JIT_SEAL_JWE_MAX || !split_parts(jwe, part, part_len) ||
	    part_len[1] != 0 || jit_b64_decode(part[2], part_len[2], iv, IV, &iv_len) < 0 || iv_len != IV ||
	    jit_b64_decode(part[4], part_len[4], tag, TAG, &tag_len) < 0 || tag_len != TAG)
		return -EINVAL;
	JIT_FREE uint8_t *sealed = malloc(part_len[3] + 1);
	if (!sealed)
		return -ENOMEM;
	if (jit_b64_decode(part[3], part_len[3], sealed, part_len[3], &len) < 0)
		return -EINVAL;
	int r = read_header(part[0], part_len[0], &sender);
	if (r < 0)
		return r;
	char *plain = OPENSSL_secure_malloc(len + 1);
	if (!plain)
		return -ENOMEM;
	r = derive_cek(mine, sender, cek);
	if (r == 0)
		r = decrypt(cek, iv, part[0], part_len[0], sealed, len, tag, (uint8_t *)plain);
	OPENSSL_cleanse(cek, sizeof(cek));
	if (r < 0) {
		OPENSSL_secure_clear_free(plain, len + 1);
		return r;
	}
	plain[len] = '\0';
	*ret_plain = plain;
	*ret_len = len;
	return 0;
}
