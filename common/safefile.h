/*
 * Opening files that decide over privilege or hold secrets: refused unless
 * owner, mode, type and size are as they must be. libc only.
 */
#ifndef JIT_SAFEFILE_H
#define JIT_SAFEFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct jit_file_rule {
	bool secret;	 /* others may not read it (mode & 07), nobody but its owner may write it */
	bool linked;	 /* its name may be a symbolic link, of root's or the caller's */
	size_t max_size; /* bytes */
};

/*
 * Reads the whole file. It must be a regular file (no symlink as the last
 * component, unless the rule says `linked`), owned by root or by the caller's effective uid, not
 * writable by group or others, at most max_size bytes, without NUL bytes, and
 * nobody else may be able to put another one there (safepath.h).
 *
 * 0 and a NUL-terminated buffer of *ret_len bytes that the caller frees (and
 * wipes where secret). On failure -errno, with a sentence in `why` that names
 * the path, what is wrong and what to do.
 */
int jit_file_read(const char *path, const struct jit_file_rule *rule, char **ret, size_t *ret_len, char *why,
		  size_t why_size);

/*
 * For a file that a library opens by its name: the same is true of it, but it
 * may be linked whatever the rule says, as those of /etc/ssl/certs are. 0 or
 * -errno with a sentence, as above.
 */
int jit_file_check(const char *path, const struct jit_file_rule *rule, char *why, size_t why_size);

#endif
