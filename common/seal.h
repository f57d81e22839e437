/*
 * Sealing credentials to a host's ephemeral key: compact JWE (RFC 7516) with
 * ECDH-ES and A256GCM (RFC 7518) on P-256, by OpenSSL's EVP. One algorithm
 * pair; everything else is refused.
 */
#ifndef JIT_SEAL_H
#define JIT_SEAL_H

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#define JIT_JWK_SIZE	   192	 /* bytes that hold a public P-256 JWK as text, NUL included */
#define JIT_SEAL_PLAIN_MAX 16384 /* bytes that may be sealed */
#define JIT_SEAL_JWE_MAX   24576 /* bytes of a compact JWE that is looked at */

void jit_keyp(EVP_PKEY **key);
#define JIT_KEY __attribute__((cleanup(jit_keyp)))

/* A new P-256 key pair; the caller frees it (EVP_PKEY_free). 0 or -EIO. */
int jit_key_new(EVP_PKEY **ret);

/* The public half as {"kty":"EC","crv":"P-256","x":…,"y":…} (RFC 7517). 0 or -EIO. */
int jit_jwk_format(EVP_PKEY *key, char buf[static JIT_JWK_SIZE]);

/*
 * Reads a public P-256 JWK: kty, crv, x and y as above, other members ignored,
 * the point checked to be on the curve. The caller frees the key. 0, or -EINVAL.
 */
int jit_jwk_parse(const char *json, EVP_PKEY **ret);

/* Seals len (≤ JIT_SEAL_PLAIN_MAX) bytes to a public key; the caller frees *ret_jwe. 0, -EINVAL, -ENOMEM, -EIO. */
int jit_seal(EVP_PKEY *to, const void *plain, size_t len, char **ret_jwe);

/*
 * Opens a compact JWE. *ret_plain is NUL-terminated and lies in OpenSSL's secure
 * heap where one was made; the caller releases it with
 * OPENSSL_secure_clear_free(plain, len + 1). 0; -EINVAL: not such a JWE;
 * -EBADMSG: made for another key, or altered; -ENOMEM; -EIO.
 */
int jit_unseal(EVP_PKEY *mine, const char *jwe, char **ret_plain, size_t *ret_len);

#endif
