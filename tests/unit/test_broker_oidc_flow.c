/* Sign-ins under way: good once, for ten minutes, in one browser, and no more of them than memory is meant for. */
#include "unit.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "b64.h"
#include "oidc_flow.h"

static const struct jb_address here = {.known = true, .byte = {[15] = 1}};
static const struct jb_address there = {.known = true, .byte = {[0] = 0x20, [15] = 2}};
static const struct jb_address socket_peer = {.known = false};

static int setup(void **state)
{
	return (*state = jb_oidc_flows_new()) ? 0 : -1;
}

static int teardown(void **state)
{
	jb_oidc_flows_free(*state);
	return 0;
}

static struct jb_oidc_begun begin(struct jb_oidc_flows *flows, const struct jb_address *peer, int64_t now)
{
	struct jb_oidc_begun begun;

	assert_int_equal(jb_oidc_flows_begin(flows, peer, NULL, "/r/1", now, &begun), 0);
	return begun;
}

static void an_answer_is_good_once(void **state)
{
	struct jb_oidc_begun begun = begin(*state, &here, 1000);
	struct jb_oidc_flow flow;

	assert_true(jb_oidc_flows_take(*state, begun.state, begun.cookie, 2000, &flow));
	assert_string_equal(flow.nonce, begun.nonce);
	assert_string_equal(flow.return_to, "/r/1");
	assert_false(jb_oidc_flows_take(*state, begun.state, begun.cookie, 2000, &flow));
}

static void the_challenge_is_the_verifiers_digest(void **state)
{
	struct jb_oidc_begun begun = begin(*state, &here, 1000);
	struct jb_oidc_flow flow;
	uint8_t digest[32];
	char text[44];

	assert_true(jb_oidc_flows_take(*state, begun.state, begun.cookie, 2000, &flow));
	assert_int_equal(strlen(flow.verifier), 43); /* RFC 7636: 43 characters at least */
	assert_int_equal(EVP_Digest(flow.verifier, 43, digest, NULL, EVP_sha256(), NULL), 1);
	jit_b64_encode(digest, sizeof(digest), text);
	assert_string_equal(text, begun.challenge);
}

static void another_browser_s_answer_is_refused_and_ends_the_sign_in(void **state)
{
	struct jb_oidc_begun mine = begin(*state, &here, 1000), other = begin(*state, &here, 1000);
	struct jb_oidc_flow flow;

	assert_false(jb_oidc_flows_take(*state, mine.state, other.cookie, 2000, &flow));
	assert_false(jb_oidc_flows_take(*state, mine.state, mine.cookie, 2000, &flow));
	assert_false(jb_oidc_flows_take(*state, other.state, NULL, 2000, &flow));
	assert_false(jb_oidc_flows_take(*state, "", "", 2000, &flow));
}

static void ten_minutes_are_the_limit(void **state)
{
	struct jb_oidc_begun a = begin(*state, &here, 1000), b = begin(*state, &here, 1000);
	struct jb_oidc_flow flow;

	assert_true(jb_oidc_flows_take(*state, a.state, a.cookie, 600999, &flow));
	assert_false(jb_oidc_flows_take(*state, b.state, b.cookie, 601000, &flow));
}

static void two_tabs_of_a_browser_share_its_cookie(void **state)
{
	struct jb_oidc_begun first = begin(*state, &here, 1000), second;
	struct jb_oidc_flow flow;

	assert_int_equal(jb_oidc_flows_begin(*state, &here, first.cookie, "/", 1001, &second), 0);
	assert_string_equal(second.cookie, first.cookie);
	assert_string_not_equal(second.state, first.state);
	assert_string_not_equal(second.nonce, first.nonce);
	assert_true(jb_oidc_flows_take(*state, first.state, first.cookie, 2000, &flow));
	assert_true(jb_oidc_flows_take(*state, second.state, first.cookie, 2000, &flow));
}

static void a_cookie_that_somebody_planted_is_not_taken_over(void **state)
{
	struct jb_oidc_begun begun;

	assert_int_equal(jb_oidc_flows_begin(*state, &here, "planted", "/", 1000, &begun), 0);
	assert_string_not_equal(begun.cookie, "planted");
}

static void an_address_forgets_its_own_sign_ins_alone(void **state)
{
	struct jb_oidc_begun mine = begin(*state, &here, 1000), first = begin(*state, &there, 1000), last = {0};
	struct jb_oidc_flow flow;

	for (int i = 0; i < JB_OIDC_FLOWS * 2; i++)
		last = begin(*state, &there, 1001 + i);
	assert_true(jb_oidc_flows_take(*state, mine.state, mine.cookie, 5000, &flow));
	assert_false(jb_oidc_flows_take(*state, first.state, first.cookie, 5000, &flow));
	assert_true(jb_oidc_flows_take(*state, last.state, last.cookie, 5000, &flow));
}

/* One machine may have all of a /64. */
static void the_addresses_of_a_site_forget_their_own_sign_ins_alone(void **state)
{
	struct jb_oidc_begun mine = begin(*state, &here, 1000);
	struct jb_address one_of_many = there;
	struct jb_oidc_flow flow;

	for (int i = 0; i < JB_OIDC_FLOWS * 2; i++) {
		one_of_many.byte[14] = (uint8_t)(i >> 8);
		one_of_many.byte[15] = (uint8_t)i;
		begin(*state, &one_of_many, 1001 + i);
	}
	assert_true(jb_oidc_flows_take(*state, mine.state, mine.cookie, 5000, &flow));
}

static void a_full_table_forgets_the_oldest(void **state)
{
	struct jb_oidc_begun first = begin(*state, &here, 1000), second = begin(*state, &socket_peer, 1001);
	struct jb_oidc_flow flow;

	for (int i = 0; i < JB_OIDC_FLOWS - 1; i++)
		begin(*state, &socket_peer, 1002 + i);
	assert_false(jb_oidc_flows_take(*state, first.state, first.cookie, 5000, &flow));
	assert_true(jb_oidc_flows_take(*state, second.state, second.cookie, 5000, &flow));
}

static void a_path_that_is_too_long_is_refused(void **state)
{
	struct jb_oidc_begun begun;
	char path[JB_OIDC_RETURN + 1];

	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(jb_oidc_flows_begin(*state, &here, NULL, path, 1000, &begun), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_answer_is_good_once, setup, teardown),
		cmocka_unit_test_setup_teardown(the_challenge_is_the_verifiers_digest, setup, teardown),
		cmocka_unit_test_setup_teardown(another_browser_s_answer_is_refused_and_ends_the_sign_in, setup,
						teardown),
		cmocka_unit_test_setup_teardown(ten_minutes_are_the_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(two_tabs_of_a_browser_share_its_cookie, setup, teardown),
		cmocka_unit_test_setup_teardown(a_cookie_that_somebody_planted_is_not_taken_over, setup, teardown),
		cmocka_unit_test_setup_teardown(an_address_forgets_its_own_sign_ins_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(the_addresses_of_a_site_forget_their_own_sign_ins_alone, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_full_table_forgets_the_oldest, setup, teardown),
		cmocka_unit_test_setup_teardown(a_path_that_is_too_long_is_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
