/* Requests in the SQLite store: each write conditional on what was read, each together with its audit record. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "json_read.h"
#include "store_sqlite.h"

/* When this record changes by itself; of a finished one, when it may be forgotten. */
static int64_t due(const struct jb_request *request)
{
	switch (request->status) {
	case JB_PENDING:
		return request->pending_until;
	case JB_APPROVED:
		return request->use_until;
	case JB_ACTIVE:
		return request->granted_until;
	default:
		return request->expires_at;
	}
}

/* The record's text; belongs to *ret_json. */
static const char *document(const struct jb_request *request, json_object **ret_json)
{
	*ret_json = jb_request_to_json(request);
	return jit_json_text(*ret_json, NULL);
}

/* INSERT and UPDATE number their parameters alike; a statement passes over those that it does not name. */
static int bind_record(sqlite3_stmt *s, const struct jb_request *request, json_object **ret_json)
{
	const char *doc = document(request, ret_json);

	if (!doc)
		return -ENOMEM;
	if (!s)
		return -EIO;
	jb_sqlite_text(s, 1, request->id);
	jb_sqlite_text(s, 2, request->short_id);
	jb_sqlite_text(s, 3, request->host);
	jb_sqlite_text(s, 4, request->filed_by ? request->filed_by : request->host);
	jb_sqlite_text(s, 5, request->requester);
	sqlite3_bind_int(s, 6, (int)request->status);
	sqlite3_bind_int(s, 7, !jb_status_final(request->status));
	sqlite3_bind_int64(s, 8, (int64_t)request->version);
	sqlite3_bind_int64(s, 9, (int64_t)request->changed);
	sqlite3_bind_int64(s, 10, due(request));
	sqlite3_bind_int64(s, 11, request->requested_at);
	jb_sqlite_text(s, 12, request->idempotency_key);
	jb_sqlite_text(s, 13, doc);
	return 0;
}

static int insert_row(struct jb_sqlite *store, const struct jb_request *request)
{
	JIT_JSON json_object *json = NULL; /* holds what is bound: released after the statement's reset */
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_INSERT);
	int bound = bind_record(s, request, &json);

	if (bound < 0)
		return bound;
	int r = sqlite3_step(s);
	if (r == SQLITE_CONSTRAINT)
		return -EEXIST;
	return r == SQLITE_DONE ? 0 : -EIO;
}

static int next_cursor(struct jb_sqlite *store, uint64_t *ret)
{
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_NEXT_CURSOR);

	if (!s || sqlite3_step(s) != SQLITE_ROW)
		return -EIO;
	*ret = (uint64_t)sqlite3_column_int64(s, 0);
	return sqlite3_step(s) == SQLITE_DONE ? 0 : -EIO;
}

static int request_insert(struct jb_store *base, struct jb_request *request, bool announce,
			  const struct jb_audit *audit)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	const uint64_t changed = request->changed;
	int r = jb_sqlite_begin(store);

	if (r < 0)
		return r;
	if (announce)
		r = next_cursor(store, &request->changed);
	if (r == 0)
		r = insert_row(store, request);
	if (r == 0)
		r = jb_sqlite_append(store, audit);
	r = jb_sqlite_end(store, r);
	if (r < 0)
		request->changed = changed;
	return r;
}

static int update_row(struct jb_sqlite *store, const struct jb_request *request)
{
	JIT_JSON json_object *json = NULL;
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_UPDATE);
	int bound = bind_record(s, request, &json);

	if (bound < 0)
		return bound;
	if (sqlite3_step(s) != SQLITE_DONE)
		return -EIO;
	if (sqlite3_changes(store->db) == 1)
		return 0;
	JB_RESET sqlite3_stmt *get = jb_sqlite_sql(store, JB_SQL_GET);
	if (!get)
		return -EIO;
	jb_sqlite_text(get, 1, request->id);
	switch (sqlite3_step(get)) {
	case SQLITE_ROW:
		return -ESTALE;
	case SQLITE_DONE:
		return -ENOENT;
	default:
		return -EIO;
	}
}

static int request_update(struct jb_store *base, struct jb_request *request, bool announce,
			  const struct jb_audit *audit)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	const uint64_t version = request->version, changed = request->changed;
	int r = jb_sqlite_begin(store);

	if (r < 0)
		return r;
	request->version++;
	if (announce)
		r = next_cursor(store, &request->changed);
	if (r == 0)
		r = update_row(store, request);
	if (r == 0)
		r = jb_sqlite_append(store, audit);
	r = jb_sqlite_end(store, r);
	if (r < 0) {
		request->version = version;
		request->changed = changed;
	}
	return r;
}

/* The record in column 0 of a row. -EIO: what stands there is none. */
static int read_row(sqlite3_stmt *s, struct jb_request **ret)
{
	const char *doc = (const char *)sqlite3_column_text(s, 0);
	JIT_JSON json_object *json = jit_json_of(doc);
	struct jb_request *request = json ? jb_request_from_json(json) : NULL;

	if (!request)
		return -EIO;
	*ret = request;
	return 0;
}

