/*
 * The spool's folder and its files: written whole and to the disk or not at
 * all, read strictly. Names: "0000000000000001.event" in their order,
 * "UUID.open", "….refused"; ".new" while one is written. No loop, no broker.
 */
#ifndef JH_SPOOL_DIR_H
#define JH_SPOOL_DIR_H

#include <stddef.h>

#define JH_SPOOL_FILE_MAX 32768 /* bytes of one event */
#define JH_SPOOL_NAME_MAX 64

/* A descriptor of the folder, which must be ours alone. -errno with a sentence in why. */
int jh_spool_dir_open(const char *path, char *why, size_t why_size);
/* On the disk when it returns 0; -errno: nothing was left. */
int jh_spool_write(int dir, const char *name, const char *text, size_t len);
/* The file's text, which the caller frees; 0 or -errno. */
int jh_spool_read(int dir, const char *name, char **ret, size_t *ret_len);
int jh_spool_rename(int dir, const char *from, const char *to);
int jh_spool_remove(int dir, const char *name);
/* Makes what was renamed or removed last. */
int jh_spool_sync(int dir);
/* Calls for each name that ends with `suffix`, in no order, until a call fails. 0; -errno: not all were seen. */
int jh_spool_each(int dir, const char *suffix, int (*each)(void *arg, const char *name), void *arg);

#endif
