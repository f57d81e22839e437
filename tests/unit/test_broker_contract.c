/*
 * What every store promises: one winner of a race, no change without its audit
 * record, nothing lost in a restart, lists and cursors that leave nothing out. Runs
 * on SQLite, and with JB_TEST_STORE on DynamoDB (broker.h).
 */
#include "broker.h"

#include <errno.h>
#include <pthread.h>

#include "clock.h"
#include "outbox.h"
#include "secret.h"

static struct broker *b;

static int setup(void **state)
{
	int r = setup_broker(state);

	b = *state;
	return r;
}

static int update(struct jb_store *store, struct jb_request *r, bool announce)
{
	return jb_store_update(store, r, announce,
			       &(struct jb_audit){.at = NOW, .action = "test.changed", .request_id = r->id});
}

static struct jb_store *open_again(void)
{
	char why[512];
	struct jb_store *store = jb_store_open(b->conf, why, sizeof(why));

	assert_non_null(store);
	return store;
}

static void keep_last(void *arg, int64_t seq, const char *json)
{
	(void)seq;
	snprintf(arg, 1024, "%s", json);
}

static int64_t chain_length(void)
{
	char last[1024] = "";
	int64_t seq = 0;

	for (; jb_store_audit_read(b->store, seq, 1, keep_last, last) == 0 && last[0]; seq++)
		last[0] = '\0';
	return seq;
}

/* 0, or an error and the number of the record at which the chain breaks. */
static int verify(int64_t *ret_seq)
{
	struct jb_audit_break at = {0};

	broker_settle(b);
	int r = jb_store_audit_walk(b->store, NULL, NULL, &at);

	*ret_seq = at.seq;
	return r;
}

static void a_record_comes_back_as_it_was_written(void **state)
{
	struct jb_request *r = make("web-1", "k1"), *got = NULL;

	(void)state;
	r->command = strdup("/bin/echo \"\\ \u00fc\" '\n'");
	r->wrong_codes = 2;
	assert_int_equal(insert(b->store, r), 0);
	broker_stop(b);
	broker_start(b, NOW);
	assert_int_equal(jb_store_get(b->store, r->short_id, &got), 0);
	assert_string_equal(got->command, r->command);
	assert_int_equal(got->wrong_codes, 2);
	assert_int_equal(got->version, 1);
	assert_null(got->target);
	jb_request_free(got);
	assert_int_equal(jb_store_get_idempotent(b->store, "web-1", "k1", &got), 0);
	jb_request_free(got);
	assert_int_equal(jb_store_get_idempotent(b->store, "web-2", "k1", &got), -ENOENT);
	assert_int_equal(jb_store_get(b->store, "x' OR 1=1 --", &got), -ENOENT);
	jb_request_free(r);
}

static void an_id_or_a_key_is_taken_once(void **state)
{
	struct jb_request *r = make("web-1", "k1"), *same_key = make("web-1", "k1"), *other_host = make("web-2", "k1");

	(void)state;
	assert_int_equal(insert(b->store, r), 0);
	assert_int_equal(insert(b->store, r), -EEXIST);
	assert_int_equal(insert(b->store, same_key), -EEXIST);
	assert_int_equal(insert(b->store, other_host), 0);
	jb_request_free(r);
	jb_request_free(same_key);
	jb_request_free(other_host);
}

static void a_write_on_what_has_changed_is_stale(void **state)
{
	struct jb_request *r = make("web-1", NULL), *old, *gone = make("web-1", NULL);
	int64_t seq = 0;

	(void)state;
	assert_int_equal(insert(b->store, r), 0);
	assert_non_null(old = jb_request_copy(r));
	assert_int_equal(update(b->store, r, true), 0);
	assert_int_equal(r->version, 2);
	const uint64_t changed = r->changed;
	assert_true(changed > 0);
	assert_int_equal(update(b->store, old, true), -ESTALE);
	assert_int_equal(old->version, 1);
	assert_int_equal(old->changed, 0);
	assert_int_equal(update(b->store, gone, true), -ENOENT);
	assert_int_equal(update(b->store, r, false), 0);
	assert_int_equal(r->changed, changed);
	/* What was refused left no audit record behind. */
	assert_int_equal(verify(&seq), 0);
	assert_int_equal(chain_length(), 3);
	jb_request_free(r);
	jb_request_free(old);
	jb_request_free(gone);
}

