/* See secret.h. */
#include "secret.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "b64.h"

#define KEY_PREFIX   "jitk_"
#define TOKEN_PREFIX "jitg_"
#define SECRET_BYTES 32

static void to_hex(const uint8_t *bytes, size_t len, char *hex)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		hex[2 * i] = digits[bytes[i] >> 4];
		hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	hex[2 * len] = '\0';
}

int jb_sha256_hex(const void *data, size_t len, char hash[static JB_HASH_SIZE])
{
	uint8_t digest[32];

	if (EVP_Digest(data, len, digest, NULL, EVP_sha256(), NULL) != 1)
		return -EIO;
	to_hex(digest, sizeof(digest), hash);
	return 0;
}

/* prefix + 43 characters of base64url over 32 random bytes, and the hash of the whole. */
static int make(const char *prefix, char text[static JB_SECRET_SIZE], char hash[static JB_HASH_SIZE])
{
	uint8_t random[SECRET_BYTES];
	char secret[JIT_B64_SIZE(SECRET_BYTES)];
	int r = -EIO;

	if (RAND_bytes(random, sizeof(random)) == 1) {
		jit_b64_encode(random, sizeof(random), secret);
		int n = snprintf(text, JB_SECRET_SIZE, "%s%s", prefix, secret);
		if (n > 0 && n < JB_SECRET_SIZE)
			r = jb_sha256_hex(text, (size_t)n, hash);
	}
	OPENSSL_cleanse(random, sizeof(random));
	OPENSSL_cleanse(secret, sizeof(secret));
	return r;
}

int jb_secret_new_key(char text[static JB_SECRET_SIZE], char id[static JB_SECRET_ID_SIZE],
		      char hash[static JB_HASH_SIZE])
{
	char prefix[sizeof(KEY_PREFIX) + JB_SECRET_ID_SIZE + 1];
	uint8_t random[(JB_SECRET_ID_SIZE - 1) / 2];

	if (RAND_bytes(random, sizeof(random)) != 1)
		return -EIO;
	to_hex(random, sizeof(random), id);
	snprintf(prefix, sizeof(prefix), KEY_PREFIX "%s_", id);
	return make(prefix, text, hash);
}

int jb_secret_new_token(char text[static JB_SECRET_SIZE], char hash[static JB_HASH_SIZE])
{
	return make(TOKEN_PREFIX, text, hash);
}

bool jb_secret_key_id(const char *text, char id[static JB_SECRET_ID_SIZE])
{
	const size_t prefix = sizeof(KEY_PREFIX) - 1, len = JB_SECRET_ID_SIZE - 1;

	if (!text || strlen(text) >= JB_SECRET_SIZE || strncmp(text, KEY_PREFIX, prefix) != 0 ||
	    strspn(text + prefix, "0123456789abcdef") != len || text[prefix + len] != '_')
		return false;
	memcpy(id, text + prefix, len);
	id[len] = '\0';
	return true;
}

bool jb_secret_fits(const char *text, const char *hash)
{
	char mine[JB_HASH_SIZE];

	return text && hash && jb_sha256_hex(text, strlen(text), mine) == 0 && jb_secret_same(mine, hash);
}

bool jb_secret_same(const char *a, const char *b)
{
	size_t len = a ? strlen(a) : 0;

	return a && b && strlen(b) == len && CRYPTO_memcmp(a, b, len) == 0;
}
