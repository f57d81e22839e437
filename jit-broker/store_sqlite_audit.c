/* The audit chain in the SQLite store. What a record is, audit.h says. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "cleanup.h"
#include "store_sqlite.h"

static int last_record(struct jb_sqlite *store, int64_t *ret_seq, char hash[static JB_HASH_SIZE])
{
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_AUDIT_LAST);
	int r = s ? sqlite3_step(s) : SQLITE_ERROR;

	if (r == SQLITE_DONE) {
		*ret_seq = 0;
		snprintf(hash, JB_HASH_SIZE, "%s", JB_AUDIT_FIRST);
		return 0;
	}
	const char *text = r == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 1) : NULL;
	if (!text)
		return -EIO;
	*ret_seq = sqlite3_column_int64(s, 0);
	snprintf(hash, JB_HASH_SIZE, "%s", text);
	return 0;
}

static int audit_last(struct jb_store *base, int64_t *ret)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	char hash[JB_HASH_SIZE];

	return last_record(store, ret, hash);
}

int jb_sqlite_append(struct jb_sqlite *store, const struct jb_audit *audit)
{
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_AUDIT_INSERT);
	JIT_FREE char *text = NULL;
	char prev[JB_HASH_SIZE], hash[JB_HASH_SIZE];
	int64_t seq;

	if (!s || last_record(store, &seq, prev) < 0)
		return -EIO;
	int r = jb_audit_format(seq + 1, prev, audit, &text, hash);
	if (r < 0)
		return r;
	sqlite3_bind_int64(s, 1, seq + 1);
	jb_sqlite_text(s, 2, text);
	jb_sqlite_text(s, 3, hash);
	return sqlite3_step(s) == SQLITE_DONE ? jb_sqlite_outbox_add(store, audit->notices) : -EIO;
}

static int audit_add(struct jb_store *base, const struct jb_audit *audit)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	int r = jb_sqlite_begin(store);

	return r < 0 ? r : jb_sqlite_end(store, jb_sqlite_append(store, audit));
}

static int remember_event(struct jb_sqlite *store, const char *host, const char *id, int64_t until)
{
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_EVENT_INSERT);

	if (!s)
		return -EIO;
	jb_sqlite_text(s, 1, host);
	jb_sqlite_text(s, 2, id);
	sqlite3_bind_int64(s, 3, until);
	int r = sqlite3_step(s);
	return r == SQLITE_DONE ? 0 : r == SQLITE_CONSTRAINT ? -EEXIST : -EIO;
}

static int audit_event(struct jb_store *base, const char *host, const char *id, int64_t until,
		       const struct jb_audit *audit)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	int r = jb_sqlite_begin(store);

	if (r < 0)
		return r;
	r = remember_event(store, host, id, until);
	if (r == 0)
		r = jb_sqlite_append(store, audit);
	return jb_sqlite_end(store, r);
}

static int audit_read(struct jb_store *base, int64_t after, size_t limit,
		      void (*each)(void *arg, int64_t seq, const char *json), void *arg)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_AUDIT_READ);
	int r;

	if (!s)
		return -EIO;
	sqlite3_bind_int64(s, 1, after);
	sqlite3_bind_int64(s, 2, limit > INT32_MAX ? INT32_MAX : (int64_t)limit);
	while ((r = sqlite3_step(s)) == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(s, 1);
		const char *hash = (const char *)sqlite3_column_text(s, 2);
		JIT_FREE char *shown = text && hash ? jb_audit_show(text, hash) : NULL;

		if (!shown)
			return -EIO;
		each(arg, sqlite3_column_int64(s, 0), shown);
	}
	return r == SQLITE_DONE ? 0 : -EIO;
}

/* Each record stands in the chain as soon as it is written. */
static int audit_waiting(struct jb_store *base, size_t *ret_count, int64_t *ret_since)
{
	(void)base;
	*ret_count = 0;
	*ret_since = 0;
	return 0;
}

/* The highest seq ever given out: what stands above the last record was cut off. */
static int counted(struct jb_sqlite *store, int64_t *ret)
{
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_AUDIT_COUNTED);
	int r = s ? sqlite3_step(s) : SQLITE_ERROR;

	if (r != SQLITE_ROW && r != SQLITE_DONE)
		return -EIO;
	*ret = r == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
	return 0;
}

static int broken(struct jb_audit_break *ret, int64_t seq, const char *why)
{
	ret->seq = seq;
	ret->why = why;
	return -EBADMSG;
}

static int audit_walk(struct jb_store *base, jb_audit_each each, void *arg, struct jb_audit_break *ret)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_AUDIT_READ);
	char prev[JB_HASH_SIZE] = JB_AUDIT_FIRST;
	int64_t expected = 1, highest = 0;
	int r = SQLITE_ERROR;

	if (!s || counted(store, &highest) < 0)
		goto unreadable;
	sqlite3_bind_int64(s, 1, INT64_MIN);
	sqlite3_bind_int64(s, 2, -1); /* no limit */
	for (; (r = sqlite3_step(s)) == SQLITE_ROW; expected++) {
		const struct jb_audit_row row = {.seq = sqlite3_column_int64(s, 0),
						 .text = (const char *)sqlite3_column_text(s, 1),
						 .len = (size_t)sqlite3_column_bytes(s, 1),
						 .hash = (const char *)sqlite3_column_text(s, 2)};
		const char *why = jb_audit_flaw(&row, expected, prev);
		int went = why ? broken(ret, expected, why) : each ? each(arg, row.seq, row.text, row.hash) : 0;

		if (went)
			return went;
		snprintf(prev, sizeof(prev), "%s", row.hash);
	}
	if (r == SQLITE_DONE)
		return expected > highest ? 0 : broken(ret, expected, "it is missing");
unreadable:
	ret->seq = expected;
	ret->why = jb_store_error(base);
	return -EIO;
}

const struct jb_audit_ops jb_sqlite_chain = {
	.last = audit_last,
	.waiting = audit_waiting,
	.add = audit_add,
	.event = audit_event,
	.read = audit_read,
	.walk = audit_walk,
};