static int read_one(sqlite3_stmt *s, struct jb_request **ret)
{
	switch (sqlite3_step(s)) {
	case SQLITE_ROW:
		return read_row(s, ret);
	case SQLITE_DONE:
		return -ENOENT;
	default:
		return -EIO;
	}
}

static int request_get(struct jb_store *base, const char *id, struct jb_request **ret)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	char normal[37];
	bool is_short;

	if (!jb_request_parse_id(id, normal, &is_short))
		return -ENOENT;
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, is_short ? JB_SQL_GET_SHORT : JB_SQL_GET);
	if (!s)
		return -EIO;
	jb_sqlite_text(s, 1, normal);
	return read_one(s, ret);
}

static int request_get_idempotent(struct jb_store *base, const char *host, const char *key, struct jb_request **ret)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_GET_IDEMPOTENT);

	if (!s)
		return -EIO;
	jb_sqlite_text(s, 1, host);
	jb_sqlite_text(s, 2, key);
	return read_one(s, ret);
}

/* What a search looks at: what every page shows of a request, and nothing (its code, its tokens) that none shows. */
static const char *const seen[] = {"requester", "loginUser", "host",	"role",	     "service", "target", "command",
				   "reason",	"ticket",    "comment", "decidedBy", "endedBy", "rhost",  "failure"};

static void add_clause(char *sql, size_t size, const char *clause)
{
	const size_t at = strlen(sql);

	snprintf(sql + at, size - at, "%s", clause);
}

/* " AND (short_id LIKE ?8 OR …)" */
static void add_search(char *sql, size_t size)
{
	size_t at = strlen(sql);

	at += (size_t)snprintf(sql + at, size - at, " AND (short_id LIKE ?8 ESCAPE '\\'");
	for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++)
		at += (size_t)snprintf(sql + at, size - at, " OR doc->>'%s' LIKE ?8 ESCAPE '\\'", seen[i]);
	snprintf(sql + at, size - at, ")");
}

/* "%text%", the text's own % and _ as themselves. */
static void bind_search(sqlite3_stmt *s, const char *text)
{
	char pattern[512] = "%";
	size_t at = 1;

	for (; *text && at + 4 < sizeof(pattern); text++) {
		if (strchr("%_\\", *text))
			pattern[at++] = '\\';
		pattern[at++] = *text;
	}
	pattern[at++] = '%';
	pattern[at] = '\0';
	sqlite3_bind_text(s, 8, pattern, -1, SQLITE_TRANSIENT);
}

/* Only the conditions that are asked for, so that SQLite sees which index serves. */
static sqlite3_stmt *prepare_query(struct jb_sqlite *store, const char *what, const struct jb_query *q, bool ordered)
{
	char sql[2048];
	sqlite3_stmt *s;

	snprintf(sql, sizeof(sql), "SELECT %s FROM request WHERE 1%s%s%s%s%s%s", what,
		 q->host ? " AND (host=?1 OR filer=?1)" : "", q->filer ? " AND filer=?7" : "",
		 q->requester ? " AND requester=?2" : "", q->open_only ? " AND open=1" : "",
		 q->status >= 0 ? " AND status=?3" : "", q->due_until ? " AND due<=?5" : "");
	if (q->text)
		add_search(sql, sizeof(sql));
	if (q->before_at)
		add_clause(sql, sizeof(sql), " AND (requested_at<?9 OR (requested_at=?9 AND id>?10))");
	if (ordered)
		add_clause(sql, sizeof(sql), " ORDER BY requested_at DESC, id");
	if (ordered && q->limit)
		add_clause(sql, sizeof(sql), " LIMIT ?6");
	if (!(s = jb_sqlite_query(store, sql)))
		return NULL;
	if (q->host)
		jb_sqlite_text(s, 1, q->host);
	if (q->filer)
		jb_sqlite_text(s, 7, q->filer);
	if (q->requester)
		jb_sqlite_text(s, 2, q->requester);
	sqlite3_bind_int(s, 3, q->status);
	sqlite3_bind_int64(s, 5, q->due_until);
	sqlite3_bind_int64(s, 6, q->limit > INT32_MAX ? INT32_MAX : (int64_t)q->limit);
	if (q->text)
		bind_search(s, q->text);
	sqlite3_bind_int64(s, 9, q->before_at);
	jb_sqlite_text(s, 10, q->before_id);
	return s;
}

static void free_all(struct jb_request **requests, size_t count)
{
	for (size_t i = 0; i < count; i++)
		jb_request_free(requests[i]);
	free(requests);
}

/* All the records that a statement gives. ret_cursor: NULL, or where column 1 goes, which every row has; one without a
 * record has nothing else. */
