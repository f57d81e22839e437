/* See b64.h. */
#include "b64.h"

#include <errno.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void jit_b64_encode(const uint8_t *in, size_t len, char *buf)
{
	uint32_t acc = 0;
	unsigned bits = 0;

	for (size_t i = 0; i < len; i++) {
		acc = acc << 8 | in[i];
		for (bits += 8; bits >= 6; bits -= 6)
			*buf++ = alphabet[acc >> (bits - 6) & 63];
	}
	if (bits)
		*buf++ = alphabet[acc << (6 - bits) & 63];
	*buf = '\0';
}

int jit_b64_decode(const char *s, size_t len, uint8_t *buf, size_t size, size_t *ret_len)
{
	uint32_t acc = 0;
	unsigned bits = 0;
	size_t out = 0;

	if (len % 4 == 1)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		const char *p = s[i] ? strchr(alphabet, s[i]) : NULL;
		if (!p)
			return -EINVAL;
		acc = acc << 6 | (uint32_t)(p - alphabet);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			if (out == size)
				return -ENOBUFS;
			buf[out++] = (uint8_t)(acc >> bits);
		}
	}
	if (acc & ((1U << bits) - 1))
		return -EINVAL;
	*ret_len = out;
	return 0;
}
