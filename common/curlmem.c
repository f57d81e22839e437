/* See curlmem.h. */
#include "curlmem.h"

#include <curl/curl.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE  ((size_t)4096)
#define LARGE ((size_t)16384) /* libcurl's send and receive buffers are not smaller */

static void *take(size_t size)
{
	if (size < LARGE)
		return malloc(size ? size : 1);
	if (size > SIZE_MAX - PAGE)
		return NULL;
	size_t whole = (size + PAGE - 1) & ~(PAGE - 1);
	void *block = aligned_alloc(PAGE, whole);
	/* As far as the limits allow: a request is still sent where memory cannot be locked. */
	if (block) {
		madvise(block, whole, MADV_DONTDUMP);
		mlock(block, whole);
	}
	return block;
}

static void give_back(void *block)
{
	size_t size = block ? malloc_usable_size(block) : 0, pages = size & ~(PAGE - 1);

	if (!block)
		return;
	explicit_bzero(block, size);
	if (pages >= LARGE && (uintptr_t)block % PAGE == 0) {
		munlock(block, pages);
		madvise(block, pages, MADV_DODUMP); /* the heap goes on using them */
	}
	free(block);
}

static void *resize(void *block, size_t size)
{
	size_t old = block ? malloc_usable_size(block) : 0;
	void *other = take(size);

	if (!other)
		return NULL;
	if (block)
		memcpy(other, block, old < size ? old : size);
	give_back(block);
	return other;
}

static void *take_zeroed(size_t count, size_t size)
{
	if (size && count > SIZE_MAX / size)
		return NULL;
	void *block = take(count * size);
	if (block)
		memset(block, 0, count * size);
	return block;
}

static char *copy(const char *text)
{
	size_t size = strlen(text) + 1;
	char *block = take(size);

	if (block)
		memcpy(block, text, size);
	return block;
}

int jit_curlmem_start(void)
{
	return curl_global_init_mem(CURL_GLOBAL_DEFAULT, take, give_back, resize, copy, take_zeroed) == CURLE_OK ? 0
														 : -1;
}
