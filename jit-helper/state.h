/*
 * The file in `state_dir` that lets the next helper of this boot go on where
 * this one ends, however it ends: written whole after each change (a temporary
 * file, then renamed), read once at the start. A write that failed is tried again
 * with the next change, and by itself after a second, then two, up to half a
 * minute. Meanwhile everything rests on what this process knows, as always: the
 * file is for the next one alone.
 */
#ifndef JH_STATE_H
#define JH_STATE_H

#include <stdbool.h>
#include <stddef.h>

struct jh_conf;
struct jh_helper;
struct jh_state;

/* Makes the folder for conf's user, while we are root. 0, or -errno with a sentence. */
int jh_state_prepare(const struct jh_conf *conf, char *why, size_t why_size);

/* NULL: out of memory. */
struct jh_state *jh_state_new(struct jh_helper *helper);
/* NULL is fine. */
void jh_state_free(struct jh_state *state);

/*
 * Takes up what the helper before this one left. What cannot be read is logged and passed over. 0; -errno with a
 * sentence: it ran short of descriptors or memory. Then nothing has been ended, told or written, and it must not serve:
 * whoever starts next tries again.
 */
int jh_state_restore(struct jh_helper *helper, char *why, size_t why_size);

/* Something that a restart must know has changed: written once, at the end of this pass of the loop. */
void jh_state_touch(struct jh_helper *helper);
/* The same within a moment: what has ended, as the next helper would find out by itself. */
void jh_state_touch_later(struct jh_helper *helper);
/* Writes now what is still to be written, also what could not be. False, and logged: the next helper does not get it.
 */
bool jh_state_flush(struct jh_helper *helper);

#endif
