/*
 * The SQLite store: opening the file, its schema, transactions. WAL with
 * synchronous=FULL: what was answered survives a power cut. Several processes
 * may share the file (`jit-broker key add` while the broker serves).
 */
#include "store_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "safepath.h"
#include "store_sqlite_copy.h"

#define SCHEMA_VERSION	5
#define BUSY_TIMEOUT_MS 2000 /* longer than any of our transactions, shorter than a host's patience */

/*
 * What each version added: a store of version N gets those from N on.
 *
 * doc is the whole record; the other columns repeat what is searched for. due:
 * when the record changes by itself, or, finished, when it may be forgotten.
 */
static const char *const schema[SCHEMA_VERSION] = {
	"CREATE TABLE request("
	" id TEXT PRIMARY KEY, short_id TEXT NOT NULL UNIQUE, host TEXT NOT NULL, filer TEXT NOT NULL,"
	" requester TEXT NOT NULL, status INTEGER NOT NULL, open INTEGER NOT NULL, version INTEGER NOT NULL,"
	" changed INTEGER NOT NULL, due INTEGER NOT NULL, requested_at INTEGER NOT NULL, idempotency TEXT,"
	" doc TEXT NOT NULL) STRICT;"
	"CREATE UNIQUE INDEX request_idempotency ON request(filer, idempotency) WHERE idempotency IS NOT NULL;"
	"CREATE INDEX request_host_changed ON request(host, changed);"
	"CREATE INDEX request_filer_changed ON request(filer, changed);"
	"CREATE INDEX request_host_open ON request(host, open);"
	"CREATE INDEX request_filer_open ON request(filer, open);"
	"CREATE INDEX request_status ON request(status, requested_at);"
	"CREATE INDEX request_due ON request(due);"
	"CREATE TABLE cursor(one INTEGER PRIMARY KEY CHECK(one = 1), value INTEGER NOT NULL) STRICT;"
	"INSERT INTO cursor VALUES(1, 0);"
	/* AUTOINCREMENT remembers the highest seq ever given out: records cut off at the end are missed. */
	"CREATE TABLE audit(seq INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL, hash TEXT NOT NULL) STRICT;"
	"CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;"
	"CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;"
	"CREATE TABLE secret("
	" id TEXT PRIMARY KEY, kind TEXT NOT NULL, owner TEXT NOT NULL, hash TEXT NOT NULL,"
	" created INTEGER NOT NULL, revoked INTEGER NOT NULL DEFAULT 0) STRICT;",
	"CREATE TABLE event("
	" host TEXT NOT NULL, id TEXT NOT NULL, until INTEGER NOT NULL, PRIMARY KEY(host, id)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX event_until ON event(until);",
	"CREATE TABLE session("
	" id TEXT PRIMARY KEY, person TEXT NOT NULL, how TEXT NOT NULL, hash TEXT NOT NULL,"
	" begun INTEGER NOT NULL, used INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE INDEX session_person ON session(person, begun);",
	"CREATE TABLE outbox("
	" seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, channel TEXT NOT NULL, receiver TEXT NOT "
	"NULL,"
	" about TEXT NOT NULL, event TEXT NOT NULL, created INTEGER NOT NULL, due INTEGER NOT NULL,"
	" tries INTEGER NOT NULL DEFAULT 0, error TEXT, doc TEXT NOT NULL) STRICT;"
	"CREATE INDEX outbox_due ON outbox(channel, due, seq);"
	"CREATE INDEX outbox_order ON outbox(receiver, about, seq);"
	"CREATE INDEX outbox_created ON outbox(channel, created);",
	"ALTER TABLE secret ADD COLUMN used INTEGER NOT NULL DEFAULT 0;"
	"CREATE TABLE calls(host TEXT PRIMARY KEY, day INTEGER NOT NULL, calls INTEGER NOT NULL) STRICT, WITHOUT "
	"ROWID;",
};

