/* Credentials: the strict reader of the sealed text, and the document that AWS tools get. */
#include "unit.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "creds.h"
#include "proto.h"

#define GOOD                                                                                                           \
	"{\"AccessKeyId\":\"ASIAX\",\"SecretAccessKey\":\"s/+=\",\"SessionToken\":\"tok\","                            \
	"\"Expiration\":\"2026-11-22T17:03:36+00:00\",\"grantToken\":\"bearer\"}"

static char *secure(const char *text)
{
	char *copy = OPENSSL_secure_malloc(strlen(text) + 1);

	memcpy(copy, text, strlen(text) + 1);
	return copy;
}

static bool is(struct jit_span span, const char *text)
{
	return span.len == strlen(text) && memcmp(span.at, text, span.len) == 0;
}

static void the_agreed_form_is_read_in_place(void **state)
{
	static const char *const forms[] = {
		GOOD,
		"{ \"AccessKeyId\": \"ASIAX\", \"SecretAccessKey\": \"s/+=\", \"SessionToken\": \"tok\", "
		"\"Expiration\": \"2026-11-22T17:03:36Z\", \"grantToken\": \"bearer\" }",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		struct jh_creds c = {0};
		char *plain = secure(forms[i]);
		assert_int_equal(jh_creds_read(plain, strlen(plain), &c), 0);
		assert_true(is(c.access_key, "ASIAX"));
		assert_true(is(c.secret_key, "s/+="));
		assert_true(is(c.session_token, "tok"));
		assert_true(is(c.grant_token, "bearer"));
		assert_int_equal(c.expires_at, 1795367016);
		assert_ptr_equal(c.access_key.at, strstr(plain, "ASIAX"));
		jh_creds_clear(&c);
		assert_null(c.plain);
	}
}

static void every_cut_and_every_other_form_is_refused(void **state)
{
	static const char *const forms[] = {
		GOOD " x",
		GOOD GOOD,
		"[]",
		"{\"SecretAccessKey\":\"s\",\"AccessKeyId\":\"A\"}",
		"{\"AccessKeyId\":\"A\\u0041\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\",\"Expiration\":"
		"\"2026-11-22T17:03:36Z\",\"grantToken\":\"b\"}",
		"{\"AccessKeyId\":\"\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\",\"Expiration\":"
		"\"2026-11-22T17:03:36Z\",\"grantToken\":\"b\"}",
		"{\"AccessKeyId\":5,\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\",\"Expiration\":"
		"\"2026-11-22T17:03:36Z\",\"grantToken\":\"b\"}",
		"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\",\"Expiration\":\"soon\","
		"\"grantToken\":\"b\"}",
		"{\"AccessKeyId\":\"A B\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\",\"Expiration\":"
		"\"2026-11-22T17:03:36Z\",\"grantToken\":\"b\"}",
		"{\"AccessKeyId\":\"A\x01\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\",\"Expiration\":"
		"\"2026-11-22T17:03:36Z\",\"grantToken\":\"b\"}",
	};
	struct jh_creds c = {0};
	char text[512];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		snprintf(text, sizeof(text), "%s", forms[i]);
		if (jh_creds_read(text, strlen(text), &c) == 0)
			fail_msg("accepted: %s", forms[i]);
	}
	for (size_t cut = 0; cut < strlen(GOOD); cut++) {
		snprintf(text, sizeof(text), "%.*s", (int)cut, GOOD);
		assert_int_not_equal(jh_creds_read(text, cut, &c), 0);
	}
	assert_null(c.plain);
}

static void a_value_over_its_size_is_refused(void **state)
{
	char *text = OPENSSL_secure_malloc(20000);
	char token[9000];
	struct jh_creds c = {0};

	(void)state;
	memset(token, 't', sizeof(token) - 1);
	token[sizeof(token) - 1] = '\0';
	int n = snprintf(text, 20000,
			 "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"%s\",\"Expiration\":"
			 "\"2026-11-22T17:03:36Z\",\"grantToken\":\"b\"}",
			 token);
	assert_int_not_equal(jh_creds_read(text, (size_t)n, &c), 0);
	OPENSSL_secure_clear_free(text, 20000);
}

static void the_document_is_what_credential_process_wants(void **state)
{
	static struct jit_frame frame;
	struct jh_creds c = {0};
	char *plain = secure(GOOD);
	const uint8_t *json;
	size_t len;

	(void)state;
	assert_int_equal(jh_creds_read(plain, strlen(plain), &c), 0);
	jit_frame_start(&frame, JIT_F_DOCUMENT);
	jh_creds_put(&c, &frame);
	assert_false(frame.overflow);
	assert_true(jit_frame_get(&frame, JIT_T_JSON, 0, &json, &len));
	static const char want[] = "{\"Version\":1,\"AccessKeyId\":\"ASIAX\",\"SecretAccessKey\":\"s/+=\","
				   "\"SessionToken\":\"tok\",\"Expiration\":\"2026-11-22T17:03:36Z\"}";
	assert_int_equal(len, sizeof(want) - 1);
	assert_memory_equal(json, want, len);
	jh_creds_clear(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_agreed_form_is_read_in_place),
		cmocka_unit_test(every_cut_and_every_other_form_is_refused),
		cmocka_unit_test(a_value_over_its_size_is_refused),
		cmocka_unit_test(the_document_is_what_credential_process_wants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
