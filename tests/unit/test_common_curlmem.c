/* What libcurl frees is wiped, also where the memory stays ours for the next call. */
#include "unit.h"

#include <curl/curl.h>
#include <curl/mprintf.h>
#include <string.h>

#include "curlmem.h"

#define LEN 16383 /* with its NUL what libcurl's buffers take */

static char text[LEN + 1];

static int set_up(void **state)
{
	(void)state;
	memset(text, 'k', LEN);
	return jit_curlmem_start();
}

static bool is_wiped(const char *at)
{
	for (size_t i = 0; i < LEN; i++)
		if (at[i])
			return false;
	return true;
}

static void a_large_block_is_wiped_when_it_is_freed_and_used_again(void **state)
{
	char *first = curl_maprintf("%s", text);

	(void)state;
	assert_non_null(first);
	assert_string_equal(first, text);
	const char *at = first; /* one of those that stay locked: it can still be looked at */
	curl_free(first);
	assert_true(is_wiped(at));
	char *again = curl_maprintf("%s", text);
	assert_ptr_equal(again, at);
	curl_free(again);
}

static void more_blocks_than_are_kept_are_each_their_own(void **state)
{
	char *block[16];

	(void)state;
	for (size_t i = 0; i < 16; i++) {
		text[0] = (char)('a' + i);
		assert_non_null(block[i] = curl_maprintf("%s", text));
	}
	for (size_t i = 0; i < 16; i++) {
		assert_int_equal(block[i][0], 'a' + i);
		assert_int_equal(strlen(block[i]), LEN);
		curl_free(block[i]);
	}
	text[0] = 'k';
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_large_block_is_wiped_when_it_is_freed_and_used_again),
		cmocka_unit_test(more_blocks_than_are_kept_are_each_their_own),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
