/* What the workflow of Step Functions is owed, and when: the table is the truth, and every race leaves one answer. */
#include "broker_engine.h"

#include "json.h"
#include "outbox.h"
#include "store_ops.h"
#include "workflow.h"

#define WORKFLOW "arn:aws:states:eu-west-1:123456789012:stateMachine:JITAccessApprovalWorkflow"

static int with_workflow(void **state)
{
	return setup(state) || !(b->conf->workflow = strdup(WORKFLOW));
}

/* What is in the outbox for the workflow: "workflow.start …", "workflow.answer t1 APPROVED", in a line each. */
static const char *owed(void)
{
	static char text[2048];
	struct jb_outbox_rows rows;
	size_t at = 0;

	text[0] = '\0';
	assert_int_equal(jb_outbox_list(b->store, 0, 100, &rows), 0);
	for (size_t i = 0; i < rows.count; i++) {
		JIT_JSON json_object *doc = json_tokener_parse(rows.row[i].notice.doc);

		assert_string_equal(rows.row[i].notice.channel, JB_CHANNEL_WORKFLOW);
		if (strcmp(rows.row[i].notice.event, JB_WORKFLOW_ANSWER) != 0)
			continue;
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s %s\n",
				       json_object_get_string(json_object_object_get(doc, "taskToken")),
				       json_object_get_string(json_object_object_get(doc, "status")));
	}
	jb_outbox_rows_clear(&rows);
	return text;
}

/* An instance that has heard of nobody. */
static void broker_restart_engine(int64_t now)
{
	jb_engine_free(b->engine);
	assert_non_null(b->engine = jb_engine_new(b->conf, b->store, &b->issuer.base, now));
}

static const char *await(const struct jb_request *of, const char *step, const char *token, int64_t now)
{
	struct jb_request *request = NULL;

	return outcome(jb_engine_await(b->engine, of->id, step, token, now, &request, &b->fault), &request);
}

static void a_filing_owes_the_start_and_what_the_policy_said(void **state)
{
	struct jb_filing f = filing();
	struct jb_request *r = file(&f, NOW);
	struct jb_outbox_rows rows;

	(void)state;
	assert_int_equal(jb_outbox_list(b->store, 0, 100, &rows), 0);
	assert_int_equal(rows.count, 1);
	JIT_JSON json_object *doc = json_tokener_parse(rows.row[0].notice.doc);
	assert_string_equal(json_object_get_string(json_object_object_get(doc, "requestId")), r->id);
	assert_false(json_object_get_boolean(json_object_object_get(doc, "simulateApproval")));
	json_object *payload = json_object_object_get(doc, "Payload");
	assert_int_equal(json_object_get_int64(json_object_object_get(payload, "pendingSeconds")), 300);
	assert_int_equal(json_object_get_int64(json_object_object_get(payload, "useSeconds")), 600);
	const char *operation;
	char *body = jb_workflow_body(b->conf, &rows.row[0].notice, &operation);
	assert_string_equal(operation, "StartExecution");
	assert_non_null(strstr(body, "\"name\":\""));
	assert_non_null(strstr(body, r->id));
	free(body);
	jb_outbox_rows_clear(&rows);
	drop(&r);
}

static void what_decides_answers_the_step_that_waits(void **state)
{
	struct jb_request *approved = in_state(JB_PENDING), *denied = in_state(JB_PENDING);
	struct jb_request *over = in_state(JB_PENDING);

	(void)state;
	assert_string_equal(await(approved, JB_AWAIT_DECISION, "t1", NOW), "");
	assert_string_equal(await(denied, JB_AWAIT_DECISION, "t2", NOW), "");
	assert_string_equal(await(over, JB_AWAIT_DECISION, "t3", NOW), "");
	assert_string_equal(owed(), "");
	assert_string_equal(approve("appr1", approved, approved->code, NOW), "");
	assert_string_equal(owed(), "t1 APPROVED\n");
	assert_string_equal(deny("appr1", denied, NOW), "");
	assert_string_equal(owed(), "t1 APPROVED\nt2 DENIED\n");
	status_is(over->id, NOW + 300, JB_EXPIRED);
	assert_string_equal(owed(), "t1 APPROVED\nt2 DENIED\nt3 EXPIRED\n");
	/* Answered once: what comes later has its own step. */
	assert_string_equal(revoke_it("appr1", approved, NOW), "");
	assert_string_equal(owed(), "t1 APPROVED\nt2 DENIED\nt3 EXPIRED\n");
	drop(&approved);
	drop(&denied);
	drop(&over);
}

static void a_quorum_answers_with_its_last_approval(void **state)
{
	struct jb_filing f = filing();

	(void)state;
	f.role = "two";
	f.reason = "why";
	f.ticket = "INC-1";
	struct jb_request *r = file(&f, NOW);
	assert_string_equal(await(r, JB_AWAIT_DECISION, "t1", NOW), "");
	assert_string_equal(approve("appr1", r, NULL, NOW), "");
	assert_string_equal(owed(), "");
	assert_string_equal(approve("appr2", r, NULL, NOW), "");
	assert_string_equal(owed(), "t1 APPROVED\n");
	drop(&r);
}

