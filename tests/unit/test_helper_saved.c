/* What a restart must know: comes back as it was, and nothing else is taken for it. */
#include "unit.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helper.h"
#include "no_memory.h"
#include "saved.h"
#include "withdraw.h"

#define BOOT	   "11111111-2222-4333-8444-555555555555"
#define OTHER_BOOT "11111111-2222-4333-8444-555555555556"
#define ID	   "0b6c1111-2222-4333-8444-555566667777"
#define NOW	   1000000

static struct jh_helper helper;
static struct jh_grant grant;
static struct jh_elevation elevation, not_taken;
static struct jh_ending ending;
static struct jh_withdrawal used, given_back, cancelled, unknown;
static struct jh_peer peer;

static int set_up(void **state)
{
	(void)state;
	memset(&helper, 0, sizeof(helper));
	grant = (struct jh_grant){.id = ID,
				  .short_id = "R7KD-2M9Q",
				  .requester = "op1",
				  .role = "admin",
				  .approved_by = "appr1",
				  .services = "sudo su",
				  .targets = "root",
				  .region = "eu-west-1",
				  .of_user = true,
				  .ahead = true,
				  .claimed_until_ms = NOW + 60000,
				  .has_arn = true,
				  .ends = true,
				  .active = true,
				  .duration_s = 900,
				  .until_ms = NOW + 5000,
				  .session = {true, 1001, 7, 412, 99887766, 34816, "10.0.0.9"}};
	grant.collector.started = true;
	grant.warning.next = 1;
	grant.traces.count = 1;
	grant.traces.at[0] = (struct jh_trace){.audit = 7, .uid = 0, .descent = true, .pid = 55, .start = 5000000000};
	peer = (struct jh_peer){.proc = {.pid = 55, .start = 5000000000}};
	elevation = (struct jh_elevation){.grant = &grant,
					  .peer = &peer,
					  .session = grant.session,
					  .target = "root",
					  .target_uid = 0,
					  .stands = true,
					  .keyless = true,
					  .descent = true};
	memset(elevation.hash, 0xa5, sizeof(elevation.hash));
	not_taken = elevation;
	not_taken.stands = false;
	ending = (struct jh_ending){
		.short_id = "8DFD-NS2K", .requester = "op2", .kill_ms = NOW - 5, .traces = grant.traces};
	LIST_INSERT_HEAD(&helper.grants, &grant, link);
	LIST_INSERT_HEAD(&helper.elevations, &elevation, link);
	LIST_INSERT_HEAD(&helper.elevations, &not_taken, link);
	LIST_INSERT_HEAD(&helper.endings, &ending, link);
	used = (struct jh_withdrawal){.requester = "op1", .id = ID, .short_id = "R7KD-2M9Q", .verb = JH_BEGIN_AND_END};
	given_back = cancelled = unknown = used;
	given_back.verb = JH_END;
	cancelled.verb = JH_CANCEL;
	unknown.id[0] = '\0';
	LIST_INSERT_HEAD(&helper.withdrawals, &unknown, link);
	LIST_INSERT_HEAD(&helper.withdrawals, &cancelled, link);
	LIST_INSERT_HEAD(&helper.withdrawals, &given_back, link);
	LIST_INSERT_HEAD(&helper.withdrawals, &used, link);
	return 0;
}

static char *format(void)
{
	size_t len = 0;
	char *text = NULL;

	assert_int_equal(jh_saved_format(&helper, BOOT, &text, &len), 0);
	assert_int_equal(strlen(text), len);
	return text;
}

static int parse(const char *text, struct jh_saved *ret)
{
	char why[256] = "";
	int r = jh_saved_parse(text, strlen(text), BOOT, NOW, ret, why, sizeof(why));

	assert_true((r == 0) == (why[0] == '\0'));
	return r;
}

static void assert_same_session(const struct jh_session *a, const struct jh_session *b)
{
	assert_true(jh_session_same(a, b));
	assert_int_equal(a->leader, b->leader);
	assert_true(a->leader_start == b->leader_start);
	assert_int_equal(a->leader_tty, b->leader_tty);
}