static const char *const statements[JB_SQL_COUNT] = {
	[JB_SQL_BEGIN] = "BEGIN IMMEDIATE",
	[JB_SQL_COMMIT] = "COMMIT",
	[JB_SQL_ROLLBACK] = "ROLLBACK",
	[JB_SQL_INSERT] =
		"INSERT INTO request(id, short_id, host, filer, requester, status, open, version, changed, due,"
		" requested_at, idempotency, doc) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)",
	[JB_SQL_UPDATE] = "UPDATE request SET status=?6, open=?7, version=?8, changed=?9, due=?10, doc=?13"
			  " WHERE id=?1 AND version=?8-1",
	[JB_SQL_NEXT_CURSOR] = "UPDATE cursor SET value=value+1 RETURNING value",
	[JB_SQL_CURSOR] = "SELECT value FROM cursor",
	[JB_SQL_CHANGES] = "SELECT doc, value FROM cursor LEFT JOIN request ON (host=?1 OR filer=?1) AND changed>?2"
			   " AND ?2<=value ORDER BY changed LIMIT ?3",
	[JB_SQL_GET] = "SELECT doc FROM request WHERE id=?1",
	[JB_SQL_GET_SHORT] = "SELECT doc FROM request WHERE short_id=?1",
	[JB_SQL_GET_IDEMPOTENT] = "SELECT doc FROM request WHERE filer=?1 AND idempotency=?2",
	[JB_SQL_NEXT_DUE] = "SELECT min(due) FROM request",
	[JB_SQL_PRUNE] = "DELETE FROM request WHERE due<=?1 AND open=0",
	[JB_SQL_EVENT_INSERT] = "INSERT INTO event(host, id, until) VALUES(?1,?2,?3)",
	[JB_SQL_EVENT_PRUNE] = "DELETE FROM event WHERE until<=?1",
	[JB_SQL_AUDIT_LAST] = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1",
	[JB_SQL_AUDIT_INSERT] = "INSERT INTO audit(seq, text, hash) VALUES(?1,?2,?3)",
	[JB_SQL_AUDIT_READ] = "SELECT seq, text, hash FROM audit WHERE seq>?1 ORDER BY seq LIMIT ?2",
	[JB_SQL_AUDIT_COUNTED] = "SELECT seq FROM sqlite_sequence WHERE name='audit'",
	[JB_SQL_SECRET_INSERT] = "INSERT INTO secret(id, kind, owner, hash, created) VALUES(?1,?2,?3,?4,?5)",
	[JB_SQL_SECRET_COUNT] = "SELECT count(*) FROM secret WHERE kind=?1 AND owner=?2 AND revoked=0",
	[JB_SQL_SECRET_USED] = "UPDATE secret SET used=?2 WHERE id=?1 AND used<?2",
	[JB_SQL_SECRET_GET] = "SELECT owner, hash FROM secret WHERE id=?1 AND kind=?2 AND revoked=0",
	[JB_SQL_SECRET_REVOKE] = "UPDATE secret SET revoked=?3 WHERE id=?1 AND kind=?2 AND revoked=0 RETURNING owner",
	[JB_SQL_SECRET_LIST] =
		"SELECT id, owner, created, used, revoked FROM secret WHERE kind=?1 ORDER BY created, rowid",
	[JB_SQL_CALLS_GET] = "SELECT calls FROM calls WHERE host=?1 AND day=?2",
	[JB_SQL_CALLS_ADD] = "INSERT INTO calls(host, day, calls) VALUES(?1,?2,?3) ON CONFLICT(host) DO UPDATE SET"
			     " calls=excluded.calls+iif(day=excluded.day, calls, 0), day=excluded.day RETURNING calls",
	[JB_SQL_SESSION_INSERT] = "INSERT INTO session(id, person, how, hash, begun, used) VALUES(?1,?2,?3,?4,?5,?6)",
	[JB_SQL_SESSION_GET] = "SELECT id, person, how, hash, begun, used FROM session WHERE id=?1",
	[JB_SQL_SESSION_USE] = "UPDATE session SET used=?2 WHERE id=?1",
	[JB_SQL_SESSION_END] = "DELETE FROM session WHERE id=?1 RETURNING person",
	[JB_SQL_SESSION_COUNTED] = "SELECT count(*) FROM session WHERE person=?1 AND begun>?2",
	[JB_SQL_SESSION_PRUNE] = "DELETE FROM session WHERE begun<=?1 OR used<=?2",
	[JB_SQL_SESSION_LIST] = "SELECT id, person, how, hash, begun, used FROM session WHERE ?1 IS NULL OR person=?1"
				" ORDER BY begun, id",
	[JB_SQL_OUTBOX_INSERT] = "INSERT INTO outbox(id, channel, receiver, about, event, created, due, doc)"
				 " VALUES(?1,?2,?3,?4,?5,?6,?6,?7) ON CONFLICT(id) DO NOTHING",
	/* The head of each queue alone: what came before it to the same receiver about the same is gone. */
	[JB_SQL_OUTBOX_NEXT] =
		"SELECT seq, id, channel, receiver, about, event, created, due, tries, error, doc FROM outbox o"
		" WHERE channel=?1 AND NOT EXISTS(SELECT 1 FROM outbox b WHERE b.receiver=o.receiver"
		" AND b.about=o.about AND b.seq<o.seq) ORDER BY due, seq LIMIT ?2",
	[JB_SQL_OUTBOX_DONE] = "DELETE FROM outbox WHERE seq=?1",
	[JB_SQL_OUTBOX_FAILED] = "UPDATE outbox SET tries=tries+1, due=?2, error=?3 WHERE seq=?1",
	[JB_SQL_OUTBOX_HURRY] = "UPDATE outbox SET due=?2 WHERE channel=?1 AND due>?2",
	[JB_SQL_OUTBOX_OLD] =
		"SELECT seq, id, channel, receiver, about, event, created, due, tries, error, doc FROM outbox"
		" WHERE channel=?1 AND created<=?2 ORDER BY created LIMIT ?3",
	[JB_SQL_OUTBOX_LIST] =
		"SELECT seq, id, channel, receiver, about, event, created, due, tries, error, doc FROM outbox"
		" WHERE seq>?1 ORDER BY seq LIMIT ?2",
	[JB_SQL_OUTBOX_CHANNELS] = "SELECT channel, count(*), min(created) FROM outbox GROUP BY channel",
};

