/*
 * The way to a file that decides over privilege or holds a secret: whoever may
 * write into a folder on it can put another file there. Each folder, from / on,
 * must be root's or the caller's, and nobody else's to write into; links on the
 * way are followed where they are root's or the caller's. libc only.
 *
 * In a folder like /tmp (sticky) others may write, as they cannot replace what is not theirs. Group root may write,
 * and Debian's staff below its /usr/local (2775 root:staff), where no access list gives these bits to others.
 */
#ifndef JIT_SAFEPATH_H
#define JIT_SAFEPATH_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct jit_safepath {
	char name[NAME_MAX + 1]; /* what the way leads to, in the folder that is returned; it need not be there */
	bool sticky;		 /* others may make files in that folder */
};

/*
 * `linked`: the last name may be a link as well, and is followed. A descriptor
 * of the folder (O_PATH) that the caller closes; -errno with a sentence that
 * names the folder or link, what is wrong with it and what to do.
 */
int jit_safepath_open(const char *path, bool linked, struct jit_safepath *ret, char *why, size_t why_size);

#endif
