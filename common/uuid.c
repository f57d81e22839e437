/* See uuid.h. */
#include "uuid.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdint.h>
#include <stdio.h>

static void format(uint8_t b[static 16], char id[static JIT_UUID_SIZE], char short_id[static JIT_SHORT_SIZE])
{
	static const char digits[] = JIT_CROCKFORD;
	uint64_t bits = 0;

	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* RFC 4122: version 4, variant 1 */
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	snprintf(id, JIT_UUID_SIZE, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		 b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
	for (int i = 0; i < 5; i++)
		bits = bits << 8 | b[i];
	for (int i = 0, at = 0; i < 8; i++) {
		if (i == 4)
			short_id[at++] = '-';
		short_id[at++] = digits[bits >> (35 - 5 * i) & 31];
	}
	short_id[JIT_SHORT_SIZE - 1] = '\0';
}

int jit_uuid_new(char id[static JIT_UUID_SIZE], char short_id[static JIT_SHORT_SIZE])
{
	uint8_t b[16];

	if (RAND_bytes(b, sizeof(b)) != 1)
		return -EIO;
	format(b, id, short_id);
	return 0;
}

int jit_uuid_of(const void *data, size_t len, char id[static JIT_UUID_SIZE], char short_id[static JIT_SHORT_SIZE])
{
	uint8_t digest[EVP_MAX_MD_SIZE];

	if (EVP_Digest(data, len, digest, NULL, EVP_sha256(), NULL) != 1)
		return -EIO;
	format(digest, id, short_id);
	return 0;
}
