/* See html.h. */
#include "html.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "form.h"
#include "text.h"

void jb_html_begin(struct jb_html *h)
{
	*h = (struct jb_html){0};
}

bool jb_html_whole(const struct jb_html *h)
{
	return h->draft.text && !h->draft.lost;
}

void jb_html_clear(struct jb_html *h)
{
	jit_draft_clear(&h->draft);
}

void jb_html_markup(struct jb_html *h, const char *literal, size_t len)
{
	jit_draft_put(&h->draft, literal, len);
}

/* The five characters that mean something in text or in a quoted value. */
static void escape(struct jb_html *h, const char *text)
{
	static const char special[] = "&<>\"'";
	static const char *const names[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};

	while (*text) {
		size_t plain = strcspn(text, special);

		jit_draft_put(&h->draft, text, plain);
		text += plain;
		if (*text) {
			const char *name = names[strchr(special, *text) - special];
			jit_draft_put(&h->draft, name, strlen(name));
			text++;
		}
	}
}

void jb_html_text(struct jb_html *h, const char *text)
{
	const size_t size = text ? strlen(text) + 1 : 1;
	char *clean = text ? malloc(size) : NULL;

	if (!text)
		return;
	if (!clean) {
		h->draft.lost = true;
		return;
	}
	jit_text_clean(clean, size, text, size - 1);
	escape(h, clean);
	free(clean);
}

void jb_html_foreign(struct jb_html *h, const char *text)
{
	jb_html(h, "<bdi>");
	jb_html_text(h, text);
	jb_html(h, "</bdi>");
}

void jb_html_attribute(struct jb_html *h, const char *opening, size_t len, const char *value)
{
	jit_draft_put(&h->draft, opening, len);
	jb_html_text(h, value);
	jit_draft_put(&h->draft, "\"", 1);
}

void jb_html_location(struct jb_html *h, const char *opening, size_t opening_len, const char *segment,
		      const char *closing, size_t closing_len)
{
	char encoded[1024];

	jit_draft_put(&h->draft, opening, opening_len);
	if (jb_form_encode(segment, encoded, sizeof(encoded)))
		jit_draft_put(&h->draft, encoded, strlen(encoded));
	jit_draft_put(&h->draft, closing, closing_len);
}

void jb_html_number(struct jb_html *h, int64_t number)
{
	jit_draft_printf(&h->draft, "%lld", (long long)number);
}

void jb_html_time(struct jb_html *h, int64_t at)
{
	char iso[JIT_ISO_SIZE], words[64];
	time_t t = (time_t)at;
	struct tm tm;

	jit_iso_format(at, iso);
	strftime(words, sizeof(words), "%-d %b %Y, %H:%M:%S UTC", gmtime_r(&t, &tm));
	jb_html(h, "<time");
	jb_html_attr(h, "datetime", iso);
	jb_html(h, ">");
	jb_html_text(h, words);
	jb_html(h, "</time>");
}

/* page.js counts on in the same words. */
static void format_left(int64_t seconds, char *buf, size_t size)
{
	const long long s = seconds > 0 ? seconds : 0;

	if (s >= 86400)
		snprintf(buf, size, "%lld d %lld h", s / 86400, s % 86400 / 3600);
	else if (s >= 3600)
		snprintf(buf, size, "%lld h %lld min", s / 3600, s % 3600 / 60);
	else if (s >= 60)
		snprintf(buf, size, "%lld min %lld s", s / 60, s % 60);
	else
		snprintf(buf, size, "%lld s", s);
}

void jb_html_left(struct jb_html *h, int64_t until, int64_t now)
{
	char iso[JIT_ISO_SIZE], words[48];

	jit_iso_format(until, iso);
	format_left(until - now, words, sizeof(words));
	jb_html(h, "<time class=\"left\"");
	jb_html_attr(h, "datetime", iso);
	jb_html(h, " data-until=\"");
	jb_html_number(h, until);
	jb_html(h, "\">");
	jb_html_text(h, words);
	jb_html(h, "</time>");
}
