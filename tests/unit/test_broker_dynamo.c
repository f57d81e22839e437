/*
 * The DynamoDB store takes nothing of a table's for granted: what is damaged, of
 * another type or cut off in the middle is what it does not have, or a failure
 * that says so. The client is the test's own: it gives one answer after the other.
 */
#include "unit.h"

#include <errno.h>
#include <stdio.h>

#include "audit.h"
#include "conf.h"
#include "outbox.h"
#include "store_dynamo.h"

#define ID	"0b6c1f6e-0000-4000-8000-000000000001"
#define NOW	((int64_t)1795363200)
#define FAR	"4611686018427387904" /* one more than a number may be */
#define LAST	"4611686018427387903" /* the largest */
#define HASH	"0e3bc55fbca3540541e8d10c4f17b1b70342de4baf4353c779cece802cdd6158"
#define AWAY	"the table is away" /* what the client says when the answers are used up */
#define NOBODYS "what the table holds makes no sense, or this process is out of memory"
#define DAMAGED "an audit record that waits in the table is damaged"

#define REFUSED "refused" /* an answer: the condition does not hold */

#define INDEX(name) "{\"IndexName\":\"" name "\"}"
#define OTHER_INDEXES                                                                                                  \
	INDEX("host")                                                                                                  \
	"," INDEX("filer") "," INDEX("feed") "," INDEX("shortId") "," INDEX("list") "," INDEX("unseale"                \
											      "d")
#define TABLE(open) "{\"Table\":{\"TableStatus\":\"ACTIVE\",\"GlobalSecondaryIndexes\":[" open "," OTHER_INDEXES "]}}"
#define OPEN_WITH(names)                                                                                               \
	"{\"IndexName\":\"open\",\"Projection\":{\"ProjectionType\":\"INCLUDE\",\"NonKeyAttributes\":" names "}}"
#define GOOD_TABLE TABLE(OPEN_WITH("[\"status\",\"host\",\"filer\",\"requester\"]"))

/* What an index says, and the items themselves. */
#define KEYS(key)                                                                                                      \
	"{\"Items\":[{\"requestId\":{\"S\":\"" key "\"},\"place\":{\"S\":\"a#b\"},\"written\":{\"N\":\"1\"}}]}"
#define ITEMS(item) "{\"Responses\":{\"t\":[" item "]},\"UnprocessedKeys\":{}}"
#define REQUEST                                                                                                        \
	"{\"requestId\":{\"S\":\"" ID "\"},\"version\":{\"N\":\"1\"},\"status\":{\"S\":\"PENDING\"},\"doc\":{\"S\":"   \
	"\"{\\\"id\\\":\\\"" ID "\\\",\\\"shortId\\\":\\\"R7KD-2M9Q\\\",\\\"version\\\":1,\\\"status\\\":"             \
	"\\\"PENDING\\\",\\\"host\\\":\\\"web-1\\\",\\\"requester\\\":\\\"op1\\\",\\\"role\\\":\\\"admin\\\","         \
	"\\\"duration\\\":900,\\\"requestedAt\\\":1795363200,\\\"pendingUntil\\\":1795363500}\"}}"

static const char *const *answers; /* NULL ends them */
static char asked[16384];	   /* operations and what was asked, a line each */
static struct jb_store *store;
static unsigned told;

/* In the place of dynamo.c. */
struct jb_dynamo *jb_dynamo_new(const struct jb_dynamo_options *options, char *why, size_t why_size)
{
	static char client;

	(void)options;
	(void)why;
	(void)why_size;
	return (struct jb_dynamo *)&client;
}

void jb_dynamo_free(struct jb_dynamo *dynamo)
{
	(void)dynamo;
}

int jb_dynamo_call(struct jb_dynamo *dynamo, const char *operation, struct json_object *body, struct json_object **ret)
{
	const size_t used = strlen(asked);
	const char *answer = *answers;

	(void)dynamo;
	snprintf(asked + used, sizeof(asked) - used, "%s %s\n", operation, json_object_to_json_string(body));
	if (!answer)
		return -EIO;
	answers++;
	if (strcmp(answer, REFUSED) == 0)
		return -ECANCELED;
	*ret = json_tokener_parse(answer);
	assert_non_null(*ret);
	return 0;
}

bool jb_dynamo_unsure(const struct jb_dynamo *dynamo)
{
	(void)dynamo;
	return false;
}

