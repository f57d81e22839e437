/* The SQLite store: an audit chain that shows every alteration, its file, its schemas. What every store promises:
 * test_broker_contract.c. */
#include "broker.h"

#include <errno.h>
#include <sqlite3.h>

#include "audit.h"
#include "secret.h"
#include "store_sqlite.h"

static struct broker *b;

static int setup(void **state)
{
	int r = setup_broker(state);

	b = *state;
	return r;
}

/* 0, or an error and the number of the record at which the chain breaks. */
static int verify(int64_t *ret_seq)
{
	struct jb_audit_break at = {0};
	int r = jb_store_audit_walk(b->store, NULL, NULL, &at);

	*ret_seq = at.seq;
	return r;
}

static void run_sql(const char *sql)
{
	char path[128], *error = NULL;
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/broker.db", b->dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
		fail_msg("%s: %s", sql, error);
	sqlite3_close(db);
}

static void add_records(int count)
{
	for (int i = 0; i < count; i++)
		assert_int_equal(jb_store_audit(b->store, &(struct jb_audit){.at = NOW + i,
									     .action = "test.record",
									     .actor = "op1",
									     .detail = "{\"n\":\"a\"}"}),
				 0);
}

static void a_tampered_chain_is_found_where_it_breaks(void **state)
{
	static const struct {
		const char *sql;
		int64_t first_bad;
	} cases[] = {
		{"UPDATE audit SET text=replace(text,'op1','op2') WHERE seq=3", 3},
		{"UPDATE audit SET text=text||' ' WHERE seq=1", 1},
		{"UPDATE audit SET hash=replace(hash,substr(hash,1,1),'g') WHERE seq=5", 5},
		{"DELETE FROM audit WHERE seq=2", 2},
		{"DELETE FROM audit WHERE seq=5", 5}, /* the last one: cut off */
		{"DELETE FROM audit", 1},
		{"UPDATE audit SET text=(SELECT text FROM audit WHERE seq=2),hash=(SELECT hash FROM audit WHERE seq=2)"
		 " WHERE seq=4",
		 4},
	};
	int64_t seq = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		add_records(5);
		assert_int_equal(verify(&seq), 0);
		run_sql("DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete;");
		run_sql(cases[i].sql);
		assert_int_equal(verify(&seq), -EBADMSG);
		if (seq != cases[i].first_bad)
			fail_msg("%s: found at %lld", cases[i].sql, (long long)seq);
		broker_stop(b);
		run_sql("DROP TABLE request; DROP TABLE audit; DROP TABLE secret; DROP TABLE cursor; DROP TABLE event;"
			"DROP TABLE session; DROP TABLE outbox; DROP TABLE calls;"
			"DELETE FROM sqlite_sequence; PRAGMA user_version=0");
		broker_start(b, NOW);
	}
}

static void exec(const char *format, ...)
{
	char sql[256], *error = NULL;
	va_list args;

	va_start(args, format);
	vsnprintf(sql, sizeof(sql), format, args);
	va_end(args);
	if (sqlite3_exec(jb_sqlite_of(b->store)->db, sql, NULL, NULL, &error) != SQLITE_OK)
		fail_msg("%s: %s", sql, error);
}

/* The change, undone afterwards, is found in this record. */
static void is_found_at(int64_t record, const char *column, int byte, const char *change)
{
	int64_t seq = 0;

	exec("SAVEPOINT forged");
	exec("UPDATE audit SET %s=%s WHERE seq=%d", column, change, (int)record);
	if (verify(&seq) != -EBADMSG || seq != record)
		fail_msg("byte %d of %s of record %d: found at %d", byte, column, (int)record, (int)seq);
	exec("ROLLBACK TO forged; RELEASE forged");
}

