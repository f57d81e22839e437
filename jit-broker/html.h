/*
 * Writes HTML so that what somebody else wrote stays text. Markup can only be a
 * literal of the program; everything else goes through a function that knows
 * where it stands: text, an attribute's value, a part of a URL. There is no
 * function that takes markup from a variable. No I/O beyond memory.
 */
#ifndef JB_HTML_H
#define JB_HTML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "draft.h"

struct jb_html {
	struct jit_draft draft;
};

/* jb_html_clear is called later. */
void jb_html_begin(struct jb_html *h);
/* Is all that was written in h->draft? */
bool jb_html_whole(const struct jb_html *h);
/* Frees and wipes it: it may name commands and tokens of forms. */
void jb_html_clear(struct jb_html *h);

/* Markup: a string literal and nothing else compiles. */
#define jb_html(h, literal) jb_html_markup((h), "" literal "", sizeof(literal) - 1)
void jb_html_markup(struct jb_html *h, const char *literal, size_t len);

/* Text between tags. NULL is "". What could steer a reader's eye (control and bidirectional characters) becomes '?'. */
void jb_html_text(struct jb_html *h, const char *text);
/* The same, kept apart from its surroundings: letters written from right to left turn nothing else around. */
void jb_html_foreign(struct jb_html *h, const char *text);
/* ` name="value"`; the name is a literal. */
#define jb_html_attr(h, name, value) jb_html_attribute((h), " " name "=\"", sizeof(name) + 2, (value))
void jb_html_attribute(struct jb_html *h, const char *opening, size_t len, const char *value);
/* ` name="prefix…suffix"` where … is one segment or query value of a URL of ours; prefix and suffix are literals. */
#define jb_html_url(h, name, prefix, segment, suffix)                                                                  \
	jb_html_location((h), " " name "=\"" prefix, sizeof(name prefix) + 2, (segment), suffix "\"", sizeof(suffix))
void jb_html_location(struct jb_html *h, const char *opening, size_t opening_len, const char *segment,
		      const char *closing, size_t closing_len);
void jb_html_number(struct jb_html *h, int64_t number);
/* A <time>: "22 Nov 2026, 16:05:00 UTC". */
void jb_html_time(struct jb_html *h, int64_t at);
/* How long until then, which a script goes on counting: "4 min 12 s". */
void jb_html_left(struct jb_html *h, int64_t until, int64_t now);

#endif