const char *jb_dynamo_error(const struct jb_dynamo *dynamo)
{
	(void)dynamo;
	return AWAY;
}

/* From here on the table answers with these. */
#define ANSWERS(...)                                                                                                   \
	do {                                                                                                           \
		static const char *const these_[] = {__VA_ARGS__, NULL};                                               \
		answers = these_;                                                                                      \
		asked[0] = '\0';                                                                                       \
		told = 0;                                                                                              \
	} while (0)

static struct jb_store *open_store(char *why, size_t size)
{
	static char name[] = "dynamodb:t", region[] = "eu-west-1", credentials[] = "environment";
	const struct jb_conf conf = {.store = name, .store_region = region, .store_credentials = credentials};

	why[0] = '\0';
	return jb_ddb_open(&conf, why, size);
}

static int set_up(void **state)
{
	char why[512];

	(void)state;
	ANSWERS(GOOD_TABLE);
	store = open_store(why, sizeof(why));
	return store ? 0 : -1;
}

static int tear_down(void **state)
{
	static const char *const none[] = {NULL};

	(void)state;
	answers = none;
	jb_store_close(store);
	return 0;
}

static void on_news(void *arg, const struct jb_request *request)
{
	(void)arg;
	assert_string_equal(request->id, ID);
	told++;
}

static void on_secret(void *arg, const struct jb_secret_row *row)
{
	(void)arg;
	(void)row;
	told++;
}

static void on_session(void *arg, const struct jb_session_row *row)
{
	(void)arg;
	(void)row;
	told++;
}

static void on_channel(void *arg, const char *channel, size_t waiting, int64_t oldest)
{
	(void)arg;
	(void)channel;
	(void)waiting;
	(void)oldest;
	told++;
}

static void on_record(void *arg, int64_t seq, const char *json)
{
	(void)arg;
	(void)seq;
	(void)json;
	told++;
}

/* The first look only notes when it was; somebody else seals. */
static void begin_to_watch(void)
{
	ANSWERS(REFUSED);
	assert_true(jb_store_attend(store, on_news, NULL) > 0);
}

static void what_others_changed_is_told_once_the_table_answers_again(void **state)
{
	(void)state;
	begin_to_watch();
	for (int i = 0; i < 3; i++) { /* cut off between the index and the items */
		ANSWERS(KEYS(ID));
		assert_int_equal(jb_store_attend(store, on_news, NULL), -EIO);
		assert_string_equal(jb_store_error(store), AWAY);
	}
	ANSWERS(KEYS(ID), "{\"Responses\":{\"t\":[" REQUEST "]},\"UnprocessedKeys\":{\"t\":{}}}");
	assert_int_equal(jb_store_attend(store, on_news, NULL), -EIO); /* in the middle of the items */
	assert_int_equal(told, 0);
	ANSWERS(KEYS(ID), ITEMS(REQUEST));
	assert_true(jb_store_attend(store, on_news, NULL) > 0);
	assert_int_equal(told, 1);
}

/* A host's cursor comes from the host. */
static void a_hosts_changes_are_freed_once_too(void **state)
{
	struct jb_changes changes;

	(void)state;
	ANSWERS("{\"Items\":[{\"requestId\":{\"S\":\"" ID "\"},\"changed\":{\"N\":\"1\"}}]}", "{\"Items\":[]}");
	assert_int_equal(jb_store_changes(store, "web-1", 0, 10, &changes), -EIO);
	assert_string_equal(jb_store_error(store), AWAY);
}

#define SECRET(key) "{\"requestId\":{\"S\":\"" key "\"},\"kind\":{\"S\":\"host\"},\"keeper\":{\"S\":\"web-1\"}}"

static void a_key_of_another_kind_is_no_secret(void **state)
{
	(void)state;
	ANSWERS(KEYS("s"), ITEMS(SECRET("s")));
	assert_int_equal(jb_store_secret_list(store, "host", on_secret, NULL), 0);
	ANSWERS(KEYS("session:0123456789abcdef"), ITEMS(SECRET("session:0123456789abcdef")));
	assert_int_equal(jb_store_secret_list(store, "host", on_secret, NULL), 0);
	assert_int_equal(told, 0);
	ANSWERS(KEYS("secret:0123456789abcdef"), ITEMS(SECRET("secret:0123456789abcdef")));
	assert_int_equal(jb_store_secret_list(store, "host", on_secret, NULL), 0);
	assert_int_equal(told, 1);
}

