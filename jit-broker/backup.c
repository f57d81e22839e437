/*
 * See backup.h. A restore works on a copy beside the store: only when that is
 * whole, brought to today's schema and cleared of what was open do the two
 * change places, in one step.
 */
#include "backup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "engine.h"
#include "store.h"
#include "store_sqlite.h"
#include "store_sqlite_copy.h"

static void store_closep(struct jb_store **store)
{
	jb_store_close(*store);
}
#define STORE JIT_CLEANUP(store_closep) struct jb_store

static void db_closep(sqlite3 **db)
{
	sqlite3_close(*db);
}
#define DB JIT_CLEANUP(db_closep) sqlite3

/* A table is copied by those who keep it. */
static bool is_file(const struct jb_conf *conf, char *why, size_t why_size)
{
	if (strncmp(conf->store, "sqlite:", 7) == 0)
		return true;
	snprintf(why, why_size,
		 "%s is a table of DynamoDB: its point-in-time recovery and its own back-ups take the place of this",
		 conf->store);
	return false;
}

static const char *path_of(const struct jb_conf *conf)
{
	return strchr(conf->store, ':') + 1; /* conf_check.c has seen to it */
}

static int count_record(void *arg, int64_t seq, const char *text, const char *hash)
{
	(void)text;
	(void)hash;
	*(int64_t *)arg = seq;
	return 0;
}

/* The chain of a copy that nobody else has. 0, -1: cannot be read, 1: broken. */
static int walk_copy(const char *path, int64_t *ret_records, char *why, size_t why_size)
{
	struct jb_audit_break at = {.why = "it cannot be opened"};
	STORE *copy = jb_sqlite_look(path);

	*ret_records = 0;
	int r = copy ? jb_store_audit_walk(copy, count_record, ret_records, &at) : -EIO;
	if (r < 0)
		snprintf(why, why_size, "the audit chain in %s %s: record %" PRId64 ": %s", path,
			 r == -EBADMSG ? "is broken" : "cannot be read", at.seq, at.why);
	return r == 0 ? 0 : r == -EBADMSG ? 1 : -1;
}

int jb_backup(const struct jb_conf *conf, const char *to, struct jb_backup *ret, char *why, size_t why_size)
{
	if (!is_file(conf, why, why_size))
		return -1;
	if (access(path_of(conf), F_OK) < 0) { /* nor is a lock made where there is none */
		snprintf(why, why_size, "there is no store %s: %s", path_of(conf), strerror(errno));
		return -1;
	}
	JIT_CLOSE int lock = jb_sqlite_lock(path_of(conf), false, why, why_size);
	if (lock < 0)
		return -1;
	if (faccessat(AT_FDCWD, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0) { /* a link that leads nowhere too */
		snprintf(why, why_size, "%s is there already: give the back-up another name", to);
		return -1;
	}
	if (jb_sqlite_copy(path_of(conf), to, false, why, why_size) < 0)
		return -1;
	return walk_copy(to, &ret->records, why, why_size);
}

/* Restoring */

static bool run(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

/* NULL: there is none, or it cannot be read: then it says nothing. */
static sqlite3 *open_old(const char *path)
{
	sqlite3 *db = NULL;

	if (access(path, F_OK) < 0)
		return NULL;
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, NULL) == SQLITE_OK)
		return db;
	sqlite3_close(db);
	return NULL;
}

/* What the store from before knows as revoked stays revoked; where it cannot say all of that, we must not either. */
static int carry_revocations(struct jb_sqlite *copy, sqlite3 *old, struct jb_restored *restored)
{
	sqlite3_stmt *from = NULL, *to = NULL;
	int r = 0, step = SQLITE_ERROR;

	if (sqlite3_prepare_v2(old, "SELECT id, revoked FROM secret WHERE revoked<>0", -1, &from, NULL) != SQLITE_OK)
		return 0;
	if (sqlite3_prepare_v2(copy->db, "UPDATE secret SET revoked=?2 WHERE id=?1 AND revoked=0", -1, &to, NULL) !=
	    SQLITE_OK)
		r = -EIO;
	while (r == 0 && (step = sqlite3_step(from)) == SQLITE_ROW) {
		sqlite3_bind_value(to, 1, sqlite3_column_value(from, 0));
		sqlite3_bind_value(to, 2, sqlite3_column_value(from, 1));
		r = sqlite3_step(to) == SQLITE_DONE ? 0 : -EIO;
		restored->revoked += (size_t)sqlite3_changes(copy->db);
		sqlite3_reset(to);
	}
	restored->revoked_known = r == 0 && step == SQLITE_DONE;
	sqlite3_finalize(from);
	sqlite3_finalize(to);
	return r;
}

