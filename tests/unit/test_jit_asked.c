/* What became of requests: which exit status says it, and what a person reads. */
#include "unit.h"

#include <string.h>

#include "jit_asked.h"

static struct json_object *list_of(const char *const *statuses)
{
	struct json_object *list = json_object_new_array();

	for (; *statuses; statuses++) {
		struct json_object *request = json_object_new_object();

		json_object_object_add(request, "status", json_object_new_string(*statuses));
		json_object_array_add(list, request);
	}
	return list;
}

static void the_gravest_of_several_decides(void **state)
{
	static const struct {
		const char *statuses[4];
		enum jit_exit exit;
	} rows[] = {
		{{"APPROVED", "ACTIVE"}, JIT_EXIT_OK},
		{{"APPROVED", "PENDING"}, JIT_EXIT_PENDING},
		{{"PENDING", "UNAVAILABLE", "APPROVED"}, JIT_EXIT_UNAVAILABLE},
		{{"FAILED", "PENDING"}, JIT_EXIT_UNAVAILABLE},
		{{"UNAVAILABLE", "EXPIRED", "PENDING"}, JIT_EXIT_EXPIRED},
		{{"EXPIRED", "DENIED"}, JIT_EXIT_DENIED},
		{{"EXPIRED", "CANCELLED"}, JIT_EXIT_DENIED},
		{{"REVOKED"}, JIT_EXIT_DENIED},
		{{"ENDED"}, JIT_EXIT_DENIED},
		{{"DENIED", "NOT_ELIGIBLE", "APPROVED"}, JIT_EXIT_NOT_ELIGIBLE},
		{{"NOT_ELIGIBLE", "SOMETHING"}, JIT_EXIT_INTERNAL},
		{{""}, JIT_EXIT_INTERNAL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct json_object *list = list_of(rows[i].statuses);

		assert_int_equal(jit_asked_gravest(list), rows[i].exit);
		json_object_put(list);
	}
}

static void every_pair_of_statuses_has_one_order(void **state)
{
	static const enum jit_exit order[] = {JIT_EXIT_INTERNAL, JIT_EXIT_NOT_ELIGIBLE, JIT_EXIT_DENIED,
					      JIT_EXIT_EXPIRED,	 JIT_EXIT_UNAVAILABLE,	JIT_EXIT_PENDING,
					      JIT_EXIT_OK};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(order); i++)
		for (size_t k = i; k < COUNT_OF(order); k++) {
			assert_int_equal(jit_graver(order[i], order[k]), order[i]);
			assert_int_equal(jit_graver(order[k], order[i]), order[i]);
		}
}

static void a_line_says_what_came_of_it_and_what_to_do(void **state)
{
	static const struct {
		const char *json, *text;
	} rows[] = {
		{"{\"status\":\"PENDING\"}", "waiting for approval"},
		{"{\"status\":\"APPROVED\",\"decidedBy\":\"appr1\",\"remaining\":3600}",
		 "approved by appr1, 1 h from its first use on"},
		{"{\"status\":\"ACTIVE\",\"remaining\":90}", "approved by the broker, 1 min 30 s left"},
		{"{\"status\":\"DENIED\",\"decidedBy\":\"appr1\",\"comment\":\"not\\u001b[1m today\"}",
		 "denied by appr1: not?[1m today"},
		{"{\"status\":\"DENIED\"}", "denied"},
		{"{\"status\":\"REVOKED\",\"decidedBy\":\"appr1\",\"endedBy\":\"admin\",\"comment\":\"restored\"}",
		 "revoked by admin: restored"},
		{"{\"status\":\"EXPIRED\"}", "expired: nobody decided in time"},
		{"{\"status\":\"CANCELLED\"}", "withdrawn"},
		{"{\"status\":\"NOT_ELIGIBLE\",\"error\":\"policy.reason\",\"message\":\"the role wants a reason\"}",
		 "not eligible: the role wants a reason"},
		{"{\"status\":\"UNAVAILABLE\",\"message\":\"no answer\"}", "not to be had: no answer"},
		{"{\"status\":5}", "not to be had: "},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct json_object *request = json_tokener_parse(rows[i].json);
		char text[256];

		assert_string_equal(jit_asked_text(request, text, sizeof(text)), rows[i].text);
		json_object_put(request);
	}
}

static void count(void *arg, struct json_object *request)
{
	(void)request;
	++*(int *)arg;
}

static void news_are_taken_over_by_id_and_told_once(void **state)
{
	struct json_object *list = json_tokener_parse("[{\"requestId\":\"a\",\"status\":\"PENDING\"},"
						      "{\"status\":\"NOT_ELIGIBLE\"},"
						      "{\"requestId\":\"b\",\"status\":\"PENDING\"}]");
	struct json_object *news =
		json_tokener_parse("[{\"requestId\":\"b\",\"status\":\"DENIED\"},"
				   "{\"requestId\":\"c\",\"status\":\"DENIED\"},"
				   "{\"status\":\"DENIED\"}, 5, {\"requestId\":\"a\",\"status\":\"PENDING\"}]");
	int changes = 0;

	(void)state;
	jit_asked_update(list, news, count, &changes);
	jit_asked_update(list, news, count, &changes);
	assert_int_equal(changes, 1);
	json_object_put(news);
	assert_int_equal(json_object_array_length(list), 3);
	assert_true(jit_asked_pending(json_object_array_get_idx(list, 0)));
	assert_false(jit_asked_pending(json_object_array_get_idx(list, 2)));
	assert_int_equal(jit_asked_gravest(list), JIT_EXIT_NOT_ELIGIBLE);
	json_object_put(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_gravest_of_several_decides),
		cmocka_unit_test(every_pair_of_statuses_has_one_order),
		cmocka_unit_test(a_line_says_what_came_of_it_and_what_to_do),
		cmocka_unit_test(news_are_taken_over_by_id_and_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