/* It would hold one of a host's two places for ever. */
static void a_key_that_is_noted_for_another_age_holds_no_place(void **state)
{
	char made[128];

	(void)state;
	ANSWERS("{\"Item\":{\"keys\":{\"S\":\"0123456789abcdef@-9223372036854775808 "
		"1123456789abcdef@-9223372036854775808\"}}}",
		"{}", "{}", "{\"Items\":[]}", "{}", "{}");
	assert_int_equal(jb_store_secret_add(store, "host", "web-1", NOW, made, sizeof(made)), 0);
	ANSWERS("{\"Item\":{\"keys\":{\"S\":\"0123456789abcdef@1795363190 1123456789abcdef@1795363210\"}}}", "{}", "{}",
		"{\"Items\":[]}", "{}", "{}");
	assert_int_equal(jb_store_secret_add(store, "host", "web-1", NOW, made, sizeof(made)), -EDQUOT);
}

static void a_key_without_its_kind_holds_no_place(void **state)
{
	char made[128];

	(void)state;
	ANSWERS("{}", "{\"Items\":[{\"requestId\":{\"S\":\"a\"}},{\"requestId\":{\"S\":\"b\"}}]}",
		ITEMS(SECRET("a") "," SECRET("b")), "{}", "{}");
	assert_int_equal(jb_store_secret_add(store, "host", "web-1", NOW, made, sizeof(made)), 0);
}

#define SESSION(key, person, how)                                                                                      \
	"{\"requestId\":{\"S\":\"" key "\"},\"person\":{\"S\":\"" person "\"},\"how\":{\"S\":\"" how "\"},\"hash\":"   \
	"{\"S\":\"" HASH "\"},\"list\":{\"S\":\"session\"}}"
#define SESSION_KEY "session:0123456789abcdef"

/* Cut to length it could be somebody else's. */
static void what_has_no_session_in_it_is_none(void **state)
{
	struct jb_session_row row;

	(void)state;
	ANSWERS("{\"Item\":" SESSION("x", "appr1", "oidc") "}",
		"{\"Item\":" SESSION(SESSION_KEY "0", "appr1", "oidc") "}",
		"{\"Item\":" SESSION(SESSION_KEY, "appr1", "something longer") "}",
		"{\"Item\":" SESSION(SESSION_KEY, "appr1", "oidc") "}");
	assert_int_equal(jb_store_session_get(store, "0123456789abcdef", &row), -ENOENT);
	assert_int_equal(jb_store_session_get(store, "0123456789abcdef", &row), -ENOENT);
	assert_int_equal(jb_store_session_get(store, "0123456789abcdef", &row), -ENOENT);
	assert_int_equal(jb_store_session_get(store, "0123456789abcdef", &row), 0);
	assert_string_equal(row.person, "appr1");
	ANSWERS(KEYS("x"), ITEMS(SESSION("x", "appr1", "oidc")));
	assert_int_equal(jb_store_session_list(store, NULL, on_session, NULL), 0);
	assert_int_equal(told, 0);
}

#define LEASE(head) "{\"Item\":{\"head\":{\"N\":\"" head "\"},\"last\":{\"N\":\"1\"}}}"
#define CHAIN(first, line)                                                                                             \
	"{\"Item\":{\"first\":{\"N\":\"" first "\"},\"lines\":{\"L\":[{\"S\":\"" HASH " {}\"}," line "]}}}"
#define LINE "{\"S\":\"" HASH " {}\"}"

static void a_head_that_no_record_can_have_is_looked_for_from_the_first(void **state)
{
	static const char *const heads[] = {LEASE("1000000000000"), LEASE("-1"), LEASE(FAR)};
	int64_t last;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(heads); i++) {
		const char *const these[] = {heads[i], CHAIN("1", LINE), "{}", NULL};
		answers = these;
		asked[0] = '\0';
		assert_int_equal(jb_store_audit_last(store, &last), 0);
		assert_int_equal(last, 2);
		assert_non_null(strstr(asked, "\"chain:000000000001\""));
	}
}

static void a_newest_item_that_is_not_what_its_key_says_is_damaged(void **state)
{
	int64_t last = 0;

	(void)state;
	ANSWERS(LEASE("1"), CHAIN("7", LINE), "{}");
	assert_int_equal(jb_store_audit_last(store, &last), -EIO);
	assert_string_equal(jb_store_error(store), "the newest item of the audit chain is damaged");
	ANSWERS(LEASE("1"), CHAIN("1", "{\"N\":\"1\"}"), "{}");
	assert_int_equal(jb_store_audit_last(store, &last), -EIO);
	assert_string_equal(jb_store_error(store), "the newest item of the audit chain is damaged");
}