sqlite3_stmt *jb_sqlite_sql(struct jb_sqlite *store, enum jb_sql which)
{
	if (!store->sql[which] && sqlite3_prepare_v3(store->db, statements[which], -1, SQLITE_PREPARE_PERSISTENT,
						     &store->sql[which], NULL) != SQLITE_OK)
		return NULL;
	return store->sql[which];
}

sqlite3_stmt *jb_sqlite_query(struct jb_sqlite *store, const char *sql)
{
	sqlite3_stmt **oldest = &store->query[store->query_next];

	for (size_t i = 0; i < JB_QUERIES_KEPT; i++)
		if (store->query[i] && strcmp(sqlite3_sql(store->query[i]), sql) == 0)
			return store->query[i];
	sqlite3_finalize(*oldest);
	*oldest = NULL;
	store->query_next = (store->query_next + 1) % JB_QUERIES_KEPT;
	if (sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, oldest, NULL) != SQLITE_OK)
		return NULL;
	return *oldest;
}

void jb_sqlite_forget(struct jb_sqlite *store)
{
	for (size_t i = 0; i < JB_SQL_COUNT; i++) {
		sqlite3_finalize(store->sql[i]);
		store->sql[i] = NULL;
	}
	for (size_t i = 0; i < JB_QUERIES_KEPT; i++) {
		sqlite3_finalize(store->query[i]);
		store->query[i] = NULL;
	}
}

void jb_sqlite_resetp(sqlite3_stmt **statement)
{
	if (!*statement)
		return;
	sqlite3_reset(*statement);
	sqlite3_clear_bindings(*statement);
}

int jb_sqlite_run(sqlite3_stmt *statement)
{
	int r = statement ? sqlite3_step(statement) : SQLITE_ERROR;

	jb_sqlite_resetp(&statement);
	return r;
}

void jb_sqlite_text(sqlite3_stmt *statement, int at, const char *text)
{
	if (text)
		sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
	else
		sqlite3_bind_null(statement, at);
}

/* Counts failures of the store itself, not refusals of what was to be written. */
static int note(struct jb_sqlite *store, int r)
{
	store->failing = r == -EIO;
	store->store.failures += store->failing;
	return r;
}

/* Into store->error: why SQLite's last call failed. False: it did not, and its words would be "not an error". */
static bool keep_reason(struct jb_sqlite *store)
{
	const int code = sqlite3_errcode(store->db), system = sqlite3_system_errno(store->db);

	if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE)
		return false;
	if (code == SQLITE_IOERR && system)
		snprintf(store->error, sizeof(store->error), "%s: %s", sqlite3_errmsg(store->db), strerror(system));
	else
		snprintf(store->error, sizeof(store->error), "%s", sqlite3_errmsg(store->db));
	return true;
}

/* Both ends are there before it begins: one that could not be rolled back for want of memory would stay open for good.
 */
static bool begin(struct jb_sqlite *store)
{
	return jb_sqlite_sql(store, JB_SQL_COMMIT) && jb_sqlite_sql(store, JB_SQL_ROLLBACK) &&
	       jb_sqlite_run(jb_sqlite_sql(store, JB_SQL_BEGIN)) == SQLITE_DONE;
}

/* After some faults (a full disk) SQLite has rolled back by itself. */
static void roll_back(struct jb_sqlite *store)
{
	if (!sqlite3_get_autocommit(store->db))
		jb_sqlite_run(jb_sqlite_sql(store, JB_SQL_ROLLBACK));
}

