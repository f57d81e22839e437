/* The outbox in the SQLite store. What it promises, outbox.h says. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "json.h"
#include "outbox.h"
#include "store_sqlite.h"

static int add_row(struct jb_sqlite *store, const struct jb_notice *notice)
{
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_OUTBOX_INSERT);

	if (!s)
		return -EIO;
	jb_sqlite_text(s, 1, notice->id);
	jb_sqlite_text(s, 2, notice->channel);
	jb_sqlite_text(s, 3, notice->receiver);
	jb_sqlite_text(s, 4, notice->about);
	jb_sqlite_text(s, 5, notice->event);
	sqlite3_bind_int64(s, 6, notice->at);
	jb_sqlite_text(s, 7, notice->doc);
	return sqlite3_step(s) == SQLITE_DONE ? 0 : -EIO;
}

int jb_sqlite_outbox_add(struct jb_sqlite *store, const struct jb_notices *notices)
{
	int r = 0;

	for (size_t i = 0; r == 0 && notices && i < notices->count; i++) {
		r = add_row(store, &notices->notice[i]);
		store->outbox_written = true;
	}
	return r;
}

static char *copy_column(sqlite3_stmt *s, int at)
{
	const char *text = (const char *)sqlite3_column_text(s, at);

	return text ? strdup(text) : NULL;
}

/* The columns as every SELECT of rows names them. */
static int read_row(sqlite3_stmt *s, struct jb_outbox_row *ret)
{
	const char *id = (const char *)sqlite3_column_text(s, 1);

	*ret = (struct jb_outbox_row){.seq = sqlite3_column_int64(s, 0),
				      .due = sqlite3_column_int64(s, 7),
				      .tries = (unsigned)sqlite3_column_int64(s, 8),
				      .error = copy_column(s, 9),
				      .notice = {.channel = copy_column(s, 2),
						 .receiver = copy_column(s, 3),
						 .about = copy_column(s, 4),
						 .event = copy_column(s, 5),
						 .at = sqlite3_column_int64(s, 6),
						 .doc = copy_column(s, 10)}};
	const struct jb_notice *n = &ret->notice;
	if (id && strlen(id) < sizeof(n->id) && n->channel && n->receiver && n->about && n->event && n->doc) {
		memcpy(ret->notice.id, id, strlen(id) + 1);
		return 0;
	}
	jb_outbox_row_clear(ret);
	return -EIO;
}

/* Every row of the statement, which is bound already. On failure *ret is empty. */
static int read_rows(sqlite3_stmt *s, struct jb_outbox_rows *ret)
{
	int r = 0, step = SQLITE_DONE;

	*ret = (struct jb_outbox_rows){0};
	while (r == 0 && (step = sqlite3_step(s)) == SQLITE_ROW) {
		struct jb_outbox_row *grown = reallocarray(ret->row, ret->count + 1, sizeof(*grown));

		if (grown)
			ret->row = grown;
		r = grown ? read_row(s, &grown[ret->count]) : -ENOMEM;
		ret->count += r == 0;
	}
	if (r == 0 && step != SQLITE_DONE)
		r = -EIO;
	if (r < 0)
		jb_outbox_rows_clear(ret);
	return r;
}

static int outbox_next(struct jb_store *base, const char *channel, size_t limit, struct jb_outbox_rows *ret)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_OUTBOX_NEXT);

	if (!s)
		return -EIO;
	jb_sqlite_text(s, 1, channel);
	sqlite3_bind_int64(s, 2, (int64_t)limit);
	return read_rows(s, ret);
}

static int outbox_old(struct jb_store *base, const char *channel, int64_t created, size_t limit,
		      struct jb_outbox_rows *ret)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_OUTBOX_OLD);

	if (!s)
		return -EIO;
	jb_sqlite_text(s, 1, channel);
	sqlite3_bind_int64(s, 2, created);
	sqlite3_bind_int64(s, 3, (int64_t)limit);
	return read_rows(s, ret);
}

static int outbox_list(struct jb_store *base, int64_t after, size_t limit, struct jb_outbox_rows *ret)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_OUTBOX_LIST);

	if (!s)
		return -EIO;
	sqlite3_bind_int64(s, 1, after);
	sqlite3_bind_int64(s, 2, (int64_t)limit);
	return read_rows(s, ret);
}

static int outbox_channels(struct jb_store *base, jb_outbox_each each, void *arg)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_OUTBOX_CHANNELS);
	int r = s ? SQLITE_ROW : SQLITE_ERROR;

	while (r == SQLITE_ROW && (r = sqlite3_step(s)) == SQLITE_ROW)
		each(arg, (const char *)sqlite3_column_text(s, 0), (size_t)sqlite3_column_int64(s, 1),
		     sqlite3_column_int64(s, 2));
	return r == SQLITE_DONE ? 0 : -EIO;
}

static int delete_row(struct jb_sqlite *store, int64_t seq)
{
	sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_OUTBOX_DONE);

	if (!s)
		return -EIO;
	sqlite3_bind_int64(s, 1, seq);
	return jb_sqlite_run(s) == SQLITE_DONE ? 0 : -EIO;
}

static int outbox_done(struct jb_store *base, const struct jb_outbox_row *row)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	return delete_row(store, row->seq);
}

static int outbox_failed(struct jb_store *base, const struct jb_outbox_row *row, int64_t due, const char *error)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_OUTBOX_FAILED);

	if (!s)
		return -EIO;
	sqlite3_bind_int64(s, 1, row->seq);
	sqlite3_bind_int64(s, 2, due);
	jb_sqlite_text(s, 3, error);
	return jb_sqlite_run(s) == SQLITE_DONE ? 0 : -EIO;
}

static int outbox_hurry(struct jb_store *base, const char *channel, int64_t now)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_OUTBOX_HURRY);

	if (!s)
		return -EIO;
	jb_sqlite_text(s, 1, channel);
	sqlite3_bind_int64(s, 2, now);
	return jb_sqlite_run(s) == SQLITE_DONE ? 0 : -EIO;
}

static int outbox_give_up(struct jb_store *base, const struct jb_outbox_row *row, int64_t now)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	JIT_FREE char *detail = jb_outbox_given_up(row);
	const struct jb_audit audit = {
		.at = now, .action = "notification.given_up", .actor = "timer", .detail = detail};
	int r = detail ? jb_sqlite_begin(store) : -ENOMEM;

	if (r < 0)
		return r;
	r = delete_row(store, row->seq);
	if (r == 0)
		r = jb_sqlite_append(store, &audit);
	return jb_sqlite_end(store, r);
}

const struct jb_outbox_ops jb_sqlite_outbox = {
	.next = outbox_next,
	.old = outbox_old,
	.list = outbox_list,
	.channels = outbox_channels,
	.done = outbox_done,
	.failed = outbox_failed,
	.hurry = outbox_hurry,
	.give_up = outbox_give_up,
};
