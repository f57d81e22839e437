/* base64url without padding (RFC 4648 section 5, RFC 7515): keys, tokens and JWE parts. libc only. */
#ifndef JIT_B64_H
#define JIT_B64_H

#include <stddef.h>
#include <stdint.h>

#define JIT_B64_SIZE(len) (((len)*4 + 2) / 3 + 1) /* of the text, NUL included */

/* buf must hold JIT_B64_SIZE(len). */
void jit_b64_encode(const uint8_t *in, size_t len, char *buf);

/*
 * Strict: that alphabet alone, no padding, unused bits zero. Writes at most
 * `size` bytes; *ret_len is their number. 0, -EINVAL, -ENOBUFS.
 */
int jit_b64_decode(const char *s, size_t len, uint8_t *buf, size_t size, size_t *ret_len);

#endif