static void a_token_that_comes_too_late_is_answered_at_once(void **state)
{
	static const enum jb_status past[] = {JB_APPROVED, JB_ACTIVE, JB_DENIED, JB_EXPIRED, JB_CANCELLED, JB_ENDED};
	char token[8], wanted[256] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(past) / sizeof(past[0]); i++) {
		struct jb_request *r = in_state(past[i]), *after = NULL;
		struct jb_request *before = NULL;

		assert_int_equal(jb_engine_get(b->engine, "web-1", r->id, NOW, &before, &b->fault), 0);
		snprintf(token, sizeof(token), "t%zu", i);
		assert_string_equal(await(r, JB_AWAIT_DECISION, token, NOW + 1), "");
		snprintf(wanted + strlen(wanted), sizeof(wanted) - strlen(wanted), "%s %s\n", token,
			 jb_status_name(past[i]));
		assert_string_equal(owed(), wanted);
		/* Noting it changes nothing of what is. */
		assert_int_equal(jb_engine_get(b->engine, "web-1", r->id, NOW, &after, &b->fault), 0);
		assert_int_equal(after->status, past[i]);
		assert_int_equal(after->ended_at, before->ended_at);
		if (jb_status_final(past[i]))
			assert_int_equal(after->expires_at, before->expires_at);
		assert_null(after->task_token);
		drop(&r);
		drop(&before);
		drop(&after);
	}
}

static void collection_is_waited_for_past_the_approval(void **state)
{
	struct jb_request *r = in_state(JB_APPROVED);

	(void)state;
	assert_string_equal(await(r, JB_AWAIT_COLLECTION, "t1", NOW), "");
	assert_string_equal(await(r, JB_AWAIT_COLLECTION, "t1", NOW), ""); /* the same call again */
	assert_string_equal(owed(), "");
	assert_string_equal(collect_code(r, NULL, NOW), "");
	assert_string_equal(owed(), "t1 ACTIVE\n");
	assert_string_equal(await(r, JB_AWAIT_COLLECTION, "t2", NOW), "");
	assert_string_equal(owed(), "t1 ACTIVE\nt2 ACTIVE\n");
	drop(&r);
}

static void a_newer_token_takes_the_place_of_an_older_one(void **state)
{
	struct jb_request *r = in_state(JB_PENDING);

	(void)state;
	assert_string_equal(await(r, JB_AWAIT_DECISION, "t1", NOW), "");
	assert_string_equal(await(r, JB_AWAIT_DECISION, "t2", NOW), "");
	assert_string_equal(deny("appr1", r, NOW), "");
	assert_string_equal(owed(), "t2 DENIED\n");
	drop(&r);
}

static void nothing_expires_before_its_time_and_a_decision_that_was_first_counts(void **state)
{
	struct jb_request *waits = in_state(JB_PENDING), *decided = in_state(JB_PENDING), *now = NULL;

	(void)state;
	assert_int_equal(jb_engine_read(b->engine, waits->id, NOW + 299, &now, &b->fault), 0);
	assert_int_equal(now->status, JB_PENDING);
	assert_int_equal(jb_engine_pending_seconds(now, NOW + 299), 1);
	assert_int_equal(jb_engine_use_seconds(b->engine, now, NOW + 299), 600);
	drop(&now);
	assert_string_equal(approve("appr1", decided, decided->code, NOW + 299), "");
	assert_int_equal(jb_engine_read(b->engine, decided->id, NOW + 300, &now, &b->fault), 0);
	assert_int_equal(now->status, JB_APPROVED);
	assert_int_equal(jb_engine_use_seconds(b->engine, now, NOW + 300), 599);
	drop(&now);
	assert_int_equal(jb_engine_read(b->engine, waits->id, NOW + 300, &now, &b->fault), 0);
	assert_int_equal(now->status, JB_EXPIRED);
	drop(&now);
	drop(&waits);
	drop(&decided);
}

static void being_through_changes_no_state(void **state)
{
	struct jb_request *r = in_state(JB_ENDED), *now = NULL;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(jb_engine_through(b->engine, r->id, NOW + 5, &now, &b->fault), 0);
		assert_int_equal(now->status, JB_ENDED);
		assert_string_equal(now->task_step, JB_WORKFLOW_THROUGH);
		assert_int_equal(now->ended_at, NOW);
		drop(&now);
	}
	drop(&r);
}

static void a_step_that_still_waits_is_not_answered_by_another_workflows_end(void **state)
{
	struct jb_request *r = in_state(JB_APPROVED), *now = NULL;

	(void)state;
	assert_string_equal(await(r, JB_AWAIT_COLLECTION, "t1", NOW), "");
	assert_int_equal(jb_engine_through(b->engine, r->id, NOW, &now, &b->fault), 0);
	drop(&now);
	assert_string_equal(owed(), "");
	assert_string_equal(collect_code(r, NULL, NOW), "");
	assert_string_equal(owed(), "t1 ACTIVE\n");
	drop(&r);
}