/* Asks the store from before for what stands in that row: SQLITE_ROW: it has it, SQLITE_DONE: it has not, or an error.
 */
static int look_up(sqlite3 *old, const char *sql, sqlite3_stmt *row)
{
	sqlite3_stmt *look = NULL;
	int r = sqlite3_prepare_v2(old, sql, -1, &look, NULL);

	for (int i = 0; r == SQLITE_OK && i < sqlite3_column_count(row); i++)
		r = sqlite3_bind_value(look, i + 1, sqlite3_column_value(row, i));
	if (r == SQLITE_OK)
		r = sqlite3_step(look);
	sqlite3_finalize(look);
	return r;
}

/* Is the store from before what became of the back-up? Then its chain has the back-up's last record. */
static bool goes_on_from(struct jb_sqlite *copy, sqlite3 *old)
{
	JB_RESET sqlite3_stmt *last = jb_sqlite_sql(copy, JB_SQL_AUDIT_LAST);

	return last && sqlite3_step(last) == SQLITE_ROW &&
	       look_up(old, "SELECT 1 FROM audit WHERE seq=?1 AND hash=?2", last) == SQLITE_ROW;
}

/* What has left its outbox has been told, or given up: it is not told anew, long after. How many. */
static int carry_deliveries(struct jb_sqlite *copy, sqlite3 *old, size_t *ret)
{
	sqlite3_stmt *waits = NULL, *drop = NULL;
	int r = 0, step = SQLITE_DONE;

	if (!goes_on_from(copy, old))
		return 0;
	if (sqlite3_prepare_v2(copy->db, "SELECT id FROM outbox", -1, &waits, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(copy->db, "DELETE FROM outbox WHERE id=?1", -1, &drop, NULL) != SQLITE_OK)
		r = -EIO;
	while (r == 0 && (step = sqlite3_step(waits)) == SQLITE_ROW) {
		if (look_up(old, "SELECT 1 FROM outbox WHERE id=?1", waits) != SQLITE_DONE)
			continue;
		sqlite3_bind_value(drop, 1, sqlite3_column_value(waits, 0));
		r = sqlite3_step(drop) == SQLITE_DONE ? 0 : -EIO;
		*ret += r == 0;
		sqlite3_reset(drop);
	}
	sqlite3_finalize(waits);
	sqlite3_finalize(drop);
	return r == 0 && step != SQLITE_DONE ? -EIO : r;
}

/* Hosts hold cursors that the back-up never gave out; the clock's milliseconds are beyond them all. */
static int move_cursor(struct jb_sqlite *copy, int64_t now)
{
	char sql[96];

	snprintf(sql, sizeof(sql), "UPDATE cursor SET value=max(value, %" PRId64 ")", now * 1000);
	return run(copy->db, sql) ? 0 : -EIO;
}

/* In one write: revocations, deliveries, cursor, sign-ins, and the record of it all. */
static int clear_copy(struct jb_sqlite *copy, const char *old, int64_t now, struct jb_restored *restored)
{
	char detail[128];
	const struct jb_audit audit = {.at = now, .action = "store.restored", .actor = "admin", .detail = detail};
	DB *before = open_old(old);
	int r = jb_sqlite_begin(copy);

	if (r < 0)
		return r;
	if (before)
		r = carry_revocations(copy, before, restored);
	if (r == 0 && before)
		r = carry_deliveries(copy, before, &restored->delivered);
	if (r == 0)
		r = move_cursor(copy, now);
	if (r == 0 && !run(copy->db, "DELETE FROM session"))
		r = -EIO;
	snprintf(detail, sizeof(detail), "{\"records\":\"%" PRId64 "\",\"revoked\":\"%zu%s\",\"delivered\":\"%zu\"}",
		 restored->records, restored->revoked, restored->revoked_known ? "" : " or more", restored->delivered);
	if (r == 0)
		r = jb_sqlite_append(copy, &audit);
	return jb_sqlite_end(copy, r);
}

static int end_all(const struct jb_conf *conf, struct jb_store *copy, int64_t now, size_t *ret_count, char *why,
		   size_t why_size)
{
	struct jb_engine *engine = jb_engine_new(conf, copy, NULL, now);
	struct jb_fault fault = {.message = "out of memory"};
	int r = engine ? jb_engine_end_all(engine, now, ret_count, &fault) : -1;

	if (r < 0)
		snprintf(why, why_size, "cannot end what is open in the back-up: %s", fault.message);
	jb_engine_free(engine);
	return r;
}

/* Brings the copy forward and ends what is open in it; afterwards it is one file, and closed. */
static int prepare(const struct jb_conf *conf, const char *path, struct jb_restored *restored, char *why,
		   size_t why_size)
{
	const int64_t now = jit_wall_s();
	STORE *store = jb_sqlite_open(path, false, why, why_size);

	if (!store)
		return -1;
	struct jb_sqlite *copy = jb_sqlite_of(store);
	if (clear_copy(copy, path_of(conf), now, restored) < 0) {
		snprintf(why, why_size, "cannot write %s: %s", path, jb_store_error(store));
		return -1;
	}
	if (end_all(conf, store, now, &restored->ended, why, why_size) < 0)
		return -1;
	/* Kept statements are done with: they would hold the journal. */
	jb_sqlite_forget(copy);
	if (run(copy->db, "PRAGMA journal_mode=DELETE") && jb_sqlite_settle(path) == 0)
		return 0;
	snprintf(why, why_size, "cannot write %s: %s", path, jb_store_error(store));
	return -1;
}

/* The old store's journal is taken into it, or out of the new one's way. */
static int move_journal(const char *path, const char *replaced, char *why, size_t why_size)
{
	static const char *const suffixes[] = {"-wal", "-shm"};
	DB *old = NULL;

	if (sqlite3_open_v2(path, &old, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, NULL) == SQLITE_OK)
		run(old, "PRAGMA journal_mode=DELETE");
	sqlite3_close(old);
	old = NULL;
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		JIT_FREE char *from = NULL, *to = NULL;

		if (asprintf(&from, "%s%s", path, suffixes[i]) < 0)
			from = NULL;
		if (asprintf(&to, "%s%s", replaced, suffixes[i]) < 0)
			to = NULL;
		if (!from || !to || (rename(from, to) < 0 && errno != ENOENT)) {
			snprintf(why, why_size, "cannot move %s%s away: %s", path, suffixes[i], strerror(errno));
			return -1;
		}
	}
	return 0;
}

