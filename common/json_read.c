/* See json_read.h. */
#include "json_read.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

#define REPLACEMENT 0xfffd /* for half a pair of surrogates */

struct reader {
	const char *at, *end;
	/* Room for what is being read: never more than it has in the document. Names stay until their value is there.
	 */
	char *room;
	unsigned depth; /* levels that may still begin */
	int error;
};

/* False: *ret, which begins as NULL, may be half of one; it is the caller's to let go. */
static bool read_value(struct reader *r, json_object **ret);

static bool fail(struct reader *r, int error)
{
	r->error = error;
	return false;
}

static bool made(struct reader *r, json_object *value, json_object **ret)
{
	*ret = value;
	return value || fail(r, -ENOMEM);
}

static void skip_space(struct reader *r)
{
	while (r->at < r->end && *r->at && strchr(" \t\r\n", *r->at))
		r->at++;
}

static bool next_is(struct reader *r, char c)
{
	skip_space(r);
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hexadecimal digits; 0, and nothing is taken: there are none. */
static bool take_unit(struct reader *r, unsigned *ret)
{
	unsigned unit = 0;

	if (r->end - r->at < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		const int digit = digit_of(r->at[i]);

		if (digit < 0)
			return false;
		unit = unit << 4 | (unsigned)digit;
	}
	r->at += 4;
	*ret = unit;
	return true;
}

static char *put_utf8(char *to, unsigned cp)
{
	if (cp < 0x80) {
		*to++ = (char)cp;
		return to;
	}
	if (cp < 0x800) {
		*to++ = (char)(0xc0 | cp >> 6);
	} else {
		if (cp < 0x10000) {
			*to++ = (char)(0xe0 | cp >> 12);
		} else {
			*to++ = (char)(0xf0 | cp >> 18);
			*to++ = (char)(0x80 | (cp >> 12 & 0x3f));
		}
		*to++ = (char)(0x80 | (cp >> 6 & 0x3f));
	}
	*to++ = (char)(0x80 | (cp & 0x3f));
	return to;
}

/* What follows \u, with the other half of its pair. */
static bool read_unicode(struct reader *r, char **to)
{
	unsigned cp, low;

	if (!take_unit(r, &cp))
		return fail(r, -EINVAL);
	if (cp >= 0xd800 && cp <= 0xdfff) {
		struct reader after = *r;

		after.at += 2;
		if (cp < 0xdc00 && r->end - r->at >= 6 && r->at[0] == '\\' && r->at[1] == 'u' &&
		    take_unit(&after, &low) && low >= 0xdc00 && low <= 0xdfff) {
			r->at = after.at;
			cp = 0x10000 + ((cp - 0xd800) << 10 | (low - 0xdc00));
		} else {
			cp = REPLACEMENT;
		}
	}
	*to = put_utf8(*to, cp);
	return true;
}

static bool read_escape(struct reader *r, char **to)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	const char c = r->at < r->end ? *r->at++ : '\0';
	const char *name = c ? strchr(names, c) : NULL;

	if (c == 'u')
		return read_unicode(r, to);
	if (!name)
		return fail(r, -EINVAL);
	*(*to)++ = values[name - names];
	return true;
}

/* What follows the opening quote, into the room, which ends with NUL then. */
static bool read_text(struct reader *r, size_t *ret_len)
{
	char *to = r->room;

	while (r->at < r->end) {
		const char c = *r->at++;

		if (c == '"') {
			*to = '\0';
			*ret_len = (size_t)(to - r->room);
			return true;
		}
		if ((unsigned char)c < 0x20)
			break;
		if (c != '\\')
			*to++ = c;
		else if (!read_escape(r, &to))
			return false;
	}
	return fail(r, -EINVAL);
}

static bool read_member(struct reader *r, json_object *object)
{
	char *name = r->room;
	json_object *value = NULL;
	size_t len;

	if (!next_is(r, '"'))
		return fail(r, -EINVAL);
	if (!read_text(r, &len))
		return false;
	if (strlen(name) != len || !next_is(r, ':'))
		return fail(r, -EINVAL);
	r->room += len + 1;
	const bool ok = read_value(r, &value);
	r->room = name;
	if (ok && json_object_object_add(object, name, value) == 0)
		return true;
	json_object_put(value);
	return ok ? fail(r, -ENOMEM) : false;
}

