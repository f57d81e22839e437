/* A text that is made in memory is whole, or it is not there. */
#include "unit.h"

#include <stdio.h>

#include "draft.h"
#include "no_memory.h"

#define LONG "0123456789012345678901234567890123456789012345678901234567890123456789"

static void write_all(struct jit_draft *d)
{
	for (unsigned i = 0; i < 50; i++) {
		jit_draft_text(d, LONG);
		jit_draft_printf(d, "<%s %u>", LONG LONG LONG, i);
		jit_draft_char(d, '|');
		jit_draft_put(d, "abc", i % 4);
	}
}

static void what_is_put_stands_there_in_order(void **state)
{
	struct jit_draft d = {0};
	char expected[32768] = "";
	size_t used = 0, len;

	(void)state;
	for (unsigned i = 0; i < 50; i++)
		used += (size_t)snprintf(expected + used, sizeof(expected) - used, LONG "<" LONG LONG LONG " %u>|%.*s",
					 i, (int)(i % 4), "abc");
	write_all(&d);
	char *text = jit_draft_done(&d, &len);
	assert_non_null(text);
	assert_string_equal(text, expected);
	assert_int_equal(len, used);
	assert_null(d.text);
	free(text);
}

static void nothing_put_is_an_empty_text(void **state)
{
	struct jit_draft d = {0};
	size_t len = 1;
	char *text = jit_draft_done(&d, &len);

	(void)state;
	assert_string_equal(text, "");
	assert_int_equal(len, 0);
	free(text);
}

/* At every border of its growth, by each way in. */
static void each_length_fits(void **state)
{
	char bytes[600];

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	for (size_t n = 0; n < sizeof(bytes); n++) {
		struct jit_draft put = {0}, printed = {0};
		size_t len;

		jit_draft_put(&put, bytes, n);
		jit_draft_printf(&printed, "%.*s", (int)n, bytes);
		char *one = jit_draft_done(&put, &len), *other = jit_draft_done(&printed, NULL);
		assert_int_equal(len, n);
		assert_int_equal(strlen(one), n);
		assert_string_equal(one, other);
		free(one);
		free(other);
	}
}

static void more_than_there_can_be_is_lost(void **state)
{
	struct jit_draft d = {0};

	(void)state;
	jit_draft_text(&d, "a");
	jit_draft_put(&d, "b", SIZE_MAX - 1);
	jit_draft_text(&d, "c");
	assert_null(jit_draft_done(&d, NULL));
	assert_null(d.text);
}

#ifdef JIT_TEST_NO_MEMORY
static void each_lack_of_memory_leaves_no_text(void **state)
{
	unsigned failed = 0;
	bool all = false;

	(void)state;
	if (!memory_can_run_out())
		skip();
	for (long nth = 0; !all; nth++) {
		struct jit_draft d = {0};

		left = nth;
		write_all(&d);
		char *text = jit_draft_done(&d, NULL);
		all = left >= 0;
		left = LONG_MAX;
		failed += !text;
		assert_true(all ? text != NULL : text == NULL);
		free(text);
	}
	assert_true(failed > 3);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_stands_there_in_order),
		cmocka_unit_test(nothing_put_is_an_empty_text),
		cmocka_unit_test(each_length_fits),
		cmocka_unit_test(more_than_there_can_be_is_lost),
#ifdef JIT_TEST_NO_MEMORY
		cmocka_unit_test(each_lack_of_memory_leaves_no_text),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
