/* Sessions at the page: who has one, how long, and that an end is an end. */
#include "broker.h"

#include <errno.h>

#include "signin.h"

struct audit_text {
	char text[4096];
};

static void keep_record(void *arg, int64_t seq, const char *json)
{
	struct audit_text *all = arg;

	(void)seq;
	strncat(all->text, json, sizeof(all->text) - strlen(all->text) - 1);
}

/* The Cookie header that a browser sends back. */
static void begin(struct broker *b, const char *person, int64_t now, char *cookies, size_t size)
{
	char header[JB_SIGNIN_HEADER_SIZE];

	assert_int_equal(jb_signin_begin(b->store, b->conf, person, "proxy", now, header), 0);
	assert_memory_equal(header, "Set-Cookie: __Host-jit=jitk_", 28);
	assert_non_null(strstr(header, "; Path=/; Max-Age=43200; Secure; HttpOnly; SameSite=Lax\r\n"));
	assert_null(strstr(header, "Domain"));
	snprintf(cookies, size, "other=1; %.*s", (int)strcspn(header + 12, ";"), header + 12);
}

static int check(struct broker *b, const char *cookies, bool active, int64_t now, struct jb_session *session)
{
	return jb_signin_check(b->store, b->conf, cookies, active, now, session);
}

static void a_session_is_its_persons_and_survives_a_restart(void **state)
{
	struct broker *b = *state;
	struct jb_session first, again, other;
	char cookies[128], others[128];

	begin(b, "appr1", NOW, cookies, sizeof(cookies));
	begin(b, "appr1", NOW, others, sizeof(others));
	assert_int_equal(check(b, cookies, true, NOW, &first), 0);
	assert_string_equal(first.person, "appr1");
	assert_string_equal(first.how, "proxy");
	assert_int_equal(check(b, others, true, NOW, &other), 0);
	assert_string_not_equal(first.csrf, other.csrf);
	assert_string_not_equal(first.id, other.id);
	broker_stop(b);
	broker_start(b, NOW + 1);
	assert_int_equal(check(b, cookies, true, NOW + 1, &again), 0);
	assert_string_equal(again.csrf, first.csrf);
}

static void what_is_no_cookie_of_ours_is_no_session(void **state)
{
	struct broker *b = *state;
	struct jb_session session = {.person = "untouched"};
	char cookies[128];

	begin(b, "appr1", NOW, cookies, sizeof(cookies));
	assert_int_equal(check(b, NULL, true, NOW, &session), -ENOENT);
	assert_int_equal(check(b, "__Host-jit=", true, NOW, &session), -ENOENT);
	assert_int_equal(check(b, "__Host-jit=jitk_0123456789abcdef_x", true, NOW, &session), -ENOENT);
	cookies[strlen(cookies) - 2] ^= 1; /* the right id, another secret */
	assert_int_equal(check(b, cookies, true, NOW, &session), -ENOENT);
	assert_string_equal(session.person, "untouched");
}

static void a_session_ends_by_age_and_by_idleness(void **state)
{
	struct broker *b = *state;
	const int64_t lifetime = b->conf->session_lifetime, idle = b->conf->session_idle;
	struct jb_session session;
	char cookies[128];
	int64_t now = NOW;

	begin(b, "appr1", NOW, cookies, sizeof(cookies));
	assert_int_equal(check(b, cookies, false, NOW + idle - 1, &session), 0); /* a live list is no use */
	assert_int_equal(check(b, cookies, true, NOW + idle, &session), -ENOENT);
	begin(b, "appr1", NOW, cookies, sizeof(cookies));
	for (now = NOW; now < NOW + lifetime; now += idle - 1)
		assert_int_equal(check(b, cookies, true, now, &session), 0);
	assert_int_equal(check(b, cookies, true, NOW + lifetime, &session), -ENOENT);
}

