/*
 * A text that is made piece by piece in memory: whole, or not at all. A stream
 * in memory (open_memstream) that cannot grow drops a piece, goes on with the
 * next one, and neither ferror() nor fclose() tells; here one lost piece is the
 * end of the whole. What it leaves behind when it grows is wiped. libc only.
 */
#ifndef JIT_DRAFT_H
#define JIT_DRAFT_H

#include <stdbool.h>
#include <stddef.h>

/* Begins as {0}. */
struct jit_draft {
	char *text; /* ends with NUL; NULL: nothing has been put */
	size_t len, size;
	bool lost; /* a piece is missing: it comes to nothing, and takes no more */
};

void jit_draft_put(struct jit_draft *draft, const char *bytes, size_t len);
void jit_draft_text(struct jit_draft *draft, const char *text);
void jit_draft_char(struct jit_draft *draft, char c);
__attribute__((format(printf, 2, 3))) void jit_draft_printf(struct jit_draft *draft, const char *format, ...);

/* The text, the caller's to free, with its length (ret_len may be NULL); NULL: out of memory. The draft is empty then.
 */
char *jit_draft_done(struct jit_draft *draft, size_t *ret_len);
/* Wipes and frees what was put. */
void jit_draft_clear(struct jit_draft *draft);

#endif
