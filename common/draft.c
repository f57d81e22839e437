/* See draft.h. */
#include "draft.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 128

static void release(struct jit_draft *d)
{
	if (d->text)
		explicit_bzero(d->text, d->size);
	free(d->text);
}

/* For `more` bytes and the NUL. */
static bool make_room(struct jit_draft *d, size_t more)
{
	size_t size = d->size ? d->size : FIRST_SIZE;

	if (d->lost || d->size - d->len > more)
		return !d->lost;
	d->lost = true;
	if (more >= SIZE_MAX / 2 - d->len)
		return false;
	while (size - d->len <= more)
		size *= 2;
	char *grown = malloc(size);
	if (!grown)
		return false;
	if (d->len)
		memcpy(grown, d->text, d->len);
	grown[d->len] = '\0';
	release(d);
	d->text = grown;
	d->size = size;
	d->lost = false;
	return true;
}

void jit_draft_put(struct jit_draft *d, const char *bytes, size_t len)
{
	if (!make_room(d, len))
		return;
	memcpy(d->text + d->len, bytes, len);
	d->len += len;
	d->text[d->len] = '\0';
}

void jit_draft_text(struct jit_draft *d, const char *text)
{
	jit_draft_put(d, text, strlen(text));
}

void jit_draft_char(struct jit_draft *d, char c)
{
	jit_draft_put(d, &c, 1);
}

void jit_draft_printf(struct jit_draft *d, const char *format, ...)
{
	va_list args, again;

	if (!make_room(d, 0))
		return;
	const size_t room = d->size - d->len;
	va_start(args, format);
	va_copy(again, args);
	int n = vsnprintf(d->text + d->len, room, format, args);
	if (n >= 0 && (size_t)n >= room && make_room(d, (size_t)n))
		n = vsnprintf(d->text + d->len, (size_t)n + 1, format, again);
	va_end(again);
	va_end(args);
	if (n < 0)
		d->lost = true;
	if (!d->lost)
		d->len += (size_t)n;
}

char *jit_draft_done(struct jit_draft *d, size_t *ret_len)
{
	if (!make_room(d, 0)) {
		jit_draft_clear(d);
		return NULL;
	}
	char *text = d->text;
	if (ret_len)
		*ret_len = d->len;
	*d = (struct jit_draft){0};
	return text;
}

void jit_draft_clear(struct jit_draft *d)
{
	release(d);
	*d = (struct jit_draft){0};
}
