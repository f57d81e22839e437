/*
 * Memory that runs out when a test says so: what libc itself takes goes through
 * these too. AddressSanitizer has an allocator of its own, so such a test is
 * left out there (#ifdef JIT_TEST_NO_MEMORY); valgrind puts its own in the place
 * of these, and the test skips itself (memory_can_run_out).
 */
#ifndef JIT_TEST_NO_MEMORY_H
#define JIT_TEST_NO_MEMORY_H

#ifndef __SANITIZE_ADDRESS__
#define JIT_TEST_NO_MEMORY

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

/* One fails, after so many that do not; a lack that passes: what comes after it is had again. */
static long left = LONG_MAX;
static size_t of_size; /* of those of so many bytes alone; 0: of all */

static inline bool is_had(size_t size)
{
	return (of_size && size != of_size) || left-- != 0;
}

static inline void *no_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

__attribute__((visibility("default"))) void *malloc(size_t size)
{
	return is_had(size) ? __libc_malloc(size) : no_memory();
}

__attribute__((visibility("default"))) void *calloc(size_t count, size_t size)
{
	return is_had(count * size) ? __libc_calloc(count, size) : no_memory();
}

__attribute__((visibility("default"))) void *realloc(void *old, size_t size)
{
	return is_had(size) ? __libc_realloc(old, size) : no_memory();
}

static inline bool memory_can_run_out(void)
{
	void *(*volatile take)(size_t) = malloc; /* seen by no compiler */

	left = 0;
	void *block = take(1);
	left = LONG_MAX;
	free(block);
	return !block;
}

#else

/* In the place of all tests of a file, so that it is told that they were left out. */
static inline void memory_cannot_run_out(void **state)
{
	(void)state;
	skip();
}

#endif
#endif
