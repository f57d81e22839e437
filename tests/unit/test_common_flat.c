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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_order_and_any_blanks_are_read),
		cmocka_unit_test(what_is_not_there_has_no_value),
		cmocka_unit_test(everything_else_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
