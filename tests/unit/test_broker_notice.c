/* Notifications: who is told, in what words, under which signature; and the outbox they wait in. */
#include "broker.h"

#include <json-c/json.h>

#include "mail.h"
#include "message.h"
#include "no_memory.h"
#include "notice.h"
#include "outbox.h"
#include "retry.h"
#include "sign.h"
#include "webhook.h"

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

static const char conf_text[] = "[broker]\n"
				"tls = off\n"
				"store = sqlite:DIR/broker.db\n"
				"issuer = demo\n"
				"url = https://jit.example\n"
				"mail_server = smtps://mail.example\n"
				"mail_from = jit@example.com\n"
				"[role admin]\n"
				"services = sudo\n"
				"requesters = op1 op2\n"
				"hosts = *\n"
				"targets = root\n"
				"approvers = appr1 appr2 op1\n"
				"reason = optional\n"
				"unsealed = allow\n"
				"[role open]\n"
				"services = sudo\n"
				"requesters = op1\n"
				"hosts = *\n"
				"targets = root\n"
				"approvers = appr1\n"
				"auto_approve = simulated\n"
				"unsealed = allow\n"
				"[person op1]\n"
				"mail = op1@example.com\n"
				"[person appr1]\n"
				"mail = appr1@example.com\n"
				"[person appr2]\n"
				"[mail ops]\n"
				"to = ops@example.com sec@example.com\n"
				"events = filed break_glass\n"
				"roles = admin\n"
				"[webhook chat]\n"
				"url = https://chat.example/hook\n";

static struct broker *b;

static int setup(void **state)
{
	char text[4096], path[128];

	if (setup_broker(state) != 0)
		return -1;
	b = *state;
	broker_stop(b);
	write_file(b->dir, "chat.secret", SECRET "\n", 0600);
	snprintf(path, sizeof(path), "%s/chat.secret", b->dir);
	snprintf(text, sizeof(text), "%ssecret = %s\n", conf_text, path);
	broker_configure(b, text);
	broker_start(b, NOW);
	return 0;
}

static struct jb_filing filing(const char *role)
{
	return (struct jb_filing){.requester = "op1",
				  .role = role,
				  .duration = 900,
				  .service = "sudo",
				  .target = "root",
				  .command = "/usr/bin/id",
				  .reason = "disk full"};
}

static struct jb_request *file(const struct jb_filing *f)
{
	struct jb_request *r = NULL;
	bool replayed;

	if (jb_engine_file(b->engine, "web-1", f, NOW, &r, &replayed, &b->fault) < 0)
		fail_msg("%s", b->fault.message);
	return r;
}

/* "receiver event" of every row, in order, each with a line end. */
static void outbox_text(char *buf, size_t size)
{
	struct jb_outbox_rows rows;
	size_t at = 0;

	buf[0] = '\0';
	assert_int_equal(jb_outbox_list(b->store, 0, 1000, &rows), 0);
	for (size_t i = 0; i < rows.count; i++)
		at += (size_t)snprintf(buf + at, size - at, "%s %s\n", rows.row[i].notice.receiver,
				       rows.row[i].notice.event);
	jb_outbox_rows_clear(&rows);
}

static void empty_outbox(void)
{
	struct jb_outbox_rows rows;

	assert_int_equal(jb_outbox_list(b->store, 0, 1000, &rows), 0);
	for (size_t i = 0; i < rows.count; i++)
		assert_int_equal(jb_outbox_done(b->store, &rows.row[i]), 0);
	jb_outbox_rows_clear(&rows);
}

/* Signatures */

