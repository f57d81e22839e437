/*
 * See hours.h. Wall clocks decide: where they are put forward, the minutes that
 * they leave out are open to nobody; where they are put back, those that come
 * twice are open twice.
 */
#include "hours.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zone.h"

#define MINUTES_A_DAY 1440
#define MINUTE	      60
#define DAY	      86400
#define WINDOWS_MAX   100 /* of one role */
#define ALL_DAYS      0x7fU

static const char *const day_names[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};

/* 0: Monday; -1: no day. */
static int read_day(const char *text, size_t len)
{
	for (int i = 0; i < 7; i++)
		if (len == 3 && strncmp(text, day_names[i], 3) == 0)
			return i;
	return -1;
}

/* "Mon", "Mon-Fri", "Fri-Mon": the days, 0 where it is none of these. */
static unsigned read_span(const char *text, size_t len)
{
	const int first = read_day(text, len == 7 && text[3] == '-' ? 3 : len);
	const int last = len == 7 ? read_day(text + 4, 3) : first;
	unsigned days = 0;

	if (first < 0 || last < 0)
		return 0;
	for (int day = first;; day = (day + 1) % 7) {
		days |= 1U << day;
		if (day == last)
			return days;
	}
}

/* "Mon,Wed-Fri", "daily". */
static unsigned read_days(const char *text, size_t len)
{
	unsigned days = 0;

	if (len == 5 && strncmp(text, "daily", 5) == 0)
		return ALL_DAYS;
	for (size_t at = 0; at <= len; at++) {
		size_t part = 0;

		while (at + part < len && text[at + part] != ',')
			part++;
		const unsigned span = read_span(text + at, part);
		if (!span)
			return 0;
		days |= span;
		at += part;
	}
	return days;
}

/* "08:00": minutes after midnight; -1: none. */
static int read_clock(const char *text)
{
	for (int i = 0; i < 5; i++)
		if (i == 2 ? text[i] != ':' : text[i] < '0' || text[i] > '9')
			return -1;
	const int hour = (text[0] - '0') * 10 + text[1] - '0', minute = (text[3] - '0') * 10 + text[4] - '0';

	return minute < 60 && hour * 60 + minute <= MINUTES_A_DAY ? hour * 60 + minute : -1;
}

static bool read_times(const char *text, size_t len, struct jb_window *window)
{
	if (len != 11 || text[5] != '-')
		return false;
	window->from = read_clock(text);
	window->to = read_clock(text + 6);
	return window->from >= 0 && window->from < MINUTES_A_DAY && window->to >= 0 && window->from != window->to;
}

static bool read_window(const char *text, struct jb_window *window, char *why, size_t why_size)
{
	const size_t days = strcspn(text, " ");
	const char *times = text + days + strspn(text + days, " ");
	const size_t times_len = strcspn(times, " ");
	const char *zone = times + times_len + strspn(times + times_len, " ");

	window->days = read_days(text, days);
	if (!window->days || !read_times(times, times_len, window)) {
		snprintf(why, why_size,
			 "hours are days, times and a place's clocks, like Mon-Fri 08:00-18:00 Europe/Berlin "
			 "(days: Mon-Fri, Sat,Sun or daily; times to 24:00; UTC without a place)");
		return false;
	}
	window->zone = jb_zone_new(*zone ? zone : "UTC", why, why_size);
	if (!window->zone)
		return false;
	snprintf(why, why_size, "out of memory");
	if (asprintf(&window->text, "%.*s %.*s %s", (int)days, text, (int)times_len, times,
		     jb_zone_name(window->zone)) >= 0)
		return true;
	jb_zone_free(window->zone);
	return false;
}

static void window_clear(struct jb_window *window)
{
	free(window->text);
	jb_zone_free(window->zone);
}

bool jb_hours_add(struct jb_hours *hours, const char *text, unsigned line, char *why, size_t why_size)
{
	struct jb_window window = {.line = line};

	if (!read_window(text, &window, why, why_size))
		return false;
	snprintf(why, why_size, "out of memory, or more than %d lines of hours", WINDOWS_MAX);
	struct jb_window *grown =
		hours->count < WINDOWS_MAX ? reallocarray(hours->window, hours->count + 1, sizeof(window)) : NULL;
	if (!grown) {
		window_clear(&window);
		return false;
	}
	hours->window = grown;
	hours->window[hours->count++] = window;
	return true;
}

void jb_hours_clear(struct jb_hours *hours)
{
	for (size_t i = 0; i < hours->count; i++)
		window_clear(&hours->window[i]);
	free(hours->window);
	*hours = (struct jb_hours){0};
}

/* The place's day of the week (0: Monday) and minute of the day. */
static void local(const struct jb_window *window, int64_t at, int *ret_day, int *ret_minute)
{
	const int64_t time = at + jb_zone_offset(window->zone, at);
	const int64_t days = time >= 0 ? time / DAY : (time - (DAY - 1)) / DAY;

	*ret_day = (int)(((days + 3) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
	*ret_minute = (int)((time - days * DAY) / MINUTE);
}

static bool is_open(const struct jb_window *window, int64_t at)
{
	int day, minute;

	local(window, at, &day, &minute);
	const bool today = window->days & 1U << day, yesterday = window->days & 1U << (day + 6) % 7;
	if (window->from < window->to)
		return today && minute >= window->from && minute < window->to;
	return (today && minute >= window->from) || (yesterday && minute < window->to);
}

const struct jb_window *jb_hours_open(const struct jb_hours *hours, int64_t at)
{
	for (size_t i = 0; i < hours->count; i++)
		if (is_open(&hours->window[i], at))
			return &hours->window[i];
	return NULL;
}

/* Windows begin and end on whole minutes, everywhere. */
int64_t jb_hours_until(const struct jb_hours *hours, int64_t from, int64_t latest)
{
	int64_t at = from;

	while (at < latest && jb_hours_open(hours, at))
		at += MINUTE - at % MINUTE;
	return at < latest ? at : latest;
}

void jb_hours_clock(const struct jb_window *window, int64_t at, char buf[static JB_HOURS_CLOCK_SIZE])
{
	int day, minute;

	local(window, at, &day, &minute);
	snprintf(buf, JB_HOURS_CLOCK_SIZE, "%s %02d:%02d (%s)", day_names[day], minute / 60, minute % 60,
		 jb_zone_name(window->zone));
}

void jb_hours_text(const struct jb_hours *hours, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < hours->count && len < size; i++) {
		int n = snprintf(buf + len, size - len, "%s%s", i ? ", " : "", hours->window[i].text);
		len += n > 0 ? (size_t)n : 0;
	}
}
