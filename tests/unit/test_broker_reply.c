/* What whoever runs the broker is told of an answer, besides who gets it. */
#include "logged.h"

#include <stdio.h>

#include "call_transport.h"
#include "reply.h"

static int answered;

static void keep(struct jb_call *call, int status, const char *headers, const char *body, size_t len)
{
	(void)call;
	(void)headers;
	(void)body;
	(void)len;
	answered = status;
}

static const struct jb_transport transport = {.reply = keep};

static void logged(int http, const char *code, char *ret, size_t size)
{
	struct jb_call call = {.transport = &transport, .head = {.method = "POST", .path = "/requests/an-id/approve"}};
	struct jb_fault fault = {.http = http, .message = "the disk is full; try again"};

	snprintf(fault.code, sizeof(fault.code), "%s", code);
	unsetenv("JOURNAL_STREAM");
	answered = 0;
	log_begin();
	jb_reply_fault(&call, &fault);
	log_end(ret, size);
	assert_int_equal(answered, http);
}

/* Who called may not come again. */
static void why_the_store_could_not_be_used_is_logged_with_what_was_asked(void **state)
{
	char said[256];

	(void)state;
	logged(503, "store.unavailable", said, sizeof(said));
	assert_string_equal(said, "POST /requests/an-id/approve was refused: the disk is full; try again\n");
}

static void a_refusal_that_is_the_callers_alone_is_not(void **state)
{
	char said[256];

	(void)state;
	logged(403, "policy.role", said, sizeof(said));
	assert_string_equal(said, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(why_the_store_could_not_be_used_is_logged_with_what_was_asked),
		cmocka_unit_test(a_refusal_that_is_the_callers_alone_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
