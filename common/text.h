/*
 * Text that came from outside: strict numbers and durations, and bytes made
 * safe to show. libc only, locale-free: the PAM module uses it too.
 */
#ifndef JIT_TEXT_H
#define JIT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decimal digits only (no sign, blank, base prefix or leading zero but "0" itself), at most `max`. 0 or
 * -EINVAL/-ERANGE. */
int jit_parse_u64(const char *s, uint64_t max, uint64_t *ret);

/* "90", "90s", "15m", "4h", "2d": seconds, at most `max`. 0 or -EINVAL/-ERANGE. */
int jit_parse_duration(const char *s, uint64_t max, uint64_t *ret_seconds);

/* Seconds as people say them: "45 s", "15 min", "1 h 30 min". Always NUL-terminated. */
void jit_format_duration(uint64_t seconds, char *buf, size_t size);

/* True for well-formed UTF-8 (RFC 3629) of exactly `len` bytes; NUL bytes count as malformed. */
bool jit_utf8_valid(const char *s, size_t len);

/*
 * Copies `len` bytes so that they are safe on a terminal, in a log line and on
 * a page: C0 and C1 controls, DEL, bidirectional and other format characters,
 * line and paragraph separators and malformed bytes each become '?'. Cuts on a
 * character's border, then ends with "..." where it had to cut. `size` counts
 * the NUL and must be at least 1. Returns the length written.
 */
size_t jit_text_clean(char *buf, size_t size, const char *s, size_t len);

/* The same for a NUL-terminated string; NULL is read as "". */
size_t jit_text_clean_str(char *buf, size_t size, const char *s);

#endif
