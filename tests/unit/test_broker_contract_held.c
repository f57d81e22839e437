/* What every store promises of what it holds beside requests: keys, calls that were counted, hosts' events, sessions.
 */
#include "store_contract.h"

#include <errno.h>

#include "secret.h"

static void a_key_is_good_until_it_is_revoked(void **state)
{
	char key[JB_SECRET_SIZE], token[JB_SECRET_SIZE], id[JB_SECRET_ID_SIZE], owner[64] = "";
	struct jb_store *cli = open_again();

	(void)state;
	/* Added by another process while the broker serves. */
	assert_int_equal(jb_store_secret_add(cli, "host", "web-1", NOW, key, sizeof(key)), 0);
	assert_int_equal(jb_store_secret_add(cli, "person", "appr1", NOW, token, sizeof(token)), 0);
	assert_int_equal(jb_store_secret_check(b->store, "host", key, owner, sizeof(owner)), 0);
	assert_string_equal(owner, "web-1");
	assert_int_equal(jb_store_secret_check(b->store, "person", key, owner, sizeof(owner)), -ENOENT);
	assert_int_equal(jb_store_secret_check(b->store, "host", token, owner, sizeof(owner)), -ENOENT);
	assert_int_equal(jb_store_secret_check(b->store, "host", "", owner, sizeof(owner)), -ENOENT);
	key[strlen(key) - 1] ^= 1;
	assert_int_equal(jb_store_secret_check(b->store, "host", key, owner, sizeof(owner)), -ENOENT);
	key[strlen(key) - 1] ^= 1;
	assert_true(jb_secret_key_id(key, id));
	assert_int_equal(jb_store_secret_revoke(cli, "person", id, NOW), -ENOENT);
	assert_int_equal(jb_store_secret_revoke(cli, "host", id, NOW), 0);
	assert_int_equal(jb_store_secret_revoke(cli, "host", id, NOW), -ENOENT);
	assert_int_equal(jb_store_secret_check(b->store, "host", key, owner, sizeof(owner)), -ENOENT);
	assert_int_equal(jb_store_secret_check(b->store, "person", token, owner, sizeof(owner)), 0);
	jb_store_close(cli);
}

static int event(const char *host, const char *id, const char *detail)
{
	return jb_store_event(
		b->store, host, id, NOW + 10,
		&(struct jb_audit){.at = NOW, .action = "host.break_glass.begin", .actor = host, .detail = detail});
}

static void keep_row(void *arg, const struct jb_secret_row *row)
{
	char *text = arg;

	snprintf(text + strlen(text), 64, "%s:%d:%d ", row->owner, (int)(row->used - (row->used ? NOW : 0)),
		 row->revoked != 0);
}

static void keys_are_listed_with_their_last_use_and_are_few(void **state)
{
	char key[3][JB_SECRET_SIZE], text[256] = "";
	struct jb_secret_use use = {.at = NOW + 5}, unknown = {.id = "0123456789abcdef", .at = NOW};

	(void)state;
	assert_int_equal(jb_store_secret_add(b->store, "host", "web-1", NOW, key[0], sizeof(key[0])), 0);
	assert_int_equal(jb_store_secret_add(b->store, "host", "web-1", NOW + 1, key[1], sizeof(key[1])), 0);
	assert_int_equal(jb_store_secret_add(b->store, "host", "web-1", NOW + 2, key[2], sizeof(key[2])), -EDQUOT);
	assert_int_equal(jb_store_secret_add(b->store, "host", "web-2", NOW + 2, key[2], sizeof(key[2])), 0);
	assert_true(jb_secret_key_id(key[1], use.id));
	assert_int_equal(jb_store_secret_used(b->store, (struct jb_secret_use[]){unknown, use}, 2), 0);
	assert_true(jb_secret_key_id(key[0], use.id));
	assert_int_equal(jb_store_secret_revoke(b->store, "host", use.id, NOW + 6), 0);
	assert_int_equal(jb_store_secret_list(b->store, "host", keep_row, text), 0);
	assert_string_equal(text, "web-1:0:1 web-1:5:0 web-2:0:0 ");
	assert_int_equal(jb_store_secret_add(b->store, "host", "web-1", NOW + 7, key[0], sizeof(key[0])), 0);
}

