/*
 * A time zone of the IANA database (tzdata), read once into memory. After that
 * an instant's offset is a pure function: neither the process's TZ nor a clock
 * counts, so that a rule about hours can be asked about any instant.
 */
#ifndef JB_ZONE_H
#define JB_ZONE_H

#include <stddef.h>
#include <stdint.h>

struct jb_zone;

/*
 * "Europe/Berlin", out of /usr/share/zoneinfo; "UTC" needs no file. NULL with a
 * sentence in why. The caller frees it.
 */
struct jb_zone *jb_zone_new(const char *name, char *why, size_t why_size);
void jb_zone_free(struct jb_zone *zone); /* NULL is fine */

const char *jb_zone_name(const struct jb_zone *zone);
/* Seconds that local time is ahead of UTC at that instant. */
int64_t jb_zone_offset(const struct jb_zone *zone, int64_t at);

/* From the bytes of a TZif file (RFC 8536). NULL with a sentence in why. */
struct jb_zone *jb_zone_parse(const char *name, const uint8_t *bytes, size_t len, char *why, size_t why_size);

#endif
