/* How much one person, and one host, may have under way. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "adopt.h"
#include "grant.h"
#include "helper.h"
#include "request.h"

#define PERSONS 20
#define EACH	50 /* less than one person may have: 1,000 in all */

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
	assert_ptr_equal(limit, jh_request_host_limit(&helper));
}

static void assert_free(void)
{
	assert_null(jh_request_limit(&helper, "op1"));
	assert_null(jh_request_host_limit(&helper));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_host_has_so_many_grants_whoever_has_them, set_up),
		cmocka_unit_test_setup(what_is_asked_for_is_counted_where_it_would_become_a_grant, set_up),
		cmocka_unit_test_setup(a_full_host_takes_up_nothing_that_others_asked_for, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
