/*
 * The policy as a property: of thousands of requests, each that is allowed is refused as soon as any one rule that
 * applies to it says no. And its hours as a table: what an instant does at filing, at approval and at every issue.
 */
#include "broker.h"

#include "clock.h"
#include "policy.h"

#define own(text) ((char *)(uintptr_t)(text))

/* Later initializers override GOOD's on purpose. */
#ifdef __clang__
#pragma GCC diagnostic ignored "-Winitializer-overrides"
#else
#pragma GCC diagnostic ignored "-Woverride-init"
#endif

static const char rules_conf[] = "[broker]\n"
				 "tls = off\n"
				 "store = sqlite:DIR/broker.db\n"
				 "issuer = demo\n"
				 "[role office]\n"
				 "arn = " ARN "\n"
				 "services = sudo sshd su\n"
				 "requesters = @ops deploy\n"
				 "hosts = web-* ctl\n"
				 "targets = root self\n"
				 "approvers = @oncall\n"
				 "max_duration = 4h\n"
				 "hours = Mon-Fri 08:00-18:00 Europe/Berlin\n" /* line 13 */
				 "hours = Sat 22:00-02:00 Europe/Berlin\n"
				 "auto_approve = hours Mon-Fri 09:00-17:00 Europe/Berlin\n" /* line 15 */
				 "unsealed = allow\n"
				 "reason = optional\n"
				 "ticket = ^INC-[0-9]+$\n"
				 "[group ops]\n"
				 "members = op1 op2\n"
				 "[group oncall]\n"
				 "members = appr1 appr2\n"
				 "[person op1]\n"
				 "[person op2]\n"
				 "[person appr1]\n"
				 "[person appr2]\n"
				 "[person deploy]\n"
				 "shared = yes\n"
				 "[host ctl]\n"
				 "may_request_for = web-*\n";

static int64_t at(const char *iso)
{
	int64_t seconds;

	assert_int_equal(jit_iso_parse(iso, &seconds), 0);
	return seconds;
}

/* One of all the questions that can be asked of the policy. */
struct asking {
	struct jb_request request;
	const char *person;
	int64_t at;
};

static bool has_person(const struct asking *a)
{
	return a->person != NULL;
}

static bool is_by_policy(const struct asking *a)
{
	return !a->person && a->request.status == JB_ACTIVE && !a->request.approved_by;
}

static bool is_approved(const struct asking *a)
{
	return !a->person && a->request.status == JB_ACTIVE && a->request.approved_by;
}

static bool names_service(const struct asking *a)
{
	return a->request.service != NULL;
}

static bool names_target(const struct asking *a)
{
	return a->request.target || (a->request.service && strcmp(a->request.service, "sshd") == 0);
}

static bool is_from_another(const struct asking *a)
{
	return a->request.filed_by && strcmp(a->request.filed_by, a->request.host) != 0;
}

static bool is_unsealed(const struct asking *a)
{
	return !a->request.public_key;
}

static bool has_no_reason(const struct asking *a)
{
	return !a->request.reason;
}

static bool is_op1(const struct asking *a)
{
	return strcmp(a->request.requester, "op1") == 0;
}

static bool is_op1_alone(const struct asking *a)
{
	return is_op1(a) && (!a->request.login_user || strcmp(a->request.login_user, "op1") == 0);
}

static bool is_appr1_deciding_for_op1(const struct asking *a)
{
	return a->person && strcmp(a->person, "appr1") == 0 && is_op1(a);
}