/* A change whose audit record cannot be written is no change. */
static void no_audit_record_no_change(void **state)
{
	struct jb_request *r = make("web-1", NULL), *got;
	const struct jb_audit bad = {.at = NOW, .action = "test.changed", .detail = "no object"};

	(void)state;
	assert_int_equal(insert(b->store, r), 0);
	r->status = JB_CANCELLED;
	assert_true(jb_store_update(b->store, r, true, &bad) < 0);
	assert_int_equal(jb_store_get(b->store, r->id, &got), 0);
	assert_int_equal(got->status, JB_PENDING);
	assert_int_equal(got->version, 1);
	jb_request_free(got);
	jb_request_free(r);
}

#define RACERS 40
#define ROUNDS 5

struct racer {
	struct jb_engine *engine;
	const char *id;
	pthread_barrier_t *barrier;
	int won, decided, other;
};

static void *race(void *arg)
{
	struct racer *racer = arg;

	pthread_barrier_wait(racer->barrier);
	for (int i = 0; i < RACERS / 2; i++) {
		struct jb_request *r = NULL;
		struct jb_fault fault;
		int bad = i % 2 ? jb_engine_approve(racer->engine, "appr1", racer->id, NULL, NULL, NOW, &r, &fault)
				: jb_engine_deny(racer->engine, "appr1", racer->id, NULL, NOW, &r, &fault);

		racer->won += !bad;
		racer->decided += bad && strcmp(fault.code, "request.decided") == 0;
		racer->other += bad && strcmp(fault.code, "request.decided") != 0;
		jb_request_free(r);
	}
	return NULL;
}

static void forty_racing_decisions_have_one_winner(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct jb_request *r = make("web-1", NULL), *got;
		struct jb_store *second = open_again();
		struct jb_engine *engine = jb_engine_new(b->conf, second, NULL, NOW);
		pthread_barrier_t barrier;
		pthread_t thread;
		int64_t seq;

		free(r->role);
		r->role = strdup("local");
		r->services = strdup("sudo");
		r->targets = strdup("*");
		r->public_key = strdup("{}");
		r->reason = strdup("race");
		assert_int_equal(insert(b->store, r), 0);
		assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
		struct racer one = {.engine = b->engine, .id = r->id, .barrier = &barrier}, two = one;
		two.engine = engine;
		assert_int_equal(pthread_create(&thread, NULL, race, &two), 0);
		race(&one);
		assert_int_equal(pthread_join(thread, NULL), 0);
		pthread_barrier_destroy(&barrier);
		assert_int_equal(one.other + two.other, 0);
		assert_int_equal(one.won + two.won, 1);
		assert_int_equal(one.decided + two.decided, RACERS - 1);
		assert_int_equal(jb_store_get(b->store, r->id, &got), 0);
		assert_int_equal(got->version, 2);
		assert_int_equal(verify(&seq), 0);
		jb_request_free(got);
		jb_request_free(r);
		jb_engine_free(engine);
		jb_store_close(second);
	}
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

static void a_record_is_shown_with_its_hash(void **state)
{
	char last[1024] = "";

	(void)state;
	add_records(2);
	broker_settle(b);
	assert_int_equal(jb_store_audit_read(b->store, 1, 10, keep_last, last), 0);
	assert_non_null(strstr(last, "{\"seq\":2,\"at\":\"2026-11-22T16:00:01Z\",\"action\":\"test.record\","
				     "\"actor\":\"op1\",\"detail\":{\"n\":\"a\"},\"prev\":\""));
	assert_non_null(strstr(last, "\",\"hash\":\""));
	last[0] = '\0';
	assert_int_equal(jb_store_audit_read(b->store, 2, 10, keep_last, last), 0);
	assert_string_equal(last, "");
}

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

