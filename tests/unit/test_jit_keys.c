/* jit's reader of credentials, and how it quotes them for shells. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jit_keys.h"

#define GOOD                                                                                                           \
	"{\"Version\":1,\"AccessKeyId\":\"ASIAX\",\"SecretAccessKey\":\"s/+=\",\"SessionToken\":\"tok\","              \
	"\"Expiration\":\"2026-11-22T17:03:36Z\"}"

/* In a block of its own size: a read beyond it is found. */
static bool reads(const char *text, size_t len)
{
	struct jit_keys keys;
	char *copy = malloc(len ? len : 1);

	memcpy(copy, text, len);
	bool good = jit_keys_read(copy, len, &keys);
	free(copy);
	return good;
}

static void the_document_is_read_and_nothing_else(void **state)
{
	static const char *const bad[] = {
		"{}",
		GOOD " x",
		GOOD GOOD,
		"{\"Version\":2,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\",\"Expiration\":"
		"\"e\"}",
		"{\"Version\":1,\"AccessKeyId\":\"\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\",\"Expiration\":"
		"\"e\"}",
		"{\"Version\":1,\"AccessKeyId\":\"A\\n\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\","
		"\"Expiration\":\"e\"}",
		"{\"Version\":1,\"AccessKeyId\":\"A\n\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\","
		"\"Expiration\":\"e\"}",
		"{\"Version\":1,\"AccessKeyId\":\"\xc3\xa4\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\","
		"\"Expiration\":\"e\"}",
		"{\"Version\":1,\"AccessKeyId\":1,\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\",\"Expiration\":"
		"\"e\"}",
		"{\"Version\":1,\"SecretAccessKey\":\"s\",\"AccessKeyId\":\"A\",\"SessionToken\":\"t\",\"Expiration\":"
		"\"e\"}",
	};

	(void)state;
	assert_true(reads(GOOD, strlen(GOOD)));
	for (size_t cut = 0; cut < strlen(GOOD); cut++)
		assert_false(reads(GOOD, cut));
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (reads(bad[i], strlen(bad[i])))
			fail_msg("accepted: %s", bad[i]);
}

static struct jit_keys keys_of(const char *token)
{
	return (struct jit_keys){.value = {{"ASIAX", 5}, {"s/+=", 4}, {token, strlen(token)}, {"2026", 4}}};
}

static void every_shell_gets_its_own_words(void **state)
{
	static const char *const expected[] = {
		[JIT_SHELL_SH] = "export AWS_ACCESS_KEY_ID='ASIAX'\nexport AWS_SECRET_ACCESS_KEY='s/+='\n"
				 "export AWS_SESSION_TOKEN='$(id)`'\\'';x'\nexport AWS_CREDENTIAL_EXPIRATION='2026'\n"
				 "unset AWS_PROFILE\n",
		[JIT_SHELL_FISH] = "set -gx AWS_ACCESS_KEY_ID 'ASIAX'\nset -gx AWS_SECRET_ACCESS_KEY 's/+='\n"
				   "set -gx AWS_SESSION_TOKEN '$(id)`\\';x'\nset -gx AWS_CREDENTIAL_EXPIRATION '2026'\n"
				   "set -e AWS_PROFILE\n",
		[JIT_SHELL_JSON] = "{\"AWS_ACCESS_KEY_ID\":\"ASIAX\",\"AWS_SECRET_ACCESS_KEY\":\"s/+=\","
				   "\"AWS_SESSION_TOKEN\":\"$(id)`';x\",\"AWS_CREDENTIAL_EXPIRATION\":\"2026\"}\n",
	};
	const struct jit_keys keys = keys_of("$(id)`';x");
	char text[1024];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(expected); i++) {
		size_t len = jit_keys_format(&keys, (enum jit_shell)i, text, sizeof(text) - 1);
		text[len] = '\0';
		assert_string_equal(text, expected[i]);
	}
}

static void a_text_that_does_not_fit_is_none(void **state)
{
	const struct jit_keys keys = keys_of("''''");
	char text[1024];
	size_t len = jit_keys_format(&keys, JIT_SHELL_SH, text, sizeof(text));

	(void)state;
	for (size_t size = 0; size < len; size++)
		assert_int_equal(jit_keys_format(&keys, JIT_SHELL_SH, text, size), 0);
	assert_int_equal(jit_keys_format(&keys, JIT_SHELL_SH, text, len), len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_document_is_read_and_nothing_else),
		cmocka_unit_test(every_shell_gets_its_own_words),
		cmocka_unit_test(a_text_that_does_not_fit_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
