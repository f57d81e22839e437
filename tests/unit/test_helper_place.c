/* Where a login session comes from, as far as what is open in it tells. */
#include "unit.h"

#include <stdio.h>

#include "grant.h"
#include "helper.h"
#include "peer.h"
#include "place.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_grant_whose_place_nobody_knew_does_not_hide_one_that_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