static void a_chain_of_many_writers_and_items_is_whole(void **state)
{
	struct jb_store *second = open_again();
	struct jb_request *r[30];
	int64_t seq, last;

	(void)state;
	add_records(120);
	for (size_t i = 0; i < COUNT_OF(r); i++) {
		assert_int_equal(insert(i % 2 ? second : b->store, r[i] = make("web-1", NULL)), 0);
		r[i]->comment = strdup("\"quoted\" \\ \n \xc3\xbc");
		assert_int_equal(update(i % 2 ? b->store : second, r[i], true), 0);
		jb_request_free(r[i]);
	}
	assert_int_equal(verify(&seq), 0);
	assert_int_equal(jb_store_audit_last(second, &last), 0);
	assert_int_equal(last, 120 + 2 * 30);
	assert_int_equal(chain_length(), last);
	jb_store_close(second);
	broker_stop(b);
	broker_start(b, NOW);
	add_records(1);
	assert_int_equal(verify(&seq), 0);
	assert_int_equal(chain_length(), last + 1);
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

static void free_found(struct jb_request **found, size_t count)
{
	for (size_t i = 0; i < count; i++)
		jb_request_free(found[i]);
	free(found);
}

/* The short ids, in order, of what a query finds. */
static void found_of(const struct jb_query *q, char *buf, size_t size)
{
	struct jb_request **found;
	size_t count, at = 0;

	assert_int_equal(jb_store_find(b->store, q, &found, &count), 0);
	buf[0] = '\0';
	for (size_t i = 0; i < count; i++)
		at += (size_t)snprintf(buf + at, size - at, "%s ", found[i]->comment);
	free_found(found, count);
}

#define ASSERT_FOUND(expected, ...)                                                                                    \
	do {                                                                                                           \
		const struct jb_query q_ = {__VA_ARGS__};                                                              \
		char found_[512];                                                                                      \
		size_t count_;                                                                                         \
		found_of(&q_, found_, sizeof(found_));                                                                 \
		assert_string_equal(found_, expected);                                                                 \
		if (!q_.limit) {                                                                                       \
			size_t words_ = 0;                                                                             \
			for (const char *c_ = found_; *c_; c_++)                                                       \
				words_ += *c_ == ' ';                                                                  \
			assert_int_equal(jb_store_count(b->store, &q_, &count_), 0);                                   \
			assert_int_equal(count_, words_);                                                              \
		}                                                                                                      \
	} while (0)

/* Called `name` in its comment. */
static struct jb_request *filed(const char *name, const char *host, const char *filed_by, int64_t at)
{
	struct jb_request *r = make(host, NULL);

	r->comment = strdup(name);
	r->filed_by = filed_by ? strdup(filed_by) : NULL;
	r->requested_at = at;
	r->pending_until = at + 300;
	assert_int_equal(insert(b->store, r), 0);
	return r;
}

static void a_search_finds_what_matches_newest_first(void **state)
{
	struct jb_request *a = filed("a", "web-1", NULL, NOW), *c = filed("c", "web-1", "ctl", NOW + 20),
			  *d = filed("d", "web-2", NULL, NOW + 30);

	(void)state;
	a->status = JB_DENIED;
	a->expires_at = NOW + 100;
	a->reason = strdup("Disk 100% full_");
	assert_int_equal(update(b->store, a, true), 0);
	c->status = JB_APPROVED;
	c->use_until = NOW + 50;
	assert_int_equal(update(b->store, c, true), 0);
	ASSERT_FOUND("d c a ", .status = -1);
	ASSERT_FOUND("d c ", .status = -1, .open_only = true);
	ASSERT_FOUND("c a ", .status = -1, .host = "web-1");
	ASSERT_FOUND("c ", .status = -1, .host = "ctl");
	ASSERT_FOUND("a ", .status = -1, .filer = "web-1");
	ASSERT_FOUND("d ", .status = JB_PENDING, .filer = "web-2", .requester = "op1");
	ASSERT_FOUND("", .status = JB_PENDING, .requester = "op2");
	ASSERT_FOUND("a ", .status = JB_DENIED);
	ASSERT_FOUND("c ", .status = -1, .open_only = true, .due_until = NOW + 50);
	ASSERT_FOUND("", .status = -1, .open_only = true, .due_until = NOW + 49);
	ASSERT_FOUND("a ", .status = -1, .text = "dISK 100% full_");
	ASSERT_FOUND("", .status = -1, .text = "disk_100");
	ASSERT_FOUND("d c a ", .status = -1, .text = "OP1");
	ASSERT_FOUND("d c ", .status = -1, .limit = 2);
	ASSERT_FOUND("c a ", .status = -1, .before_at = d->requested_at, .before_id = d->id);
	ASSERT_FOUND("a ", .status = -1, .before_at = c->requested_at, .before_id = c->id, .limit = 5);
	jb_request_free(a);
	jb_request_free(c);
	jb_request_free(d);
}

/* Many of one second: no page leaves one out or shows one twice. */
static void pages_of_a_list_hold_everything_once(void **state)
{
	struct jb_query q = {.status = -1, .limit = 7};
	char before[37] = "", seen[130][37];
	size_t total = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(seen); i++)
		jb_request_free(filed("x", "web-1", NULL, NOW + (int64_t)i / 50));
	for (size_t count = q.limit; count == q.limit;) {
		struct jb_request **found;

		assert_int_equal(jb_store_find(b->store, &q, &found, &count), 0);
		for (size_t i = 0; i < count; i++, total++) {
			assert_true(total < COUNT_OF(seen));
			for (size_t n = 0; n < total; n++)
				assert_string_not_equal(seen[n], found[i]->id);
			snprintf(seen[total], sizeof(seen[total]), "%s", found[i]->id);
			q.before_at = found[i]->requested_at;
		}
		if (count)
			snprintf(before, sizeof(before), "%s", found[count - 1]->id);
		q.before_id = before;
		free_found(found, count);
	}
	assert_int_equal(total, COUNT_OF(seen));
}

