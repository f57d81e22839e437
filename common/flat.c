/* See flat.h. */
#include "flat.h"

#include <string.h>

static void skip_blanks(struct jit_flat *flat)
{
	while (flat->at < flat->end && *flat->at == ' ')
		flat->at++;
}

/* These bytes, at once. */
static bool literal(struct jit_flat *flat, const char *text)
{
	size_t len = strlen(text);

	if ((size_t)(flat->end - flat->at) < len || memcmp(flat->at, text, len) != 0)
		return false;
	flat->at += len;
	return true;
}

bool jit_flat_text(struct jit_flat *flat, const char *text)
{
	struct jit_flat f = *flat;

	skip_blanks(&f);
	if (!literal(&f, text))
		return false;
	skip_blanks(&f);
	*flat = f;
	return true;
}

bool jit_flat_member(struct jit_flat *flat, const char *name, size_t max, struct jit_span *ret)
{
	struct jit_flat f = *flat;

	skip_blanks(&f);
	if (!literal(&f, "\"") || !literal(&f, name) || !literal(&f, "\"") || !jit_flat_text(&f, ":") ||
	    !literal(&f, "\""))
		return false;
	const char *value = f.at;
	while (f.at<f.end && * f.at> ' ' && *f.at < 0x7f && *f.at != '"' && *f.at != '\\')
		f.at++;
	size_t len = (size_t)(f.at - value);
	if (len == 0 || len > max || !literal(&f, "\""))
		return false;
	skip_blanks(&f);
	*flat = f;
	*ret = (struct jit_span){.at = value, .len = len};
	return true;
}

static void skip_space(struct jit_flat *f)
{
	while (f->at < f->end && (*f->at == ' ' || *f->at == '\t' || *f->at == '\r' || *f->at == '\n'))
		f->at++;
}

/* The byte, with what space there is around it. */
static bool mark(struct jit_flat *f, char c)
{
	skip_space(f);
	if (f->at == f->end || *f->at != c)
		return false;
	f->at++;
	skip_space(f);
	return true;
}

/* What is between the quotes, escapes and all. */
static bool string(struct jit_flat *f, struct jit_span *ret)
{
	if (f->at == f->end || *f->at++ != '"')
		return false;
	ret->at = f->at;
	for (bool escaped = false; f->at < f->end && (escaped || *f->at != '"'); f->at++) {
		if ((unsigned char)*f->at < ' ')
			return false;
		escaped = !escaped && *f->at == '\\';
	}
	ret->len = (size_t)(f->at - ret->at);
	return f->at < f->end && *f->at++ == '"';
}

static bool quoted(struct jit_flat *f, struct jit_span *ret)
{
	return string(f, ret) && !memchr(ret->at, '\\', ret->len);
}

/* A number, true, false, null: no more is looked at than that it can be one. */
static bool word(struct jit_flat *f)
{
	static const char letters[] = "+-.0123456789abcdefghijklmnopqrstuvwxyzE";
	const char *begin = f->at;

	while (f->at < f->end && memchr(letters, *f->at, sizeof(letters) - 1))
		f->at++;
	return f->at > begin;
}

/* Over any value. */
static bool skip(struct jit_flat *f)
{
	char ends[JIT_FLAT_DEPTH];
	struct jit_span text;
	size_t depth = 0;

	do {
		skip_space(f);
		if (f->at == f->end)
			return false;
		if (*f->at == '"') {
			if (!string(f, &text))
				return false;
		} else if (*f->at == '{' || *f->at == '[') {
			if (depth == JIT_FLAT_DEPTH)
				return false;
			ends[depth++] = *f->at++ == '{' ? '}' : ']';
		} else if (depth && *f->at == ends[depth - 1]) {
			depth--;
			f->at++;
		} else if (depth && (*f->at == ',' || *f->at == ':')) {
			f->at++;
		} else if (!word(f)) {
			return false;
		}
	} while (depth);
	return true;
}

static bool is_visible(struct jit_span span)
{
	for (size_t i = 0; i < span.len; i++)
		if (span.at[i] <= ' ' || span.at[i] >= 0x7f)
			return false;
	return span.len > 0;
}

static bool settle(struct jit_flat_want *wants, size_t count, struct jit_span name, struct jit_span value)
{
	for (size_t i = 0; i < count; i++) {
		if (strlen(wants[i].name) != name.len || memcmp(wants[i].name, name.at, name.len) != 0)
			continue;
		if (wants[i].value.at || value.len > wants[i].max || !is_visible(value))
			return false;
		wants[i].value = value;
	}
	return true;
}

bool jit_flat_object(const char *text, size_t len, struct jit_flat_want *wants, size_t count)
{
	struct jit_flat f = {.at = text, .end = text + len};
	struct jit_span name, value;

	if (!mark(&f, '{'))
		return false;
	do {
		if (!quoted(&f, &name) || !mark(&f, ':') || !quoted(&f, &value) || !settle(wants, count, name, value))
			return false;
	} while (mark(&f, ','));
	return mark(&f, '}') && f.at == f.end;
}

bool jit_flat_value(struct jit_span object, const char *name, struct jit_span *ret)
{
	struct jit_flat f = {.at = object.at, .end = object.at + object.len};
	struct jit_span key;

	if (!mark(&f, '{'))
		return false;
	do {
		if (!string(&f, &key) || !mark(&f, ':'))
			return false;
		const char *value = f.at;
		if (!skip(&f))
			return false;
		if (key.len == strlen(name) && memcmp(key.at, name, key.len) == 0) {
			*ret = (struct jit_span){.at = value, .len = (size_t)(f.at - value)};
			return true;
		}
	} while (mark(&f, ','));
	return false;
}

bool jit_flat_string(struct jit_span value, struct jit_span *ret)
{
	struct jit_flat f = {.at = value.at, .end = value.at + value.len};
	struct jit_span text;

	if (!string(&f, &text) || f.at != f.end)
		return false;
	*ret = text;
	return true;
}
