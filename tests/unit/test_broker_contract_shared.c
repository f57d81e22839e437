/* What every store promises of what is still to be told, and of the other processes that share it. */
#include "store_contract.h"

#include "clock.h"
#include "outbox.h"

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
	const struct CMUnitTest tests[] = {
		TEST(the_outbox_keeps_its_order_until_each_is_delivered),
		TEST(what_another_process_writes_is_told),
		TEST(one_process_delivers_what_is_to_be_told),
		TEST(a_host_that_another_process_heard_is_not_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