static void a_place_that_no_record_can_have_is_the_first(void **state)
{
	static const char *const places[] = {"{\"Items\":[{\"place\":{\"S\":\"9223372036854775807\"}}]}",
					     "{\"Items\":[{\"place\":{\"S\":\"-5\"}}]}", "{\"Items\":[{}]}"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		const char *const these[] = {places[i], "{}", NULL};
		answers = these;
		asked[0] = '\0';
		assert_int_equal(jb_store_audit_read(store, 0, 10, on_record, NULL), 0);
		assert_non_null(strstr(asked, "\"chain:000000000001\""));
	}
}

#define UNSEALED(record)                                                                                               \
	"{\"requestId\":{\"S\":\"" ID "\"},\"unsealed\":{\"S\":\"1\"},\"since\":{\"N\":\"1\"},\"audit\":{\"L\":["      \
	"{\"S\":\"" record "\"}]}}"
#define RECORD(more) "{\\\"us\\\":1,\\\"at\\\":1," more "}"

/* Sealed, it could never be taken out of the chain again. */
static void a_record_that_is_none_is_not_sealed(void **state)
{
	static const char *const items[] = {
		ITEMS(UNSEALED("[]")),
		ITEMS(UNSEALED("not JSON")),
		ITEMS(UNSEALED(RECORD("\\\"id\\\":\\\"c\\\""))),
		ITEMS(UNSEALED(RECORD("\\\"id\\\":{},\\\"action\\\":\\\"a\\\""))),
		ITEMS(UNSEALED(RECORD("\\\"id\\\":\\\"c\\\",\\\"action\\\":[1]"))),
		ITEMS(UNSEALED(RECORD("\\\"id\\\":\\\"c\\\",\\\"action\\\":\\\"a\\\",\\\"notices\\\":[{}]"))),
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(items); i++) {
		struct jb_dynamodb *ddb = jb_ddb_of(store);
		const char *const these[] = {"{\"Attributes\":{}}", KEYS(ID), "{}", items[i], "{}", "{}", NULL};
		answers = these;
		asked[0] = '\0';
		ddb->leased = ddb->looked = ddb->watched = 0;
		assert_int_equal(jb_store_attend(store, on_news, NULL), -EIO);
		assert_string_equal(jb_store_error(store), DAMAGED);
		assert_null(strstr(asked, "PutItem"));
	}
}

/* The round that looks for news succeeds, and has nothing to say of what failed before it. */
static void of_what_failed_the_cause_is_told(void **state)
{
	struct jb_dynamodb *ddb = jb_ddb_of(store);

	(void)state;
	begin_to_watch();
	ANSWERS("{\"Attributes\":{}}", KEYS(ID), "{}", ITEMS(UNSEALED("[]")), "{\"Items\":[]}");
	ddb->leased = ddb->looked = 0;
	assert_int_equal(jb_store_attend(store, on_news, NULL), -EIO);
	assert_string_equal(jb_store_error(store), DAMAGED);
}

#define NEWEST                                                                                                         \
	"{\"Item\":{\"requestId\":{\"S\":\"chain:000000000001\"},\"first\":{\"N\":\"1\"},\"lines\":{\"L\":[" LINE      \
	"]},\"ids\":{\"L\":[{\"N\":\"1\"},3,{\"S\":\"c\"}]},\"from\":{\"L\":[{\"S\":\"" ID "\"}]}}}"

/* Whose id is no text is not this record; the one behind it is. */
static void ids_in_the_chain_that_are_no_texts_are_passed_over(void **state)
{
	(void)state;
	ANSWERS("{\"Attributes\":{\"head\":{\"N\":\"1\"}}}", KEYS(ID), NEWEST, "{}",
		ITEMS(UNSEALED(RECORD("\\\"id\\\":\\\"c\\\",\\\"action\\\":\\\"a\\\""))), "{}", "{}", ITEMS(""));
	assert_true(jb_store_attend(store, on_news, NULL) > 0);
	assert_non_null(strstr(asked, "REMOVE #audit, #unsealed, #since"));
	assert_null(strstr(asked, "PutItem"));
}