static size_t length_of(const char *column, int64_t record)
{
	sqlite3_stmt *s = NULL;
	char sql[80];

	snprintf(sql, sizeof(sql), "SELECT length(CAST(%s AS BLOB)) FROM audit WHERE seq=%d", column, (int)record);
	assert_int_equal(sqlite3_prepare_v2(jb_sqlite_of(b->store)->db, sql, -1, &s, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	size_t len = (size_t)sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return len;
}

/* Each byte of each column, in each of its eight bits in turn; a number in each of its bits. */
static void a_flip_of_any_bit_of_a_record_is_found_in_that_record(void **state)
{
	static const char *const columns[] = {"text", "hash"};
	char change[200];

	(void)state;
	add_records(3);
	exec("DROP TRIGGER audit_no_update; BEGIN");
	for (int record = 1; record <= 3; record++) {
		for (size_t c = 0; c < COUNT_OF(columns); c++)
			for (size_t at = 0; at < length_of(columns[c], record); at++) {
				const char *text = columns[c];
				int bit = 1 << (at % 8);

				/* unicode() and char() stand for a byte: the records are ASCII; a high bit makes two.
				 */
				snprintf(change, sizeof(change),
					 "substr(%s,1,%zu)||char((unicode(substr(%s,%zu,1))|%d)-(unicode(substr(%s,%zu,"
					 "1))&%d))"
					 "||substr(%s,%zu)",
					 text, at, text, at + 1, bit, text, at + 1, bit, text, at + 2);
				is_found_at(record, text, (int)at, change);
			}
		for (int bit = 2; bit < 63; bit++) {
			snprintf(change, sizeof(change), "seq+(1<<%d)", bit);
			is_found_at(record, "seq", bit, change);
		}
	}
	/* What stands behind a NUL is not read as text, and is no less altered. */
	is_found_at(2, "text", -1, "CAST(CAST(text AS BLOB)||x'0041' AS TEXT)");
	exec("ROLLBACK");
}

static void keep_last(void *arg, int64_t seq, const char *json)
{
	(void)seq;
	snprintf(arg, 1024, "%s", json);
}

/* A forger who also makes the record's hash anew is betrayed by the record after it. */
static void a_record_forged_with_its_hash_is_found(void **state)
{
	char last[1024] = "", text[1024], hash[JB_HASH_SIZE], sql[2300];
	int64_t seq = 0;

	(void)state;
	add_records(3);
	assert_int_equal(jb_store_audit_read(b->store, 1, 1, keep_last, last), 0);
	char *at = strstr(last, ",\"hash\"");
	assert_non_null(at);
	snprintf(text, sizeof(text), "%.*s}", (int)(at - last), last);
	assert_non_null(at = strstr(text, "op1"));
	at[2] = '2';
	assert_int_equal(jb_sha256_hex(text, strlen(text), hash), 0);
	run_sql("DROP TRIGGER audit_no_update");
	snprintf(sql, sizeof(sql), "UPDATE audit SET text='%s', hash='%s' WHERE seq=2", text, hash);
	run_sql(sql);
	assert_int_equal(verify(&seq), -EBADMSG);
	assert_int_equal(seq, 3);
}

static void the_chain_cannot_be_changed_by_accident(void **state)
{
	char path[128];
	sqlite3 *db;

	(void)state;
	add_records(2);
	snprintf(path, sizeof(path), "%s/broker.db", b->dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "UPDATE audit SET text='' WHERE seq=1", NULL, NULL, NULL), SQLITE_CONSTRAINT);
	assert_int_equal(sqlite3_exec(db, "DELETE FROM audit", NULL, NULL, NULL), SQLITE_CONSTRAINT);
	sqlite3_close(db);
}

static void the_file_holds_no_secret(void **state)
{
	static const char *const names[] = {"broker.db", "broker.db-wal"};
	char key[JB_SECRET_SIZE], path[128];
	bool found_owner = false;

	(void)state;
	assert_int_equal(jb_store_secret_add(b->store, "host", "web-1", NOW, key, sizeof(key)), 0);
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		char *data = NULL;
		size_t size = 0;
		FILE *f;

		snprintf(path, sizeof(path), "%s/%s", b->dir, names[i]);
		assert_non_null(f = fopen(path, "r"));
		while (getc(f) != EOF)
			size++;
		rewind(f);
		assert_non_null(data = malloc(size + 1));
		assert_int_equal(fread(data, 1, size, f), size);
		fclose(f);
		assert_null(memmem(data, size, key + 22, strlen(key) - 22));
		found_owner |= memmem(data, size, "web-1", 5) != NULL; /* what is stored can be seen there */
		free(data);
	}
	assert_true(found_owner);
}

