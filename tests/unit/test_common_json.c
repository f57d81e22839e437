/* JSON is read as it is written, and as json-c reads it; where memory runs out, not at all. */
#include "unit.h"

#include <errno.h>

#include "json.h"
#include "json_read.h"
#include "no_memory.h"

#define LONG "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789"

static const char *const good[] = {
	"{}",
	"[]",
	" \t\r\n[ ] \n",
	"\"\"",
	"null",
	"true",
	"false",
	"0",
	"-0",
	"-1",
	"1234567890",
	"9223372036854775807",
	"9223372036854775808",
	"18446744073709551615",
	"-9223372036854775808",
	"99999999999999999999999",
	"-99999999999999999999999",
	"1.5",
	"-0.25e-3",
	"1E+2",
	"{\"a\":1,\"b\":[true,false,null,{\"c\":\"d\"}],\"e\":{}}",
	"{ \"a\" : 1 , \"b\" : [ 1 , 2 ] }",
	"{\"a\":1,\"a\":2}",
	"{\"a\":null}",
	"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
	"\"\\u0041\\u00e9\\u20AC\\ud83d\\udd11\"",
	"\"a\\u0000b\"",
	"\"\\ud83d\"",
	"\"\\udd11x\"",
	"\"\\ud83d\\n\"",
	"\"\\ud83d\\u0041\"",
	"\"\\ud83d\\ud83d\\udd11\"",
	"\"gr\xc3\xbc\xc3\x9f\xf0\x9f\x94\x91\x7f\"",
	"{\"\":\"no name\",\"k\\u00e9y\\n\":\"" LONG LONG "\"}",
};

static const char *const bad[] = {
	"",
	" ",
	"{",
	"}",
	"[",
	"[1",
	"[1,",
	"[1,]",
	"[,1]",
	"[1 2]",
	"{\"a\"}",
	"{\"a\":}",
	"{\"a\":1,}",
	"{,\"a\":1}",
	"{a:1}",
	"{'a':1}",
	"{1:1}",
	"{\"a\" 1}",
	"{\"a\":1 \"b\":2}",
	"{\"a\\u0000b\":1}",
	"\"",
	"\"a",
	"\"a\\",
	"\"\\x\"",
	"\"\\u12\"",
	"\"\\u123g\"",
	"\"\\u",
	"\"a\nb\"",
	"\"a\x1f\"",
	"01",
	"+1",
	"-",
	".5",
	"1.",
	"1.e2",
	"1e",
	"1e+",
	"0x10",
	"NaN",
	"Infinity",
	"-Infinity",
	"nul",
	"nulll",
	"True",
	"tru",
	"1 2",
	"{}{}",
	"{} x",
	"/* */ 1",
	"[1] // one",
	"\xef\xbb\xbf{}",
};

static void what_is_json_reads_as_json_c_reads_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		JIT_JSON json_object *ours = NULL;
		JIT_JSON json_object *theirs = json_tokener_parse(good[i]);

		if (jit_json_read(good[i], strlen(good[i]), JIT_JSON_DEPTH, &ours) != 0)
			fail_msg("refused: %s", good[i]);
		if (!json_object_equal(ours, theirs))
			fail_msg("%s is read as %s, and by json-c as %s", good[i], json_object_to_json_string(ours),
				 json_object_to_json_string(theirs));
	}
}

static void what_is_none_is_refused(void **state)
{
	struct json_object *json = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (jit_json_read(bad[i], strlen(bad[i]), JIT_JSON_DEPTH, &json) != -EINVAL || json)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(jit_json_read("{}\0", 3, JIT_JSON_DEPTH, &json), -EINVAL);
	assert_int_equal(jit_json_read("{}x", 2, JIT_JSON_DEPTH, &json), 0);
	json_object_put(json);
	assert_null(jit_json_of(NULL));
	assert_null(jit_json_of("{"));
}

/* Every beginning of a document, in a block that ends with it. */
static void nothing_is_read_beyond_the_end(void **state)
{
	static const char text[] = "{\"name\":[\"\\ud83d\\udd11\\n\",-1.5e+3,true,false,null]}";

	(void)state;
	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		struct json_object *json = NULL;
		char *block = malloc(len ? len : 1);

		assert_non_null(block);
		memcpy(block, text, len);
		assert_int_equal(jit_json_read(block, len, JIT_JSON_DEPTH, &json), -EINVAL);
		free(block);
	}
}

static void what_is_too_deep_is_refused(void **state)
{
	struct json_object *json = NULL;

	(void)state;
	assert_int_equal(jit_json_read("[[[1]]]", 7, 3, &json), 0);
	json_object_put(json);
	json = NULL;
	assert_int_equal(jit_json_read("[[[[]]]]", 8, 3, &json), -EINVAL);
	assert_int_equal(jit_json_read("[{\"a\":[]}]", 10, 2, &json), -EINVAL);
	assert_int_equal(jit_json_read("[[],[],[[]]]", 12, 3, &json), 0);
	json_object_put(json);
}

static void what_is_added_or_printed_without_a_document_is_refused(void **state)
{
	(void)state;
	assert_false(jit_json_add(NULL, "a", json_object_new_int(1)));
	assert_false(jit_json_append(NULL, json_object_new_int(1)));
	assert_null(jit_json_text(NULL, NULL));
	JIT_JSON json_object *json = json_object_new_object();
	JIT_JSON json_object *list = json_object_new_array();
	assert_false(jit_json_add(json, "a", NULL));
	assert_false(jit_json_append(list, NULL));
	assert_int_equal(json_object_object_length(json), 0);
	assert_int_equal(json_object_array_length(list), 0);
}

#ifdef JIT_TEST_NO_MEMORY
static void each_lack_of_memory_leaves_no_document(void **state)
{
	static const char text[] =
		"{\"name\":\"" LONG LONG "\",\"list\":[1,2.5,true,\"" LONG "\",18446744073709551615],"
		"\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1,"
		"\"k\":1,\"l\":1,\"m\":1,\"n\":1,\"o\":1,\"p\":1,\"q\":1,\"r\":{\"s\":null}}";
	unsigned failed = 0;
	bool all = false;

	(void)state;
	if (!memory_can_run_out())
		skip();
	for (long nth = 0; !all; nth++) {
		JIT_JSON json_object *json = NULL;

		left = nth;
		int r = jit_json_read(text, sizeof(text) - 1, JIT_JSON_DEPTH, &json);
		const char *printed = jit_json_text(json, NULL);
		all = left >= 0;
		left = LONG_MAX;
		assert_true(r == 0 ? json != NULL : r == -ENOMEM && !json);
		failed += !printed;
		assert_true(all == (printed != NULL));
		if (printed)
			assert_string_equal(printed, text);
	}
	assert_true(failed > 30);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_json_reads_as_json_c_reads_it),
		cmocka_unit_test(what_is_none_is_refused),
		cmocka_unit_test(nothing_is_read_beyond_the_end),
		cmocka_unit_test(what_is_too_deep_is_refused),
		cmocka_unit_test(what_is_added_or_printed_without_a_document_is_refused),
#ifdef JIT_TEST_NO_MEMORY
		cmocka_unit_test(each_lack_of_memory_leaves_no_document),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
