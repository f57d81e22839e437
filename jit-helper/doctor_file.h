/*
 * The host's own files, as text to look at: regular files alone, opened without
 * waiting. What lies in their place and is something else (a FIFO, a device), or
 * is longer than any of them ever is, is not looked at.
 */
#ifndef JD_FILE_H
#define JD_FILE_H

#include <stdio.h>

/* NULL with errno: EINVAL where it is no regular file, EFBIG where it is too long. */
FILE *jd_file_open(const char *path);
/* Do these bytes stand in it, however long it is? False for what is no regular file; -errno where it cannot be read. */
int jd_file_has(const char *path, const char *bytes);

#endif
