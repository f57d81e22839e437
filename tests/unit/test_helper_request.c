/* How much one person, and one host, may have under way. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adopt.h"
#include "ahead.h"
#include "grant.h"
#include "helper.h"
#include "request.h"

#define PERSONS 24
#define EACH	50 /* less than one person may have: 1,200 in all */
#define SHARED	1000

static struct jh_grant grants[PERSONS * EACH];
static struct jh_request request;
static struct jh_helper helper;

/* So many grants, none of the person who asks. */
static int set_up(void **state)
{
	(void)state;
	memset(&helper, 0, sizeof(helper));
	memset(&request, 0, sizeof(request));
	for (size_t i = 0; i < PERSONS * EACH; i++) {
		snprintf(grants[i].requester, sizeof(grants[i].requester), "person%zu", i / EACH);
		LIST_INSERT_HEAD(&helper.grants, &grants[i], link);
	}
	return 0;
}

static void assert_full(void)
{
	const char *limit = jh_request_limit(&helper, "op1");

	assert_non_null(limit);
	assert_non_null(strstr(limit, "too many grants stand on this host"));
	assert_ptr_equal(limit, jh_request_host_limit(&helper, "op1"));
}

static void assert_free(void)
{
	assert_null(jh_request_limit(&helper, "op1"));
	assert_null(jh_request_host_limit(&helper, "op1"));
}

static void a_host_has_so_many_grants_whoever_has_them(void **state)
{
	(void)state;
	assert_full();
	LIST_REMOVE(&grants[0], link);
	assert_free();
}

static void what_is_asked_for_is_counted_where_it_would_become_a_grant(void **state)
{
	(void)state;
	LIST_REMOVE(&grants[0], link);
	LIST_INSERT_HEAD(&helper.requests, &request, link);
	request.stage = JH_REQUEST_PENDING;
	assert_full();
	request.open = true; /* filed by another host, for this one */
	assert_full();
	snprintf(request.for_host, sizeof(request.for_host), "web-2");
	assert_free();
	request = (struct jh_request){.link = request.link, .stage = JH_REQUEST_UNHEARD};
	assert_free();
}

static void a_full_host_takes_up_nothing_that_others_asked_for(void **state)
{
	struct jh_answer answer = {
		.requester = "root", .role = "admin", .host = "web-1", .filed_by = "control", .short_id = "R7KD-2M9Q"};

	(void)state;
	jh_adopt(&helper, &answer);
	assert_true(LIST_EMPTY(&helper.requests));
}

/* Sixteen of them, each with as many as one may have, must not keep root out. */
static void persons_together_leave_room_for_who_has_few_grants(void **state)
{
	(void)state;
	for (size_t i = SHARED; i < PERSONS * EACH; i++)
		LIST_REMOVE(&grants[i], link);
	assert_free();
	assert_non_null(strstr(jh_request_limit(&helper, "person0"), "too many grants stand on this host"));
	LIST_REMOVE(&grants[SHARED - 1], link);
	assert_null(jh_request_limit(&helper, "person0"));
	LIST_INSERT_HEAD(&helper.grants, &grants[SHARED - 1], link);
	for (size_t i = SHARED; i < SHARED + 4; i++) { /* four of it, and no more */
		assert_free();
		snprintf(grants[i].requester, sizeof(grants[i].requester), "op1");
		LIST_INSERT_HEAD(&helper.grants, &grants[i], link);
	}
	assert_full();
	assert_null(jh_request_limit(&helper, "root"));
}

/* Eight persons with eight each, and then one each of others. */
static void persons_together_leave_room_for_who_has_none(void **state)
{
	static struct jh_request many[128];

	(void)state;
	LIST_INIT(&helper.grants);
	for (size_t i = 0; i < COUNT_OF(many); i++) {
		char name[JIT_NAME_SIZE];

		snprintf(name, sizeof(name), "person%zu", i < 64 ? i / 8 : i);
		assert_null(jh_request_limit(&helper, name));
		snprintf(many[i].question.requester, sizeof(many[i].question.requester), "%s", name);
		many[i].stage = JH_REQUEST_PENDING;
		LIST_INSERT_HEAD(&helper.requests, &many[i], link);
		if (i >= 63) /* and who has one has no more */
			assert_non_null(strstr(jh_request_limit(&helper, name), "under way"));
	}
	assert_non_null(strstr(jh_request_limit(&helper, "op1"), "too many requests are under way on this host"));
}

/* Asks ahead, for another host, with a helper that gets no further: what it is told. */
static const char *told_ahead(const char *requester)
{
	static char told[JIT_LINE_SIZE];
	struct jh_question question = {.role = "admin"};
	struct jh_session session = {.known = true};
	const struct jh_request_plan plan = {
		.question = &question, .session = &session, .leader_fd = -1, .for_host = "web-2", .resume = true};

	snprintf(question.requester, sizeof(question.requester), "%s", requester);
	struct jh_ahead *a = jh_ahead_file(&helper, &plan);
	assert_non_null(a);
	snprintf(told, sizeof(told), "%s", a->message);
	LIST_REMOVE(a, link);
	free(a);
	return told;
}

static void persons_together_leave_room_for_who_asks_ahead_for_little(void **state)
{
	static struct jh_ahead many[256];
	static struct jh_conf conf = {.demo = true};
	static const char too_many[] = "too many requests are under way already", gets_further[] = "no section [role";

	(void)state;
	helper.conf = &conf;
	for (size_t i = 0; i < COUNT_OF(many); i++) {
		char name[JIT_NAME_SIZE];

		if (i == 192) /* twelve have sixteen each */
			assert_non_null(strstr(told_ahead("person0"), too_many));
		snprintf(name, sizeof(name), "person%zu", i < 192 ? i / 16 : 12 + (i - 192) / 4);
		assert_non_null(strstr(told_ahead(name), gets_further));
		many[i] = (struct jh_ahead){.status = "PENDING"};
		snprintf(many[i].requester, sizeof(many[i].requester), "%s", name);
		LIST_INSERT_HEAD(&helper.ahead, &many[i], link);
	}
	assert_non_null(strstr(told_ahead("op1"), too_many));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_host_has_so_many_grants_whoever_has_them, set_up),
		cmocka_unit_test_setup(what_is_asked_for_is_counted_where_it_would_become_a_grant, set_up),
		cmocka_unit_test_setup(a_full_host_takes_up_nothing_that_others_asked_for, set_up),
		cmocka_unit_test_setup(persons_together_leave_room_for_who_has_few_grants, set_up),
		cmocka_unit_test_setup(persons_together_leave_room_for_who_has_none, set_up),
		cmocka_unit_test_setup(persons_together_leave_room_for_who_asks_ahead_for_little, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