int jb_sqlite_begin(struct jb_sqlite *store)
{
	store->outbox_written = false;
	return note(store, begin(store) ? 0 : -EIO);
}

int jb_sqlite_end(struct jb_sqlite *store, int r)
{
	if (r == 0 && jb_sqlite_run(jb_sqlite_sql(store, JB_SQL_COMMIT)) == SQLITE_DONE) {
		if (store->outbox_written && store->store.on_outbox)
			store->store.on_outbox(store->store.on_outbox_arg);
		return note(store, 0);
	}
	if (!keep_reason(store))
		snprintf(store->error, sizeof(store->error), "%s", r == -ENOMEM ? "out of memory" : "");
	roll_back(store);
	return note(store, r ? r : -EIO);
}

/* A disk that was full is told from one that has room again by a write, which nobody may come to make. */
static int try_to_write(struct jb_sqlite *store)
{
	sqlite3_busy_timeout(store->db, 0);
	bool taken = begin(store) &&
		     sqlite3_exec(store->db, "UPDATE cursor SET value=value; COMMIT", NULL, NULL, NULL) == SQLITE_OK;
	roll_back(store);
	sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
	store->failing = !taken;
	return taken ? 0 : -EIO;
}

static int ping(struct jb_store *base)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	int64_t seq;

	if (jb_store_audit_last(base, &seq) < 0)
		return -EIO;
	return store->failing ? try_to_write(store) : 0;
}

static const char *error(struct jb_store *base)
{
	struct jb_sqlite *store = jb_sqlite_of(base);

	keep_reason(store);
	return store->error[0] ? store->error : "a stored record cannot be read, or this process is out of memory";
}

/* For root the folder is the broker's, as the store is. */
static bool is_in_good_hands(const char *path, char *why, size_t why_size)
{
	struct jit_safepath way;

	if (geteuid() == 0)
		return true;
	JIT_CLOSE int above = jit_safepath_open(path, false, &way, why, why_size);
	if (above < 0)
		return above != -EPERM; /* whatever else is wrong shows when the store is opened */
	if (way.sticky)			/* SQLite takes up a journal whoever made it */
		snprintf(why, why_size,
			 "others can make files beside the store %s, which SQLite would take for its own: keep it in a "
			 "folder where the broker alone writes",
			 path);
	return !way.sticky;
}

/* The file is made by us, so that it is never readable by others, not even for a moment. */
static int make_file(const char *path, char *why, size_t why_size)
{
	JIT_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;

	if (fd < 0 && errno != EEXIST) {
		snprintf(why, why_size, "cannot make the store %s: %s", path, strerror(errno));
		return -errno;
	}
	if (fd >= 0 && jb_sqlite_give(path, fd) < 0) {
		snprintf(why, why_size, "cannot give the store %s to its directory's owner: %s", path, strerror(errno));
		return -EPERM;
	}
	if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode)) {
		snprintf(why, why_size,
			 "the store %s is not a regular file: move it away, and put the store or a back-up there",
			 path);
		return -EINVAL;
	}
	if (st.st_mode & 077) {
		snprintf(why, why_size, "the store %s can be read or written by others: chmod 600 %s", path, path);
		return -EPERM;
	}
	if (st.st_uid != geteuid() && geteuid() != 0) {
		snprintf(why, why_size,
			 "the store %s belongs to uid %u, and the broker runs as uid %u: run it as the "
			 "store's user (runuser -u _jitbroker), or chown the store if it is another's",
			 path, (unsigned)st.st_uid, (unsigned)geteuid());
		return -EPERM;
	}
	return 0;
}

static int get_version(sqlite3 *db)
{
	sqlite3_stmt *statement = NULL;
	int version = -1;

	if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL) == SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW)
		version = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	return version;
}

/* Within the transaction: nobody else writes, and who reads still sees what was before. */
static int bring_forward(struct jb_sqlite *store, int from)
{
	char version[48];

	for (int i = from; i < SCHEMA_VERSION; i++)
		if (sqlite3_exec(store->db, schema[i], NULL, NULL, NULL) != SQLITE_OK)
			return -EIO;
	snprintf(version, sizeof(version), "PRAGMA user_version=%d", SCHEMA_VERSION);
	return sqlite3_exec(store->db, version, NULL, NULL, NULL) == SQLITE_OK ? 0 : -EIO;
}

static int refuse_newer(const char *path, int version, char *why, size_t why_size)
{
	snprintf(why, why_size,
		 "the store %s was written by a newer jit-broker (schema %d, this one knows %d): install that one",
		 path, version, SCHEMA_VERSION);
	return -EPROTO;
}

