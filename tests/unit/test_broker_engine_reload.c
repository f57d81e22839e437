/* Another configuration under a running engine: it judges everything from that instant on, what is under way included.
 */
#include "broker.h"

static int refused_http;
static char refused_code[48];

static void note(void *arg, const struct jb_collected *collected)
{
	(void)arg;
	refused_http = collected->fault ? collected->fault->http : 0;
	snprintf(refused_code, sizeof(refused_code), "%s", collected->fault ? collected->fault->code : "");
}

static struct jb_request *file(struct broker *b, int64_t now)
{
	const struct jb_filing filing = {
		.requester = "op1",
		.role = "admin",
		.duration = 900,
		.service = "sudo",
		.target = "root",
		.public_key = "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
			      "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"};
	struct jb_request *request;
	bool replayed;

	if (jb_engine_file(b->engine, "web-1", &filing, now, &request, &replayed, &b->fault) < 0)
		fail_msg("%s", b->fault.message);
	return request;
}

static void approve(struct broker *b, const struct jb_request *request, int64_t now)
{
	struct jb_request *after;

	assert_int_equal(
		jb_engine_approve(b->engine, "appr1", request->id, request->code, NULL, now, &after, &b->fault), 0);
	jb_request_free(after);
}

/* The test's configuration with that line in place of the other. */
static void configure_with(struct broker *b, const char *line, const char *instead)
{
	const char *found = strstr(broker_conf, line);
	char text[4096];

	assert_non_null(found);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(found - broker_conf), broker_conf, instead,
		 found + strlen(line));
	broker_configure(b, text);
}

/* The same under the running engine; the one before it lives on until it is freed. */
static struct jb_conf *change(struct broker *b, const char *line, const char *instead)
{
	struct jb_conf *before = b->conf;

	b->conf = NULL;
	configure_with(b, line, instead);
	jb_engine_set_conf(b->engine, b->conf);
	return before;
}

static void credentials_that_come_after_the_rule_has_gone_are_thrown_away(void **state)
{
	static const struct jb_credentials credentials = {"AKIA", "secret", "token", NOW + 300};
	struct broker *b = *state;
	struct jb_request *request = file(b, NOW), *after;

	approve(b, request, NOW);
	jb_engine_collect(b->engine, "web-1", request->id, request->public_key, NULL, NOW, note, b);
	assert_int_equal(b->issuer.calls, 1); /* STS has been asked and has not answered */
	jb_conf_free(change(b, "members = op1 op2 ", "members = op2 "));
	b->issuer.done(b->issuer.arg, &(struct jb_issue){.credentials = &credentials});
	assert_int_equal(refused_http, 403);
	assert_string_equal(refused_code, "policy.requester");
	assert_int_equal(jb_engine_get(b->engine, "web-1", request->id, NOW, &after, &b->fault), 0);
	assert_int_equal(after->status, JB_REVOKED);
	assert_string_equal(after->ended_by, "policy");
	assert_null(after->sealed);
	jb_request_free(after);
	jb_request_free(request);
}

static enum jb_status status_of(struct broker *b, const struct jb_request *request)
{
	struct jb_request *now;

	assert_int_equal(jb_engine_get(b->engine, "web-1", request->id, NOW, &now, &b->fault), 0);
	enum jb_status status = now->status;
	if (status == JB_REVOKED) {
		assert_string_equal(now->ended_by, "policy");
		assert_non_null(strstr(now->comment, "op1 may not ask for role admin"));
	}
	jb_request_free(now);
	return status;
}

static int ticks_until_quiet(struct broker *b)
{
	int ticks = 1;

	while (jb_engine_tick(b->engine, NOW) == NOW)
		assert_true(++ticks < 10);
	return ticks;
}

/* Nobody asks for credentials under them: the change itself ends them, however many there are, and wakes their hosts.
 */
static void live_grants_end_with_the_rule_that_gave_them(void **state)
{
	enum { GRANTS = 120 };
	struct broker *b = *state;
	struct jb_request *granted[GRANTS], *waiting;

	for (int i = 0; i < GRANTS; i++) {
		granted[i] = file(b, NOW);
		approve(b, granted[i], NOW);
		if (i % 2) {
			struct jb_request *after;

			assert_int_equal(jb_engine_start(b->engine, "web-1", granted[i]->id, NOW, &after, &b->fault),
					 0);
			jb_request_free(after);
		}
	}
	waiting = file(b, NOW);
	b->changes = 0;
	assert_int_equal(ticks_until_quiet(b), 3); /* some at a time: others are served in between */
	assert_int_equal(b->changes, 0);	   /* as long as the rules are the same */
	jb_conf_free(change(b, "members = op1 op2 ", "members = op2 "));
	ticks_until_quiet(b);
	assert_int_equal(b->changes, GRANTS);
	for (int i = 0; i < GRANTS; i++) {
		assert_int_equal(status_of(b, granted[i]), JB_REVOKED);
		jb_request_free(granted[i]);
	}
	assert_int_equal(status_of(b, waiting), JB_PENDING); /* until its deadline: the rule may come back */
	jb_request_free(waiting);
}

