/* Hours on the clocks of a place, across midnight and the days on which clocks are put on and back; zones as libc has
 * them; and the addresses that a key is bound to. */
#include "unit.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>

#include "clock.h"
#include "hours.h"
#include "source.h"
#include "zone.h"
#include "zone_rule.h"

static int64_t at(const char *iso)
{
	int64_t seconds;

	assert_int_equal(jit_iso_parse(iso, &seconds), 0);
	return seconds;
}

static struct jb_hours hours_of(const char *text)
{
	struct jb_hours hours = {0};
	char why[256];

	if (!jb_hours_add(&hours, text, 1, why, sizeof(why)))
		fail_msg("%s: %s", text, why);
	return hours;
}

/* libc is the judge, over zones with every kind of rule: none, south of the equator, half hours, rules by <+03>. */
static void a_zone_s_offset_is_what_libc_says(void **state)
{
	static const char *const names[] = {"UTC",
					    "Europe/Berlin",
					    "Europe/Dublin",
					    "America/New_York",
					    "America/St_Johns",
					    "America/Sao_Paulo",
					    "Asia/Kolkata",
					    "Asia/Tokyo",
					    "Asia/Tehran",
					    "Australia/Sydney",
					    "Australia/Lord_Howe",
					    "Africa/Cairo",
					    "Africa/Casablanca",
					    "Pacific/Auckland",
					    "Pacific/Chatham",
					    "America/Nuuk"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		char why[256];
		struct jb_zone *zone = jb_zone_new(names[i], why, sizeof(why));

		if (!zone)
			fail_msg("%s", why);
		assert_string_equal(jb_zone_name(zone), names[i]);
		setenv("TZ", names[i], 1);
		tzset();
		/* From 1990 to 2060 in steps that come by at every hour of the day and every day of the week. */
		const int64_t step = (5 * 3600 + 1799) * (is_under_valgrind() ? 101 : 1);
		for (int64_t t = 631152000; t < 2840140800; t += step) {
			time_t time = t;
			struct tm tm;

			localtime_r(&time, &tm);
			if (jb_zone_offset(zone, t) != tm.tm_gmtoff)
				fail_msg("%s at %lld: %lld, libc says %ld", names[i], (long long)t,
					 (long long)jb_zone_offset(zone, t), tm.tm_gmtoff);
		}
		jb_zone_free(zone);
	}
	unsetenv("TZ");
	tzset();
}

static void what_is_no_zone_is_refused(void **state)
{
	static const char *const names[] = {"",	      "Europe/Atlantis", "../../etc/passwd", "/etc/localtime",
					    "Europe", "CET CET",	 "right/UTC",	     "tzdata.zi"};
	static const uint8_t cut[] = "TZif2";

	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		char why[256] = "";

		assert_null(jb_zone_new(names[i], why, sizeof(why)));
		assert_true(why[0]);
	}
	for (size_t len = 0; len < sizeof(cut); len++) {
		char why[256];

		assert_null(jb_zone_parse("x", cut, len, why, sizeof(why)));
	}
}

/* Rules that no zone of today's database has, and POSIX allows: again libc is the judge. */
static void a_rule_by_days_of_the_year_is_read_as_libc_reads_it(void **state)
{
	static const char *const rules[] = {"AAA-3BBB,J60/0,J300/2:30", "AAA5BBB4,59,304/25",
					    "<-03>3<-02>,J32,J334/23"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rules); i++) {
		struct jb_zone_rule rule;

		assert_true(jb_zone_rule_parse(rules[i], &rule));
		setenv("TZ", rules[i], 1);
		tzset();
		for (time_t t = 1704067200; t < 1704067200 + 3 * 366 * 86400;
		     t += 1800) { /* 2024, a leap year, to 2026 */
			struct tm tm;

			localtime_r(&t, &tm);
			if (jb_zone_rule_offset(&rule, t) != tm.tm_gmtoff)
				fail_msg("%s at %lld: %lld, libc says %ld", rules[i], (long long)t,
					 (long long)jb_zone_rule_offset(&rule, t), tm.tm_gmtoff);
		}
	}
	unsetenv("TZ");
	tzset();
}