static void it_comes_back_as_it_was(void **state)
{
	struct jh_saved saved;
	char *text = format();

	(void)state;
	assert_int_equal(parse(text, &saved), 0);
	const struct jh_grant *g = LIST_FIRST(&saved.grants);
	assert_non_null(g);
	assert_null(LIST_NEXT(g, link));
	assert_string_equal(g->id, grant.id);
	assert_string_equal(g->short_id, grant.short_id);
	assert_string_equal(g->requester, grant.requester);
	assert_string_equal(g->role, grant.role);
	assert_string_equal(g->approved_by, grant.approved_by);
	assert_string_equal(g->services, grant.services);
	assert_string_equal(g->targets, grant.targets);
	assert_string_equal(g->region, grant.region);
	assert_string_equal(g->session.place, grant.session.place);
	assert_true(g->of_user && g->ahead && !g->open);
	assert_int_equal(g->claimed_until_ms, grant.claimed_until_ms);
	assert_true(g->has_arn && g->ends && g->active && g->collector.started);
	assert_int_equal(g->duration_s, 900);
	assert_true(g->until_ms == grant.until_ms);
	assert_int_equal(g->warning.next, 1);
	assert_same_session(&g->session, &grant.session);
	assert_memory_equal(&g->traces.at[0], &grant.traces.at[0], sizeof(g->traces.at[0]));

	const struct jh_saved_elevation *e = LIST_FIRST(&saved.elevations);
	assert_non_null(e);
	assert_null(LIST_NEXT(e, link)); /* what was not taken is none */
	assert_string_equal(e->grant, ID);
	assert_int_equal(e->pid, 55);
	assert_true(e->start == 5000000000);
	assert_memory_equal(e->facts.hash, elevation.hash, sizeof(elevation.hash));
	assert_string_equal(e->facts.target, "root");
	assert_true(e->facts.keyless && e->facts.descent);
	assert_same_session(&e->facts.session, &elevation.session);

	const struct jh_ending *n = LIST_FIRST(&saved.endings);
	assert_non_null(n);
	assert_string_equal(n->short_id, "8DFD-NS2K");
	assert_string_equal(n->requester, "op2");
	assert_true(n->kill_ms == NOW - 5);
	assert_int_equal(n->traces.count, 1);

	bool unheard = false; /* the order is another one */
	for (const struct jh_saved_withdrawal *w = LIST_FIRST(&saved.withdrawals); w; w = LIST_NEXT(w, link)) {
		assert_string_equal(w->id, ID);
		assert_string_equal(w->short_id, "R7KD-2M9Q");
		assert_string_equal(w->requester, "op1");
		assert_int_equal(w->unheard, unheard);
		unheard = !unheard;
	}
	assert_non_null(LIST_FIRST(&saved.withdrawals));
	assert_false(unheard); /* two: a request that is nobody's is withdrawn anyhow */
	jh_saved_clear(&saved);
	free(text);
}

static void no_end_lies_further_off_than_the_grant_is_long(void **state)
{
	struct jh_saved saved;

	(void)state;
	grant.until_ms = INT64_MAX;
	char *text = format();
	assert_int_equal(parse(text, &saved), 0);
	assert_true(LIST_FIRST(&saved.grants)->until_ms == NOW + 900 * 1000);
	jh_saved_clear(&saved);
	free(text);
}

static void what_is_not_used_is_forgotten_and_what_is_told_to_go_is_killed_in_time(void **state)
{
	struct jh_saved saved;

	(void)state;
	grant.active = false;
	grant.until_ms = grant.claimed_until_ms = ending.kill_ms = INT64_MAX;
	char *text = format();
	assert_int_equal(parse(text, &saved), 0);
	assert_true(LIST_FIRST(&saved.grants)->until_ms == NOW + JH_UNUSED_MS);
	assert_true(LIST_FIRST(&saved.grants)->claimed_until_ms == NOW + JH_CLAIM_MS);
	assert_true(LIST_FIRST(&saved.endings)->kill_ms == NOW + JH_END_GRACE_MAX_S * 1000);
	jh_saved_clear(&saved);
	free(text);
}

static void another_boots_state_is_refused(void **state)
{
	struct jh_saved saved;
	char why[256];
	char *text = format();

	(void)state;
	assert_true(jh_saved_parse(text, strlen(text), OTHER_BOOT, NOW, &saved, why, sizeof(why)) < 0);
	assert_string_equal(why, "it is of another boot");
	assert_true(LIST_EMPTY(&saved.grants));
	free(text);
}