/* What need not be there is not there where it is something else. */
static void of_a_record_what_is_no_text_is_left_out(void **state)
{
	(void)state;
	ANSWERS("{\"Attributes\":{}}", KEYS(ID), "{}",
		ITEMS(UNSEALED(
			RECORD("\\\"id\\\":\\\"c\\\",\\\"action\\\":\\\"a\\\",\\\"actor\\\":[1],\\\"notices\\\":{}"))),
		"{}", "{}", "{}", ITEMS(""));
	assert_true(jb_store_attend(store, on_news, NULL) > 0);
	assert_non_null(strstr(asked, "PutItem"));
	assert_non_null(strstr(asked, "REMOVE #audit, #unsealed, #since"));
	assert_null(strstr(asked, "[ 1 ]"));
}

static void channels_that_are_no_texts_fail(void **state)
{
	struct jb_outbox_rows rows;

	(void)state;
	ANSWERS("{\"Item\":{\"channels\":{\"SS\":[1,null]}}}", "{\"Item\":{\"channels\":{\"SS\":[{}]}}}");
	assert_int_equal(jb_outbox_channels(store, on_channel, NULL), -EIO);
	assert_string_equal(jb_store_error(store), NOBODYS);
	assert_int_equal(jb_outbox_list(store, 0, 10, &rows), -EIO);
	assert_null(strstr(asked, "Query"));
	ANSWERS("{\"Item\":{\"channels\":{\"SS\":{}}}}", "{\"Item\":{\"channels\":{\"SS\":\"chat\"}}}");
	assert_int_equal(jb_outbox_channels(store, on_channel, NULL), 0);
	assert_int_equal(jb_outbox_list(store, 0, 10, &rows), 0);
	assert_int_equal(rows.count, 0);
	jb_outbox_rows_clear(&rows);
	assert_int_equal(told, 0);
}

static void a_table_whose_description_makes_no_sense_is_not_used(void **state)
{
	static const struct {
		const char *answer, *said;
	} cases[] = {
		{"{\"Table\":{\"GlobalSecondaryIndexes\":{}}}", "has no index open "},
		{"{\"Table\":{\"GlobalSecondaryIndexes\":[1,null]}}", "has no index open "},
		{"{\"Table\":[]}", "has no index open "},
		{"{}", NOBODYS},
		{TABLE(OPEN_WITH("{}")), "has no index open "},
		{TABLE(OPEN_WITH("[null,[],1]")), "has no index open "},
		{TABLE("{\"IndexName\":\"open\",\"Projection\":{\"ProjectionType\":[]}}"), "has no index open "},
		{TABLE("{\"IndexName\":[\"open\"]}"), "has no index open "},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const char *const these[] = {cases[i].answer, NULL};
		char why[512];

		answers = these;
		assert_null(open_store(why, sizeof(why)));
		if (!strstr(why, cases[i].said))
			fail_msg("%s: %s", cases[i].answer, why);
	}
}

static void found(const char *what, int expected)
{
	const struct jb_query query = {.status = -1, .limit = 5};
	struct jb_request **list;
	size_t count = 0;

	if (jb_store_find(store, &query, &list, &count) != expected)
		fail_msg("%s", what);
	if (expected < 0)
		return;
	assert_int_equal(count, 0);
	free(list);
}

static void lists_that_are_none_hold_nothing(void **state)
{
	(void)state;
	ANSWERS("{\"Items\":{\"a\":1}}");
	found("Items is an object", 0);
	ANSWERS("{\"Items\":\"text\"}");
	found("Items is a text", 0);
	ANSWERS(KEYS(ID), "{\"Responses\":{\"t\":{}}}");
	found("the items are an object", 0);
	ANSWERS(KEYS(ID), "{\"Responses\":{\"t\":[]},\"UnprocessedKeys\":[1]}");
	found("what is left is a list", 0);
	ANSWERS("{\"Items\":[{\"requestId\":{\"S\":[1]}}]}");
	found("a key is a list", -EIO);
	assert_string_equal(jb_store_error(store), NOBODYS);
}

/* What an item holds where it holds something else. */
static json_object *item_of(const char *text)
{
	json_object *item = json_tokener_parse(text);

	assert_non_null(item);
	return item;
}

