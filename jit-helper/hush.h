/*
 * Keeps a flood out of the log: of lines about one uid a few a minute are
 * written, the rest are counted and named with the next one. Bounded: of more
 * uids than it has room for the longest quiet is forgotten. Pure.
 */
#ifndef JH_HUSH_H
#define JH_HUSH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define JH_HUSH_UIDS	64
#define JH_HUSH_LINES	5
#define JH_HUSH_SPAN_MS 60000

struct jh_hush {
	struct {
		uid_t uid;
		int64_t since_ms; /* when its minute began; 0: a free place */
		unsigned said, kept;
	} at[JH_HUSH_UIDS];
};

/* May a line about that uid be written now? *ret_kept: how many were not, since the last that was. */
bool jh_hush_lets(struct jh_hush *hush, uid_t uid, int64_t now_ms, unsigned *ret_kept);

#endif
