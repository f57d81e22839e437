/* What the approvers' commands print, whatever a requester or a broker wrote. */
#include "unit.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client_show.h"

#define HOSTILE                                                                                                        \
	"{\"shortId\":\"R7KD-2M9Q\",\"status\":\"ACTIVE\",\"grants\":\"any\\u001b[2Jthing\",\"requester\":\"op1\","    \
	"\"host\":\"web\\u202e1\",\"command\":\"a\\nb\",\"reason\":\"\\u009b31m "                                      \
	"\\u00e9\",\"message\":\"it\\u0007dies\"}"

static char *shown;

static const char *show(void (*what)(FILE *out, struct json_object *json), const char *text)
{
	struct json_object *json = json_tokener_parse(text);
	size_t size;

	free(shown);
	FILE *out = open_memstream(&shown, &size);
	what(out, json);
	fclose(out);
	json_object_put(json);
	return shown;
}

static void show_revoked(FILE *out, struct json_object *json)
{
	jb_show_decision(out, "revoke", json);
}

static void show_approved(FILE *out, struct json_object *json)
{
	jb_show_decision(out, "approve", json);
}

static void no_claim_moves_the_cursor_or_begins_a_line(void **state)
{
	(void)state;
	assert_string_equal(show(jb_show_request, HOSTILE), "R7KD-2M9Q  ACTIVE\n"
							    "  grants   any?[2Jthing\n"
							    "  who      op1\n"
							    "  host     web?1\n"
							    "  command  a?b\n"
							    "  reason   ?31m \xc3\xa9\n");
	assert_string_equal(show(show_approved, HOSTILE), "R7KD-2M9Q is approved: op1 gets any?[2Jthing.\n");
	assert_string_equal(show(show_revoked, HOSTILE), "it?dies\n");
}

static void who_filed_for_another_host_is_shown(void **state)
{
	(void)state;
	assert_string_equal(show(jb_show_request, "{\"shortId\":\"A\",\"status\":\"APPROVED\",\"requester\":\"op1\","
						  "\"host\":\"web-1\",\"filedBy\":\"ctl\"}"),
			    "A  APPROVED\n"
			    "  who      op1\n"
			    "  host     web-1\n"
			    "  filed by ctl\n");
}

static void an_approval_that_needs_another_person_says_so(void **state)
{
	(void)state;
	assert_string_equal(show(show_approved, "{\"shortId\":\"A\",\"status\":\"PENDING\"}"),
			    "A: your approval counts; it waits for another person's.\n");
}

static void json_is_printed_in_ascii_and_means_the_same(void **state)
{
	(void)state;
	assert_string_equal(show(jb_show_json, "{\"a\":\"\\u00e9 \\u202e \\u20ac \\ud83d\\udd11 \\u007f \\u001b /\"}"),
			    "{\"a\":\"\\u00e9 \\u202e \\u20ac \\ud83d\\udd11 \\u007f \\u001b /\"}\n");
}

static void show_pending(FILE *out, struct json_object *list)
{
	jb_show_list(out, list, "PENDING");
}

static void show_active(FILE *out, struct json_object *list)
{
	jb_show_list(out, list, "ACTIVE");
}

static void nothing_waiting_is_said(void **state)
{
	(void)state;
	assert_string_equal(show(show_pending, "{\"requests\":[]}"), "No request waits for you.\n");
	assert_string_equal(show(show_pending, "{}"), "No request waits for you.\n");
	assert_string_equal(show(show_active, "{}"), "No request that you could have decided is ACTIVE.\n");
}

static void a_code_is_asked_for_unless_the_broker_says_none_is_wanted(void **state)
{
	struct json_object *unsaid = json_tokener_parse("{}"), *no = json_tokener_parse("{\"codeRequired\":false}");

	(void)state;
	assert_true(jb_show_wants_code(unsaid));
	assert_false(jb_show_wants_code(no));
	json_object_put(unsaid);
	json_object_put(no);
	free(shown);
	shown = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_claim_moves_the_cursor_or_begins_a_line),
		cmocka_unit_test(who_filed_for_another_host_is_shown),
		cmocka_unit_test(an_approval_that_needs_another_person_says_so),
		cmocka_unit_test(json_is_printed_in_ascii_and_means_the_same),
		cmocka_unit_test(nothing_waiting_is_said),
		cmocka_unit_test(a_code_is_asked_for_unless_the_broker_says_none_is_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
