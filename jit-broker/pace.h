/* How fast one session may change things: so many a minute. It remembers the sessions seen last, and nothing else. */
#ifndef JB_PACE_H
#define JB_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define JB_PACE_A_MINUTE 30

struct jb_pace;

struct jb_pace *jb_pace_new(void); /* NULL: out of memory; free(3) frees it */
/* One more by the bearer of that id; false: too many. */
bool jb_pace(struct jb_pace *pace, const char *id, int64_t now);

#endif
