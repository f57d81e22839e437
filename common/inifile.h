/*
 * Configuration files (libinih), read strictly: safe to open, every line known,
 * and every error reported with its line, not only the first.
 */
#ifndef JIT_INIFILE_H
#define JIT_INIFILE_H

#include <stdbool.h>
#include <stddef.h>

#define JIT_INI_MAX_SIZE 262144 /* bytes a file */
#define JIT_INI_LINE_MAX 198	/* bytes a line; libinih would silently split longer ones */

/*
 * Called for every `name = value`. `section` is the text between the brackets
 * ("role admin"). Keys that repeat are separate calls. Returns true, or false
 * with a sentence (without file and line) in `why`.
 */
typedef bool (*jit_ini_key)(void *arg, const char *section, const char *name, const char *value, unsigned line,
			    char *why, size_t why_size);
/* Told every error, once: "FILE:LINE: sentence". */
typedef void (*jit_ini_error)(void *arg, const char *message);

/*
 * Reads `path` (see jit_file_read; `secret` as there). Returns the number of
 * errors told, 0 when all is well; reading goes on past an error, so that all
 * of them are told in one run. Where the file itself could not be read errno says why.
 */
int jit_ini_read(const char *path, bool secret, jit_ini_key on_key, jit_ini_error on_error, void *arg);

/* The same over text in memory; `name` stands in the messages. */
int jit_ini_parse(const char *name, const char *text, jit_ini_key on_key, jit_ini_error on_error, void *arg);

#endif
