/* See zone_rule.h. */
#include "zone_rule.h"

#include <stddef.h>
#include <string.h>

#define HOUR 3600
#define DAY  86400

/* A number of at most three digits; false where there is none. */
static bool read_number(const char **at, int max, int *ret)
{
	int value = 0, digits = 0;

	for (; **at >= '0' && **at <= '9' && digits < 3; (*at)++, digits++)
		value = value * 10 + (**at - '0');
	*ret = value;
	return digits > 0 && value <= max;
}

/* hh[:mm[:ss]], with a sign before it. */
static bool read_time(const char **at, int64_t *ret)
{
	const int sign = **at == '-' ? -1 : 1;
	int part[3] = {0};

	*at += **at == '-' || **at == '+';
	if (!read_number(at, 167, &part[0]))
		return false;
	for (int i = 1; i < 3 && **at == ':'; i++) {
		(*at)++;
		if (!read_number(at, 59, &part[i]))
			return false;
	}
	*ret = sign * (part[0] * (int64_t)HOUR + part[1] * 60 + part[2]);
	return true;
}

/* CET, <+0330>: only that it is there matters. */
static bool skip_name(const char **at)
{
	size_t len;

	if (**at == '<') {
		len = strcspn(*at, ">");
		if ((*at)[len] != '>')
			return false;
		*at += len + 1;
		return len > 1;
	}
	len = strspn(*at, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
	*at += len;
	return len >= 3;
}

static bool take(const char **at, char c)
{
	*at += **at == c;
	return (*at)[-1] == c;
}

static bool read_day(const char **at, struct jb_zone_day *ret)
{
	*ret = (struct jb_zone_day){.kind = JB_DAY_ZERO, .time = 2 * (int64_t)HOUR};
	if (**at == 'M') {
		ret->kind = JB_DAY_MONTH;
		(*at)++;
		if (!read_number(at, 12, &ret->month) || !take(at, '.') || !read_number(at, 5, &ret->week) ||
		    !take(at, '.') || !read_number(at, 6, &ret->day) || !ret->month || !ret->week)
			return false;
	} else {
		if (**at == 'J')
			ret->kind = JB_DAY_JULIAN;
		*at += **at == 'J';
		if (!read_number(at, 365, &ret->day) || (ret->kind == JB_DAY_JULIAN && !ret->day))
			return false;
	}
	if (**at != '/')
		return true;
	(*at)++;
	return read_time(at, &ret->time);
}

bool jb_zone_rule_parse(const char *text, struct jb_zone_rule *ret)
{
	struct jb_zone_rule rule = {0};

	if (!skip_name(&text) || !read_time(&text, &rule.std))
		return false;
	rule.std = -rule.std; /* POSIX counts westwards */
	if (*text) {
		rule.has_dst = true;
		rule.dst = -(rule.std + HOUR);
		if (!skip_name(&text) || (*text != ',' && !read_time(&text, &rule.dst)))
			return false;
		rule.dst = -rule.dst;
		if (*text++ != ',' || !read_day(&text, &rule.start) || *text++ != ',' || !read_day(&text, &rule.end) ||
		    *text)
			return false;
	}
	*ret = rule;
	return true;
}

static bool is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1970-01-01 to 1 January of that year. */
static int64_t days_before_year(int64_t year)
{
	const int64_t y = year - 1;

	return 365 * (year - 1970) + (y / 4 - 1969 / 4) - (y / 100 - 1969 / 100) + (y / 400 - 1969 / 400);
}

static int64_t year_of(int64_t seconds)
{
	const int64_t days = seconds >= 0 ? seconds / DAY : (seconds - (DAY - 1)) / DAY;
	int64_t year = 1970 + days / 366;

	while (days_before_year(year + 1) <= days)
		year++;
	return year;
}

/* Seconds of local time from 1970-01-01 00:00 to the change of that year. */
static int64_t change_of(const struct jb_zone_day *day, int64_t year)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int64_t date = days_before_year(year);

	if (day->kind == JB_DAY_ZERO) {
		date += day->day;
	} else if (day->kind == JB_DAY_JULIAN) {
		date += day->day - 1 + (is_leap(year) && day->day >= 60);
	} else {
		int length = lengths[day->month - 1] + (day->month == 2 && is_leap(year));

		for (int m = 0; m < day->month - 1; m++)
			date += lengths[m] + (m == 1 && is_leap(year));
		int first = (int)((date + 4) % 7); /* 1970-01-01 was a Thursday; 0 is Sunday */
		int in_month = (day->day - first + 7) % 7 + (day->week - 1) * 7;
		date += in_month < length ? in_month : in_month - 7;
	}
	return date * DAY + day->time;
}

int64_t jb_zone_rule_offset(const struct jb_zone_rule *rule, int64_t at)
{
	if (!rule->has_dst)
		return rule->std;
	const int64_t year = year_of(at + rule->std);
	const int64_t start = change_of(&rule->start, year) - rule->std, end = change_of(&rule->end, year) - rule->dst;
	const bool dst = start < end ? at >= start && at < end : at >= start || at < end;

	return dst ? rule->dst : rule->std;
}