/* The text with the first `from` replaced. */
static char *edited(const char *from, const char *to)
{
	char *text = format();
	char *at = strstr(text, from);
	size_t size = strlen(text) + strlen(to) + 1;
	char *out = malloc(size);

	assert_non_null(at);
	assert_non_null(out);
	snprintf(out, size, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	free(text);
	return out;
}

static void what_is_not_quite_a_state_is_refused_whole(void **state)
{
	static const char *const edits[][2] = {
		{"\"version\":3", "\"version\":4"},
		{"\"version\":3", "\"version\":0"},
		{"\"version\":3", "\"version\":\"3\""},
		{"\"grants\":[", "\"grants\":7,\"x\":["},
		{ID, "0b6c"},
		{"\"requester\":\"op1\"", "\"requester\":\"\""},
		{"\"requester\":\"op1\"", "\"requester\":\"op1\\u001b[2J\""},
		{"\"requester\":\"op1\"", "\"requester\":\"op1\\u0000root\""},
		{"\"requester\":\"op1\"", "\"requester\":null"},
		{"\"duration\":900", "\"duration\":900000000"},
		{"\"duration\":900", "\"duration\":-1"},
		{"\"duration\":900", "\"duration\":900.5"},
		{"\"active\":true", "\"active\":1"},
		{"\"active\":true", "\"x\":true"},
		{"\"uid\":1001", "\"uid\":4294967296"},
		{"\"leader\":412", "\"leader\":0"},
		{"\"pid\":55", "\"pid\":-55"},
		{"\"warned\":1", "\"warned\":9"},
		{"\"traces\":[", "\"traces\":[7,"},
		{"\"hash\":\"p", "\"hash\":\"pp"},
		{"\"hash\":\"p", "\"hash\":\"!"},
		{"\"kill\":", "\"kill\":-"},
		{"\"requester\":\"op2\"", "\"requester\":7"},
		{"\"requester\":\"op2\"", "\"requester\":\"op2\\u001b[2J\""},
		{"\"withdrawals\":[", "\"x\":["},
		{"\"withdrawals\":[", "\"withdrawals\":[7,"},
		{"\"unheard\":", "\"unheard\":1,\"x\":"},
		{"{\"version\"", "[{\"version\""},
	};
	struct jh_saved saved;

	(void)state;
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		char *text = edited(edits[i][0], edits[i][1]);
		if (parse(text, &saved) == 0)
			fail_msg("taken: %s", text);
		assert_true(LIST_EMPTY(&saved.grants) && LIST_EMPTY(&saved.elevations) && LIST_EMPTY(&saved.endings) &&
			    LIST_EMPTY(&saved.withdrawals));
		free(text);
	}
	assert_true(parse("", &saved) < 0);
	assert_true(parse("{}", &saved) < 0);
	assert_true(parse("null", &saved) < 0);
}

static void what_was_cut_off_is_refused(void **state)
{
	struct jh_saved saved;
	char *text = format();

	(void)state;
	for (size_t len = strlen(text); len-- > 0;) {
		text[len] = '\0';
		assert_true(parse(text, &saved) < 0);
	}
	free(text);
}

static void more_than_can_be_is_refused(void **state)
{
	struct jh_saved saved;
	char *text = format();
	struct json_object *json = json_tokener_parse(text), *list;

	(void)state;
	free(text);
	json_object_object_get_ex(json, "grants", &list);
	struct json_object *one = json_object_array_get_idx(list, 0);
	while (json_object_array_length(list) <= JH_SAVED_LIST_MAX)
		json_object_array_add(list, json_object_get(one));
	assert_true(parse(json_object_to_json_string(json), &saved) < 0);
	json_object_put(json);
}

/* What the first one called damaged is an elevation without its leader; neither knew of withdrawals. */
static void the_versions_before_are_read_and_would_know_this_one_for_another(void **state)
{
	struct jh_saved saved;

	(void)state;
	for (int version = 1; version <= 2; version++) {
		char name[32];
		snprintf(name, sizeof(name), "{\"version\":%d,", version);
		char *text = edited("{\"version\":3,", name);
		char *withdrawals = strstr(text, ",\"withdrawals\":");
		assert_non_null(withdrawals);
		memcpy(withdrawals, "}", 2);
		assert_int_equal(parse(text, &saved), 0);
		assert_non_null(LIST_FIRST(&saved.grants));
		assert_true(LIST_EMPTY(&saved.withdrawals));
		jh_saved_clear(&saved);
		free(text);
	}
}

