/* Where a login session comes from, as far as what is open in it tells. */
#include "unit.h"

#include <stdio.h>
#include <unistd.h>

#include "grant.h"
#include "helper.h"
#include "peer.h"
#include "place.h"
#include "request.h"

static void a_grant_whose_place_nobody_knew_does_not_hide_one_that_is_known(void **state)
{
	static struct jh_helper helper;
	static struct jh_grant known, unknown;
	struct jh_session session = {.known = true, .uid = 1001, .audit = 7};
	struct jh_peer peer = {.helper = &helper, .fd = -1, .pidfd = -1};

	(void)state;
	known.session = unknown.session = session;
	snprintf(known.session.place, sizeof(known.session.place), "desk.example");
	LIST_INSERT_HEAD(&helper.grants, &known, link);
	LIST_INSERT_HEAD(&helper.grants, &unknown, link);
	jh_place_find(&peer, NULL, &session);
	assert_string_equal(session.place, "desk.example");
}

/* Of a process of its own, so that there is something to look at. */
static bool is_looked_at(struct jh_helper *helper)
{
	struct jh_session session = {.known = true, .uid = 1001, .audit = 7};
	struct jh_peer peer = {.helper = helper,
			       .fd = -1,
			       .pidfd = jh_pidfd_open(getpid()),
			       .proc = {.pid = getpid(), .audit_session = 7}};

	jh_place_find(&peer, NULL, &session);
	close(peer.pidfd);
	return peer.looked_login;
}

static void nothing_is_looked_up_again_for_the_session_of_a_grant_or_a_request(void **state)
{
	static struct jh_helper helper;
	static struct jh_grant grant;
	static struct jh_request request;
	const struct jh_session session = {.known = true, .uid = 1001, .audit = 7};

	(void)state;
	assert_true(is_looked_at(&helper));
	request.session = grant.session = session;
	LIST_INSERT_HEAD(&helper.requests, &request, link);
	assert_true(is_looked_at(&helper)); /* nobody knew then: somebody may now */
	snprintf(request.session.place, sizeof(request.session.place), "desk.example");
	memcpy(&grant.session, &request.session, sizeof(grant.session));
	assert_false(is_looked_at(&helper));
	LIST_REMOVE(&request, link);
	LIST_INSERT_HEAD(&helper.grants, &grant, link);
	assert_false(is_looked_at(&helper));
	grant.session.audit = 8;
	assert_true(is_looked_at(&helper));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_grant_whose_place_nobody_knew_does_not_hide_one_that_is_known),
		cmocka_unit_test(nothing_is_looked_up_again_for_the_session_of_a_grant_or_a_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
