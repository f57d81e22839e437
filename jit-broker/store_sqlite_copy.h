/*
 * A store's file as a whole: who has it open, copies of it, and the copy that is
 * made before its schema is changed.
 */
#ifndef JB_STORE_SQLITE_COPY_H
#define JB_STORE_SQLITE_COPY_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Whoever has a store open holds a lock on PATH.lock: many at a time, or the one
 * that replaces the file. A descriptor to be closed last; -1 with a sentence.
 */
int jb_sqlite_lock(const char *path, bool alone, char *why, size_t why_size);

/* What root makes belongs to whom its directory belongs to: the broker. 0 or -1. */
int jb_sqlite_give(const char *path, int fd);

/*
 * Copies the database at `from`, which others may be writing, as it is at one
 * instant: 0600, looked through by SQLite, on the disk, one file without a journal
 * beside it. `to` must not be there, and is there whole or not at all. With
 * `as_store` it belongs to its directory's owner. 0 or -1 with a sentence.
 */
int jb_sqlite_copy(const char *from, const char *to, bool as_store, char *why, size_t why_size);

/* The file's content and its directory's entry are on the disk from here on. 0 or -1. */
int jb_sqlite_settle(const char *path);

/* "PATH.WORD.20261123T011500Z", a name that nothing has yet, in a new text; NULL: out of memory. */
char *jb_sqlite_beside(const char *path, const char *word);

/*
 * The copy before a change of the schema: PATH.schema-N.TIME, where the disk has
 * room for it; the newest few of these are kept. 0 or -1 with a sentence.
 */
int jb_sqlite_copy_before(const char *path, int schema, char *why, size_t why_size);

#endif