static int read_all(sqlite3_stmt *s, struct jb_request ***ret, size_t *ret_count, int64_t *ret_cursor)
{
	struct jb_request **found = calloc(1, sizeof(*found)); /* never NULL for an empty answer */
	size_t count = 0;
	int r = s && found ? SQLITE_ROW : SQLITE_ERROR;

	while (r == SQLITE_ROW && (r = sqlite3_step(s)) == SQLITE_ROW) {
		if (ret_cursor)
			*ret_cursor = sqlite3_column_int64(s, 1);
		if (ret_cursor && sqlite3_column_type(s, 0) == SQLITE_NULL)
			continue;
		struct jb_request **grown = reallocarray(found, count + 1, sizeof(*found));

		if (grown)
			found = grown;
		if (!grown || read_row(s, &found[count]) < 0)
			r = SQLITE_ERROR;
		else
			count++;
	}
	if (r != SQLITE_DONE) {
		free_all(found, count);
		return -EIO;
	}
	*ret = found;
	*ret_count = count;
	return 0;
}

static int request_find(struct jb_store *base, const struct jb_query *query, struct jb_request ***ret,
			size_t *ret_count)
{
	JB_RESET sqlite3_stmt *s = prepare_query(jb_sqlite_of(base), "doc", query, true);

	return read_all(s, ret, ret_count, NULL);
}

static int request_count(struct jb_store *base, const struct jb_query *query, size_t *ret)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	JB_RESET sqlite3_stmt *s = prepare_query(store, "count(*)", query, false);
	int r = -EIO;

	if (s && sqlite3_step(s) == SQLITE_ROW) {
		*ret = (size_t)sqlite3_column_int64(s, 0);
		r = 0;
	}
	return r;
}

/* A statement that answers with one number; NULL in its place is INT64_MAX. */
static int read_number(struct jb_sqlite *store, enum jb_sql which, int64_t *ret)
{
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, which);

	if (!s || sqlite3_step(s) != SQLITE_ROW)
		return -EIO;
	*ret = sqlite3_column_type(s, 0) == SQLITE_NULL ? INT64_MAX : sqlite3_column_int64(s, 0);
	return 0;
}

/* Cursor and records in one look: hosts that wait ask for both all the time. */
static int changes_after(struct jb_sqlite *store, const char *host, int64_t after, size_t limit, struct jb_changes *ret,
			 int64_t *ret_cursor)
{
	JB_RESET sqlite3_stmt *s = jb_sqlite_sql(store, JB_SQL_CHANGES);

	if (!s)
		return -EIO;
	jb_sqlite_text(s, 1, host);
	sqlite3_bind_int64(s, 2, after);
	sqlite3_bind_int64(s, 3, limit > INT32_MAX ? INT32_MAX : (int64_t)limit);
	return read_all(s, &ret->request, &ret->count, ret_cursor);
}

static int request_changes(struct jb_store *base, const char *host, int64_t after, size_t limit, struct jb_changes *ret)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	const struct jb_query open = {.host = host, .status = -1, .open_only = true};
	int64_t next = -1; /* no cursor: as one of another store */
	int r = 0;

	if (after >= 0) {
		r = changes_after(store, host, after, limit, ret, &next);
		if (r == 0 && after <= next)
			ret->next = ret->count ? (int64_t)ret->request[ret->count - 1]->changed : next;
		if (r < 0 || after <= next)
			return r;
		free_all(ret->request, ret->count); /* a cursor of another store: from the start */
	}
	/* The cursor is read before the records: what changes in between is told twice, never lost. */
	r = read_number(store, JB_SQL_CURSOR, &next);
	if (r == 0)
		r = request_find(base, &open, &ret->request, &ret->count);
	if (r == 0)
		ret->next = next;
	return r;
}

static int request_next_due(struct jb_store *base, int64_t *ret)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	return read_number(store, JB_SQL_NEXT_DUE, ret);
}

static int request_prune(struct jb_store *base, int64_t now)
{
	struct jb_sqlite *store = jb_sqlite_of(base);
	static const enum jb_sql prunes[] = {JB_SQL_PRUNE, JB_SQL_EVENT_PRUNE};

	for (size_t i = 0; i < sizeof(prunes) / sizeof(prunes[0]); i++) {
		sqlite3_stmt *s = jb_sqlite_sql(store, prunes[i]);

		if (!s)
			return -EIO;
		sqlite3_bind_int64(s, 1, now);
		if (jb_sqlite_run(s) != SQLITE_DONE)
			return -EIO;
	}
	return 0;
}

const struct jb_request_ops jb_sqlite_requests = {
	.insert = request_insert,
	.update = request_update,
	.get = request_get,
	.get_idempotent = request_get_idempotent,
	.find = request_find,
	.count = request_count,
	.changes = request_changes,
	.next_due = request_next_due,
	.prune = request_prune,
};