static void an_end_is_an_end_and_stands_in_the_chain(void **state)
{
	struct broker *b = *state;
	struct audit_text chain = {{0}};
	struct jb_session session, other;
	char cookies[128], others[128];

	begin(b, "appr1", NOW, cookies, sizeof(cookies));
	begin(b, "appr2", NOW, others, sizeof(others));
	assert_int_equal(check(b, cookies, true, NOW, &session), 0);
	assert_int_equal(jb_signin_end(b->store, session.id, "appr1", NOW), 0);
	assert_int_equal(jb_signin_end(b->store, session.id, "appr1", NOW), -ENOENT);
	assert_int_equal(check(b, cookies, true, NOW, &other), -ENOENT);
	assert_int_equal(check(b, others, true, NOW, &other), 0);
	assert_int_equal(jb_store_audit_read(b->store, 0, 10, keep_record, &chain), 0);
	assert_non_null(strstr(chain.text, "\"action\":\"session.begun\",\"actor\":\"appr1\""));
	assert_non_null(strstr(chain.text, "\"action\":\"session.ended\",\"actor\":\"appr1\""));
	assert_null(strstr(chain.text, strstr(cookies, "jitk_") + 22)); /* the cookie's secret */
}

static void only_declared_persons_sign_in_and_stay(void **state)
{
	struct broker *b = *state;
	struct jb_session session;
	char header[JB_SIGNIN_HEADER_SIZE] = "untouched", cookies[128];

	assert_int_equal(jb_signin_begin(b->store, b->conf, "nobody", "proxy", NOW, header), -EPERM);
	assert_int_equal(jb_signin_begin(b->store, b->conf, "deploy", "proxy", NOW, header), -EPERM);
	assert_string_equal(header, "untouched");
	begin(b, "appr3", NOW, cookies, sizeof(cookies));
	assert_int_equal(check(b, cookies, true, NOW, &session), 0);
	for (size_t i = 0; i < b->conf->person_count; i++)
		if (strcmp(b->conf->persons[i].name, "appr3") == 0)
			b->conf->persons[i].shared = true;
	assert_int_equal(check(b, cookies, true, NOW, &session), -ENOENT);
}

static void one_person_begins_so_many_a_minute(void **state)
{
	struct broker *b = *state;
	char header[JB_SIGNIN_HEADER_SIZE], cookies[128];

	for (int i = 0; i < JB_SIGNIN_A_MINUTE; i++)
		begin(b, "appr1", NOW, cookies, sizeof(cookies));
	assert_int_equal(jb_signin_begin(b->store, b->conf, "appr1", "proxy", NOW, header), -EBUSY);
	begin(b, "appr2", NOW, cookies, sizeof(cookies));
	begin(b, "appr1", NOW + 60, cookies, sizeof(cookies));
}

static void a_sign_in_leads_back_to_our_own_pages_alone(void **state)
{
	static const char *const ours[] = {"/", "/history", "/r/R7KD-2M9Q", "/r/r7kd2m9q"};
	static const char *const others[] = {
		"",	     "//evil.example",	"/r/",	    "/r/../x", "/r/R7KD-2M9Q/approve",
		"https://x", "/\\evil.example", "/sign-out"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(ours); i++)
		assert_true(jb_signin_may_lead_to(ours[i]));
	for (size_t i = 0; i < COUNT_OF(others); i++)
		assert_false(jb_signin_may_lead_to(others[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_session_is_its_persons_and_survives_a_restart, setup_broker,
						teardown_broker),
		cmocka_unit_test_setup_teardown(what_is_no_cookie_of_ours_is_no_session, setup_broker, teardown_broker),
		cmocka_unit_test_setup_teardown(a_session_ends_by_age_and_by_idleness, setup_broker, teardown_broker),
		cmocka_unit_test_setup_teardown(an_end_is_an_end_and_stands_in_the_chain, setup_broker,
						teardown_broker),
		cmocka_unit_test_setup_teardown(only_declared_persons_sign_in_and_stay, setup_broker, teardown_broker),
		cmocka_unit_test_setup_teardown(one_person_begins_so_many_a_minute, setup_broker, teardown_broker),
		cmocka_unit_test(a_sign_in_leads_back_to_our_own_pages_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
