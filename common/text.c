/* See text.h. */
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int jit_parse_u64(const char *s, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (!s || !*s || (s[0] == '0' && s[1]))
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		uint64_t digit = (uint64_t)(*s - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return -ERANGE;
		value = value * 10 + digit;
	}
	if (value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

int jit_parse_duration(const char *s, uint64_t max, uint64_t *ret_seconds)
{
	char digits[24];
	uint64_t value, unit = 1;
	size_t len = s ? strlen(s) : 0;

	if (len == 0 || len >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, s, len + 1);
	switch (digits[len - 1]) {
	case 's':
		break;
	case 'm':
		unit = 60;
		break;
	case 'h':
		unit = 3600;
		break;
	case 'd':
		unit = 86400;
		break;
	default:
		unit = 0;
	}
	if (unit)
		digits[len - 1] = '\0';
	else
		unit = 1;
	int r = jit_parse_u64(digits, UINT64_MAX / unit, &value);
	if (r < 0)
		return r;
	if (value * unit > max)
		return -ERANGE;
	*ret_seconds = value * unit;
	return 0;
}

void jit_format_duration(uint64_t seconds, char *buf, size_t size)
{
	unsigned long long h = seconds / 3600, m = seconds / 60 % 60, s = seconds % 60;

	if (seconds < 60)
		snprintf(buf, size, "%llu s", s);
	else if (h == 0 && s)
		snprintf(buf, size, "%llu min %llu s", m, s);
	else if (h == 0)
		snprintf(buf, size, "%llu min", m);
	else if (m)
		snprintf(buf, size, "%llu h %llu min", h, m);
	else
		snprintf(buf, size, "%llu h", h);
}

/* Length of the well-formed character at s (1 to 4), its code point in *ret; 0 when malformed. */
static size_t utf8_next(const unsigned char *s, size_t len, uint32_t *ret)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n;
	uint32_t cp;

	if (s[0] < 0x80) {
		*ret = s[0];
		return s[0] ? 1 : 0;
	}
	if (s[0] >= 0xc2 && s[0] < 0xe0)
		n = 2, cp = s[0] & 0x1fU;
	else if (s[0] >= 0xe0 && s[0] < 0xf0)
		n = 3, cp = s[0] & 0x0fU;
	else if (s[0] >= 0xf0 && s[0] < 0xf5)
		n = 4, cp = s[0] & 0x07U;
	else
		return 0;
	if (len < n)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (s[i] & 0x3fU);
	}
	if (cp < least[n] || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
		return 0;
	*ret = cp;
	return n;
}

bool jit_utf8_valid(const char *s, size_t len)
{
	uint32_t cp;

	while (len) {
		size_t n = utf8_next((const unsigned char *)s, len, &cp);
		if (n == 0)
			return false;
		s += n;
		len -= n;
	}
	return true;
}

/* What could move the cursor, hide text or reorder what stands beside it. */
static bool is_unsafe(uint32_t cp)
{
	static const struct {
		uint32_t first, last;
	} unsafe[] = {
		{0x00, 0x1f},	  {0x7f, 0x9f},	    {0xad, 0xad},	{0x61c, 0x61c},
		{0x180e, 0x180e}, {0x200b, 0x200f}, {0x2028, 0x202e},	{0x2060, 0x206f},
		{0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xe0000, 0xe0fff}, {0xfffe, 0xffff},
	};

	for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++)
		if (cp >= unsafe[i].first && cp <= unsafe[i].last)
			return true;
	return false;
}

size_t jit_text_clean(char *buf, size_t size, const char *s, size_t len)
{
	size_t out = 0, cut = 0;

	while (len) {
		uint32_t cp;
		size_t n = utf8_next((const unsigned char *)s, len, &cp);
		bool keep = n && !is_unsafe(cp);
		size_t need = keep ? n : 1;

		if (out + need + 1 > size) {
			size_t dots = size > 3 ? 3 : size - 1;
			memset(buf + cut, '.', dots);
			buf[cut + dots] = '\0';
			return cut + dots;
		}
		if (keep)
			memcpy(buf + out, s, n);
		else
			buf[out] = '?';
		out += need;
		if (out + 4 <= size)
			cut = out;
		s += n ? n : 1;
		len -= n ? n : 1;
	}
	buf[out] = '\0';
	return out;
}

size_t jit_text_clean_str(char *buf, size_t size, const char *s)
{
	return jit_text_clean(buf, size, s ? s : "", s ? strlen(s) : 0);
}
