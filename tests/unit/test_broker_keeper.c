/* Secrets of the notifier: what SSM's answers say, and for how long what it said counts. */
#include "unit.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "keeper.h"
#include "ssm.h"

#define GOOD(value) "{\"Parameter\":{\"Type\":\"SecureString\",\"Value\":\"" value "\",\"Version\":1}}"

static enum jb_ssm_kind read_answer(long status, const char *body, char *text, char *why)
{
	char *value = NULL;
	const enum jb_ssm_kind kind = jb_ssm_read(status, body, 32, &value, why, 256);

	text[0] = '\0';
	assert_int_equal(value != NULL, kind == JB_SSM_VALUE);
	if (value) {
		snprintf(text, 64, "%s", value);
		OPENSSL_secure_clear_free(value, strlen(value) + 1);
	}
	return kind;
}

static void a_value_is_read_wherever_it_stands_and_without_its_escapes(void **state)
{
	static const struct {
		const char *body, *value;
	} good[] = {
		{GOOD("whsec_a+b/c="), "whsec_a+b/c="},
		{GOOD("user\\npass \\\"word\\\\\\/\\r\\n"), "user\npass \"word\\/\r\n"},
		{" {\"x\":[1,{\"Value\":\"no\"},null,-1.5e3],\n\"Parameter\" : {\"a\":{},\"Value\" : \"v\",\"Type\" : "
		 "\"SecureString\"} }",
		 "v"},
	};
	char text[64], why[256];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(read_answer(200, good[i].body, text, why), JB_SSM_VALUE);
		assert_string_equal(text, good[i].value);
	}
}

static void what_is_no_secret_of_ours_is_refused(void **state)
{
	static const char *const refused[] = {
		GOOD(""),
		GOOD("0123456789012345678901234567890123"), /* more than was asked for */
		GOOD("a\\u0000b"),
		GOOD("a\\u0041"),
		GOOD("gr\303\266\303\237er"),
		GOOD("\x7f"),
		"{\"Parameter\":{\"Type\":\"String\",\"Value\":\"v\"}}",
		"{\"Parameter\":{\"Type\":\"SecureString\",\"Value\":7}}",
	};
	static const char *const senseless[] = {
		"",
		"{",
		"{}",
		"[]",
		"{\"Parameter\":",
		"{\"Parameter\":{}}",
		"{\"Parameter\":{\"Value\":\"v\"}}",
		"{\"Parameter\":\"SecureString\"}",
		"{\"Value\":\"v\",\"Type\":\"SecureString\"}",
		"{\"a\":[[[[[[[[[1]]]]]]]]],\"Parameter\":{\"Type\":\"SecureString\",\"Value\":\"v\"}}",
		"{\"a\":[1},\"Parameter\":{\"Type\":\"SecureString\",\"Value\":\"v\"}}",
		"{\"a\":\"\\",
		"{\"Parameter\":{\"Type\":\"SecureString\",\"Value\":\"v}}",
	};
	char text[64], why[256];

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (read_answer(200, refused[i], text, why) != JB_SSM_REFUSED)
			fail_msg("not refused: %s", refused[i]);
	for (size_t i = 0; i < sizeof(senseless) / sizeof(senseless[0]); i++)
		if (read_answer(200, senseless[i], text, why) != JB_SSM_PASSING)
			fail_msg("not senseless: %s", senseless[i]);
}

static void an_error_says_whether_it_passes(void **state)
{
	char text[64], why[256];

	(void)state;
	assert_int_equal(read_answer(400, "{\"__type\":\"com.amazonaws.ssm#ParameterNotFound\"}", text, why),
			 JB_SSM_MISSING);
	assert_int_equal(read_answer(400, "{\"__type\":\"AccessDeniedException\",\"Message\":\"no\"}", text, why),
			 JB_SSM_REFUSED);
	assert_string_equal(why, "SSM: status 400, AccessDeniedException: no");
	assert_int_equal(read_answer(400, "{\"__type\":\"ThrottlingException\"}", text, why), JB_SSM_PASSING);
	assert_int_equal(read_answer(503, "<html>", text, why), JB_SSM_PASSING);
	assert_int_equal(read_answer(403, "", text, why), JB_SSM_REFUSED);
}

