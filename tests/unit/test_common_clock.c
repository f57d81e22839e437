/* common/clock: times of the wire, both ways. */
#include <errno.h>

#include "clock.h"
#include "unit.h"

static void times_go_both_ways(void **state)
{
	static const struct {
		const char *text;
		int64_t epoch;
	} rows[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"2026-11-22T16:00:00Z", 1795363200},
		{"2000-02-29T23:59:59Z", 951868799},
		{"9999-12-31T23:59:59Z", 253402300799},
	};
	char buf[JIT_ISO_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int64_t epoch = -1;

		assert_int_equal(jit_iso_parse(rows[i].text, &epoch), 0);
		assert_int_equal(epoch, rows[i].epoch);
		jit_iso_format(epoch, buf);
		assert_string_equal(buf, rows[i].text);
	}
	jit_iso_format(-1, buf);
	assert_string_equal(buf, "");
	jit_iso_format(253402300800, buf);
	assert_string_equal(buf, "");
}

static void offsets_and_fractions_are_understood(void **state)
{
	static const char *const same[] = {"2026-11-22T16:00:00.123Z", "2026-11-22T16:00:00+00:00",
					   "2026-11-22T17:30:00+01:30", "2026-11-22T12:00:00-04:00",
					   "2026-11-22t16:00:00z"};
	int64_t epoch;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(same); i++) {
		assert_int_equal(jit_iso_parse(same[i], &epoch), 0);
		assert_int_equal(epoch, 1795363200);
	}
}

static void anything_else_is_refused(void **state)
{
	static const char *const bad[] = {"",
					  "2026",
					  "2026-11-22",
					  "2026-11-22 16:00:00Z",
					  "2026-11-22T16:00:00",
					  "2026-11-22T16:00:00Zx",
					  "2026-02-30T00:00:00Z",
					  "2026-13-01T00:00:00Z",
					  "2026-11-22T24:00:00Z",
					  "2026-11-22T16:60:00Z",
					  "2026-11-22T16:00:60Z",
					  "2026-11-22T16:00:00.Z",
					  "2026-11-22T16:00:00+0100",
					  "2026-11-22T16:00:00+25:00",
					  "1969-12-31T23:59:59Z",
					  "-026-11-22T16:00:00Z",
					  "2026-1-22T16:00:00Z"};
	int64_t epoch = 5;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_int_equal(jit_iso_parse(bad[i], &epoch), -EINVAL);
	assert_int_equal(epoch, 5);
}

static void the_boot_clock_does_not_go_back(void **state)
{
	int64_t before = jit_boottime_ms();

	(void)state;
	assert_true(before > 0);
	assert_true(jit_boottime_ms() >= before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_go_both_ways),
		cmocka_unit_test(offsets_and_fractions_are_understood),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(the_boot_clock_does_not_go_back),
	};

	return cmocka_run_group_tests_name("common clock", tests, NULL, NULL);
}