/* A line of the configuration made to forbid: for whom, and how that is called. */
static const struct mutation {
	const char *line, *instead, *code;
	bool (*applies)(const struct asking *a); /* NULL: to every request */
} mutations[] = {
	{"[role office]", "[role other]", "policy.role", NULL},
	{"hosts = web-* ctl", "hosts = db-*", "policy.host", NULL},
	{"may_request_for = web-*", "may_request_for = db-*", "policy.host", is_from_another},
	{"requesters = @ops deploy", "requesters = @oncall", "policy.requester", NULL},
	{"members = op1 op2", "members = op2", "policy.requester", is_op1},
	{"[person op1]", "[person op1]\nshared = yes", "policy.shared", is_op1_alone},
	{"services = sudo sshd su", "services = polkit-1", "policy.service", names_service},
	{"targets = root self", "targets = nobody", "policy.target", names_target},
	{"arn = " ARN, "arn = arn:aws:iam::123456789012:role/Other", "policy.arn", NULL},
	{"unsealed = allow", "unsealed = deny", "policy.unsealed", is_unsealed},
	{"max_duration = 4h", "max_duration = 1s", "policy.duration", NULL},
	{"hours = Mon-Fri 08:00-18:00 Europe/Berlin", "hours = Sun 03:00-04:00 Europe/Berlin", "policy.hours", NULL},
	{"reason = optional", "reason = required", "policy.reason", has_no_reason},
	{"ticket = ^INC-[0-9]+$", "ticket = ^CHG-[0-9]+$", "policy.ticket", NULL},
	{"auto_approve = hours Mon-Fri 09:00-17:00 Europe/Berlin", "auto_approve = never", "policy.auto_approve",
	 is_by_policy},
	{"auto_approve = hours Mon-Fri", "auto_approve = hours Sun", "policy.auto_approve", is_by_policy},
	{"auto_approve = hours Mon-Fri 09:00-17:00 Europe/Berlin", "auto_approve = simulated", "policy.auto_approve",
	 is_by_policy},
	{"approvers = @oncall", "approvers = op1 op2", "policy.approval", is_approved},
	{"[person appr1]", "[person appr1]\nshared = no\nunix = op1\n[person other]", "approval.own_request",
	 is_appr1_deciding_for_op1},
	{"approvers = @oncall", "approvers = op1 op2", "approval.not_eligible", has_person},
};

/* Replaces the line in the text, which must hold it, and reads that; conflicts that the change makes are taken out. */
static struct jb_conf *mutated(const struct broker *b, const struct mutation *m)
{
	char text[4096], path[128];
	const char *found = strstr(rules_conf, m->line), *dir = strstr(rules_conf, "DIR");
	struct jb_conf *conf;

	assert_non_null(found);
	snprintf(text, sizeof(text), "%.*s%s%.*s%s%s", (int)(dir - rules_conf), rules_conf, b->dir,
		 (int)(found - dir) - 3, dir + 3, m->instead, found + strlen(m->line));
	if (strcmp(m->code, "approval.own_request") == 0) { /* one name is one person's: op1 is appr1 then */
		char *op1 = strstr(text, "[person op1]\n");

		memmove(op1, op1 + 13, strlen(op1 + 13) + 1);
	}
	if (strcmp(m->code, "policy.hours") == 0) {
		char *saturday = strstr(text, "hours = Sat 22:00-02:00 Europe/Berlin\n");

		memmove(saturday, saturday + 38, strlen(saturday + 38) + 1);
	}
	write_file(b->dir, "mutated.conf", text, 0600);
	snprintf(path, sizeof(path), "%s/mutated.conf", b->dir);
	conf = jb_conf_read(path, fail_conf, NULL);
	assert_non_null(conf);
	return conf;
}

/* Calls `each` for every combination; request number n of them is made out of n's digits. */
#define PICK(list) own((list)[pick(&n, COUNT_OF(list))])

static size_t pick(size_t *n, size_t count)
{
	const size_t digit = *n % count;

	*n /= count;
	return digit;
}

