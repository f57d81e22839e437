/*
 * What SQLite reaches by itself with a broker's rows: each change that a broker has made is made once more in a copy of
 * the store that it began with, one transaction a change, WAL and synchronous=FULL, with the row as that change left
 * it, in the order in which they came. No TLS, no HTTP, no policy, no JSON.
 *
 *   rawstore RECORDED.db EMPTY.db    RECORDED.db: a store with a table "written", see rows_broker.py
 *
 * Prints how many changes there were, and the seconds that they took.
 */
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CHANGED = 8, COLUMNS = 13 }; /* of the table "request" */

struct change {
	int64_t seq;
	char *text, *hash;	     /* of its audit record */
	sqlite3_value *row[COLUMNS]; /* of its request, after it */
	int is_filing;
};

static sqlite3 *db;

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "rawstore: %s: %s\n", what, db ? sqlite3_errmsg(db) : "");
	exit(1);
}

static sqlite3_stmt *prepare(const char *sql)
{
	sqlite3_stmt *s;

	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
		die(sql);
	return s;
}

static char *column(sqlite3_stmt *s, int at)
{
	const char *text = (const char *)sqlite3_column_text(s, at);

	return text ? strdup(text) : NULL;
}

static size_t read_changes(const char *path, struct change **ret)
{
	struct change *all = NULL;
	size_t count = 0;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
		die("cannot open what was recorded");
	sqlite3_stmt *s = prepare("SELECT seq, text, hash, w.* FROM written w JOIN audit USING(seq) ORDER BY seq");
	while (sqlite3_step(s) == SQLITE_ROW) {
		all = reallocarray(all, count + 1, sizeof(*all));
		struct change *c = &all[count++];
		*c = (struct change){.seq = sqlite3_column_int64(s, 0), .text = column(s, 1), .hash = column(s, 2)};
		c->is_filing = sqlite3_column_int(s, 4);
		for (int i = 0; i < COLUMNS; i++)
			c->row[i] = sqlite3_value_dup(sqlite3_column_value(s, 5 + i));
	}
	sqlite3_finalize(s);
	sqlite3_close(db);
	*ret = all;
	return count;
}

static void step(sqlite3_stmt *s, int wanted)
{
	if (sqlite3_step(s) != wanted)
		die("a statement failed");
	sqlite3_reset(s);
}

static void bind_row(sqlite3_stmt *s, const struct change *c)
{
	for (int i = 0; i < COLUMNS; i++)
		sqlite3_bind_value(s, i + 1, c->row[i]);
}

int main(int argc, char **argv)
{
	struct timespec began, ended;
	struct change *changes;
	int64_t announced = 0;

	if (argc != 3)
		die("usage: rawstore RECORDED.db EMPTY.db");
	const size_t count = read_changes(argv[1], &changes);
	if (sqlite3_open(argv[2], &db) != SQLITE_OK ||
	    sqlite3_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL", NULL, NULL, NULL) != SQLITE_OK)
		die("cannot open the empty store");
	sqlite3_stmt *begin = prepare("BEGIN IMMEDIATE"), *commit = prepare("COMMIT"),
		     *cursor = prepare("UPDATE cursor SET value=value+1 RETURNING value"),
		     *insert = prepare("INSERT INTO request VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)"),
		     *update = prepare("UPDATE request SET status=?6, open=?7, version=?8, changed=?9, due=?10, doc=?13"
				       " WHERE id=?1 AND version=?8-1"),
		     *last = prepare("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1"),
		     *append = prepare("INSERT INTO audit(seq, text, hash) VALUES(?1,?2,?3)");
	clock_gettime(CLOCK_MONOTONIC, &began);
	for (const struct change *c = changes; c < changes + count; c++) {
		sqlite3_stmt *write = c->is_filing ? insert : update;

		step(begin, SQLITE_DONE);
		if (sqlite3_value_int64(c->row[CHANGED]) > announced) { /* this change is one that hosts are told of */
			announced = sqlite3_value_int64(c->row[CHANGED]);
			step(cursor, SQLITE_ROW);
		}
		bind_row(write, c);
		step(write, SQLITE_DONE);
		if (sqlite3_changes(db) != 1)
			die("a row to be changed is not there");
		sqlite3_step(last);
		sqlite3_reset(last);
		sqlite3_bind_int64(append, 1, c->seq);
		sqlite3_bind_text(append, 2, c->text, -1, SQLITE_STATIC);
		sqlite3_bind_text(append, 3, c->hash, -1, SQLITE_STATIC);
		step(append, SQLITE_DONE);
		step(commit, SQLITE_DONE);
	}
	clock_gettime(CLOCK_MONOTONIC, &ended);
	printf("%zu %.6f\n", count,
	       (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9);
	return 0;
}
