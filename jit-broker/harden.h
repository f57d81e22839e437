/* What the broker takes from itself before it serves: core dumps, debuggers, new privileges; and where its secrets lie.
 */
#ifndef JB_HARDEN_H
#define JB_HARDEN_H

#include <stddef.h>
#include <stdint.h>

/* 0 or -errno. */
int jb_harden(void);

/*
 * A heap that is never swapped out and that no core holds, for the key of our certificate, those of so many TLS
 * connections, and what calls carry. 0; 1: not locked, -1: there is none; both with a sentence in `why`.
 */
int jb_harden_secrets(uint32_t connections, char *why, size_t why_size);

#endif