static bool ask(size_t n, struct asking *ret)
{
	static const char *const hosts[] = {"web-1", "ctl"}, *const filers[] = {NULL, "ctl", "web-1"};
	static const char *const requesters[] = {"op1", "op2", "deploy"}, *const logins[] = {"op1", "op2", NULL};
	static const char *const services[] = {NULL, "sudo", "sshd"}, *const targets[] = {NULL, "root", "op1"};
	static const char *const keys[] = {NULL, "{}"}, *const reasons[] = {NULL, "disk"};
	static const char *const tickets[] = {"INC-1", NULL}, *const persons[] = {NULL, "appr1", "appr2", "op1"};
	static const char *const approvals[] = {NULL, "appr1", "appr2 left"};
	static const char *const instants[] = {
		"2026-11-23T07:00:00Z",				/* Monday 08:00 in Berlin */
		"2026-11-23T11:00:00Z", "2026-07-24T15:59:59Z", /* Friday 17:59:59, summer */
		"2026-11-28T23:30:00Z",				/* Sunday 00:30, Saturday's window */
		"2026-11-29T12:00:00Z",				/* Sunday */
	};
	struct jb_request *r = &ret->request;

	*ret = (struct asking){.request = {.role = own("office"), .role_arn = own(ARN), .duration = 900}};
	r->host = PICK(hosts);
	r->filed_by = PICK(filers);
	r->requester = PICK(requesters);
	r->login_user = PICK(logins);
	r->service = PICK(services);
	r->target = PICK(targets);
	r->public_key = PICK(keys);
	r->reason = PICK(reasons);
	r->ticket = PICK(tickets);
	ret->person = PICK(persons);
	r->status = pick(&n, 2) ? JB_ACTIVE : JB_PENDING;
	r->approved_by = PICK(approvals);
	ret->at = at(instants[pick(&n, COUNT_OF(instants))]);
	r->decided_at = r->status == JB_ACTIVE ? at("2026-11-23T11:00:00Z") : 0;
	if (r->status == JB_PENDING && r->approved_by)
		return false;
	return n == 0;
}

#define COMBINATIONS ((size_t)2 * 3 * 3 * 3 * 3 * 3 * 2 * 2 * 2 * 4 * 2 * 3 * 5)

static void nothing_is_allowed_that_any_one_rule_forbids(void **state)
{
	struct broker *b = *state;
	struct jb_conf *conf[COUNT_OF(mutations)];
	size_t allowed = 0, refuted[COUNT_OF(mutations)] = {0};

	for (size_t m = 0; m < COUNT_OF(mutations); m++)
		conf[m] = mutated(b, &mutations[m]);
	/* Prime to every list: all of each comes by with all others. */
	for (size_t n = 0; n < COMBINATIONS; n += is_under_valgrind() ? 37 : 7) {
		struct asking a;

		if (!ask(n, &a) || !jb_policy_allows(b->conf, &a.request, a.person, a.at).allowed)
			continue;
		allowed++;
		for (size_t m = 0; m < COUNT_OF(mutations); m++) {
			if (mutations[m].applies && !mutations[m].applies(&a))
				continue;
			struct jb_decision d = jb_policy_allows(conf[m], &a.request, a.person, a.at);

			if (d.allowed)
				fail_msg("request %zu is allowed with \"%s\"", n, mutations[m].instead);
			/* Who decides is judged before what: another approver's no may come first. */
			refuted[m] += strcmp(d.code, mutations[m].code) == 0;
		}
	}
	assert_true(allowed > 1000);
	for (size_t m = 0; m < COUNT_OF(mutations); m++) {
		if (refuted[m] < 10)
			fail_msg("\"%s\" refused %zu requests as %s", mutations[m].instead, refuted[m],
				 mutations[m].code);
		jb_conf_free(conf[m]);
	}
}

static void a_decision_comes_of_its_parameters_alone(void **state)
{
	struct broker *b = *state;

	for (size_t n = 0; n < COMBINATIONS; n += 97) {
		struct asking a;

		if (!ask(n, &a))
			continue;
		struct jb_decision before = jb_policy_allows(b->conf, &a.request, a.person, a.at);
		setenv("TZ", "Asia/Tokyo", 1);
		tzset();
		struct jb_decision after = jb_policy_allows(b->conf, &a.request, a.person, a.at);
		unsetenv("TZ");
		tzset();
		assert_int_equal(before.allowed, after.allowed);
		assert_int_equal(before.by_policy, after.by_policy);
		assert_int_equal(before.line, after.line);
		assert_string_equal(before.code, after.code);
		assert_string_equal(before.message, after.message);
		assert_true(before.message[0]);
	}
}

