/* common/text: what came from outside is read strictly and shown safely. */
#include <errno.h>
#include <string.h>

#include "text.h"
#include "unit.h"

static void numbers_are_read_strictly(void **state)
{
	static const char *const bad[] = {"", " 1", "1 ", "+1", "-1", "01", "0x1", "1e3", "1.0", "a", "\xd9\xa1"};
	uint64_t n = 7;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_int_equal(jit_parse_u64(bad[i], UINT64_MAX, &n), -EINVAL);
	assert_int_equal(jit_parse_u64(NULL, 10, &n), -EINVAL);
	assert_int_equal(jit_parse_u64("18446744073709551616", UINT64_MAX, &n), -ERANGE);
	assert_int_equal(jit_parse_u64("11", 10, &n), -ERANGE);
	assert_int_equal(n, 7); /* untouched on failure */
	assert_int_equal(jit_parse_u64("0", 10, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(jit_parse_u64("18446744073709551615", UINT64_MAX, &n), 0);
	assert_true(n == UINT64_MAX);
}

static void durations_have_units_and_bounds(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t seconds;
	} rows[] = {
		{"90", 0, 90},
		{"90s", 0, 90},
		{"15m", 0, 900},
		{"4h", 0, 14400},
		{"1d", 0, 86400},
		{"0", 0, 0},
		{"s", -EINVAL, 0},
		{"1w", -EINVAL, 0},
		{"1m30s", -EINVAL, 0},
		{"-1m", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"2d", -ERANGE, 0},
		{"1 m", -EINVAL, 0},
		{"1M", -EINVAL, 0},
		{"0.5h", -EINVAL, 0},
		{"99999999999999999999h", -ERANGE, 0},
		{"213503982334602d", -ERANGE, 0}, /* overflows 64 bits once it is seconds */
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint64_t seconds = 0;

		assert_int_equal(jit_parse_duration(rows[i].text, 86400, &seconds), rows[i].r);
		assert_int_equal(seconds, rows[i].seconds);
	}
}

static void durations_read_like_speech(void **state)
{
	static const struct {
		uint64_t seconds;
		const char *text;
	} rows[] = {
		{0, "0 s"},    {59, "59 s"},	     {60, "1 min"},   {90, "1 min 30 s"},
		{3600, "1 h"}, {5400, "1 h 30 min"}, {86400, "24 h"},
	};
	char buf[32];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		jit_format_duration(rows[i].seconds, buf, sizeof(buf));
		assert_string_equal(buf, rows[i].text);
	}
}

static void hostile_text_cannot_move_a_cursor_or_forge_a_line(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"plain \xc3\xa9t\xc3\xa9 \xe2\x82\xac \xf0\x9f\x94\x91",
		 "plain \xc3\xa9t\xc3\xa9 \xe2\x82\xac \xf0\x9f\x94\x91"},
		{"a\033[2Jb", "a?[2Jb"},
		{"a\nb\rc\td\x7f", "a?b?c?d?"},
		{"csi \xc2\x9b"
		 "31m",
		 "csi ?31m"},
		{"bidi \xe2\x80\xae"
		 "txt",
		 "bidi ?txt"},
		{"zero\xe2\x80\x8bwidth\xef\xbb\xbf", "zero?width?"},
		{"line\xe2\x80\xa8para\xe2\x80\xa9", "line?para?"},
		{"tag\xf3\xa0\x81\x81", "tag?"},
		{"bad \xff\xfe \xc0\xaf \xed\xa0\x80", "bad ?? ?? ???"},
		{"cut \xe2\x82", "cut ??"},
		{"", ""},
	};
	char buf[128];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		size_t n = jit_text_clean_str(buf, sizeof(buf), rows[i].in);

		assert_string_equal(buf, rows[i].out);
		assert_int_equal(n, strlen(rows[i].out));
	}
	assert_int_equal(jit_text_clean(buf, sizeof(buf), "a\0b", 3), 3);
	assert_string_equal(buf, "a?b");
	assert_int_equal(jit_text_clean_str(buf, sizeof(buf), NULL), 0);
}

static void long_text_is_cut_between_characters(void **state)
{
	char buf[8];

	(void)state;
	jit_text_clean_str(buf, sizeof(buf), "1234567");
	assert_string_equal(buf, "1234567");
	jit_text_clean_str(buf, sizeof(buf), "12345678");
	assert_string_equal(buf, "1234...");
	jit_text_clean_str(buf, sizeof(buf), "123\xe2\x82\xac\xe2\x82\xac");
	assert_string_equal(buf, "123...");
	jit_text_clean_str(buf, 4, "12345");
	assert_string_equal(buf, "...");
}

static void utf8_is_checked_by_the_rfc(void **state)
{
	(void)state;
	assert_true(jit_utf8_valid("\xf4\x8f\xbf\xbf", 4));
	assert_false(jit_utf8_valid("\xf4\x90\x80\x80", 4)); /* above U+10FFFF */
	assert_false(jit_utf8_valid("\xe0\x80\xaf", 3));     /* overlong */
	assert_false(jit_utf8_valid("\xed\xa0\x80", 3));     /* a surrogate */
	assert_false(jit_utf8_valid("a\0b", 3));
	assert_false(jit_utf8_valid("\xe2\x82", 2));
}

static void a_small_buffer_is_not_overrun(void **state)
{
	(void)state;
	for (size_t size = 1; size < 8; size++) {
		char buf[9] = "________";

		assert_int_equal(jit_text_clean_str(buf, size, "123456789"), size - 1);
		assert_int_equal(buf[size - 1], '\0');
		assert_int_equal(buf[size], '_');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_read_strictly),
		cmocka_unit_test(durations_have_units_and_bounds),
		cmocka_unit_test(durations_read_like_speech),
		cmocka_unit_test(hostile_text_cannot_move_a_cursor_or_forge_a_line),
		cmocka_unit_test(long_text_is_cut_between_characters),
		cmocka_unit_test(a_small_buffer_is_not_overrun),
		cmocka_unit_test(utf8_is_checked_by_the_rfc),
	};

	return cmocka_run_group_tests_name("common text", tests, NULL, NULL);
}
