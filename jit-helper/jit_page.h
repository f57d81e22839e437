/* What jit shows for people to look at: labelled rows wrapped to the terminal's width, colour where it can be shown. */
#ifndef JIT_PAGE_H
#define JIT_PAGE_H

#include <stdbool.h>

enum jit_colour { JIT_PLAIN, JIT_BOLD, JIT_GREEN, JIT_YELLOW, JIT_RED };

struct jit_page {
	int columns; /* the terminal's, 40 to 100; 80 where stdout is none */
	bool colour; /* on a terminal that is not dumb, and not with NO_COLOR (no-color.org) */
};

struct jit_page jit_page_of_stdout(void);

/* "ID  role  rest": `rest` in that colour, the id bold. */
void jit_page_head(const struct jit_page *page, const char *id, const char *name, enum jit_colour colour,
		   const char *rest);
/* "  label        text", wrapped at blanks below itself. Texts are clean already; an empty one prints nothing. */
void jit_page_row(const struct jit_page *page, const char *label, enum jit_colour colour, const char *text);

#endif
