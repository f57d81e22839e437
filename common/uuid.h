/* New ids of requests, grants and events: random uuids, and the short form that people read out. OpenSSL. */
#ifndef JIT_UUID_H
#define JIT_UUID_H

#include <stddef.h>

#define JIT_UUID_SIZE  37
#define JIT_SHORT_SIZE sizeof("R7KD-2M9Q")

/* Crockford's base32: no I, L, O, U, so that it can be read out over a telephone. */
#define JIT_CROCKFORD "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

/* A uuid4 and the short id that belongs to it: its first 40 bits. 0 or -EIO. */
int jit_uuid_new(char id[static JIT_UUID_SIZE], char short_id[static JIT_SHORT_SIZE]);

/* The same for what these bytes say, always the same: a digest takes the place of chance. 0 or -EIO. */
int jit_uuid_of(const void *data, size_t len, char id[static JIT_UUID_SIZE], char short_id[static JIT_SHORT_SIZE]);

#endif