static void a_grant_whose_rule_went_while_the_broker_was_down_ends_at_its_start(void **state)
{
	struct broker *b = *state;
	struct jb_request *request = file(b, NOW);

	approve(b, request, NOW);
	broker_stop(b);
	broker_start(b, NOW);
	jb_engine_tick(b->engine, NOW);
	assert_int_equal(status_of(b, request), JB_APPROVED);
	broker_stop(b);
	configure_with(b, "members = op1 op2 ", "members = op2 ");
	broker_start(b, NOW);
	jb_engine_tick(b->engine, NOW);
	assert_int_equal(status_of(b, request), JB_REVOKED);
	jb_request_free(request);
}

static void what_waits_is_decided_by_the_new_rules_until_its_old_deadline(void **state)
{
	struct broker *b = *state;
	struct jb_request *request = file(b, NOW), *after;

	jb_conf_free(change(b, "approvers = @oncall\nmax", "approvers = appr2\nmax"));
	assert_int_equal(
		jb_engine_approve(b->engine, "appr1", request->id, request->code, NULL, NOW, &after, &b->fault), -1);
	assert_string_equal(b->fault.code, "approval.not_eligible");
	assert_int_equal(jb_engine_approve(b->engine, "appr2", request->id, request->code, NULL,
					   request->pending_until - 1, &after, &b->fault),
			 0);
	assert_int_equal(after->status, JB_APPROVED);
	jb_request_free(after);
	jb_request_free(request);
}

/* Approves it as that person and expects that status; `news`: whether the record changes. */
static void approve_to(struct broker *b, const char *person, const struct jb_request *request, enum jb_status status,
		       bool news)
{
	struct jb_request *before, *after;

	assert_int_equal(jb_engine_get(b->engine, "web-1", request->id, NOW, &before, &b->fault), 0);
	assert_int_equal(jb_engine_approve(b->engine, person, request->id, request->code, NULL, NOW, &after, &b->fault),
			 0);
	assert_string_equal(jb_status_name(after->status), jb_status_name(status));
	assert_int_equal(after->version != before->version, news);
	jb_request_free(before);
	jb_request_free(after);
}

static void a_quorum_is_the_stricter_of_what_was_wanted_at_filing_and_what_is_today(void **state)
{
	static const char one[] = "max_duration = 4h\n", two[] = "max_duration = 4h\napprovals = 2\n";
	struct broker *b = *state;

	for (int raised = 0; raised < 2; raised++) {
		jb_conf_free(change(b, one, raised ? one : two));
		struct jb_request *request = file(b, NOW);
		jb_conf_free(change(b, one, raised ? two : one));
		approve_to(b, "appr1", request, JB_PENDING, true);
		approve_to(b, "appr1", request, JB_PENDING, false); /* again is nothing */
		approve_to(b, "appr2", request, JB_APPROVED, true);
		jb_request_free(request);
	}
}

static void a_grant_that_begins_late_ends_with_the_hours_all_the_same(void **state)
{
	struct broker *b = *state;
	struct jb_request *request, *after;

	/* It is 16:00 on a Sunday. */
	jb_conf_free(change(b, "credential_lifetime = 5m\n", "credential_lifetime = 5m\nhours = daily 00:00-17:00\n"));
	request = file(b, NOW + 3000);
	assert_int_equal(request->duration, 600);
	approve(b, request, NOW + 3100);
	assert_int_equal(jb_engine_start(b->engine, "web-1", request->id, NOW + 3200, &after, &b->fault), 0);
	assert_int_equal(after->granted_until, NOW + 3600);
	jb_request_free(after);
	jb_request_free(request);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(credentials_that_come_after_the_rule_has_gone_are_thrown_away,
						setup_broker, teardown_broker),
		cmocka_unit_test_setup_teardown(live_grants_end_with_the_rule_that_gave_them, setup_broker,
						teardown_broker),
		cmocka_unit_test_setup_teardown(a_grant_whose_rule_went_while_the_broker_was_down_ends_at_its_start,
						setup_broker, teardown_broker),
		cmocka_unit_test_setup_teardown(what_waits_is_decided_by_the_new_rules_until_its_old_deadline,
						setup_broker, teardown_broker),
		cmocka_unit_test_setup_teardown(a_quorum_is_the_stricter_of_what_was_wanted_at_filing_and_what_is_today,
						setup_broker, teardown_broker),
		cmocka_unit_test_setup_teardown(a_grant_that_begins_late_ends_with_the_hours_all_the_same, setup_broker,
						teardown_broker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