/* With `keep` a store that has something in it is copied first. */
static int make_schema(struct jb_sqlite *store, const char *path, bool keep, char *why, size_t why_size)
{
	int from, r = jb_sqlite_begin(store);

	if (r < 0)
		goto out;
	from = get_version(store->db); /* read again: somebody else may have been faster */
	if (from > SCHEMA_VERSION ||
	    (keep && from > 0 && from < SCHEMA_VERSION && jb_sqlite_copy_before(path, from, why, why_size) < 0)) {
		jb_sqlite_end(store, -EPROTO);
		return from > SCHEMA_VERSION ? refuse_newer(path, from, why, why_size) : -EIO;
	}
	r = jb_sqlite_end(store, from < 0 ? -EIO : bring_forward(store, from));
out:
	if (r < 0)
		snprintf(why, why_size, "cannot use the store %s: %s", path, error(&store->store));
	return r;
}

static int prepare_file(struct jb_sqlite *store, const char *path, bool keep, char *why, size_t why_size)
{
	sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
	/* What it puts aside for a moment stays in memory: the sandbox has no folder for it. */
	if (sqlite3_exec(store->db,
			 "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA trusted_schema=OFF;"
			 "PRAGMA temp_store=MEMORY;",
			 NULL, NULL, NULL) != SQLITE_OK) {
		snprintf(why, why_size, "cannot use the store %s: %s", path, error(&store->store));
		return -EIO;
	}
	int version = get_version(store->db);
	if (version > SCHEMA_VERSION)
		return refuse_newer(path, version, why, why_size);
	if (version < 0) {
		snprintf(why, why_size, "cannot use the store %s: %s", path, error(&store->store));
		return -EIO;
	}
	return version < SCHEMA_VERSION ? make_schema(store, path, keep, why, why_size) : 0;
}

static void close_store(struct jb_store *base)
{
	struct jb_sqlite *store = jb_sqlite_of(base);

	jb_sqlite_forget(store);
	sqlite3_close(store->db);
	if (store->lock >= 0)
		close(store->lock);
	free(store);
}

/* Whoever writes has the file to itself; every process that serves sees what is written when it looks. */
static int attend(struct jb_store *base, jb_store_news each, void *arg)
{
	(void)base;
	(void)each;
	(void)arg;
	return 0;
}

/* One process serves the hosts, and remembers them itself. */
static int heard(struct jb_store *base, const char *host, int64_t now)
{
	(void)base;
	(void)host;
	(void)now;
	return INT_MAX;
}

static int last_heard(struct jb_store *base, const char *host, int64_t *ret)
{
	(void)base;
	(void)host;
	*ret = 0;
	return 0;
}

static const struct jb_store_ops ops = {
	.close = close_store,
	.error = error,
	.ping = ping,
	.attend = attend,
	.heard = heard,
	.last_heard = last_heard,
	.request = &jb_sqlite_requests,
	.audit = &jb_sqlite_chain,
	.secret = &jb_sqlite_secrets,
	.calls = &jb_sqlite_calls,
	.session = &jb_sqlite_sessions,
	.outbox = &jb_sqlite_outbox,
};

static struct jb_sqlite *new_store(void)
{
	struct jb_sqlite *store = calloc(1, sizeof(*store));

	if (store) {
		store->store.ops = &ops;
		store->lock = -1;
	}
	return store;
}

struct jb_store *jb_sqlite_look(const char *path)
{
	struct jb_sqlite *store = new_store();

	if (store && sqlite3_open_v2(path, &store->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOFOLLOW, NULL) == SQLITE_OK)
		return &store->store;
	if (store)
		close_store(&store->store);
	return NULL;
}

struct jb_store *jb_sqlite_open(const char *path, bool shared, char *why, size_t why_size)
{
	struct jb_sqlite *store = new_store();

	if (!store) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	if (!is_in_good_hands(path, why, why_size) ||
	    (shared && (store->lock = jb_sqlite_lock(path, false, why, why_size)) < 0) ||
	    make_file(path, why, why_size) < 0)
		goto fail;
	if (sqlite3_open_v2(path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, NULL) != SQLITE_OK) {
		snprintf(why, why_size, "cannot open the store %s: %s", path,
			 store->db ? sqlite3_errmsg(store->db) : "out of memory");
		goto fail;
	}
	if (prepare_file(store, path, shared, why, why_size) == 0)
		return &store->store;
fail:
	close_store(&store->store);
	return NULL;
}
