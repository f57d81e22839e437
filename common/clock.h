/*
 * Time: deadlines on CLOCK_BOOTTIME (counts suspend, never steps), and the
 * ISO 8601 / RFC 3339 UTC texts of the wire.
 */
#ifndef JIT_CLOCK_H
#define JIT_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define JIT_ISO_SIZE sizeof("2026-11-22T16:00:00Z")

/* Milliseconds since boot, suspend included. For every wait and every deadline on a host. */
int64_t jit_boottime_ms(void);

/* Seconds since the epoch, UTC. For what is shown, stored and sent. */
int64_t jit_wall_s(void);

/* "2026-11-22T16:00:00Z" for years 1970 to 9999; "" outside. */
void jit_iso_format(int64_t epoch_s, char buf[static JIT_ISO_SIZE]);

/* Reads that form, with an optional fraction (dropped) and Z, z or a numeric offset. 0 or -EINVAL. */
int jit_iso_parse(const char *s, int64_t *ret_epoch_s);

#endif
