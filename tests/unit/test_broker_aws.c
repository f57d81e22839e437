/* What is said to AWS, and by which name and with which keys: ARNs, URLs, credentials sealed on their way. */
#include "unit.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws_keys.h"
#include "aws_post.h"
#include "credentials.h"
#include "seal.h"

static void an_arn_is_read_to_the_letter(void **state)
{
	static const char *const bad[] = {
		"",
		"arn",
		"arn:aws:states:eu-west-1:1:stateMachine:",
		"arn:aws:states:eu-west-1:1:stateMachine:n:1", /* a version: its name would be another path */
		"arn:aws:states::1:stateMachine:n",
		"arn:aws:lambda:eu-west-1:1:stateMachine:n",
		"arn:aws:states:eu-west-1:1:activity:n",
		"arn:aws:states:eu/west:1:stateMachine:n",
		"arn:aws:states:eu-west-1:1:stateMachine:a/b",
		"nra:aws:states:eu-west-1:1:stateMachine:n",
	};
	struct jb_arn arn = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(jb_arn_parse(bad[i], "states", "stateMachine", &arn));
		assert_string_equal(arn.name, "");
	}
	assert_true(jb_arn_parse("arn:aws-us-gov:states:eu-west-1:123456789012:stateMachine:JIT_1", "states",
				 "stateMachine", &arn));
	assert_string_equal(arn.region, "eu-west-1");
	assert_string_equal(arn.name, "JIT_1");
}

static void a_function_may_be_named_without_its_arn(void **state)
{
	struct jb_arn arn = {0};

	(void)state;
	assert_true(jb_arn_parse_function("jit-AssumeJITRole", "eu-north-1", &arn));
	assert_string_equal(arn.region, "eu-north-1");
	assert_string_equal(arn.name, "jit-AssumeJITRole");
	assert_true(jb_arn_parse_function("arn:aws:lambda:eu-west-1:1:function:f", "eu-north-1", &arn));
	assert_string_equal(arn.region, "eu-west-1");
	assert_false(jb_arn_parse_function("", "eu-north-1", &arn));
	assert_false(jb_arn_parse_function("../f", "eu-north-1", &arn));
	assert_false(jb_arn_parse_function("arn:aws:lambda:eu-west-1:1:function:f:live", "eu-north-1", &arn));
}

static void an_endpoint_has_nothing_behind_its_port(void **state)
{
	static const char *const bad[] = {"", "host", "https://h/x", "https://h?x", "https://u@h", "https://h#x"};
	static const char *const good[] = {"https://h:1", "https://h:1/"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(jb_aws_url(bad[i], "/"));
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char *url = jb_aws_url(good[i], "/a/b");

		assert_string_equal(url, "https://h:1/a/b");
		free(url);
	}
}

static void keys_come_from_the_environment_in_lambda_alone(void **state)
{
	struct jb_aws_keys keys;
	char why[256];

	(void)state;
	setenv("AWS_ACCESS_KEY_ID", "AKIA", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
	unsetenv("AWS_LAMBDA_RUNTIME_API");
	assert_int_equal(jb_aws_keys_read(JB_AWS_ENVIRONMENT, &keys, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "AWS Lambda alone"));
	setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1", 1);
	assert_int_equal(jb_aws_keys_read(JB_AWS_ENVIRONMENT, &keys, why, sizeof(why)), 0);
	assert_string_equal(keys.access_key_id, "AKIA");
	assert_string_equal(keys.secret_access_key, "secret");
	assert_string_equal(keys.session_token, "");
	setenv("AWS_SESSION_TOKEN", "with a blank", 1);
	assert_int_equal(jb_aws_keys_read(JB_AWS_ENVIRONMENT, &keys, why, sizeof(why)), -1);
	unsetenv("AWS_SESSION_TOKEN");
	unsetenv("AWS_SECRET_ACCESS_KEY");
	assert_int_equal(jb_aws_keys_read(JB_AWS_ENVIRONMENT, &keys, why, sizeof(why)), -1);
}

static const struct jb_credentials credentials = {.access_key_id = "ASIAEXAMPLE",
						  .secret_access_key = "wJalr/secret+",
						  .session_token = "IQoJ/token==",
						  .expiration = 1795363200};

static void credentials_come_out_as_they_went_in_and_for_their_key_alone(void **state)
{
	JIT_KEY EVP_PKEY *mine = NULL;
	JIT_KEY EVP_PKEY *other = NULL;
	struct jb_credentials out = {0};
	char *sealed;

	(void)state;
	assert_int_equal(jit_key_new(&mine), 0);
	assert_int_equal(jit_key_new(&other), 0);
	assert_int_equal(jb_credentials_seal(&credentials, NULL, mine, &sealed), 0);
	assert_null(strstr(sealed, "ASIA"));
	assert_int_equal(jb_credentials_open(other, sealed, &out), -EINVAL);
	assert_int_equal(jb_credentials_open(mine, sealed, &out), 0);
	assert_string_equal(out.access_key_id, credentials.access_key_id);
	assert_string_equal(out.secret_access_key, credentials.secret_access_key);
	assert_string_equal(out.session_token, credentials.session_token);
	assert_int_equal(out.expiration, credentials.expiration);
	free(sealed);
}

static void what_is_not_whole_is_no_credentials(void **state)
{
	static const char *const bad[] = {
		"{}",
		"{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"b\",\"SessionToken\":\"c\"}",
		"{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"b\",\"SessionToken\":\"c\",\"Expiration\":\"soon\"}",
		"{\"AccessKeyId\":\"\",\"SecretAccessKey\":\"b\",\"SessionToken\":\"c\","
		"\"Expiration\":\"2026-11-22T16:00:00Z\"}",
	};
	JIT_KEY EVP_PKEY *mine = NULL;
	struct jb_credentials out = {0};
	char *sealed;

	(void)state;
	assert_int_equal(jit_key_new(&mine), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(jit_seal(mine, bad[i], strlen(bad[i]), &sealed), 0);
		assert_int_equal(jb_credentials_open(mine, sealed, &out), -EINVAL);
		free(sealed);
	}
	assert_int_equal(jb_credentials_open(mine, "no.such.thing", &out), -EINVAL);
	assert_string_equal(out.access_key_id, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_arn_is_read_to_the_letter),
		cmocka_unit_test(a_function_may_be_named_without_its_arn),
		cmocka_unit_test(an_endpoint_has_nothing_behind_its_port),
		cmocka_unit_test(keys_come_from_the_environment_in_lambda_alone),
		cmocka_unit_test(credentials_come_out_as_they_went_in_and_for_their_key_alone),
		cmocka_unit_test(what_is_not_whole_is_no_credentials),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