static void what_is_no_rule_is_refused(void **state)
{
	static const char *const rules[] = {"",
					    "AA3",
					    "AAA3BBB",
					    "AAA3BBB,J0,J9",
					    "AAA3BBB,J366,J9",
					    "AAA3BBB,M13.1.0,J9",
					    "AAA3BBB,1,2,3",
					    "<AAA3BBB,1,2"};
	struct jb_zone_rule rule;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rules); i++)
		assert_false(jb_zone_rule_parse(rules[i], &rule));
}

static void hours_are_open_when_the_clocks_of_their_place_say_so(void **state)
{
	const struct {
		const char *hours, *at;
		bool open;
	} cases[] = {
		/* 2026-11-23 is a Monday */
		{"Mon-Fri 08:00-18:00", "2026-11-23T07:59:59Z", false},
		{"Mon-Fri 08:00-18:00", "2026-11-23T08:00:00Z", true},
		{"Mon-Fri 08:00-18:00", "2026-11-23T17:59:59Z", true},
		{"Mon-Fri 08:00-18:00", "2026-11-23T18:00:00Z", false},
		{"Mon-Fri 08:00-18:00", "2026-11-28T12:00:00Z", false}, /* Saturday */
		{"Mon-Fri 08:00-18:00 Europe/Berlin", "2026-11-23T06:59:59Z", false},
		{"Mon-Fri 08:00-18:00 Europe/Berlin", "2026-11-23T07:00:00Z", true}, /* winter: +1 */
		{"Mon-Fri 08:00-18:00 Europe/Berlin", "2026-07-20T06:00:00Z", true}, /* summer: +2 */
		{"Mon-Fri 08:00-18:00 Europe/Berlin", "2026-07-20T05:59:59Z", false},
		{"Mon-Fri 08:00-18:00 Europe/Berlin", "2026-07-20T16:00:00Z", false},
		/* the place's Monday, not ours */
		{"Mon 00:00-24:00 Asia/Tokyo", "2026-11-22T15:00:00Z", true},
		{"Mon 00:00-24:00 Asia/Tokyo", "2026-11-23T15:00:00Z", false},
		{"Sat,Sun 10:00-12:00", "2026-11-28T11:00:00Z", true},
		{"Sat,Sun 10:00-12:00", "2026-11-27T11:00:00Z", false},
		{"Mon,Wed-Fri 10:00-12:00", "2026-11-24T11:00:00Z", false},
		{"Mon,Wed-Fri 10:00-12:00", "2026-11-26T11:00:00Z", true},
		{"Fri-Mon 10:00-12:00", "2026-11-23T11:00:00Z", true}, /* around the week's end */
		{"Fri-Mon 10:00-12:00", "2026-11-24T11:00:00Z", false},
		{"daily 00:00-24:00", "2026-11-24T23:59:59Z", true},
		/* over midnight: the window belongs to the day on which it begins */
		{"Fri 22:00-06:00", "2026-11-27T21:59:59Z", false},
		{"Fri 22:00-06:00", "2026-11-27T22:00:00Z", true},
		{"Fri 22:00-06:00", "2026-11-28T00:00:00Z", true},
		{"Fri 22:00-06:00", "2026-11-28T05:59:59Z", true},
		{"Fri 22:00-06:00", "2026-11-28T06:00:00Z", false},
		{"Fri 22:00-06:00", "2026-11-27T05:00:00Z", false},
		{"Sun 22:00-06:00", "2026-11-23T05:00:00Z", true}, /* into Monday */
		{"Fri 22:00-00:00", "2026-11-27T23:59:59Z", true},
		{"Fri 22:00-00:00", "2026-11-28T00:00:00Z", false},
		/* Berlin, 2026-03-29: after 01:59:59 comes 03:00:00 */
		{"daily 02:15-02:45 Europe/Berlin", "2026-03-29T00:59:59Z", false},
		{"daily 02:15-02:45 Europe/Berlin", "2026-03-29T01:00:00Z", false},
		{"daily 02:15-03:15 Europe/Berlin", "2026-03-29T01:14:59Z", true},
		{"daily 02:15-03:15 Europe/Berlin", "2026-03-29T01:15:00Z", false},
		/* Berlin, 2026-10-25: 02:00 to 03:00 comes twice */
		{"daily 02:15-02:45 Europe/Berlin", "2026-10-25T00:15:00Z", true},
		{"daily 02:15-02:45 Europe/Berlin", "2026-10-25T00:45:00Z", false},
		{"daily 02:15-02:45 Europe/Berlin", "2026-10-25T01:15:00Z", true},
		{"daily 02:15-02:45 Europe/Berlin", "2026-10-25T01:45:00Z", false},
		/* New York puts its clocks back a week later than Berlin */
		{"daily 09:00-17:00 America/New_York", "2026-10-30T13:00:00Z", true},
		{"daily 09:00-17:00 America/New_York", "2026-11-02T13:59:59Z", false},
		{"daily 09:00-17:00 America/New_York", "2026-11-02T14:00:00Z", true},
		/* after the last change that the files list */
		{"Mon-Fri 08:00-18:00 Europe/Berlin", "2050-07-20T06:00:00Z", true},
		{"Mon-Fri 08:00-18:00 Europe/Berlin", "2050-07-20T16:00:00Z", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct jb_hours hours = hours_of(cases[i].hours);

		if ((jb_hours_open(&hours, at(cases[i].at)) != NULL) != cases[i].open)
			fail_msg("%s at %s: expected %s", cases[i].hours, cases[i].at, cases[i].open ? "open" : "shut");
		jb_hours_clear(&hours);
	}
}

static void what_are_no_hours_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"Mon-Fri",
		"08:00-18:00",
		"Mon-Fri 8:00-18:00",
		"Mon-Fri 08:00",
		"Mon-Fri 08:00-24:01",
		"Mon-Fri 24:00-08:00",
		"Mon-Fri 08:60-18:00",
		"Mon-Fri 08:00-08:00",
		"Mon-Fry 08:00-18:00",
		"Mon- 08:00-18:00",
		"Mon, 08:00-18:00",
		",Mon 08:00-18:00",
		"mon 08:00-18:00",
		"Mon-Tue-Wed 08:00-18:00",
		"Mon-Fri 08:00-18:00 Europe/Atlantis",
		"Mon-Fri 08:00-18:00 Europe/Berlin 2",
		"Mon-Fri 08:00-18:00Z",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct jb_hours hours = {0};
		char why[256] = "";

		if (jb_hours_add(&hours, texts[i], 1, why, sizeof(why)))
			fail_msg("\"%s\" was taken for hours", texts[i]);
		assert_true(why[0]);
		assert_int_equal(hours.count, 0);
		jb_hours_clear(&hours);
	}
}