static bool read_element(struct reader *r, json_object *array)
{
	json_object *value = NULL;
	const bool ok = read_value(r, &value);

	if (ok && json_object_array_add(array, value) == 0)
		return true;
	json_object_put(value);
	return ok ? fail(r, -ENOMEM) : false;
}

/* What follows the opening bracket, up to the closing one. */
static bool read_all(struct reader *r, json_object *to, char close, bool (*read_one)(struct reader *r, json_object *to))
{
	if (!r->depth)
		return fail(r, -EINVAL);
	if (next_is(r, close))
		return true;
	r->depth--;
	do {
		if (!read_one(r, to))
			return false;
	} while (next_is(r, ','));
	r->depth++;
	return next_is(r, close) || fail(r, -EINVAL);
}

static bool take_digits(struct reader *r)
{
	const char *from = r->at;

	while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
		r->at++;
	return r->at > from;
}

static bool take(struct reader *r, const char *one_of)
{
	if (r->at == r->end || !*r->at || !strchr(one_of, *r->at))
		return false;
	r->at++;
	return true;
}

static bool read_number(struct reader *r, json_object **ret)
{
	const char *from = r->at;
	bool whole = true;

	take(r, "-");
	if (!take(r, "0") && !take_digits(r))
		return fail(r, -EINVAL);
	if (take(r, ".")) {
		whole = false;
		if (!take_digits(r))
			return fail(r, -EINVAL);
	}
	if (take(r, "eE")) {
		whole = false;
		take(r, "+-");
		if (!take_digits(r))
			return fail(r, -EINVAL);
	}
	const size_t len = (size_t)(r->at - from);
	memcpy(r->room, from, len);
	r->room[len] = '\0';
	/* Beyond what fits, each is the last one that does, as json-c has it. The locale is C's in every program of
	 * ours. */
	if (!whole)
		return made(r, json_object_new_double_s(strtod(r->room, NULL), r->room), ret);
	if (*from == '-')
		return made(r, json_object_new_int64(strtoll(r->room, NULL, 10)), ret);
	const unsigned long long number = strtoull(r->room, NULL, 10);
	return made(r, number > INT64_MAX ? json_object_new_uint64(number) : json_object_new_int64((int64_t)number),
		    ret);
}

static bool take_word(struct reader *r, const char *word)
{
	const size_t len = strlen(word);

	if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0)
		return fail(r, -EINVAL);
	r->at += len;
	return true;
}

static bool read_value(struct reader *r, json_object **ret)
{
	size_t len;

	skip_space(r);
	const char c = r->at < r->end ? *r->at : '\0';
	switch (c) {
	case '{':
		r->at++;
		return made(r, json_object_new_object(), ret) && read_all(r, *ret, '}', read_member);
	case '[':
		r->at++;
		return made(r, json_object_new_array(), ret) && read_all(r, *ret, ']', read_element);
	case '"':
		r->at++;
		return read_text(r, &len) && made(r, json_object_new_string_len(r->room, (int)len), ret);
	case 't':
		return take_word(r, "true") && made(r, json_object_new_boolean(true), ret);
	case 'f':
		return take_word(r, "false") && made(r, json_object_new_boolean(false), ret);
	case 'n':
		return take_word(r, "null");
	default:
		return read_number(r, ret);
	}
}

int jit_json_read(const char *text, size_t len, unsigned depth, struct json_object **ret)
{
	JIT_JSON json_object *json = NULL;

	if (len > INT_MAX)
		return -EINVAL;
	char *room = malloc(len + 1);
	if (!room)
		return -ENOMEM;
	struct reader r = {.at = text, .end = text + len, .room = room, .depth = depth};
	bool ok = read_value(&r, &json);
	skip_space(&r);
	if (ok && r.at < r.end)
		ok = fail(&r, -EINVAL);
	explicit_bzero(room, len + 1);
	free(room);
	if (!ok)
		return r.error;
	*ret = JIT_TAKE(json);
	return 0;
}

struct json_object *jit_json_of(const char *text)
{
	struct json_object *json = NULL;

	if (text)
		(void)jit_json_read(text, strlen(text), JIT_JSON_DEPTH, &json);
	return json;
}
