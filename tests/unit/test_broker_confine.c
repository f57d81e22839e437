/* jit-broker/confine: its own sandbox, in a child that tries what must fail, and what must not; and what a changed
 * configuration may name. */
#include "confine.h"

#include <sqlite3.h>

#include "sandbox.h"
#include "sandboxed.h"
#include "store.h"
#include "store_sqlite.h"

static char work[] = "/tmp/jit-confine-XXXXXX", store[64];
static struct jb_conf conf;
static struct jit_sandbox *entered;
static struct jb_webhook webhook;

static int make(void **state)
{
	static char url[40];

	if (make_outside(state) < 0 || !mkdtemp(work))
		return -1;
	snprintf(store, sizeof(store), "sqlite:%s/broker.db", work);
	snprintf(url, sizeof(url), "https://127.0.0.1:%u/hook", named_port);
	webhook = (struct jb_webhook){.name = (char *)"chat", .url = url};
	conf = (struct jb_conf){.store = store, .issuer = (char *)"demo", .webhooks = &webhook, .webhook_count = 1};
	return 0;
}

static int unmake(void **state)
{
	static const char *const names[] = {"broker.db", "broker.db-wal", "broker.db-shm", "broker.db.lock"};
	char path[96];

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", work, names[i]);
		unlink(path);
	}
	rmdir(work);
	return remove_outside(state);
}

static int enter(void)
{
	char why[256];
	int r = jb_confine(&conf, &entered, why, sizeof(why));

	if (r != 0)
		print_message("%s\n", why);
	return r;
}

/* As `serve` does it: what is opened once, and then the sandbox. */
static struct jb_store *opened;

static int enter_with_a_store(void)
{
	char why[256];

	opened = jb_store_open(&conf, why, sizeof(why));
	return opened ? enter() : -1;
}

/* With its journal, and with what SQLite puts aside where a result is large. */
static int keep_its_store(void)
{
	sqlite3 *db = ((struct jb_sqlite *)opened)->db;
	int r = sqlite3_exec(db,
			     "CREATE TABLE t (a); BEGIN;"
			     "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<50000)"
			     "INSERT INTO t SELECT randomblob(200) FROM n; COMMIT;"
			     "CREATE TABLE sorted AS SELECT a FROM t ORDER BY a; PRAGMA wal_checkpoint(TRUNCATE);",
			     NULL, NULL, NULL);

	if (r != SQLITE_OK)
		print_error("%s\n", sqlite3_errmsg(db));
	return r;
}

static int allows(const struct jb_conf *wanted)
{
	char why[512] = "";
	const bool does = jb_confine_allows(entered, wanted, why, sizeof(why));

	if (!does && !strstr(why, "restart jit-broker"))
		return 252;
	return does ? 0 : 1;
}

static int allow_the_same(void)
{
	return allows(&conf);
}

static int allow_the_usual_port(void)
{
	struct jb_webhook more[] = {webhook, {.name = (char *)"more", .url = (char *)"https://chat.example/hook"}};
	struct jb_conf wanted = conf;

	wanted.webhooks = more;
	wanted.webhook_count = 2;
	return allows(&wanted);
}

static int allow_another_port(void)
{
	struct jb_webhook other = {.name = (char *)"chat", .url = (char *)"https://chat.example:9/hook"};
	struct jb_conf wanted = conf;

	wanted.webhooks = &other;
	return allows(&wanted);
}

static int allow_another_folder(void)
{
	struct jb_webhook other = webhook;
	struct jb_conf wanted = conf;

	other.secret = outside_file;
	wanted.webhooks = &other;
	return allows(&wanted);
}

static void a_broker_does_in_its_sandbox_what_it_needs_and_nothing_else(void **state)
{
	(void)state;
	if (is_under_valgrind()) /* it makes system calls of its own */
		skip();
	assert_sandboxed();
	assert_int_equal(in_sandbox(enter, signal_another_process), ENOSYS);
	assert_int_equal(in_sandbox(enter_with_a_store, keep_its_store), 0);
}

static void a_changed_configuration_that_needs_more_is_told_to_restart(void **state)
{
	(void)state;
	if (is_under_valgrind() || landlock_has() < 4)
		skip();
	assert_int_equal(in_sandbox(enter, allow_the_same), 0);
	assert_int_equal(in_sandbox(enter, allow_the_usual_port), 0);
	assert_int_equal(in_sandbox(enter, allow_another_port), 1);
	assert_int_equal(in_sandbox(enter, allow_another_folder), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_broker_does_in_its_sandbox_what_it_needs_and_nothing_else),
		LANDLOCK_TESTS,
		cmocka_unit_test(a_changed_configuration_that_needs_more_is_told_to_restart),
	};
	return cmocka_run_group_tests(tests, make, unmake);
}