static void what_is_due_and_what_has_expired_is_known(void **state)
{
	struct jb_request *r = filed("a", "web-1", NULL, NOW), *got;
	int64_t due;

	(void)state;
	assert_int_equal(jb_store_next_due(b->store, &due), 0);
	assert_int_equal(due, NOW + 300);
	r->status = JB_EXPIRED;
	r->expires_at = NOW + 1000;
	assert_int_equal(update(b->store, r, true), 0);
	assert_int_equal(jb_store_prune(b->store, NOW + 999), 0);
	ASSERT_FOUND("a ", .status = -1);
	assert_int_equal(jb_store_get(b->store, r->id, &got), 0);
	jb_request_free(got);
	assert_int_equal(jb_store_prune(b->store, NOW + 1000), 0);
	ASSERT_FOUND("", .status = -1);
	assert_int_equal(jb_store_get(b->store, r->id, &got), -ENOENT);
	assert_int_equal(jb_store_get(b->store, r->short_id, &got), -ENOENT);
	jb_request_free(r);
}

/* What host is told after that cursor, by names in order; the cursor moves on. */
static void told(const char *host, int64_t *cursor, size_t limit, char *buf, size_t size)
{
	struct jb_changes changes;
	size_t at = 0;

	assert_int_equal(jb_store_changes(b->store, host, *cursor, limit, &changes), 0);
	buf[0] = '\0';
	for (size_t i = 0; i < changes.count; i++)
		at += (size_t)snprintf(buf + at, size - at, "%s ", changes.request[i]->comment);
	*cursor = changes.next;
	free_found(changes.request, changes.count);
}

static void a_host_is_told_each_change_and_then_no_more(void **state)
{
	struct jb_request *a = filed("a", "web-1", NULL, NOW), *c = filed("c", "web-1", "ctl", NOW),
			  *d = filed("d", "web-2", NULL, NOW);
	int64_t web = -1, ctl = -1, again;
	char buf[128];

	(void)state;
	told("web-1", &web, 10, buf, sizeof(buf));
	assert_true(strcmp(buf, "a c ") == 0 || strcmp(buf, "c a ") == 0);
	told("ctl", &ctl, 10, buf, sizeof(buf));
	assert_string_equal(buf, "c ");
	told("web-1", &web, 10, buf, sizeof(buf));
	assert_string_equal(buf, "");
	again = web;
	assert_int_equal(update(b->store, a, true), 0);
	assert_int_equal(update(b->store, d, true), 0);
	assert_int_equal(update(b->store, c, true), 0);
	told("web-1", &web, 10, buf, sizeof(buf));
	assert_string_equal(buf, "a c ");
	told("web-1", &web, 10, buf, sizeof(buf));
	assert_string_equal(buf, "");
	told("ctl", &ctl, 10, buf, sizeof(buf));
	assert_string_equal(buf, "c ");
	/* The answer was lost: the same cursor brings it again. */
	told("web-1", &again, 10, buf, sizeof(buf));
	assert_string_equal(buf, "a c ");
	/* Not announced: nobody is told. */
	assert_int_equal(update(b->store, a, false), 0);
	told("web-1", &web, 10, buf, sizeof(buf));
	assert_string_equal(buf, "");
	web = INT64_MAX; /* of no store */
	told("web-1", &web, 10, buf, sizeof(buf));
	assert_int_equal(strlen(buf), 4);
	told("web-1", &web, 10, buf, sizeof(buf));
	assert_string_equal(buf, "");
	jb_request_free(a);
	jb_request_free(c);
	jb_request_free(d);
}