static void a_name_stays_below_its_path(void **state)
{
	static const char *const bad[] = {"", "/a", "a/", "a//b", "a b", "a\"b", "\303\266"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(jb_ssm_is_name(bad[i]));
	assert_true(jb_ssm_is_name("webhook/chat_1.a-b"));
	assert_true(jb_ssm_is_path("/jit-broker/notify"));
	assert_false(jb_ssm_is_path("/"));
	assert_false(jb_ssm_is_path("jit-broker"));
	assert_false(jb_ssm_is_path("/jit-broker/"));
}

/* SSM, on the same loop. */
static struct {
	struct event_base *base;
	struct evhttp *http;
	const char *body;
	int status;
	unsigned asked, told;
	char keys[64], url[64];
	struct jb_conf conf;
} service;

static void on_request(struct evhttp_request *request, void *arg)
{
	struct evbuffer *body = evbuffer_new();

	(void)arg;
	service.asked++;
	evbuffer_add(body, service.body, strlen(service.body));
	evhttp_send_reply(request, service.status, NULL, body);
	evbuffer_free(body);
}

static int set_up(void **state)
{
	static char path[] = "/p", region[] = "eu-west-1";
	ev_uint16_t port;

	(void)state;
	memset(&service, 0, sizeof(service));
	snprintf(service.keys, sizeof(service.keys), "/tmp/keeper-%d", getpid());
	FILE *file = fopen(service.keys, "w");
	assert_non_null(file);
	fputs("[default]\naws_access_key_id = AKIA\naws_secret_access_key = secret\n", file);
	fclose(file);
	assert_int_equal(chmod(service.keys, 0600), 0);
	service.base = event_base_new();
	service.http = evhttp_new(service.base);
	evhttp_set_gencb(service.http, on_request, NULL);
	for (port = 20000 + (ev_uint16_t)(getpid() % 20000);; port++)
		if (evhttp_bind_socket(service.http, "127.0.0.1", port) == 0)
			break;
	snprintf(service.url, sizeof(service.url), "http://127.0.0.1:%u", (unsigned)port);
	service.conf = (struct jb_conf){.ssm_path = path,
					.ssm_region = region,
					.ssm_endpoint = service.url,
					.ssm_credentials = service.keys,
					.ssm_plain_loopback = true};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	evhttp_free(service.http);
	event_base_free(service.base);
	return unlink(service.keys);
}

static void on_fetched(void *arg)
{
	(void)arg;
	service.told++;
}

static void fetch(struct jb_keeper *keeper, int status, const char *body)
{
	const unsigned before = service.told;

	service.status = status;
	service.body = body;
	assert_non_null(jb_keeper_fetch(keeper, on_fetched, NULL));
	while (service.told == before)
		assert_int_equal(event_base_loop(service.base, EVLOOP_ONCE), 0);
}

static struct jb_keeper *keeper_new(void)
{
	char why[256] = "";
	struct jb_keeper *keeper = jb_keeper_new(service.base, &service.conf, "ssm:chat", why, sizeof(why));

	assert_string_equal(why, keeper ? why : "");
	assert_non_null(keeper);
	assert_string_equal(jb_keeper_name(keeper), "/p/chat");
	return keeper;
}

static void a_secret_is_fetched_again_when_it_is_old_and_its_successor_counts(void **state)
{
	struct jb_keeper *keeper = keeper_new();
	char why[256];

	(void)state;
	assert_true(jb_keeper_is_due(keeper, jit_boottime_ms()));
	fetch(keeper, 200, GOOD("first"));
	const int64_t now = jit_boottime_ms();
	assert_string_equal(jb_keeper_text(keeper, now, why, sizeof(why)), "first");
	assert_false(jb_keeper_is_due(keeper, now + JB_KEEPER_GOOD_MS - 5000));
	assert_true(jb_keeper_is_due(keeper, now + JB_KEEPER_GOOD_MS));
	fetch(keeper, 200, GOOD("second"));
	assert_string_equal(jb_keeper_text(keeper, now, why, sizeof(why)), "second");
	jb_keeper_free(keeper);
}

static void while_ssm_is_away_the_last_one_counts_for_an_hour(void **state)
{
	struct jb_keeper *keeper = keeper_new();
	char why[256];

	(void)state;
	fetch(keeper, 200, GOOD("first"));
	const int64_t now = jit_boottime_ms();
	fetch(keeper, 503, "");
	assert_true(jb_keeper_is_passing(keeper));
	assert_false(jb_keeper_is_due(keeper, now + 1000)); /* not asked for each message */
	assert_true(jb_keeper_is_due(keeper, now + 60000));
	assert_string_equal(jb_keeper_text(keeper, now + JB_KEEPER_KEPT_MS - 5000, why, sizeof(why)), "first");
	assert_null(jb_keeper_text(keeper, now + JB_KEEPER_KEPT_MS, why, sizeof(why)));
	assert_string_equal(why, "the parameter /p/chat cannot be read: SSM: status 503");
	jb_keeper_free(keeper);
}

static void one_that_is_taken_away_counts_no_longer(void **state)
{
	struct jb_keeper *keeper = keeper_new();
	char why[256];

	(void)state;
	fetch(keeper, 200, GOOD("first"));
	fetch(keeper, 400, "{\"__type\":\"ParameterNotFound\"}");
	assert_false(jb_keeper_is_passing(keeper));
	assert_null(jb_keeper_text(keeper, jit_boottime_ms(), why, sizeof(why)));
	assert_string_equal(why, "the parameter /p/chat cannot be read: there is no such parameter");
	assert_true(jb_keeper_is_due(keeper, jit_boottime_ms()));
	jb_keeper_free(keeper);
}

static void all_who_ask_at_once_share_one_call_and_may_leave(void **state)
{
	struct jb_keeper *keeper = keeper_new();
	struct jb_keeper_call *leaves;

	(void)state;
	jb_keeper_fetch(keeper, on_fetched, NULL);
	leaves = jb_keeper_fetch(keeper, on_fetched, NULL);
	jb_keeper_fetch(keeper, on_fetched, NULL);
	jb_keeper_cancel(leaves);
	fetch(keeper, 200, GOOD("first"));
	assert_int_equal(service.asked, 1);
	assert_int_equal(service.told, 3);
	jb_keeper_fetch(keeper, on_fetched, NULL);
	jb_keeper_free(keeper); /* with one under way */
	event_base_loop(service.base, EVLOOP_NONBLOCK);
	assert_int_equal(service.told, 3);
}

static void without_keys_of_its_own_it_says_so(void **state)
{
	struct jb_keeper *keeper = keeper_new();
	char nowhere[] = "/nonexistent", why[512];

	(void)state;
	service.conf.ssm_credentials = nowhere;
	assert_null(jb_keeper_fetch(keeper, on_fetched, NULL));
	assert_null(jb_keeper_text(keeper, jit_boottime_ms(), why, sizeof(why)));
	assert_non_null(
		strstr(why, "the parameter /p/chat cannot be read: the broker has no AWS credentials of its own: "));
	assert_int_not_equal(why[strlen(why) - 1], '.');
	jb_keeper_free(keeper);
}

#define SERVED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_is_read_wherever_it_stands_and_without_its_escapes),
		cmocka_unit_test(what_is_no_secret_of_ours_is_refused),
		cmocka_unit_test(an_error_says_whether_it_passes),
		cmocka_unit_test(a_name_stays_below_its_path),
		SERVED(a_secret_is_fetched_again_when_it_is_old_and_its_successor_counts),
		SERVED(while_ssm_is_away_the_last_one_counts_for_an_hour),
		SERVED(one_that_is_taken_away_counts_no_longer),
		SERVED(all_who_ask_at_once_share_one_call_and_may_leave),
		SERVED(without_keys_of_its_own_it_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
