/* See clock.h. */
#include "clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t jit_boottime_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t jit_wall_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec;
}

void jit_iso_format(int64_t epoch_s, char buf[static JIT_ISO_SIZE])
{
	struct tm tm;
	time_t t = (time_t)epoch_s;

	buf[0] = '\0';
	if (epoch_s < 0 || epoch_s > 253402300799 || !gmtime_r(&t, &tm))
		return;
	strftime(buf, JIT_ISO_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* Exactly `n` digits at *s, which moves past them; -1 when there are fewer. */
static int digits(const char **s, int n)
{
	int value = 0;

	for (int i = 0; i < n; i++, (*s)++) {
		if (**s < '0' || **s > '9')
			return -1;
		value = value * 10 + (**s - '0');
	}
	return value;
}

static bool expect(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

/* "Z" or "+hh:mm", to the end of the text. */
static bool parse_offset(const char *s, int *ret_seconds)
{
	int sign = *s == '-' ? -1 : 1;

	*ret_seconds = 0;
	if (*s == 'Z' || *s == 'z')
		return s[1] == '\0';
	if (*s != '+' && *s != '-')
		return false;
	s++;
	int h = digits(&s, 2);
	if (!expect(&s, ':'))
		return false;
	int m = digits(&s, 2);
	if (h < 0 || h > 23 || m < 0 || m > 59 || *s)
		return false;
	*ret_seconds = sign * (h * 3600 + m * 60);
	return true;
}

int jit_iso_parse(const char *s, int64_t *ret_epoch_s)
{
	struct tm tm = {0};
	int offset;

	tm.tm_year = digits(&s, 4) - 1900;
	if (!expect(&s, '-'))
		return -EINVAL;
	tm.tm_mon = digits(&s, 2) - 1;
	if (!expect(&s, '-'))
		return -EINVAL;
	tm.tm_mday = digits(&s, 2);
	if (*s != 'T' && *s != 't')
		return -EINVAL;
	s++;
	tm.tm_hour = digits(&s, 2);
	if (!expect(&s, ':'))
		return -EINVAL;
	tm.tm_min = digits(&s, 2);
	if (!expect(&s, ':'))
		return -EINVAL;
	tm.tm_sec = digits(&s, 2);
	if (*s == '.') {
		s++;
		if (digits(&s, 1) < 0)
			return -EINVAL;
		while (*s >= '0' && *s <= '9')
			s++;
	}
	if (tm.tm_year < 70 || tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1 || tm.tm_hour < 0 || tm.tm_hour > 23 ||
	    tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 59 || !parse_offset(s, &offset))
		return -EINVAL;
	int month = tm.tm_mon, day = tm.tm_mday;
	time_t t = timegm(&tm);
	if (t < 0 || tm.tm_mon != month || tm.tm_mday != day) /* 31 February is normalised away */
		return -EINVAL;
	*ret_epoch_s = (int64_t)t - offset;
	return 0;
}