static void few_at_a_time_are_told_all_the_same(void **state)
{
	struct jb_request *r[9];
	int64_t cursor = -1;
	char buf[256], all[256] = "";

	(void)state;
	told("web-1", &cursor, 2, buf, sizeof(buf));
	for (int i = 0; i < 9; i++) {
		char name[2] = {(char)('1' + i)};

		r[i] = filed(name, "web-1", NULL, NOW);
		assert_int_equal(update(b->store, r[i], true), 0);
	}
	do {
		told("web-1", &cursor, 2, buf, sizeof(buf));
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s", buf);
	} while (*buf);
	assert_string_equal(all, "1 2 3 4 5 6 7 8 9 ");
	for (int i = 0; i < 9; i++)
		jb_request_free(r[i]);
}

static void tell_of(const char *receiver, const char *about, const char *event, int64_t at)
{
	struct jb_notice n = {.channel = (char *)(uintptr_t)receiver,
			      .receiver = (char *)(uintptr_t)receiver,
			      .about = (char *)(uintptr_t)about,
			      .event = (char *)(uintptr_t)event,
			      .doc = (char *)(uintptr_t) "{}",
			      .at = at};
	const struct jb_notices one = {&n, 1};

	assert_int_equal(jb_notice_id(about, receiver, event, n.id), 0);
	assert_int_equal(jb_store_audit(b->store, &(struct jb_audit){.at = NOW, .action = "x", .notices = &one}), 0);
}

static void outbox_text(char *buf, size_t size)
{
	struct jb_outbox_rows rows;
	size_t at = 0;

	broker_settle(b);
	buf[0] = '\0';
	assert_int_equal(jb_outbox_list(b->store, 0, 100, &rows), 0);
	for (size_t i = 0; i < rows.count; i++)
		at += (size_t)snprintf(buf + at, size - at, "%s ", rows.row[i].notice.event);
	jb_outbox_rows_clear(&rows);
}

static void count_channel(void *arg, const char *channel, size_t waiting, int64_t oldest)
{
	assert_int_equal(waiting, strcmp(channel, "mail") == 0 ? 1 : 3);
	assert_int_equal(oldest, NOW);
	++*(int *)arg;
}