#define GOOD                                                                                                           \
	.host = own("web-1"), .requester = own("op1"), .role = own("office"), .role_arn = own(ARN),                    \
	.service = own("sudo"), .target = own("root"), .public_key = own("{}"), .ticket = own("INC-1"),                \
	.duration = 4 * 3600

static void the_instant_decides_at_filing_at_approval_and_at_issue(void **state)
{
	const struct {
		const char *at, *code;
		bool by_policy;
		unsigned line;
		int64_t duration; /* what is left of four hours; 0: not asked */
	} cases[] = {
		{"2026-11-23T06:59:59Z", "policy.hours", false, 13, 0},
		{"2026-11-23T07:00:00Z", "", false, 8, 14400},
		{"2026-11-23T07:59:59Z", "", false, 8, 14400},
		{"2026-11-23T08:00:00Z", "", true, 15, 14400}, /* 09:00 in Berlin */
		{"2026-11-23T13:00:01Z", "", true, 15, 14399},
		{"2026-11-23T15:59:59Z", "", true, 15, 3601},
		{"2026-11-23T16:00:00Z", "", false, 8, 3600},
		{"2026-11-23T16:59:59Z", "", false, 8, 1},
		{"2026-11-23T17:00:00Z", "policy.hours", false, 13, 0},
		{"2026-07-20T05:59:59Z", "policy.hours", false, 13, 0}, /* summer */
		{"2026-07-20T06:00:00Z", "", false, 8, 14400},
		{"2026-07-20T15:00:00Z", "", false, 8, 3600},
		{"2026-11-28T20:59:59Z", "policy.hours", false, 13, 0}, /* Saturday */
		{"2026-11-28T21:00:00Z", "", false, 8, 14400},
		{"2026-11-28T23:00:00Z", "", false, 8, 7200}, /* midnight */
		{"2026-11-29T00:59:59Z", "", false, 8, 1},
		{"2026-11-29T01:00:00Z", "policy.hours", false, 13, 0},
		/* 2026-03-28, Saturday: 01:59:59 becomes 03:00:00, so that the window has its four hours */
		{"2026-03-28T21:00:00Z", "", false, 8, 14400},
		{"2026-03-29T01:00:00Z", "policy.hours", false, 13, 0},
		/* 2026-10-24: 02:59:59 becomes 02:00:00, which is shut both times */
		{"2026-10-24T20:00:00Z", "", false, 8, 14400},
		{"2026-10-25T00:00:00Z", "policy.hours", false, 13, 0},
		{"2026-10-25T01:00:00Z", "policy.hours", false, 13, 0},
	};
	struct broker *b = *state;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const int64_t now = at(cases[i].at);
		struct jb_request filed = {GOOD};
		struct jb_request active = {GOOD, .status = JB_ACTIVE, .approved_by = own("appr1")};
		const bool open = !*cases[i].code;
		struct jb_decision d = jb_policy_allows(b->conf, &filed, NULL, now);

		if (strcmp(d.code, cases[i].code) != 0 || d.allowed != open || d.by_policy != cases[i].by_policy ||
		    d.line != cases[i].line)
			fail_msg("%s: %s by line %u%s (%s)", cases[i].at, d.code, d.line,
				 d.by_policy ? ", by policy" : "", d.message);
		assert_string_equal(jb_policy_allows(b->conf, &filed, "appr1", now).code, cases[i].code);
		d = jb_policy_allows(b->conf, &active, NULL, now);
		assert_string_equal(d.code, cases[i].code);
		assert_false(d.by_policy); /* a person approved it, whatever the clock says now */
		if (open)
			assert_int_equal(jb_policy_duration(b->conf, &filed, now), cases[i].duration);
		assert_int_equal(jb_policy_ends(b->conf, &filed, now), now + cases[i].duration);
	}
}