static void an_attribute_of_another_type_is_not_there(void **state)
{
	json_object *item = item_of("{\"s\":{\"S\":{}},\"n\":{\"N\":[1]},\"list\":{\"L\":{\"S\":\"a\"}},"
				    "\"mixed\":{\"L\":[1,{\"S\":[\"a\"]},{\"S\":\"b\"}]},\"bare\":\"text\"}");

	(void)state;
	assert_null(jb_item_text(item, "s"));
	assert_null(jb_item_text(item, "bare"));
	assert_int_equal(jb_item_number(item, "n", 7), 7);
	assert_int_equal(jb_item_list_length(item, "list"), 0);
	assert_null(jb_item_list_text(item, "list", 0));
	assert_null(jb_item_list_text(item, "mixed", 0));
	assert_null(jb_item_list_text(item, "mixed", 1));
	assert_string_equal(jb_item_list_text(item, "mixed", 2), "b");
	assert_null(jb_item_list_text(item, "mixed", 3));
	assert_null(jb_plain_text_at(item, 0));
	assert_int_equal(jb_plain_length(NULL), 0);
	json_object_put(item);
}

static void a_number_can_have_another_added_to_it(void **state)
{
	json_object *item = item_of("{\"most\":{\"N\":\"" FAR "\"},\"over\":{\"N\":\"4611686018427387905\"},"
				    "\"least\":{\"N\":\"-" FAR "\"},\"under\":{\"N\":\"-4611686018427387905\"},"
				    "\"far\":{\"N\":\"9223372036854775808\"},\"text\":{\"N\":\"1x\"}}");

	(void)state;
	assert_int_equal(jb_item_number(item, "most", 7), JB_ITEM_NUMBER_MAX);
	assert_int_equal(jb_item_number(item, "least", 7), -JB_ITEM_NUMBER_MAX);
	assert_int_equal(jb_item_number(item, "over", 7), 7);
	assert_int_equal(jb_item_number(item, "under", 7), 7);
	assert_int_equal(jb_item_number(item, "far", 7), 7);
	assert_int_equal(jb_item_number(item, "text", 7), 7);
	json_object_put(item);
}

static void a_key_begins_with_its_kind_and_a_colon(void **state)
{
	static const struct {
		const char *item, *rest;
	} cases[] = {
		{"{\"requestId\":{\"S\":\"secret:a\"}}", "a"},
		{"{\"requestId\":{\"S\":\"secret:\"}}", ""},
		{"{\"requestId\":{\"S\":\"secret\"}}", NULL},
		{"{\"requestId\":{\"S\":\"secrets:a\"}}", NULL},
		{"{\"requestId\":{\"S\":\"sekret:a\"}}", NULL},
		{"{\"requestId\":{\"S\":\"session:a\"}}", NULL},
		{"{\"requestId\":{\"S\":\"\"}}", NULL},
		{"{\"requestId\":{\"N\":\"1\"}}", NULL},
		{"{}", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		json_object *item = item_of(cases[i].item);
		const char *rest = jb_item_key(item, "secret");

		if (!rest != !cases[i].rest || (rest && strcmp(rest, cases[i].rest) != 0))
			fail_msg("%s: %s", cases[i].item, rest ? rest : "(none)");
		json_object_put(item);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_others_changed_is_told_once_the_table_answers_again),
		TEST(a_hosts_changes_are_freed_once_too),
		TEST(a_key_of_another_kind_is_no_secret),
		TEST(a_key_that_is_noted_for_another_age_holds_no_place),
		TEST(a_key_without_its_kind_holds_no_place),
		TEST(what_has_no_session_in_it_is_none),
		TEST(a_head_that_no_record_can_have_is_looked_for_from_the_first),
		TEST(a_newest_item_that_is_not_what_its_key_says_is_damaged),
		TEST(a_place_that_no_record_can_have_is_the_first),
		TEST(a_record_that_is_none_is_not_sealed),
		TEST(of_what_failed_the_cause_is_told),
		TEST(ids_in_the_chain_that_are_no_texts_are_passed_over),
		TEST(of_a_record_what_is_no_text_is_left_out),
		TEST(channels_that_are_no_texts_fail),
		TEST(a_table_whose_description_makes_no_sense_is_not_used),
		TEST(lists_that_are_none_hold_nothing),
		cmocka_unit_test(an_attribute_of_another_type_is_not_there),
		cmocka_unit_test(a_number_can_have_another_added_to_it),
		cmocka_unit_test(a_key_begins_with_its_kind_and_a_colon),
	};

	return cmocka_run_group_tests_name("broker DynamoDB", tests, NULL, NULL);
}
