/*
 * OpenSSL's ordinary memory: what it reads of a private key passes through buffers that it frees as they are, though
 * the key itself lies in its secure heap. So in a program that is linked with this every such block is wiped when it
 * is freed; from its first one on, which a library may take before main().
 */
#ifndef JIT_CRYPTOMEM_H
#define JIT_CRYPTOMEM_H

#include <stdbool.h>
#include <stddef.h>

/* Is it? A program that keeps secrets asks. False with a sentence in why. */
bool jit_cryptomem_wipes(char *why, size_t why_size);

#endif
