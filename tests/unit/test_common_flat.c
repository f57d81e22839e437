/* Credentials of others, read where they lie: in any order, and nothing else. */
#include "unit.h"

#include "flat.h"

#define WANTS                                                                                                          \
	{                                                                                                              \
		{"AccessKeyId", 16, {NULL, 0}},                                                                        \
		{                                                                                                      \
			"SecretAccessKey", 16,                                                                         \
			{                                                                                              \
				NULL, 0                                                                                \
			}                                                                                              \
		}                                                                                                      \
	}

static bool reads(const char *text)
{
	struct jit_flat_want wants[] = WANTS;

	return jit_flat_object(text, strlen(text), wants, COUNT_OF(wants)) && wants[0].value.at && wants[1].value.at;
}

static void any_order_and_any_blanks_are_read(void **state)
{
	struct jit_flat_want wants[] = WANTS;
	const char text[] = " {\n  \"Code\" : \"Success\",\r\n\t\"SecretAccessKey\":\"s/+=\" , \"Type\":\"AWS HMAC\",\n"
			    "\"AccessKeyId\":\"ASIA1\"\n}\n";

	(void)state;
	assert_true(jit_flat_object(text, strlen(text), wants, COUNT_OF(wants)));
	assert_int_equal(wants[0].value.len, 5);
	assert_memory_equal(wants[0].value.at, "ASIA1", 5);
	assert_int_equal(wants[1].value.len, 4);
	assert_memory_equal(wants[1].value.at, "s/+=", 4);
}

static void what_is_not_there_has_no_value(void **state)
{
	struct jit_flat_want wants[] = WANTS;
	const char text[] = "{\"message\":\"Request 1 updated to DENIED\"}";

	(void)state;
	assert_true(jit_flat_object(text, strlen(text), wants, COUNT_OF(wants)));
	assert_null(wants[0].value.at);
	assert_null(wants[1].value.at);
}

static void everything_else_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"{}",
		"[]",
		"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\"",
		"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\"}}",
		"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\",}",
		"{\"AccessKeyId\":\"A\" \"SecretAccessKey\":\"S\"}",
		"{\"AccessKeyId\":\"A\",\"AccessKeyId\":\"B\",\"SecretAccessKey\":\"S\"}",
		"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":1}",
		"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":null}",
		"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"\"}",
		"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"a b\"}",
		"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"a\\u0041\"}",
		"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"a\nb\"}",
		"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"12345678901234567\"}",
		"{\"AccessKeyId\":\"A\",\"x\":{\"SecretAccessKey\":\"S\"}}",
		"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S",
	};

	(void)state;
	assert_true(reads("{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\"}"));
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		/* In a block of its own size, so that a byte read past its end is found. */
		struct jit_flat_want wants[] = WANTS;
		size_t len = strlen(bad[i]);
		char *exact = malloc(len + !len);

		assert_non_null(exact);
		memcpy(exact, bad[i], len);
		assert_false(jit_flat_object(exact, len, wants, COUNT_OF(wants)) && wants[0].value.at &&
			     wants[1].value.at);
		free(exact);
	}
}

/* The value of "v" in that object; NULL: there is none. */
static const char *value_in(const char *text)
{
	static char found[256];
	struct jit_span value;
	size_t len = strlen(text);
	char *exact = malloc(len + !len);

	assert_non_null(exact);
	memcpy(exact, text, len);
	bool there = jit_flat_value((struct jit_span){exact, len}, "v", &value);
	if (there) {
		assert_true(value.at >= exact && value.at + value.len <= exact + len && value.len < sizeof(found));
		memcpy(found, value.at, value.len);
		found[value.len] = '\0';
	}
	free(exact);
	return there ? found : NULL;
}

static void a_value_is_found_wherever_it_stands(void **state)
{
	static const struct {
		const char *text, *value;
	} rows[] = {
		{"{\"v\":\"a\"}", "\"a\""},
		{" {\n\"v\"\t:\r {\"x\":[1,{}]} ,\"w\":2}", "{\"x\":[1,{}]}"},
		{"{\"a\":[{\"v\":1},\"}\"],\"b\":{\"v\":[2]},\"c\":-1.5E+3,\"d\":null,\"v\":3}", "3"},
		{"{\"a\":\"\\\"v\\\":\\\\\",\"v\":\"\\\\\\\"\"}", "\"\\\\\\\"\""},
		{"{\"v\":1,\"v\":2}", "1"},
		{"{\"v\":true", "true"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_non_null(value_in(rows[i].text));
		assert_string_equal(value_in(rows[i].text), rows[i].value);
	}
}

static void what_is_no_object_with_it_has_no_value(void **state)
{
	static const char *const none[] = {
		"",
		"{",
		"{}",
		"[]",
		"\"v\"",
		"{\"w\":1}",
		"{v:1}",
		"{\"v\"}",
		"{\"v\":",
		"{\"v\":}",
		"{\"v\":,}",
		"{\"v\" 1}",
		"{\"v\":\"a",
		"{\"v\":\"a\\",
		"{\"v\":\"a\\\"",
		"{\"v\":\"a\nb\"}",
		"{\"v\":\"a\\\nb\"}",
		"{\"v\":[1}",
		"{\"v\":{\"a\":1]}",
		"{\"a\":{\"v\":1}}",
		"{\"a\":\"v\"}",
		"{\"a\":?,\"v\":1}",
		"{\"a\":1 \"v\":1}",
		"{\"a\":[[[[[[[[[]]]]]]]]],\"v\":1}",
	};

	(void)state;
	assert_non_null(value_in("{\"a\":[[[[[[[[]]]]]]]],\"v\":1}"));
	for (size_t i = 0; i < COUNT_OF(none); i++)
		if (value_in(none[i]))
			fail_msg("found: %s", none[i]);
}

static void a_string_is_what_is_between_its_quotes(void **state)
{
	struct jit_span text;

	(void)state;
	assert_true(jit_flat_string((struct jit_span){"\"a\\\"b\"", 6}, &text));
	assert_int_equal(text.len, 4);
	assert_memory_equal(text.at, "a\\\"b", 4);
	assert_true(jit_flat_string((struct jit_span){"\"\"", 2}, &text));
	assert_int_equal(text.len, 0);
	assert_false(jit_flat_string((struct jit_span){"1", 1}, &text));
	assert_false(jit_flat_string((struct jit_span){"\"a\"x", 4}, &text));
	assert_false(jit_flat_string((struct jit_span){"\"", 1}, &text));
	assert_false(jit_flat_string((struct jit_span){"", 0}, &text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_order_and_any_blanks_are_read),
		cmocka_unit_test(what_is_not_there_has_no_value),
		cmocka_unit_test(everything_else_is_refused),
		cmocka_unit_test(a_value_is_found_wherever_it_stands),
		cmocka_unit_test(what_is_no_object_with_it_has_no_value),
		cmocka_unit_test(a_string_is_what_is_between_its_quotes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
