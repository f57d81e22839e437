/* A file of the tree as bytes of the program, read by the assembler; its path is from the top of the tree. */
#ifndef JB_EMBED_H
#define JB_EMBED_H

#include <stddef.h>

/* Declares symbol and symbol_end; a NUL stands behind the last byte. */
#define JB_EMBED(symbol, file)                                                                                         \
	__asm__(".pushsection .rodata\n"                                                                               \
		".balign 16\n" #symbol ":\n"                                                                           \
		".incbin \"" file "\"\n" #symbol "_end:\n"                                                             \
		".byte 0\n"                                                                                            \
		".popsection\n");                                                                                      \
	extern const char symbol[] __attribute__((visibility("hidden")));                                              \
	extern const char symbol##_end[] __attribute__((visibility("hidden")))

/* Bytes from a symbol to its end: both stand in one section, which the compiler does not see. */
static inline size_t jb_embed_size(const char *symbol, const char *end)
{
	return (size_t)(end - symbol);
}

#endif
