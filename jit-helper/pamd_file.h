/*
 * The files of PAM on the host: read where nobody but root could have written
 * them, and replaced whole, so that whoever logs in meanwhile meets the old text
 * or the new one. Only `jit-helper pam` comes here, as root.
 */
#ifndef JH_PAMD_FILE_H
#define JH_PAMD_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#define JH_PAMD_FOLDER "/etc/pam.d"
#define JH_PAMD_VENDOR "/usr/lib/pam.d"
#define JH_PAMD_BEFORE "/etc/pam-jit/pam.d.before"
#define JH_PAMD_WHY    512

struct jh_pamd_file {
	char path[256];
	char *text; /* NUL-terminated; NULL: nothing was read */
	size_t len;
	struct stat st; /* as it was before it was read */
};

/* 0; -ENOENT; -errno with a sentence in `why` of JH_PAMD_WHY bytes. Symbolic links are refused. */
int jh_pamd_file_read(const char *path, struct jh_pamd_file *ret, char *why);
void jh_pamd_file_clear(struct jh_pamd_file *file);

/*
 * Puts `text` in the file's place, with its owner, mode and SELinux label. 0, or
 * -errno with a sentence: also where somebody else has changed it since it was read.
 */
int jh_pamd_file_replace(const struct jh_pamd_file *file, const char *text, size_t len, char *why);
/* Makes the file `path`, root's, with `mode`; what stands there is replaced. 0 or -errno with a sentence. */
int jh_pamd_file_make(const char *path, const char *text, size_t len, mode_t mode, char *why);
/* Takes a file away for good. 0 (also where there is none) or -errno with a sentence. */
int jh_pamd_file_remove(const char *path, char *why);

/* One of us at a time: a descriptor to be kept open while changing things, or -errno with a sentence. */
int jh_pamd_lock(char *why);
/* Of one of us that was killed. With the lock held nobody else is at work. */
void jh_pamd_remove_leftovers(void);

#endif
