/* API keys and approver tokens in the SQLite store: hashes alone, each change in the audit chain. */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "secret.h"
#include "store_sqlite.h"

/* The chain's record of a change to a key; ids, kinds and owners are names without quotes. */
static int audit_secret(struct jb_sqlite *store, const char *action, const char *kind, const char *id,
			const char *owner, int64_t now)
{
	char detail[256];
	int n = snprintf(detail, sizeof(detail), "{\"kind\":\"%s\",\"id\":\"%s\",\"owner\":\"%s\"}", kind, id, owner);
	const struct jb_audit audit = {.at = now, .action = action, .actor = "admin", .detail = detail};

	return n > 0 && (size_t)n < sizeof(detail) ? jb_sqlite_append(store, &audit) : -EINVAL;
}

static int insert_secret(struct jb_sqlite *store, const char *kind, const char *owner, const char *id, const char *hash,
			 int64_t now)
{
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_SECRET_INSERT);

	if (!s)
		return -EIO;
	jb_sqlite_text(s, 1, id);
	jb_sqlite_text(s, 2, kind);
	jb_sqlite_text(s, 3, owner);
	jb_sqlite_text(s, 4, hash);
	sqlite3_bind_int64(s, 5, now);
	return sqlite3_step(s) == SQLITE_DONE ? 0 : -EIO;
}

/* Within the transaction that adds one: two who add at once are counted one after the other. */
static int check_count(struct jb_sqlite *store, const char *kind, const char *owner)
{
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_SECRET_COUNT);

	if (strcmp(kind, "host") != 0)
		return 0;
	if (!s)
		return -EIO;
	jb_sqlite_text(s, 1, kind);
	jb_sqlite_text(s, 2, owner);
	if (sqlite3_step(s) != SQLITE_ROW)
		return -EIO;
	return sqlite3_column_int64(s, 0) < JB_HOST_KEYS_MAX ? 0 : -EDQUOT;
}

static int secret_add(struct jb_store *base, const char *kind, const char *owner, int64_t now, char *text, size_t size)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	char made[JB_SECRET_SIZE], id[JB_SECRET_ID_SIZE], hash[JB_HASH_SIZE];
	int r = size < JB_SECRET_SIZE ? -ENOBUFS : jb_secret_new_key(made, id, hash);

	if (r < 0)
		return r;
	r = jb_sqlite_begin(store);
	if (r == 0) {
		r = check_count(store, kind, owner);
		if (r == 0)
			r = insert_secret(store, kind, owner, id, hash, now);
		if (r == 0)
			r = audit_secret(store, "secret.added", kind, id, owner, now);
		r = jb_sqlite_end(store, r);
	}
	if (r == 0)
		snprintf(text, size, "%s", made);
	OPENSSL_cleanse(made, sizeof(made));
	return r;
}

static int secret_check(struct jb_store *base, const char *kind, const char *text, char *owner, size_t size)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	char id[JB_SECRET_ID_SIZE];

	if (!jb_secret_key_id(text, id))
		return -ENOENT;
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_SECRET_GET);
	if (!s)
		return -EIO;
	jb_sqlite_text(s, 1, id);
	jb_sqlite_text(s, 2, kind);
	int r = sqlite3_step(s);
	if (r != SQLITE_ROW)
		return r == SQLITE_DONE ? -ENOENT : -EIO;
	const char *name = (const char *)sqlite3_column_text(s, 0);
	if (!name || strlen(name) >= size || !jb_secret_fits(text, (const char *)sqlite3_column_text(s, 1)))
		return -ENOENT;
	snprintf(owner, size, "%s", name);
	return 0;
}

/* Marks the row and gives its owner's name. */
static int mark_revoked(struct jb_sqlite *store, const char *kind, const char *id, int64_t now, char *owner,
			size_t size)
{
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_SECRET_REVOKE);

	if (!s)
		return -EIO;
	jb_sqlite_text(s, 1, id);
	jb_sqlite_text(s, 2, kind);
	sqlite3_bind_int64(s, 3, now);
	int r = sqlite3_step(s);
	if (r != SQLITE_ROW)
		return r == SQLITE_DONE ? -ENOENT : -EIO;
	snprintf(owner, size, "%s", (const char *)sqlite3_column_text(s, 0));
	return sqlite3_step(s) == SQLITE_DONE ? 0 : -EIO;
}

static int secret_revoke(struct jb_store *base, const char *kind, const char *id, int64_t now)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	char owner[128];
	int r = jb_sqlite_begin(store);

	if (r < 0)
		return r;
	r = mark_revoked(store, kind, id, now, owner, sizeof(owner));
	if (r == 0)
		r = audit_secret(store, "secret.revoked", kind, id, owner, now);
	return jb_sqlite_end(store, r);
}

static int secret_list(struct jb_store *base, const char *kind,
		       void (*each)(void *arg, const struct jb_secret_row *row), void *arg)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_SECRET_LIST);
	int r;

	if (!s)
		return -EIO;
	jb_sqlite_text(s, 1, kind);
	while ((r = sqlite3_step(s)) == SQLITE_ROW) {
		const struct jb_secret_row row = {
			.id = (const char *)sqlite3_column_text(s, 0),
			.owner = (const char *)sqlite3_column_text(s, 1),
			.created = sqlite3_column_int64(s, 2),
			.used = sqlite3_column_int64(s, 3),
			.revoked = sqlite3_column_int64(s, 4),
		};

		if (row.id && row.owner)
			each(arg, &row);
	}
	return r == SQLITE_DONE ? 0 : -EIO;
}

static int secret_used(struct jb_store *base, const struct jb_secret_use *uses, size_t count)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	int r = jb_sqlite_begin(store);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < count; i++) {
		sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_SECRET_USED);

		jb_sqlite_text(s, 1, uses[i].id);
		sqlite3_bind_int64(s, 2, uses[i].at);
		r = jb_sqlite_run(s) == SQLITE_DONE ? 0 : -EIO;
	}
	return jb_sqlite_end(store, r);
}

const struct jb_secret_ops jb_sqlite_secrets = {
	.add = secret_add,
	.check = secret_check,
	.revoke = secret_revoke,
	.list = secret_list,
	.used = secret_used,
};
