/* How many calls a host made on a day, in the SQLite store: one row a host, added to by every broker that shares it. */
#include <errno.h>

#include "store_sqlite.h"

static int calls_get(struct jb_store *base, const char *host, int64_t day, int64_t *ret)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_CALLS_GET);

	if (!s)
		return -EIO;
	jb_sqlite_text(s, 1, host);
	sqlite3_bind_int64(s, 2, day);
	const int r = sqlite3_step(s);
	if (r != SQLITE_ROW && r != SQLITE_DONE)
		return -EIO;
	*ret = r == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
	return 0;
}

static int add(struct jb_sqlite *store, struct jb_calls *row)
{
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_CALLS_ADD);

	if (!s)
		return -EIO;
	jb_sqlite_text(s, 1, row->host);
	sqlite3_bind_int64(s, 2, row->day);
	sqlite3_bind_int64(s, 3, row->calls);
	if (sqlite3_step(s) != SQLITE_ROW)
		return -EIO;
	const int64_t calls = sqlite3_column_int64(s, 0);
	if (sqlite3_step(s) != SQLITE_DONE)
		return -EIO;
	row->calls = calls;
	return 0;
}

static int calls_add(struct jb_store *base, struct jb_calls *rows, size_t count)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	int r = jb_sqlite_begin(store);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < count; i++)
		r = add(store, &rows[i]);
	return jb_sqlite_end(store, r);
}

const struct jb_calls_ops jb_sqlite_calls = {
	.get = calls_get,
	.add = calls_add,
};
