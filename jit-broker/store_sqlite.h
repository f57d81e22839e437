/* What the files of the SQLite store share: the handle, its statements, transactions. */
#ifndef JB_STORE_SQLITE_H
#define JB_STORE_SQLITE_H

#include <sqlite3.h>

#include "store_ops.h"

/* Statements that are prepared once and kept. */
enum jb_sql {
	JB_SQL_BEGIN,
	JB_SQL_COMMIT,
	JB_SQL_ROLLBACK,
	JB_SQL_INSERT,
	JB_SQL_UPDATE,
	JB_SQL_NEXT_CURSOR,
	JB_SQL_CURSOR,
	JB_SQL_CHANGES,
	JB_SQL_GET,
	JB_SQL_GET_SHORT,
	JB_SQL_GET_IDEMPOTENT,
	JB_SQL_NEXT_DUE,
	JB_SQL_PRUNE,
	JB_SQL_EVENT_INSERT,
	JB_SQL_EVENT_PRUNE,
	JB_SQL_AUDIT_LAST,
	JB_SQL_AUDIT_INSERT,
	JB_SQL_AUDIT_READ,
	JB_SQL_AUDIT_COUNTED,
	JB_SQL_SECRET_INSERT,
	JB_SQL_SECRET_COUNT,
	JB_SQL_SECRET_USED,
	JB_SQL_SECRET_GET,
	JB_SQL_SECRET_REVOKE,
	JB_SQL_SECRET_LIST,
	JB_SQL_CALLS_GET,
	JB_SQL_CALLS_ADD,
	JB_SQL_SESSION_INSERT,
	JB_SQL_SESSION_GET,
	JB_SQL_SESSION_USE,
	JB_SQL_SESSION_END,
	JB_SQL_SESSION_COUNTED,
	JB_SQL_SESSION_PRUNE,
	JB_SQL_SESSION_LIST,
	JB_SQL_OUTBOX_INSERT,
	JB_SQL_OUTBOX_NEXT,
	JB_SQL_OUTBOX_DONE,
	JB_SQL_OUTBOX_FAILED,
	JB_SQL_OUTBOX_HURRY,
	JB_SQL_OUTBOX_OLD,
	JB_SQL_OUTBOX_LIST,
	JB_SQL_OUTBOX_CHANNELS,
	JB_SQL_COUNT,
};

#define JB_QUERIES_KEPT 16 /* searches take many forms, and a busy broker asks in few of them */

struct jb_sqlite {
	struct jb_store store;
	sqlite3 *db;
	int lock; /* store_sqlite_copy.h; -1: none */
	sqlite3_stmt *sql[JB_SQL_COUNT];
	sqlite3_stmt *query[JB_QUERIES_KEPT];
	size_t query_next;   /* the one to be replaced */
	bool outbox_written; /* in the transaction that is open */
	bool failing;	     /* the last transaction could not be begun or committed */
	char error[160]; /* why the last transaction was rolled back: the rollback wipes SQLite's own memory of it */
};

extern const struct jb_request_ops jb_sqlite_requests;
extern const struct jb_audit_ops jb_sqlite_chain;
extern const struct jb_secret_ops jb_sqlite_secrets;
extern const struct jb_calls_ops jb_sqlite_calls;
extern const struct jb_session_ops jb_sqlite_sessions;
extern const struct jb_outbox_ops jb_sqlite_outbox;

/* The handle behind a store that jb_sqlite_open made. */
static inline struct jb_sqlite *jb_sqlite_of(struct jb_store *store)
{
	return (struct jb_sqlite *)store;
}

/*
 * The store at that path, made where there is none and brought to today's schema.
 * `shared`: beside others that have it open, and a copy is kept of what is brought
 * forward. NULL with a sentence.
 */
struct jb_store *jb_sqlite_open(const char *path, bool shared, char *why, size_t why_size);
/* A store that nobody else has, as it is and only to be read. NULL: it cannot be opened. */
struct jb_store *jb_sqlite_look(const char *path);

/* The statement, ready for binding; NULL when it cannot be prepared. */
sqlite3_stmt *jb_sqlite_sql(struct jb_sqlite *store, enum jb_sql which);
/* The same for a text of the caller's making: to be reset (JB_RESET) before the same text is asked for again. */
sqlite3_stmt *jb_sqlite_query(struct jb_sqlite *store, const char *sql);
/* Statements that are kept would hold the journal: lets all of them go. */
void jb_sqlite_forget(struct jb_sqlite *store);
/* Runs a statement that gives no rows, and resets it. SQLITE_DONE, or an error. */
int jb_sqlite_run(sqlite3_stmt *statement);
/* NULL is bound as NULL. The text must live until the statement has run. */
void jb_sqlite_text(sqlite3_stmt *statement, int at, const char *text);

/* A reset at the end of a scope gives locks back and forgets what was bound. */
void jb_sqlite_resetp(sqlite3_stmt **statement);
#define JB_RESET __attribute__((cleanup(jb_sqlite_resetp)))

/* BEGIN IMMEDIATE: 0 or -EIO. Ended by jb_sqlite_end: commits when r is 0, else rolls back; returns r, or -EIO. */
int jb_sqlite_begin(struct jb_sqlite *store);
int jb_sqlite_end(struct jb_sqlite *store, int r);

/* Into the outbox; within a transaction. NULL: nothing. 0 or -EIO. */
int jb_sqlite_outbox_add(struct jb_sqlite *store, const struct jb_notices *notices);

/* Appends to the chain, and to the outbox; within a transaction. 0, -EINVAL, -ENOMEM, -EIO. */
int jb_sqlite_append(struct jb_sqlite *store, const struct jb_audit *audit);

#endif