/* `copy` becomes the store. Where there was one they change places in one step, and it gets the name `replaced`. */
static int swap(const char *copy, const char *path, const char *replaced, struct jb_restored *restored, char *why,
		size_t why_size)
{
	const bool was_there = access(path, F_OK) == 0;

	if (was_there && move_journal(path, replaced, why, why_size) < 0)
		return -1;
	if (renameat2(AT_FDCWD, copy, AT_FDCWD, path, was_there ? RENAME_EXCHANGE : RENAME_NOREPLACE) < 0) {
		snprintf(why, why_size, "cannot put %s in the place of %s: %s", copy, path, strerror(errno));
		return -1;
	}
	if (was_there)
		snprintf(restored->replaced, sizeof(restored->replaced), "%s",
			 rename(copy, replaced) == 0 ? replaced : copy);
	jb_sqlite_settle(path);
	return 0;
}

/* SQLite would not follow a link either, and says nothing that helps. */
static int look_at(const char *from, char *why, size_t why_size)
{
	struct stat st;

	if (lstat(from, &st) < 0 || (S_ISREG(st.st_mode) && access(from, R_OK) < 0))
		snprintf(why, why_size, "cannot read the back-up %s: %s", from, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		snprintf(why, why_size, "%s is %s: name the back-up itself", from,
			 S_ISLNK(st.st_mode) ? "a symbolic link" : "no regular file");
	else
		return 0;
	return -1;
}

int jb_restore(const struct jb_conf *conf, const char *from, struct jb_restored *ret, char *why, size_t why_size)
{
	if (!is_file(conf, why, why_size))
		return -1;
	const char *path = path_of(conf);
	JIT_FREE char *copy = jb_sqlite_beside(path, "restoring"), *replaced = jb_sqlite_beside(path, "replaced");
	JIT_CLOSE int lock = jb_sqlite_lock(path, true, why, why_size);

	*ret = (struct jb_restored){0};
	if (lock < 0)
		return -1;
	if (!copy || !replaced) {
		snprintf(why, why_size, "out of memory");
		return -1;
	}
	if (look_at(from, why, why_size) < 0 || jb_sqlite_copy(from, copy, true, why, why_size) < 0)
		return -1;
	if (walk_copy(copy, &ret->records, why, why_size) == 0 && prepare(conf, copy, ret, why, why_size) == 0 &&
	    swap(copy, path, replaced, ret, why, why_size) == 0)
		return 0;
	unlink(copy);
	return -1;
}