static void a_signature_is_the_published_one(void **state)
{
	struct jb_sign_keys keys;
	char signature[JB_SIGNATURES_MAX], why[256];

	(void)state;
	assert_true(jb_sign_keys_parse(SECRET "\n", &keys, why, sizeof(why)));
	assert_int_equal(
		jb_sign(&keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, "{\"test\": 2432232314}", 20, signature), 0);
	assert_string_equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

static void two_secrets_sign_both(void **state)
{
	struct jb_sign_keys keys;
	char signature[JB_SIGNATURES_MAX], why[256];

	(void)state;
	assert_true(
		jb_sign_keys_parse("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n" SECRET "\n", &keys, why, sizeof(why)));
	assert_int_equal(
		jb_sign(&keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, "{\"test\": 2432232314}", 20, signature), 0);
	assert_non_null(strstr(signature, " v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
	assert_int_equal(strncmp(signature, "v1,", 3), 0);
}

static void what_is_no_secret_is_refused(void **state)
{
	static const char *const bad[] = {"",
					  "\n",
					  "secret",
					  "whsec_",
					  "whsec_c2hvcnQ=",
					  "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa=w",
					  "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
					  "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa!w",
					  SECRET "\n" SECRET "\n" SECRET "\n"};
	struct jb_sign_keys keys;
	char why[256];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (jb_sign_keys_parse(bad[i], &keys, why, sizeof(why)))
			fail_msg("taken: %s", bad[i]);
}

static void a_link_is_signed_up_to_its_signature(void **state)
{
	struct jb_sign_keys keys;
	char link[JB_LINK_MAX], why[256];

	(void)state;
	assert_true(jb_sign_keys_parse(SECRET, &keys, why, sizeof(why)));
	assert_int_equal(jb_link("https://jit.example/", "R7KD-2M9Q", &keys, "chat", 1795449600, link), 0);
	/* made with Python's hmac */
	assert_string_equal(link, "https://jit.example/r/R7KD-2M9Q?via=chat&until=1795449600"
				  "&sig=ONYiDW2IBCeZMKobfiYGftyhBKsrkuDy236iStwY-2o");
	assert_int_equal(jb_link("https://jit.example", "R7KD-2M9Q", NULL, NULL, 0, link), 0);
	assert_string_equal(link, "https://jit.example/r/R7KD-2M9Q");
}

/* Back-off */

static void a_pause_doubles_up_to_its_limit_and_is_never_in_step(void **state)
{
	(void)state;
	assert_int_equal(jb_retry_ms(0, 5, 900, UINT32_MAX), 5000);
	assert_int_equal(jb_retry_ms(1, 5, 900, UINT32_MAX), 5000);
	assert_int_equal(jb_retry_ms(1, 5, 900, 0), 2500);
	assert_int_equal(jb_retry_ms(2, 5, 900, UINT32_MAX), 10000);
	assert_int_equal(jb_retry_ms(4, 5, 900, UINT32_MAX), 40000);
	assert_int_equal(jb_retry_ms(9, 5, 900, UINT32_MAX), 900000);
	assert_int_equal(jb_retry_ms(UINT32_MAX, 5, 900, UINT32_MAX), 900000);
	assert_int_equal(jb_retry_ms(3, 5, 4, UINT32_MAX), 4000);
}

/* Who is told */

static void approvers_and_the_person_named_are_told_of_a_request_and_what_became_of_it(void **state)
{
	const struct jb_filing f = filing("admin");
	struct jb_request *r = file(&f), *after = NULL;
	char text[1024];

	(void)state;
	outbox_text(text, sizeof(text));
	assert_string_equal(text, "webhook:chat request.filed\n"
				  "list:ops:ops@example.com request.filed\n"
				  "list:ops:sec@example.com request.filed\n"
				  "requester:op1 request.filed\n"
				  "approver:appr1 request.filed\n");
	empty_outbox();
	assert_int_equal(jb_engine_deny(b->engine, "appr2", r->id, "no", NOW + 1, &after, &b->fault), 0);
	outbox_text(text, sizeof(text));
	assert_string_equal(text, "webhook:chat request.denied\n"
				  "requester:op1 request.denied\n"
				  "approver:appr1 request.denied\n");
	jb_request_free(after);
	jb_request_free(r);
}

static void what_the_policy_approves_by_itself_bothers_no_approver(void **state)
{
	struct jb_filing f = filing("open");
	char text[1024];

	(void)state;
	f.simulate = true;
	jb_request_free(file(&f));
	outbox_text(text, sizeof(text));
	assert_string_equal(text, "webhook:chat request.filed\nrequester:op1 request.filed\n");
}

static void every_end_of_a_request_is_told_once(void **state)
{
	const struct jb_filing f = filing("admin");
	struct jb_request *r = file(&f), *after = NULL;
	char text[1024];

	(void)state;
	empty_outbox();
	jb_engine_tick(b->engine, NOW + 400);
	jb_engine_tick(b->engine, NOW + 500);
	outbox_text(text, sizeof(text));
	assert_string_equal(text, "webhook:chat request.expired\nrequester:op1 request.expired\n"
				  "approver:appr1 request.expired\n");
	assert_int_equal(jb_engine_cancel(b->engine, "web-1", r->id, NOW + 501, &after, &b->fault), 0);
	jb_request_free(after);
	empty_outbox();
	outbox_text(text, sizeof(text));
	assert_string_equal(text, "");
	jb_request_free(r);
}

static void break_glass_is_told_to_those_who_want_it_and_to_the_person_named(void **state)
{
	struct jb_notices notices = {0};

	(void)state;
	assert_int_equal(jb_notices_of_event(b->conf, "web-1", "e1", "host.break_glass.begin",
					     "{\"requester\":\"op1\",\"reason\":\"fire\"}", NOW, &notices),
			 0);
	assert_int_equal(notices.count, 4);
	assert_string_equal(notices.notice[0].receiver, "webhook:chat");
	assert_string_equal(notices.notice[0].about, "host:web-1");
	assert_string_equal(notices.notice[3].receiver, "requester:op1");
	assert_non_null(strstr(notices.notice[0].doc, "\"host\":\"web-1\""));
	jb_notices_clear(&notices);
}

static void no_message_has_the_code(void **state)
{
	const struct jb_filing f = filing("admin");
	struct jb_request *r = file(&f);
	struct jb_outbox_rows rows;

	(void)state;
	assert_int_equal(strlen(r->code), 2);
	assert_int_equal(jb_outbox_list(b->store, 0, 100, &rows), 0);
	for (size_t i = 0; i < rows.count; i++) {
		struct json_object *doc = json_tokener_parse(rows.row[i].notice.doc), *data, *code;

		assert_true(json_object_object_get_ex(doc, "data", &data));
		assert_false(json_object_object_get_ex(data, "code", &code));
		assert_false(json_object_object_get_ex(data, "sealedCredentials", &code));
		json_object_put(doc);
	}
	jb_outbox_rows_clear(&rows);
	jb_request_free(r);
}

/* The outbox */

static void add_rows(const char *receiver, const char *about, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char event[16];
		struct jb_notice n = {.channel = (char *)"webhook:chat",
				      .receiver = (char *)(uintptr_t)receiver,
				      .about = (char *)(uintptr_t)about,
				      .event = event,
				      .doc = (char *)"{}",
				      .at = NOW};
		const struct jb_notices one = {&n, 1};

		snprintf(event, sizeof(event), "event.%u", i);
		assert_int_equal(jb_notice_id(about, receiver, event, n.id), 0);
		assert_int_equal(
			jb_store_audit(b->store, &(struct jb_audit){.at = NOW, .action = "x", .notices = &one}), 0);
	}
}

static void only_the_first_of_a_receiver_and_request_goes_out(void **state)
{
	struct jb_outbox_rows rows;

	(void)state;
	add_rows("webhook:chat", "r1", 2);
	add_rows("webhook:chat", "r2", 1);
	assert_int_equal(jb_outbox_next(b->store, "webhook:chat", 10, &rows), 0);
	assert_int_equal(rows.count, 2);
	assert_string_equal(rows.row[0].notice.event, "event.0");
	assert_string_equal(rows.row[1].notice.about, "r2");
	/* The first failed: the second of the same waits for it. */
	assert_int_equal(jb_outbox_failed(b->store, &rows.row[0], NOW + 100, "away"), 0);
	const struct jb_outbox_row first = {.notice = rows.row[0].notice, .seq = rows.row[0].seq};
	jb_outbox_rows_clear(&rows);
	assert_int_equal(jb_outbox_next(b->store, "webhook:chat", 10, &rows), 0);
	assert_int_equal(rows.count, 2);
	assert_string_equal(rows.row[0].notice.about, "r2");
	assert_string_equal(rows.row[1].notice.event, "event.0");
	assert_string_equal(rows.row[1].error, "away");
	assert_int_equal(rows.row[1].tries, 1);
	jb_outbox_rows_clear(&rows);
	assert_int_equal(jb_outbox_done(b->store, &first), 0);
	assert_int_equal(jb_outbox_next(b->store, "webhook:chat", 10, &rows), 0);
	assert_string_equal(rows.row[0].notice.event, "event.1");
	jb_outbox_rows_clear(&rows);
}

static void the_outbox_survives_a_restart_and_knows_what_it_has(void **state)
{
	char text[256];

	(void)state;
	add_rows("webhook:chat", "r1", 2);
	add_rows("webhook:chat", "r1", 2); /* the same again: the same deliveries */
	broker_stop(b);
	broker_start(b, NOW);
	outbox_text(text, sizeof(text));
	assert_string_equal(text, "webhook:chat event.0\nwebhook:chat event.1\n");
}

static void keep_last(void *arg, int64_t seq, const char *json)
{
	(void)seq;
	snprintf(arg, 2048, "%s", json);
}

static void what_is_given_up_stands_in_the_audit_chain(void **state)
{
	struct jb_outbox_rows rows;
	char last[2048];

	(void)state;
	add_rows("webhook:chat", "r1", 1);
	assert_int_equal(jb_outbox_old(b->store, "webhook:chat", NOW - 1, 10, &rows), 0);
	assert_int_equal(rows.count, 0);
	assert_int_equal(jb_outbox_old(b->store, "webhook:chat", NOW, 10, &rows), 0);
	assert_int_equal(rows.count, 1);
	rows.row[0].error = strdup("away");
	assert_int_equal(jb_outbox_give_up(b->store, &rows.row[0], NOW + 5), 0);
	jb_outbox_rows_clear(&rows);
	assert_int_equal(jb_store_audit_read(b->store, 0, 100, keep_last, last), 0);
	assert_non_null(strstr(last, "\"action\":\"notification.given_up\""));
	assert_non_null(strstr(last, "\"why\":\"away\""));
	assert_int_equal(jb_outbox_list(b->store, 0, 10, &rows), 0);
	assert_int_equal(rows.count, 0);
}

/* Words */

#define NASTY "<!channel> *b* `x` <https://evil|click> @here &amp; \x1b[31m\r\nBcc: evil@example.com"

static struct json_object *nasty_doc(void)
{
	struct json_object *doc =
		json_tokener_parse("{\"type\":\"request.filed\",\"data\":{\"shortId\":\"R7KD-2M9Q\",\"status\":"
				   "\"PENDING\",\"host\":\"web-1\","
				   "\"role\":\"admin\",\"codeRequired\":true,\"grants\":\"any command\"}}");
	struct json_object *data;

	assert_true(json_object_object_get_ex(doc, "data", &data));
	json_object_object_add(data, "requester", json_object_new_string("op1\r\nBcc: evil@example.com \xc3\xa4"));
	json_object_object_add(data, "reason", json_object_new_string(NASTY));
	return doc;
}

static void what_a_requester_wrote_stays_text_in_a_chat(void **state)
{
	struct json_object *doc = nasty_doc(), *text;
	char *body = jb_webhook_body(JB_FORMAT_SLACK, doc, "https://jit.example/r/R7KD-2M9Q?via=chat&until=1&sig=x");
	struct json_object *parsed = json_tokener_parse(body);

	(void)state;
	assert_true(json_object_object_get_ex(parsed, "text", &text));
	const char *said = json_object_get_string(text);
	assert_non_null(strstr(
		said, "Reason: `&lt;!channel&gt; *b* 'x' &lt;https://evil|click&gt; @here &amp;amp; ?[31m??Bcc"));
	assert_null(strchr(said, '\x1b'));
	assert_null(strchr(said, '\r'));
	assert_non_null(
		strstr(said, "<https://jit.example/r/R7KD-2M9Q?via=chat&amp;until=1&amp;sig=x|Decide R7KD-2M9Q>"));
	json_object_put(parsed);
	json_object_put(doc);
	free(body);
}

static void no_text_makes_a_header_of_a_mail(void **state)
{
	struct json_object *doc = nasty_doc();
	struct jb_message message;
	size_t len;

	(void)state;
	assert_true(jb_message_read(doc, "approver:appr1", &message));
	const struct jb_mail mail = {.from = "jit@example.com",
				     .to = "appr1@example.com",
				     .id = "11111111-2222-8333-8444-555555555555",
				     .reply_to = "99999999-2222-8333-8444-555555555555",
				     .date = NOW,
				     .link = "https://jit.example/r/R7KD-2M9Q",
				     .message = &message};
	char *text = jb_mail_format(&mail, &len);
	assert_non_null(text);
	assert_null(strstr(text, "\r\nBcc"));
	assert_null(strchr(text, '\x1b'));
	assert_non_null(strstr(text, "Subject: =?UTF-8?B?"));
	assert_non_null(strstr(text, "Date: Sun, 22 Nov 2026 16:00:00 +0000\r\n"));
	assert_non_null(strstr(text, "Message-ID: <11111111-2222-8333-8444-555555555555@example.com>\r\n"));
	assert_non_null(strstr(text, "In-Reply-To: <99999999-2222-8333-8444-555555555555@example.com>\r\n"));
	for (const char *line = text; *line;) {
		size_t n = strcspn(line, "\r\n");

		assert_true(n <= 78);
		assert_int_equal(line[n], '\r');
		assert_int_equal(line[n + 1], '\n');
		line += n + 2;
	}
	free(text);
	json_object_put(doc);
}

#ifdef JIT_TEST_NO_MEMORY
/* One that cannot be made is sent later. */
static void a_mail_is_whole_or_there_is_none(void **state)
{
	struct jb_message message;
	unsigned failed = 0;
	bool all = false;
	size_t len, whole_len;

	(void)state;
	if (!memory_can_run_out())
		skip();
	struct json_object *doc = nasty_doc();
	assert_true(jb_message_read(doc, "approver:appr1", &message));
	const struct jb_mail mail = {.from = "jit@example.com",
				     .to = "appr1@example.com",
				     .id = "11111111-2222-8333-8444-555555555555",
				     .date = NOW,
				     .link = "",
				     .message = &message};
	char *whole = jb_mail_format(&mail, &whole_len);
	assert_non_null(whole);
	for (long nth = 0; !all; nth++) {
		left = nth;
		char *text = jb_mail_format(&mail, &len);
		all = left >= 0;
		left = LONG_MAX;
		failed += !text;
		if (text)
			assert_true(len == whole_len && strcmp(text, whole) == 0);
		free(text);
	}
	assert_true(failed > 3);
	free(whole);
	json_object_put(doc);
}
#endif

static void an_address_is_one_address(void **state)
{
	static const char *const good[] = {"op1@example.com", "o.p+1@sub.example", "a@localhost"};
	static const char *const bad[] = {"",	     "op1",	"@example.com", "op1@",	  "a@b\r\nBcc:c@d",
					  "a b@c.d", "<a@b.c>", "a@b.c,d@e.f",	"a@-b.c", "a@b.c>\r\nRCPT TO",
					  "-x@b.c",  "a@b@c"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!jb_mail_is_address(good[i]))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (jb_mail_is_address(bad[i]))
			fail_msg("taken: %s", bad[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown_broker)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signature_is_the_published_one),
		cmocka_unit_test(two_secrets_sign_both),
		cmocka_unit_test(what_is_no_secret_is_refused),
		cmocka_unit_test(a_link_is_signed_up_to_its_signature),
		cmocka_unit_test(a_pause_doubles_up_to_its_limit_and_is_never_in_step),
		TEST(approvers_and_the_person_named_are_told_of_a_request_and_what_became_of_it),
		TEST(what_the_policy_approves_by_itself_bothers_no_approver),
		TEST(every_end_of_a_request_is_told_once),
		TEST(break_glass_is_told_to_those_who_want_it_and_to_the_person_named),
		TEST(no_message_has_the_code),
		TEST(only_the_first_of_a_receiver_and_request_goes_out),
		TEST(the_outbox_survives_a_restart_and_knows_what_it_has),
		TEST(what_is_given_up_stands_in_the_audit_chain),
		cmocka_unit_test(what_a_requester_wrote_stays_text_in_a_chat),
		cmocka_unit_test(no_text_makes_a_header_of_a_mail),
#ifdef JIT_TEST_NO_MEMORY
		cmocka_unit_test(a_mail_is_whole_or_there_is_none),
#endif
		cmocka_unit_test(an_address_is_one_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