static void hours_end_with_the_last_of_the_windows_that_touch(void **state)
{
	struct jb_hours hours = hours_of("Mon-Fri 08:00-12:00");
	char why[256], text[128], clock[JB_HOURS_CLOCK_SIZE];

	(void)state;
	assert_true(jb_hours_add(&hours, "Mon-Fri 12:00-18:00 UTC", 9, why, sizeof(why)));
	const int64_t monday = at("2026-11-23T11:59:30Z");
	assert_int_equal(jb_hours_until(&hours, monday, monday + 43200), at("2026-11-23T18:00:00Z"));
	assert_int_equal(jb_hours_until(&hours, monday, monday + 3600), monday + 3600);
	assert_int_equal(jb_hours_until(&hours, at("2026-11-23T18:00:00Z"), at("2026-11-24T18:00:00Z")),
			 at("2026-11-23T18:00:00Z"));
	assert_int_equal(jb_hours_open(&hours, at("2026-11-23T12:00:00Z"))->line, 9);
	jb_hours_text(&hours, text, sizeof(text));
	assert_string_equal(text, "Mon-Fri 08:00-12:00 UTC, Mon-Fri 12:00-18:00 UTC");
	jb_hours_clear(&hours);

	/* 02:30 comes twice, and the first time ends at the second 02:00. */
	hours = hours_of("Sun 01:00-02:30 Europe/Berlin");
	const int64_t night = at("2026-10-24T23:30:00Z");
	assert_int_equal(jb_hours_until(&hours, night, night + 43200), at("2026-10-25T00:30:00Z"));
	jb_hours_clock(&hours.window[0], night, clock);
	assert_string_equal(clock, "Sun 01:30 (Europe/Berlin)");
	jb_hours_clear(&hours);
}

