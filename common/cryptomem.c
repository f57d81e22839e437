/* See cryptomem.h. */
#include "cryptomem.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* TLS's records, a pair for each call that is served: who keeps secrets has those wiped by SSL_OP_CLEANSE_PLAINTEXT. */
#define RECORD 16384

static bool wipes;

static void *take(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return malloc(size);
}

static void give_back(void *block, const char *file, int line)
{
	const size_t size = malloc_usable_size(block);

	(void)file;
	(void)line;
	if (size < RECORD && block)
		explicit_bzero(block, size);
	free(block);
}

static void *resize(void *block, size_t size, const char *file, int line)
{
	const size_t old = malloc_usable_size(block);

	if (block && size && size <= old)
		return block;
	void *other = size ? malloc(size) : NULL;
	if (size && !other)
		return NULL;
	if (block && other)
		memcpy(other, block, old);
	give_back(block, file, line);
	return other;
}

static void begin(void)
{
	wipes = CRYPTO_set_mem_functions(take, resize, give_back) == 1;
}

/* Before any library's constructors: one of the broker's asks OpenSSL for random numbers in its own. */
__attribute__((section(".preinit_array"), used)) static void (*const first)(void) = begin;

bool jit_cryptomem_wipes(char *why, size_t why_size)
{
	if (!wipes)
		snprintf(
			why, why_size,
			"what OpenSSL frees would not be wiped, as a library used it before this program could say so; "
			"start it without LD_PRELOAD");
	return wipes;
}