static void whose_an_ending_is_was_not_always_written(void **state)
{
	struct jh_saved saved;
	char *text = edited(",\"requester\":\"op2\"", "");

	(void)state;
	assert_int_equal(parse(text, &saved), 0);
	assert_string_equal(LIST_FIRST(&saved.endings)->requester, "");
	jh_saved_clear(&saved);
	free(text);
}

static void what_a_text_holds_stays_in_it(void **state)
{
	struct jh_saved saved;
	char *text;

	(void)state;
	snprintf(grant.role, sizeof(grant.role), "%s", "a\"b\\\\c\",\"uid\":0,\"");
	snprintf(grant.approved_by, sizeof(grant.approved_by), "%s", "J\u00fcrg \\");
	snprintf(grant.targets, sizeof(grant.targets), "%s", "\"");
	text = format();
	assert_int_equal(parse(text, &saved), 0);
	assert_string_equal(LIST_FIRST(&saved.grants)->role, grant.role);
	assert_string_equal(LIST_FIRST(&saved.grants)->approved_by, grant.approved_by);
	assert_string_equal(LIST_FIRST(&saved.grants)->targets, grant.targets);
	jh_saved_clear(&saved);
	free(text);
}

static void of_more_withdrawals_than_are_read_the_newest_are_written(void **state)
{
	struct jh_withdrawal *many = calloc(JH_SAVED_LIST_MAX, sizeof(*many));
	struct jh_saved saved;

	(void)state;
	assert_non_null(many);
	for (size_t i = 0; i < JH_SAVED_LIST_MAX; i++) {
		many[i] = given_back;
		LIST_INSERT_HEAD(&helper.withdrawals, &many[i], link);
	}
	char *text = format();
	assert_null(strstr(text, "\"unheard\":true"));
	assert_int_equal(parse(text, &saved), 0);
	jh_saved_clear(&saved);
	free(text);
	free(many);
}

static void a_list_longer_than_is_read_is_not_written(void **state)
{
	struct jh_grant *many = calloc(JH_SAVED_LIST_MAX, sizeof(*many));
	struct jh_saved saved;
	char *text = NULL;
	size_t len = 0;

	(void)state;
	assert_non_null(many);
	for (size_t i = 0; i < JH_SAVED_LIST_MAX; i++) {
		many[i] = grant;
		many[i].traces.count = 0;
		LIST_INSERT_HEAD(&helper.grants, &many[i], link);
	}
	assert_int_equal(jh_saved_format(&helper, BOOT, &text, &len), -EFBIG);
	assert_null(text);
	LIST_REMOVE(&many[0], link);
	text = format();
	assert_int_equal(parse(text, &saved), 0);
	jh_saved_clear(&saved);
	free(text);
	free(many);
}

struct many {
	struct jh_grant grant;
	struct jh_elevation elevation;
	struct jh_ending ending;
};

static void fill_text(char *text, size_t size)
{
	memset(text, 'x', size - 1);
	text[size - 1] = '\0';
}

static void fill_traces(struct jh_traces *traces)
{
	for (traces->count = 0; traces->count < JH_TRACES_MAX; traces->count++)
		traces->at[traces->count] =
			(struct jh_trace){.audit = 1000000, .uid = 100000000, .pid = 4194304, .start = 99999999999};
}

/* So many of each kind, as long as they can be. */
static struct many *fill(size_t count)
{
	struct many *many = calloc(count, sizeof(*many));