static void the_outbox_keeps_its_order_until_each_is_delivered(void **state)
{
	struct jb_outbox_rows rows;
	char text[256];
	int count = 0;

	(void)state;
	tell_of("webhook:chat", "r1", "e0", NOW);
	tell_of("webhook:chat", "r1", "e1", NOW);
	tell_of("webhook:chat", "r2", "e2", NOW);
	tell_of("mail", "r1", "e3", NOW);
	tell_of("webhook:chat", "r1", "e1", NOW); /* the same again: the same delivery */
	outbox_text(text, sizeof(text));
	assert_string_equal(text, "e0 e1 e2 e3 ");
	assert_int_equal(jb_outbox_channels(b->store, count_channel, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(jb_outbox_next(b->store, "webhook:chat", 10, &rows), 0);
	assert_int_equal(rows.count, 2);
	assert_string_equal(rows.row[0].notice.event, "e0");
	assert_int_equal(jb_outbox_failed(b->store, &rows.row[0], NOW + 100, "away"), 0);
	jb_outbox_rows_clear(&rows);
	assert_int_equal(jb_outbox_next(b->store, "webhook:chat", 10, &rows), 0);
	assert_string_equal(rows.row[0].notice.event, "e2");
	assert_string_equal(rows.row[1].error, "away");
	assert_int_equal(rows.row[1].due, NOW + 100);
	assert_int_equal(rows.row[1].tries, 1);
	assert_int_equal(jb_outbox_hurry(b->store, "webhook:chat", NOW + 5), 0);
	assert_int_equal(jb_outbox_done(b->store, &rows.row[0]), 0);
	assert_int_equal(jb_outbox_give_up(b->store, &rows.row[1], NOW + 6), 0);
	jb_outbox_rows_clear(&rows);
	assert_int_equal(jb_outbox_next(b->store, "webhook:chat", 10, &rows), 0);
	assert_int_equal(rows.count, 1);
	assert_string_equal(rows.row[0].notice.event, "e1");
	jb_outbox_rows_clear(&rows);
	assert_int_equal(jb_outbox_old(b->store, "mail", NOW - 1, 10, &rows), 0);
	assert_int_equal(rows.count, 0);
	jb_outbox_rows_clear(&rows);
	assert_int_equal(jb_outbox_old(b->store, "mail", NOW, 10, &rows), 0);
	assert_int_equal(rows.count, 1);
	jb_outbox_rows_clear(&rows);
	outbox_text(text, sizeof(text));
	assert_string_equal(text, "e1 e3 ");
	assert_int_equal(chain_length(), 6);
}

static void keep_news(void *arg, const struct jb_request *request)
{
	snprintf((char *)arg + strlen(arg), 64, "%s:%s ", request->comment, jb_status_name(request->status));
}

/* Where processes share a store each is told what the others write, once, and nothing of its own. */
static void what_another_process_writes_is_told(void **state)
{
	struct jb_store *second = open_again();
	struct jb_request *r;
	char news[256] = "";

	(void)state;
	if (jb_store_attend(b->store, keep_news, news) == 0) {
		jb_store_close(second);
		skip(); /* whoever shares an SQLite file is told by looking into it */
	}
	assert_true(jb_store_attend(second, keep_news, news) > 0);
	news[0] = '\0';
	r = filed("a", "web-1", NULL, NOW);
	assert_true(jb_store_attend(b->store, keep_news, news) > 0);
	assert_string_equal(news, "");
	assert_true(jb_store_attend(second, keep_news, news) > 0);
	assert_string_equal(news, "a:PENDING ");
	r->status = JB_CANCELLED;
	assert_int_equal(update(second, r, true), 0);
	news[0] = '\0';
	assert_true(jb_store_attend(second, keep_news, news) > 0);
	assert_string_equal(news, "");
	assert_true(jb_store_attend(b->store, keep_news, news) > 0);
	assert_string_equal(news, "a:CANCELLED ");
	jb_request_free(r);
	jb_store_close(second);
}

static size_t to_deliver(struct jb_store *store)
{
	struct jb_outbox_rows rows;

	assert_int_equal(jb_outbox_next(store, "mail", 10, &rows), 0);
	const size_t count = rows.count;
	jb_outbox_rows_clear(&rows);
	return count;
}

static void one_process_delivers_what_is_to_be_told(void **state)
{
	struct jb_store *second = open_again();
	char news[256] = "";

	(void)state;
	tell_of("mail", "r1", "e1", NOW);
	broker_settle(b);
	assert_int_equal(to_deliver(b->store), 1);
	if (jb_store_attend(second, keep_news, news) == 0) {
		jb_store_close(second);
		skip(); /* an SQLite file has one process that serves it */
	}
	assert_int_equal(to_deliver(second), 0);
	assert_int_equal(to_deliver(b->store), 1);
	jb_store_close(second);
}

static void a_host_that_another_process_heard_is_not_silent(void **state)
{
	struct jb_store *second = open_again();
	int64_t at = -1;

	(void)state;
	assert_int_equal(jb_store_last_heard(b->store, "web-1", &at), 0);
	assert_int_equal(at, 0);
	const int enough = jb_store_heard(second, "web-1", NOW);
	assert_true(enough > 0);
	assert_int_equal(jb_store_last_heard(b->store, "web-1", &at), 0);
	/* It need not tell again before `enough`, so that is how late it may have been heard. */
	assert_true((at == 0 && enough > 3600) || at >= NOW + enough);
	jb_store_close(second);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown_broker)
	const struct CMUnitTest tests[] = {
		TEST(a_record_comes_back_as_it_was_written),
		TEST(an_id_or_a_key_is_taken_once),
		TEST(a_write_on_what_has_changed_is_stale),
		TEST(no_audit_record_no_change),
		TEST(forty_racing_decisions_have_one_winner),
		TEST(a_record_is_shown_with_its_hash),
		TEST(a_chain_of_many_writers_and_items_is_whole),
		TEST(a_key_is_good_until_it_is_revoked),
		TEST(keys_are_listed_with_their_last_use_and_are_few),
		TEST(calls_are_added_up_and_a_new_day_begins_with_none),
		TEST(an_event_is_recorded_once),
		TEST(a_session_lasts_until_it_is_ended_or_old),
		TEST(a_search_finds_what_matches_newest_first),
		TEST(pages_of_a_list_hold_everything_once),
		TEST(what_is_due_and_what_has_expired_is_known),
		TEST(a_host_is_told_each_change_and_then_no_more),
		TEST(few_at_a_time_are_told_all_the_same),
		TEST(the_outbox_keeps_its_order_until_each_is_delivered),
		TEST(what_another_process_writes_is_told),
		TEST(one_process_delivers_what_is_to_be_told),
		TEST(a_host_that_another_process_heard_is_not_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