static int event(const char *host, const char *id, const char *detail)
{
	return jb_store_event(
		b->store, host, id, NOW + 10,
		&(struct jb_audit){.at = NOW, .action = "host.break_glass.begin", .actor = host, .detail = detail});
}

static void a_store_of_the_first_version_is_brought_up(void **state)
{
	struct jb_request *r = make("web-1", NULL), *got = NULL;

	(void)state;
	assert_int_equal(insert(b->store, r), 0);
	broker_stop(b);
	run_sql("DROP TABLE event; DROP TABLE session; DROP TABLE outbox; DROP TABLE calls;"
		"ALTER TABLE secret DROP COLUMN used; PRAGMA user_version=1");
	broker_start(b, NOW);
	assert_int_equal(event("web-1", "e1", "{}"), 0);
	assert_int_equal(jb_store_get(b->store, r->id, &got), 0);
	jb_request_free(got);
	jb_request_free(r);
}

static void a_file_that_others_can_read_is_refused(void **state)
{
	char path[128], why[512] = "";
	struct stat st;

	(void)state;
	snprintf(path, sizeof(path), "%s/broker.db", b->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	broker_stop(b);
	assert_int_equal(chmod(path, 0640), 0);
	assert_null(jb_store_open(b->conf, why, sizeof(why)));
	assert_non_null(strstr(why, "chmod 600"));
	assert_int_equal(chmod(path, 0600), 0);
	run_sql("PRAGMA user_version=99");
	assert_null(jb_store_open(b->conf, why, sizeof(why)));
	assert_non_null(strstr(why, "newer"));
	run_sql("PRAGMA user_version=5");
	assert_null(jb_store_open(&(struct jb_conf){.store = (char *)"mysql:table"}, why, sizeof(why)));
	broker_start(b, NOW);
}

/* There another's PATH-journal would be rolled back into it. */
static void a_store_in_a_folder_where_others_make_files_is_refused(void **state)
{
	char store_name[64], why[512] = "";
	const char *path = store_name + strlen("sqlite:");

	(void)state;
	snprintf(store_name, sizeof(store_name), "sqlite:/tmp/jit-broker-store-%d", getpid());
	if (geteuid() != 0 || seteuid(65534) < 0)
		skip();
	struct jb_store *store = jb_store_open(&(struct jb_conf){.store = store_name}, why, sizeof(why));
	jb_store_close(store);
	assert_int_equal(seteuid(0), 0);
	unlink(path);
	assert_null(store);
	assert_non_null(strstr(why, "others can make files beside the store"));
}

/* With ever more room, until there is enough: each step of a write is the first that has none. */
static void what_ran_out_of_memory_is_rolled_back(void **state)
{
	const struct jb_audit record = {.at = NOW, .action = "test.record", .actor = "op1", .detail = "{}"};
	char path[128], why[512];
	unsigned failed = 0;
	int r;

	(void)state;
	snprintf(path, sizeof(path), "%s/broker.db", b->dir);
	do {
		struct jb_store *store = jb_sqlite_open(path, false, why, sizeof(why));

		assert_non_null(store);
		sqlite3_hard_heap_limit64(sqlite3_memory_used() + 500 * (int64_t)failed);
		r = jb_store_audit(store, &record);
		sqlite3_hard_heap_limit64(0);
		assert_int_equal(jb_store_audit(store, &record), 0);
		jb_store_close(store);
		failed += r < 0;
	} while (r < 0);
	assert_true(failed > 10);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown_broker)
	const struct CMUnitTest tests[] = {
		TEST(a_tampered_chain_is_found_where_it_breaks),
		TEST(a_flip_of_any_bit_of_a_record_is_found_in_that_record),
		TEST(a_record_forged_with_its_hash_is_found),
		TEST(the_chain_cannot_be_changed_by_accident),
		TEST(the_file_holds_no_secret),
		TEST(a_store_of_the_first_version_is_brought_up),
		TEST(a_file_that_others_can_read_is_refused),
		TEST(a_store_in_a_folder_where_others_make_files_is_refused),
		TEST(what_ran_out_of_memory_is_rolled_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