	assert_non_null(many);
	for (size_t i = 0; i < count; i++) {
		struct jh_grant *g = &many[i].grant;

		*g = grant;
		fill_text(g->requester, sizeof(g->requester));
		fill_text(g->role, sizeof(g->role));
		fill_text(g->approved_by, sizeof(g->approved_by));
		fill_text(g->services, sizeof(g->services));
		fill_text(g->targets, sizeof(g->targets));
		fill_text(g->region, sizeof(g->region));
		fill_text(g->session.place, sizeof(g->session.place));
		fill_traces(&g->traces);
		many[i].elevation = elevation;
		many[i].elevation.grant = g;
		many[i].elevation.session = g->session;
		fill_text(many[i].elevation.target, sizeof(many[i].elevation.target));
		many[i].ending = ending;
		many[i].ending.traces = g->traces;
		fill_text(many[i].ending.requester, sizeof(many[i].ending.requester));
		LIST_INSERT_HEAD(&helper.grants, g, link);
		LIST_INSERT_HEAD(&helper.elevations, &many[i].elevation, link);
		LIST_INSERT_HEAD(&helper.endings, &many[i].ending, link);
	}
	return many;
}

static void more_text_than_is_read_is_not_written(void **state)
{
	struct many *many = fill(JH_SAVED_LIST_MAX);
	char *text = NULL;
	size_t len = 0;

	(void)state;
	for (size_t i = 0; i < JH_SAVED_LIST_MAX; i++) /* no name has so many characters that want an escape */
		memset(many[i].grant.targets, '"', sizeof(many[i].grant.targets) - 1);
	LIST_REMOVE(&grant, link);
	LIST_REMOVE(&ending, link);
	assert_int_equal(jh_saved_format(&helper, BOOT, &text, &len), -EFBIG);
	assert_null(text);
	free(many);
}

/* Twelve hundred grants and as many sessions, each of which has left as much behind as is remembered. */
static void all_that_the_limits_allow_is_written(void **state)
{
	struct many *many = fill(1200);
	char *text = NULL;
	size_t len = 0;

	(void)state;
	assert_int_equal(jh_saved_format(&helper, BOOT, &text, &len), 0);
	assert_true(len > JH_SAVED_MAX / 2);
	free(text);
	free(many);
}

#ifdef JIT_TEST_NO_MEMORY
/* A lack that passes: what comes after it would be written again. */
static void without_memory_nothing_is_written_rather_than_a_broken_state(void **state)
{
	static struct jh_grant many[64];
	struct jh_saved saved;
	unsigned failed = 0;
	bool all = false;

	(void)state;
	if (!memory_can_run_out())
		skip();
	for (size_t i = 0; i < sizeof(many) / sizeof(many[0]); i++) {
		many[i] = grant;
		LIST_INSERT_HEAD(&helper.grants, &many[i], link);
	}
	for (long nth = 0; !all; nth++) {
		char *text = NULL;
		size_t len = 0;

		left = nth;
		int r = jh_saved_format(&helper, BOOT, &text, &len);
		all = left >= 0;
		left = LONG_MAX;
		failed += r < 0;
		if (r == 0) {
			assert_int_equal(parse(text, &saved), 0);
			jh_saved_clear(&saved);
			free(text);
		} else {
			assert_true(r == -ENOMEM && !text);
		}
	}
	assert_true(failed > 3);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(it_comes_back_as_it_was, set_up),
		cmocka_unit_test_setup(no_end_lies_further_off_than_the_grant_is_long, set_up),
		cmocka_unit_test_setup(what_is_not_used_is_forgotten_and_what_is_told_to_go_is_killed_in_time, set_up),
		cmocka_unit_test_setup(another_boots_state_is_refused, set_up),
		cmocka_unit_test_setup(what_is_not_quite_a_state_is_refused_whole, set_up),
		cmocka_unit_test_setup(what_was_cut_off_is_refused, set_up),
		cmocka_unit_test_setup(more_than_can_be_is_refused, set_up),
		cmocka_unit_test_setup(the_versions_before_are_read_and_would_know_this_one_for_another, set_up),
		cmocka_unit_test_setup(whose_an_ending_is_was_not_always_written, set_up),
		cmocka_unit_test_setup(what_a_text_holds_stays_in_it, set_up),
		cmocka_unit_test_setup(of_more_withdrawals_than_are_read_the_newest_are_written, set_up),
		cmocka_unit_test_setup(a_list_longer_than_is_read_is_not_written, set_up),
		cmocka_unit_test_setup(more_text_than_is_read_is_not_written, set_up),
		cmocka_unit_test_setup(all_that_the_limits_allow_is_written, set_up),
#ifdef JIT_TEST_NO_MEMORY
		cmocka_unit_test_setup(without_memory_nothing_is_written_rather_than_a_broken_state, set_up),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