static void what_the_clock_approved_lives_on_after_its_window(void **state)
{
	struct broker *b = *state;
	struct jb_request r = {GOOD, .status = JB_ACTIVE, .decided_at = at("2026-11-23T15:59:00Z")};

	assert_true(jb_policy_allows(b->conf, &r, NULL, at("2026-11-23T16:30:00Z")).allowed);
	r.decided_at = at("2026-11-23T16:00:00Z"); /* which no window would have approved */
	assert_string_equal(jb_policy_allows(b->conf, &r, NULL, at("2026-11-23T16:30:00Z")).code,
			    "policy.auto_approve");
}

static void the_hours_choose_among_roles_and_say_so_where_they_alone_refuse(void **state)
{
	struct broker *b = *state;
	struct jb_request r = {GOOD, .role = own("*"), .role_arn = NULL};
	struct jb_decision d;

	assert_ptr_equal(jb_policy_choose(b->conf, &r, at("2026-11-23T12:00:00Z"), &d), &b->conf->roles[0]);
	assert_null(jb_policy_choose(b->conf, &r, at("2026-11-23T02:00:00Z"), &d));
	assert_string_equal(d.code, "policy.hours");
	assert_string_equal(d.message,
			    "role office may be used Mon-Fri 08:00-18:00 Europe/Berlin, Sat 22:00-02:00 "
			    "Europe/Berlin, and it is Mon 03:00 (Europe/Berlin); the broker's operator sets its hours");
	r.requester = own("nobody");
	assert_null(jb_policy_choose(b->conf, &r, at("2026-11-23T02:00:00Z"), &d));
	assert_string_equal(d.code, "policy.role");
}

static void with_a_person_the_decision_is_about_that_person_first(void **state)
{
	struct broker *b = *state;
	struct jb_request good = {GOOD}, bad = {GOOD, .ticket = NULL}, gone = {GOOD, .role = own("gone")};
	const int64_t now = at("2026-11-23T10:00:00Z");
	struct jb_decision d = jb_policy_allows(b->conf, &good, "appr1", now);

	assert_true(d.allowed);
	assert_false(d.by_policy); /* a person decides, whatever the clock would */
	assert_int_equal(d.line, 11);
	assert_string_equal(d.message, "appr1 is an approver of role office");
	d = jb_policy_allows(b->conf, &bad, "op2", now); /* learns nothing of what else is wrong with it */
	assert_string_equal(d.code, "approval.not_eligible");
	assert_string_equal(jb_policy_allows(b->conf, &bad, "appr1", now).code, "policy.ticket");
	d = jb_policy_allows(b->conf, &bad, "op1", now);
	assert_string_equal(d.code, "approval.own_request");
	assert_int_equal(d.line, 23);
	assert_false(jb_policy_allows(b->conf, &gone, "appr1", now).allowed);
	assert_string_equal(jb_policy_allows(b->conf, &gone, NULL, now).code, "policy.role");
}

/* A year may be asked for: the way to the hours' end is no longer than the role's longest grant. */
static void a_long_request_costs_no_more_than_a_short_one(void **state)
{
	struct broker *b = *state;
	struct jb_request r = {GOOD, .duration = 365 * 86400};
	const int64_t now = at("2026-11-23T08:00:00Z");

	assert_int_equal(jb_policy_duration(b->conf, &r, now), 4 * 3600);
	assert_int_equal(jb_policy_ends(b->conf, &r, now), now + 4 * 3600);
}

static int setup(void **state)
{
	int r = setup_broker(state);

	if (r == 0)
		broker_configure(*state, rules_conf);
	return r;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_allowed_that_any_one_rule_forbids),
		cmocka_unit_test(a_decision_comes_of_its_parameters_alone),
		cmocka_unit_test(the_instant_decides_at_filing_at_approval_and_at_issue),
		cmocka_unit_test(what_the_clock_approved_lives_on_after_its_window),
		cmocka_unit_test(the_hours_choose_among_roles_and_say_so_where_they_alone_refuse),
		cmocka_unit_test(with_a_person_the_decision_is_about_that_person_first),
		cmocka_unit_test(a_long_request_costs_no_more_than_a_short_one),
	};

	return cmocka_run_group_tests(tests, setup, teardown_broker);
}