static void calls_are_added_up_and_a_new_day_begins_with_none(void **state)
{
	struct jb_store *second = open_again();
	struct jb_calls rows[] = {{"web-1", 20000, 3}, {"web-2", 20000, 1}}, more = {"web-1", 20000, 4},
			next = {"web-1", 20001, 2};
	int64_t calls;

	(void)state;
	assert_int_equal(jb_store_calls_add(b->store, rows, 2), 0);
	assert_int_equal(jb_store_calls_add(second, &more, 1), 0);
	assert_int_equal(more.calls, 7);
	assert_int_equal(jb_store_calls(b->store, "web-1", 20000, &calls), 0);
	assert_int_equal(calls, 7);
	assert_int_equal(jb_store_calls(b->store, "web-1", 20001, &calls), 0);
	assert_int_equal(calls, 0);
	assert_int_equal(jb_store_calls_add(b->store, &next, 1), 0);
	assert_int_equal(next.calls, 2);
	assert_int_equal(jb_store_calls(b->store, "web-3", 20000, &calls), 0);
	assert_int_equal(calls, 0);
	jb_store_close(second);
}

static void an_event_is_recorded_once(void **state)
{
	(void)state;
	assert_int_equal(event("web-1", "e1", "{}"), 0);
	assert_int_equal(event("web-1", "e1", "{}"), -EEXIST);
	assert_int_equal(event("web-2", "e1", "{}"), 0); /* another host's */
	broker_settle(b);
	assert_int_equal(chain_length(), 2);
	/* One whose record cannot be written is not remembered either. */
	assert_true(event("web-1", "e2", "no object") < 0);
	assert_int_equal(event("web-1", "e2", "{}"), 0);
	broker_stop(b);
	broker_start(b, NOW);
	assert_int_equal(event("web-1", "e2", "{}"), -EEXIST);
	assert_int_equal(jb_store_prune(b->store, NOW + 9), 0);
	assert_int_equal(event("web-1", "e2", "{}"), -EEXIST);
	broker_settle(b);
	assert_int_equal(jb_store_prune(b->store, NOW + 10), 0);
	assert_int_equal(event("web-1", "e2", "{}"), 0);
}

struct sessions {
	char ids[4][17];
	size_t count;
};

static void keep_session(void *arg, const struct jb_session_row *row)
{
	struct sessions *s = arg;

	assert_true(s->count < COUNT_OF(s->ids));
	snprintf(s->ids[s->count++], sizeof(s->ids[0]), "%s", row->id);
}

static void add_session(const char *id, const char *person, int64_t begun)
{
	struct jb_session_row row = {.how = "oidc", .begun = begun, .used = begun};

	snprintf(row.id, sizeof(row.id), "%s", id);
	snprintf(row.person, sizeof(row.person), "%s", person);
	snprintf(row.hash, sizeof(row.hash), "%064d", 7);
	assert_int_equal(jb_store_session_add(b->store, &row), 0);
}

static void a_session_lasts_until_it_is_ended_or_old(void **state)
{
	struct jb_session_row row;
	struct sessions s = {0}, own = {0}, left = {0};
	size_t count;

	(void)state;
	add_session("0000000000000001", "appr1", NOW);
	add_session("0000000000000002", "appr2", NOW + 1);
	add_session("0000000000000003", "appr1", NOW + 2);
	assert_int_equal(jb_store_session_get(b->store, "0000000000000001", &row), 0);
	assert_string_equal(row.person, "appr1");
	assert_string_equal(row.how, "oidc");
	assert_int_equal(jb_store_session_use(b->store, "0000000000000001", NOW + 60), 0);
	assert_int_equal(jb_store_session_get(b->store, "0000000000000001", &row), 0);
	assert_int_equal(row.used, NOW + 60);
	assert_int_equal(jb_store_session_count(b->store, "appr1", NOW, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(jb_store_session_list(b->store, NULL, keep_session, &s), 0);
	assert_int_equal(s.count, 3);
	assert_string_equal(s.ids[0], "0000000000000001");
	assert_string_equal(s.ids[2], "0000000000000003");
	assert_int_equal(jb_store_session_end(b->store, "0000000000000002", "appr2", NOW + 61), 0);
	assert_int_equal(jb_store_session_end(b->store, "0000000000000002", "appr2", NOW + 61), -ENOENT);
	assert_int_equal(jb_store_session_get(b->store, "0000000000000002", &row), -ENOENT);
	assert_int_equal(jb_store_session_list(b->store, "appr1", keep_session, &own), 0);
	assert_int_equal(own.count, 2);
	broker_settle(b);
	assert_int_equal(chain_length(), 4);
	assert_int_equal(jb_store_session_prune(b->store, NOW - 1, NOW + 2), 0); /* used last by then */
	assert_int_equal(jb_store_session_list(b->store, NULL, keep_session, &left), 0);
	assert_int_equal(left.count, 1);
	assert_string_equal(left.ids[0], "0000000000000001");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_key_is_good_until_it_is_revoked),
		TEST(keys_are_listed_with_their_last_use_and_are_few),
		TEST(calls_are_added_up_and_a_new_day_begins_with_none),
		TEST(an_event_is_recorded_once),
		TEST(a_session_lasts_until_it_is_ended_or_old),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
