/* See jit_page.h. */
#include "jit_page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LABEL 12 /* columns, and two before and after it */

struct jit_page jit_page_of_stdout(void)
{
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
	struct jit_page page = {.columns = 80};
	struct winsize size;

	if (!isatty(STDOUT_FILENO))
		return page;
	page.colour = !(no_colour && no_colour[0]) && term && term[0] && strcmp(term, "dumb") != 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
		page.columns = size.ws_col < 40 ? 40 : size.ws_col > 100 ? 100 : size.ws_col;
	return page;
}

static void print_coloured(const struct jit_page *page, enum jit_colour colour, const char *text, int len)
{
	static const char *const codes[] = {
		[JIT_PLAIN] = "", [JIT_BOLD] = "1", [JIT_GREEN] = "32", [JIT_YELLOW] = "33", [JIT_RED] = "1;31"};

	if (page->colour && colour != JIT_PLAIN)
		printf("\033[%sm%.*s\033[0m", codes[colour], len, text);
	else
		printf("%.*s", len, text);
}

void jit_page_head(const struct jit_page *page, const char *id, const char *name, enum jit_colour colour,
		   const char *rest)
{
	print_coloured(page, JIT_BOLD, id, (int)strlen(id));
	printf("  %s  ", name);
	print_coloured(page, colour, rest, (int)strlen(rest));
	putchar('\n');
}

/* Bytes of `text` that fit into so many columns, cut at a blank where there is one; a character counts as one. */
static size_t fitting(const char *text, int columns)
{
	size_t blank = 0, i = 0;
	int used = 0;

	for (; text[i]; i++) {
		if (((unsigned char)text[i] & 0xc0) == 0x80)
			continue;
		if (used == columns)
			return blank ? blank : i;
		if (text[i] == ' ')
			blank = i;
		used++;
	}
	return i;
}

void jit_page_row(const struct jit_page *page, const char *label, enum jit_colour colour, const char *text)
{
	while (*text) {
		size_t len = fitting(text, page->columns - LABEL - 4);

		printf("  %-*s  ", LABEL, label);
		print_coloured(page, colour, text, (int)len);
		putchar('\n');
		text += len;
		text += strspn(text, " ");
		label = "";
	}
}
