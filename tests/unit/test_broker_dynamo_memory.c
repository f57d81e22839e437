/*
 * DynamoDB's answer, where there is no memory to read it: that is no fault of the
 * table's, which is neither asked again for it nor left alone for a while. Nothing
 * is sent: what libcurl would hand over is the test's own.
 */
#include "unit.h"

#include <curl/curl.h>
#include <errno.h>

#include "dynamo.h"
#include "json.h"
#include "no_memory.h"

#ifdef JIT_TEST_NO_MEMORY

#define ANSWER "{\"Item\":{\"requestId\":{\"S\":\"0b6c1f6e-0000-4000-8000-000000000001\"},\"tags\":{\"SS\":[\"a\"]}}}"
#define LEAST  10 /* allocations that it takes to have it */

#undef curl_easy_setopt
#undef curl_easy_getinfo

static struct jb_dynamo *dynamo;
static curl_write_callback on_body;
static void *on_body_arg;
static long nth; /* the allocation that fails, of those after the request has gone */
static long status;
static unsigned asked;

/* In the place of libcurl's: what comes is handed to whom it was set up for. */
CURLcode curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
	va_list ap;

	(void)easy;
	va_start(ap, option);
	if (option == CURLOPT_WRITEFUNCTION)
		on_body = va_arg(ap, curl_write_callback);
	if (option == CURLOPT_WRITEDATA)
		on_body_arg = va_arg(ap, void *);
	va_end(ap);
	return CURLE_OK;
}

CURLcode curl_easy_getinfo(CURL *easy, CURLINFO info, ...)
{
	va_list ap;

	(void)easy;
	va_start(ap, info);
	if (info == CURLINFO_RESPONSE_CODE)
		*va_arg(ap, long *) = status;
	if (info == CURLINFO_PRETRANSFER_TIME_T)
		*va_arg(ap, curl_off_t *) = 1;
	va_end(ap);
	return CURLE_OK;
}

CURLcode curl_easy_perform(CURL *easy)
{
	static char answer[] = ANSWER;

	(void)easy;
	asked++;
	left = nth;
	return on_body(answer, 1, strlen(answer), on_body_arg) == strlen(answer) ? CURLE_OK : CURLE_WRITE_ERROR;
}

static int set_up(void **state)
{
	static const char *const set[][2] = {{"AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1"},
					     {"AWS_ACCESS_KEY_ID", "test"},
					     {"AWS_SECRET_ACCESS_KEY", "test"}};
	const struct jb_dynamo_options options = {.region = "eu-west-1", .credentials = "environment"};
	char why[256];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(set); i++)
		if (setenv(set[i][0], set[i][1], 1) < 0)
			return -1;
	dynamo = jb_dynamo_new(&options, why, sizeof(why));
	return dynamo ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	jb_dynamo_free(dynamo);
	return 0;
}

/* *ret_all: no allocation failed. */
static int call(long fails, bool *ret_all)
{
	JIT_JSON json_object *body = json_object_new_object(), *answer = NULL;

	asked = 0;
	nth = fails;
	int r = jb_dynamo_call(dynamo, "GetItem", body, &answer);
	*ret_all = left >= 0;
	left = LONG_MAX;
	assert_true((r == 0) == (answer != NULL));
	if (answer)
		assert_string_equal(json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN), ANSWER);
	return r;
}

static void a_want_of_memory_is_not_taken_for_a_broken_table(void **state)
{
	long fails = 0;
	bool all = false;

	(void)state;
	if (!memory_can_run_out())
		skip();
	for (status = 200; !all; fails++) {
		if (call(fails, &all) == 0)
			continue;
		if (strcmp(jb_dynamo_error(dynamo), "out of memory") != 0 || !jb_dynamo_unsure(dynamo) || asked != 1)
			fail_msg("without allocation %ld, asked %u times: %s", fails, asked, jb_dynamo_error(dynamo));
		assert_int_equal(call(LONG_MAX, &all), 0); /* at once */
		assert_true(all);
		all = false;
	}
	assert_true(fails > LEAST);
}

static void a_refusal_that_cannot_be_read_is_not_asked_for_again(void **state)
{
	bool all;

	(void)state;
	if (!memory_can_run_out())
		skip();
	status = 503;
	assert_int_equal(call(1, &all), -EIO);
	assert_false(all);
	assert_string_equal(jb_dynamo_error(dynamo), "out of memory");
	assert_true(jb_dynamo_unsure(dynamo));
	assert_int_equal(asked, 1);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef JIT_TEST_NO_MEMORY
		cmocka_unit_test_setup_teardown(a_want_of_memory_is_not_taken_for_a_broken_table, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_refusal_that_cannot_be_read_is_not_asked_for_again, set_up,
						tear_down),
#else
		cmocka_unit_test(memory_cannot_run_out),
#endif
	};

	return cmocka_run_group_tests_name("broker DynamoDB without memory", tests, NULL, NULL);
}