static struct jb_address address_of(const char *text)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return jb_address_of((struct sockaddr *)&v4);
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return jb_address_of((struct sockaddr *)&v6);
}

static void a_source_holds_what_its_prefix_says(void **state)
{
	const struct {
		const char *source, *address;
		bool holds;
	} cases[] = {
		{"10.0.0.0/8", "10.255.0.1", true},
		{"10.0.0.0/8", "11.0.0.1", false},
		{"10.0.0.0/8", "::ffff:10.1.2.3", true}, /* a socket for both families shows IPv4 so */
		{"10.0.0.0/8", "::10.1.2.3", false},
		{"192.0.2.7", "192.0.2.7", true},
		{"192.0.2.7", "192.0.2.6", false},
		{"192.0.2.4/30", "192.0.2.7", true},
		{"192.0.2.4/30", "192.0.2.8", false},
		{"192.0.2.7 2001:db8::/33", "2001:db8:7fff::1", true},
		{"192.0.2.7 2001:db8::/33", "2001:db8:8000::1", false},
		{"192.0.2.7 2001:db8::/33", "192.0.2.7", true},
		{"0.0.0.0/0", "203.0.113.1", true},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"::1", "127.0.0.1", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct jb_sources sources = {0};
		const struct jb_address address = address_of(cases[i].address);
		char why[256];

		assert_true(jb_sources_add(&sources, cases[i].source, why, sizeof(why)));
		if (jb_sources_hold(&sources, &address) != cases[i].holds)
			fail_msg("%s and %s", cases[i].source, cases[i].address);
		jb_sources_clear(&sources);
	}
}

static void a_peer_without_an_address_comes_from_nowhere(void **state)
{
	const struct sockaddr_un un = {.sun_family = AF_UNIX};
	const struct jb_address unknown = jb_address_of((const struct sockaddr *)&un), v4 = address_of("10.1.2.3");
	struct jb_sources sources = {0};
	char why[256], text[JB_ADDRESS_SIZE];

	(void)state;
	assert_true(jb_sources_add(&sources, "0.0.0.0/0 ::/0", why, sizeof(why)));
	assert_false(jb_sources_hold(&sources, &unknown));
	assert_true(jb_sources_hold(&sources, &v4));
	jb_sources_clear(&sources);
	jb_address_text(&unknown, text);
	assert_string_equal(text, "an unknown address");
	jb_address_text(&v4, text);
	assert_string_equal(text, "10.1.2.3");
}

static void what_is_no_source_is_refused(void **state)
{
	static const char *const texts[] = {"10.0.0.1/8", "10.0.0.0/33",    "10.0.0.0/",  "10.0.0",
					    "web-1",	  "2001:db8::1/32", "::/129",	  "10.0.0.0/8/8",
					    "/8",	  "10.0.0.0/08",    "10.0.0.0/-1"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct jb_sources sources = {0};
		char why[256] = "";

		if (jb_sources_add(&sources, texts[i], why, sizeof(why)))
			fail_msg("\"%s\" was taken for a source", texts[i]);
		assert_non_null(strstr(why, texts[i]));
		jb_sources_clear(&sources);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_zone_s_offset_is_what_libc_says),
		cmocka_unit_test(what_is_no_zone_is_refused),
		cmocka_unit_test(a_rule_by_days_of_the_year_is_read_as_libc_reads_it),
		cmocka_unit_test(what_is_no_rule_is_refused),
		cmocka_unit_test(hours_are_open_when_the_clocks_of_their_place_say_so),
		cmocka_unit_test(what_are_no_hours_is_refused),
		cmocka_unit_test(hours_end_with_the_last_of_the_windows_that_touch),
		cmocka_unit_test(a_source_holds_what_its_prefix_says),
		cmocka_unit_test(a_peer_without_an_address_comes_from_nowhere),
		cmocka_unit_test(what_is_no_source_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
