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
