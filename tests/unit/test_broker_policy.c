/* The policy as a table: for each rule one request that it stops and one that it lets through; and who may decide. */
#include "broker.h"

#include "policy.h"

static struct jb_conf *conf;

static int setup(void **state)
{
	int r = setup_broker(state);

	if (r == 0)
		conf = ((struct broker *)*state)->conf;
	return r;
}

#define own(text) ((char *)(uintptr_t)(text))

/* A request that passes; each case spoils one field. */
#define GOOD                                                                                                           \
	.host = own("web-1"), .requester = own("op1"), .role = own("admin"), .role_arn = own(ARN),                     \
	.service = own("sudo"), .target = own("root"), .public_key = own("{}"), .duration = 900
#define TWO                                                                                                            \
	.host = own("web-1"), .requester = own("op1"), .role = own("two"), .service = own("sudo"),                     \
	.public_key = own("{}"), .duration = 900

/* Later initializers override GOOD's on purpose. */
#ifdef __clang__
#pragma GCC diagnostic ignored "-Winitializer-overrides"
#else
#pragma GCC diagnostic ignored "-Woverride-init"
#endif

static void each_rule_stops_what_it_is_for(void **state)
{
	const struct {
		const char *code; /* "" passes */
		struct jb_request request;
	} cases[] = {
		{"", {GOOD}},
		{"", {GOOD, .target = NULL}},
		{"", {GOOD, .service = NULL}},
		{"policy.role", {GOOD, .role = own("nothing")}},
		{"policy.role", {GOOD, .role = NULL}},
		{"policy.host", {GOOD, .host = own("db-1")}},
		{"policy.host", {GOOD, .host = own("xweb-1")}},
		{"", {GOOD, .filed_by = own("ctl")}},
		{"policy.host", {GOOD, .filed_by = own("web-2")}},
		{"policy.host", {GOOD, .host = own("ctl"), .filed_by = own("web-1")}},
		{"policy.requester", {GOOD, .requester = own("nobody")}},
		{"policy.requester", {GOOD, .requester = own("")}},
		{"policy.requester", {GOOD, .requester = own("@sre")}},
		{"policy.requester", {GOOD, .requester = own("OP1")}},
		{"policy.requester", {GOOD, .requester = own("o:1")}}, /* listed, but no SourceIdentity */
		{"policy.shared", {GOOD, .requester = own("deploy")}},
		{"policy.shared",
		 {GOOD, .requester = own("deploy"), .login_user = own("op2")}}, /* no declared person */
		{"policy.shared", {GOOD, .requester = own("deploy"), .login_user = own("deploy")}},
		{"", {GOOD, .requester = own("deploy"), .login_user = own("op1")}},
		/* whoever is deploy on that host would have it */
		{"policy.shared", {GOOD, .requester = own("deploy"), .login_user = own("op1"), .filed_by = own("ctl")}},
		{"policy.service", {GOOD, .service = own("login")}},
		{"policy.service", {GOOD, .services = own("sudo login")}}, /* granted once, no longer in the role */
		{"", {GOOD, .services = own("sudo su")}},
		{"policy.target", {GOOD, .target = own("postgres")}},
		{"policy.target", {GOOD, .targets = own("root postgres")}},
		{"", {GOOD, .targets = own("root op1")}}, /* self */
		{"", {GOOD, .service = own("sshd"), .target = NULL}},
		{"", {GOOD, .service = own("sshd"), .target = own("op1")}},
		{"policy.target", {GOOD, .service = own("sshd"), .target = own("root")}},
		{"policy.arn", {GOOD, .role_arn = own("arn:aws:iam::123456789012:role/Other")}},
		{"policy.arn", {GOOD, .role_arn = NULL}},
		{"policy.unsealed", {GOOD, .public_key = NULL}},
		{"policy.duration", {GOOD, .duration = 4 * 3600 + 1}},
		{"policy.duration", {GOOD, .duration = 0}},
		{"policy.duration", {GOOD, .duration = -1}},
		{"policy.auto_approve", {GOOD, .status = JB_APPROVED, .simulate = true, .decided_by = own("policy")}},
		{"", {GOOD, .status = JB_APPROVED, .decided_by = own("appr1 left"), .approved_by = own("appr1 left")}},
		{"policy.approval", {GOOD, .status = JB_ACTIVE, .decided_by = own("left"), .approved_by = own("left")}},
		{"policy.approval", /* it turned out to be their own */
		 {GOOD, .login_user = own("a3"), .status = JB_ACTIVE, .decided_by = own("appr3"),
		  .approved_by = own("appr3")}},
		{"policy.reason", {TWO, .ticket = own("INC-1")}},
		{"policy.reason", {TWO, .reason = own(" "), .ticket = own("INC-1")}},
		{"policy.ticket", {TWO, .reason = own("disk")}},
		{"policy.ticket", {TWO, .reason = own("disk"), .ticket = own("INC-1x")}},
		{"", {TWO, .reason = own("disk"), .ticket = own("INC-4711")}},
		{"policy.arn", {TWO, .reason = own("disk"), .ticket = own("INC-4711"), .role_arn = own(ARN)}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct jb_decision d = jb_policy_allows(conf, &cases[i].request, NULL, NOW);

		if (strcmp(d.code, cases[i].code) != 0)
			fail_msg("case %zu: expected \"%s\", got \"%s\" (%s)", i, cases[i].code, d.code, d.message);
		assert_int_equal(d.allowed, !*cases[i].code);
		assert_true(d.message[0]);
	}
}

static void a_refusal_names_its_line(void **state)
{
	struct jb_request request = {GOOD, .requester = own("nobody")};
	struct jb_decision d = jb_policy_allows(conf, &request, NULL, NOW);

	(void)state;
	assert_int_equal(d.line, 11); /* requesters = @sre */
}

static void nobody_decides_their_own_request(void **state)
{
	const struct {
		const char *code, *person;
		struct jb_request request;
	} cases[] = {
		{"", "appr1", {GOOD}},
		{"", "appr2", {GOOD}},
		{"approval.own_request", "op1", {GOOD}},
		{"approval.own_request", "appr1", {GOOD, .requester = own("appr1-adm")}}, /* another name, one person */
		{"approval.own_request", "op1", {GOOD, .requester = own("op2"), .login_user = own("op1")}},
		{"approval.own_request", "appr1", {GOOD, .requester = own("deploy"), .login_user = own("appr1-adm")}},
		{"approval.own_request", "appr1", {GOOD, .requester = own("op2"), .person = own("appr1")}},
		/* The section's name is theirs too, even where `unix` leaves it out. */
		{"approval.own_request", "appr3", {GOOD, .requester = own("appr3")}},
		{"approval.own_request", "appr3", {GOOD, .login_user = own("appr3")}},
		{"approval.own_request", "appr3", {GOOD, .login_user = own("a3")}},
		{"approval.not_eligible", "appr2", {GOOD, .role = own("local")}},
		{"approval.not_eligible", "appr2", {GOOD, .role = own("nothing")}},
		{"approval.not_eligible", "nobody", {GOOD}},
		{"approval.not_eligible", "deploy", {GOOD}},
		{"approval.not_eligible", NULL, {GOOD}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct jb_decision d = jb_policy_may_decide(conf, &cases[i].request, cases[i].person);

		if (strcmp(d.code, cases[i].code) != 0)
			fail_msg("case %zu: expected \"%s\", got \"%s\" (%s)", i, cases[i].code, d.code, d.message);
		assert_int_equal(d.allowed, !*cases[i].code);
	}
}

static void only_its_approvers_end_a_grant_and_where_its_role_is_gone_those_of_others(void **state)
{
	const struct {
		const char *code, *person;
		struct jb_request request;
	} cases[] = {
		{"", "appr1", {GOOD}},
		{"", "appr1", {GOOD, .requester = own("appr1-adm")}}, /* one's own: taking away is always safe */
		{"", "op1", {GOOD}},
		{"approval.not_eligible", "op1", {GOOD, .role = own("local")}},
		{"approval.not_eligible", "appr2", {GOOD, .role = own("local")}},
		{"", "appr2", {GOOD, .role = own("gone")}},
		{"approval.not_eligible", "deploy", {GOOD, .role = own("gone")}},
		{"approval.not_eligible", "deploy", {GOOD}},
		{"approval.not_eligible", "nobody", {GOOD, .role = own("gone")}},
		{"approval.not_eligible", NULL, {GOOD}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct jb_decision d = jb_policy_may_revoke(conf, &cases[i].request, cases[i].person);

		if (strcmp(d.code, cases[i].code) != 0 || d.allowed != !*cases[i].code)
			fail_msg("case %zu: expected \"%s\", got \"%s\" (%s)", i, cases[i].code, d.code, d.message);
	}
}

static void a_quorum_counts_distinct_persons_who_still_approve(void **state)
{
	const struct {
		const char *approved_by;
		unsigned count;
	} cases[] = {
		{NULL, 0},     {"appr1", 1},  {"appr1 appr1", 1}, {"appr1 appr2", 2},  {"op1 appr1", 1},
		{"appr11", 0}, {"nobody", 0}, {"appr", 0},	  {"appr1 deploy", 1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct jb_request request = {GOOD, .approved_by = own(cases[i].approved_by)};

		assert_int_equal(jb_policy_count_approvals(conf, &request), cases[i].count);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rule_stops_what_it_is_for),
		cmocka_unit_test(a_refusal_names_its_line),
		cmocka_unit_test(nobody_decides_their_own_request),
		cmocka_unit_test(only_its_approvers_end_a_grant_and_where_its_role_is_gone_those_of_others),
		cmocka_unit_test(a_quorum_counts_distinct_persons_who_still_approve),
	};

	return cmocka_run_group_tests(tests, setup, teardown_broker);
}