static void the_instant_return_denies_what_nobody_approved_and_nothing_else(void **state)
{
	struct jb_request *pending = in_state(JB_PENDING), *approved = in_state(JB_APPROVED), *now = NULL;

	(void)state;
	assert_int_equal(jb_engine_deny_instant(b->engine, pending->id, NOW, &now, &b->fault), 0);
	assert_int_equal(now->status, JB_DENIED);
	drop(&now);
	assert_int_equal(jb_engine_deny_instant(b->engine, approved->id, NOW, &now, &b->fault), 0);
	assert_int_equal(now->status, JB_APPROVED);
	drop(&now);
	drop(&pending);
	drop(&approved);
}

static void whoever_issues_judges_anew(void **state)
{
	struct jb_request *approved = in_state(JB_APPROVED), *ended = in_state(JB_ENDED), *now = NULL;

	(void)state;
	assert_int_equal(jb_engine_to_issue(b->engine, approved->id, NOW + 10, &now, &b->fault), 0);
	assert_int_equal(now->granted_until, NOW + 910);
	drop(&now);
	status_is(approved->id, NOW + 10, JB_APPROVED); /* its clock is the collection's to start */
	assert_int_equal(jb_engine_to_issue(b->engine, ended->id, NOW, &now, &b->fault), -1);
	assert_string_equal(b->fault.code, "grant.ended");
	free(b->conf->roles[0].requesters.word[0]);
	b->conf->roles[0].requesters.word[0] = strdup("op9");
	assert_int_equal(jb_engine_to_issue(b->engine, approved->id, NOW, &now, &b->fault), -1);
	assert_string_equal(b->fault.code, "policy.requester");
	status_is(approved->id, NOW, JB_REVOKED);
	drop(&approved);
	drop(&ended);
}

static int64_t heard_elsewhere;

static int last_heard(struct jb_store *store, const char *host, int64_t *ret)
{
	(void)store;
	(void)host;
	*ret = heard_elsewhere;
	return 0;
}

/* A sweep hears of nobody itself. */
static void who_was_silent_the_sweep_asks_the_store(void **state)
{
	struct jb_request *r = in_state(JB_PENDING);
	const struct jb_store_ops *own = b->store->ops;
	static struct jb_store_ops ops;

	(void)state;
	ops = *own;
	ops.last_heard = last_heard;
	b->store->ops = &ops;
	broker_restart_engine(NOW + 1);
	heard_elsewhere = NOW + 5;
	assert_int_equal(jb_engine_ask_of_hosts(b->engine, NOW + 34), 0);
	jb_engine_tick(b->engine, NOW + 34);
	status_is(r->id, NOW + 34, JB_PENDING);
	assert_int_equal(jb_engine_ask_of_hosts(b->engine, NOW + 35), 0);
	jb_engine_tick(b->engine, NOW + 35);
	status_is(r->id, NOW + 35, JB_CANCELLED);
	b->store->ops = own;
	drop(&r);
}

/* Where the store knows nothing of a host, it counts from when the sweep met it first. */
static void a_host_of_which_nothing_is_known_has_its_time_too(void **state)
{
	struct jb_request *r = in_state(JB_PENDING);

	(void)state;
	broker_restart_engine(NOW + 20);
	assert_int_equal(jb_engine_ask_of_hosts(b->engine, NOW + 20), 0);
	jb_engine_tick(b->engine, NOW + 49);
	status_is(r->id, NOW + 49, JB_PENDING);
	assert_int_equal(jb_engine_ask_of_hosts(b->engine, NOW + 50), 0);
	jb_engine_tick(b->engine, NOW + 50);
	status_is(r->id, NOW + 50, JB_CANCELLED);
	drop(&r);
}

#define WITH(name) cmocka_unit_test_setup_teardown(name, with_workflow, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(a_filing_owes_the_start_and_what_the_policy_said),
		WITH(what_decides_answers_the_step_that_waits),
		WITH(a_quorum_answers_with_its_last_approval),
		WITH(a_token_that_comes_too_late_is_answered_at_once),
		WITH(collection_is_waited_for_past_the_approval),
		WITH(a_newer_token_takes_the_place_of_an_older_one),
		WITH(nothing_expires_before_its_time_and_a_decision_that_was_first_counts),
		WITH(being_through_changes_no_state),
		WITH(a_step_that_still_waits_is_not_answered_by_another_workflows_end),
		WITH(the_instant_return_denies_what_nobody_approved_and_nothing_else),
		WITH(whoever_issues_judges_anew),
		WITH(who_was_silent_the_sweep_asks_the_store),
		WITH(a_host_of_which_nothing_is_known_has_its_time_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
