/* What every store promises of lists, of what is due, and of what a host is told: nothing is left out, or there twice.
 */
#include "store_contract.h"

#include <errno.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_search_finds_what_matches_newest_first),	 TEST(pages_of_a_list_hold_everything_once),
		TEST(what_is_due_and_what_has_expired_is_known), TEST(a_host_is_told_each_change_and_then_no_more),
		TEST(few_at_a_time_are_told_all_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
