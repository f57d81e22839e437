/* Sessions in the SQLite store: hashes alone; beginning and end stand in the audit chain in the same write. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store_sqlite.h"

/* Ids and persons are names without quotes. */
static int audit_session(struct jb_sqlite *store, const char *action, const char *actor, const char *person,
			 const char *how, const char *id, int64_t now)
{
	char detail[512];
	int n = snprintf(detail, sizeof(detail), "{\"person\":\"%s\",%s%s%s\"session\":\"%s\"}", person,
			 how ? "\"how\":\"" : "", how ? how : "", how ? "\"," : "", id);
	const struct jb_audit audit = {.at = now, .action = action, .actor = actor, .detail = detail};

	return n > 0 && (size_t)n < sizeof(detail) ? jb_sqlite_append(store, &audit) : -EINVAL;
}

static int insert_session(struct jb_sqlite *store, const struct jb_session_row *row)
{
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_SESSION_INSERT);

	if (!s)
		return -EIO;
	jb_sqlite_text(s, 1, row->id);
	jb_sqlite_text(s, 2, row->person);
	jb_sqlite_text(s, 3, row->how);
	jb_sqlite_text(s, 4, row->hash);
	sqlite3_bind_int64(s, 5, row->begun);
	sqlite3_bind_int64(s, 6, row->used);
	return sqlite3_step(s) == SQLITE_DONE ? 0 : -EIO;
}

static int session_add(struct jb_store *base, const struct jb_session_row *row)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	int r = jb_sqlite_begin(store);

	if (r < 0)
		return r;
	r = insert_session(store, row);
	if (r == 0)
		r = audit_session(store, "session.begun", row->person, row->person, row->how, row->id, row->begun);
	return jb_sqlite_end(store, r);
}

static int delete_session(struct jb_sqlite *store, const char *id, char *person, size_t size)
{
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_SESSION_END);

	if (!s)
		return -EIO;
	jb_sqlite_text(s, 1, id);
	int r = sqlite3_step(s);
	if (r != SQLITE_ROW)
		return r == SQLITE_DONE ? -ENOENT : -EIO;
	snprintf(person, size, "%s", (const char *)sqlite3_column_text(s, 0));
	return sqlite3_step(s) == SQLITE_DONE ? 0 : -EIO;
}

static int session_end(struct jb_store *base, const char *id, const char *actor, int64_t now)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	char person[sizeof(((struct jb_session_row *)0)->person)];
	int r = jb_sqlite_begin(store);

	if (r < 0)
		return r;
	r = delete_session(store, id, person, sizeof(person));
	if (r == 0)
		r = audit_session(store, "session.ended", actor, person, NULL, id, now);
	return jb_sqlite_end(store, r);
}

static bool copy_text(sqlite3_stmt *s, int column, char *buf, size_t size)
{
	const char *text = (const char *)sqlite3_column_text(s, column);

	if (!text || strlen(text) >= size)
		return false;
	snprintf(buf, size, "%s", text);
	return true;
}

static int read_session(sqlite3_stmt *s, struct jb_session_row *ret)
{
	struct jb_session_row row = {.begun = sqlite3_column_int64(s, 4), .used = sqlite3_column_int64(s, 5)};

	if (!copy_text(s, 0, row.id, sizeof(row.id)) || !copy_text(s, 1, row.person, sizeof(row.person)) ||
	    !copy_text(s, 2, row.how, sizeof(row.how)) || !copy_text(s, 3, row.hash, sizeof(row.hash)))
		return -EIO;
	*ret = row;
	return 0;
}

static int session_get(struct jb_store *base, const char *id, struct jb_session_row *ret)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_SESSION_GET);

	if (!s)
		return -EIO;
	jb_sqlite_text(s, 1, id);
	int r = sqlite3_step(s);
	if (r != SQLITE_ROW)
		return r == SQLITE_DONE ? -ENOENT : -EIO;
	return read_session(s, ret);
}

static int session_use(struct jb_store *base, const char *id, int64_t now)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_SESSION_USE);

	if (!s)
		return -EIO;
	jb_sqlite_text(s, 1, id);
	sqlite3_bind_int64(s, 2, now);
	return sqlite3_step(s) == SQLITE_DONE ? 0 : -EIO;
}

static int session_count(struct jb_store *base, const char *person, int64_t after, size_t *ret)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_SESSION_COUNTED);

	if (!s)
		return -EIO;
	jb_sqlite_text(s, 1, person);
	sqlite3_bind_int64(s, 2, after);
	if (sqlite3_step(s) != SQLITE_ROW)
		return -EIO;
	*ret = (size_t)sqlite3_column_int64(s, 0);
	return 0;
}

static int session_prune(struct jb_store *base, int64_t begun, int64_t used)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_SESSION_PRUNE);

	if (!s)
		return -EIO;
	sqlite3_bind_int64(s, 1, begun);
	sqlite3_bind_int64(s, 2, used);
	return sqlite3_step(s) == SQLITE_DONE ? 0 : -EIO;
}

static int session_list(struct jb_store *base, const char *person,
			void (*each)(void *arg, const struct jb_session_row *row), void *arg)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_SESSION_LIST);
	struct jb_session_row row;
	int r;

	if (!s)
		return -EIO;
	jb_sqlite_text(s, 1, person);
	while ((r = sqlite3_step(s)) == SQLITE_ROW)
		if (read_session(s, &row) == 0)
			each(arg, &row);
	return r == SQLITE_DONE ? 0 : -EIO;
}

const struct jb_session_ops jb_sqlite_sessions = {
	.add = session_add,
	.end = session_end,
	.get = session_get,
	.use = session_use,
	.count = session_count,
	.prune = session_prune,
	.list = session_list,
};
