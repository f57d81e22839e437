/*
 * Scope-bound release of memory, descriptors and streams (gcc and clang's
 * cleanup attribute), so that an early return cannot leak.
 */
#ifndef JIT_CLEANUP_H
#define JIT_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define JIT_CLEANUP(fn) __attribute__((cleanup(fn)))

static inline void jit_freep(void *p)
{
	free(*(void **)p);
}

static inline void jit_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void jit_fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define JIT_FREE   JIT_CLEANUP(jit_freep)
#define JIT_CLOSE  JIT_CLEANUP(jit_closep)
#define JIT_FCLOSE JIT_CLEANUP(jit_fclosep)

/* Hands a descriptor or pointer on: the cleanup then finds nothing to release. */
static inline int jit_take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#define JIT_TAKE(ptr)                                                                                                  \
	({                                                                                                             \
		__typeof__(ptr) taken_ = (ptr);                                                                        \
		(ptr) = NULL;                                                                                          \
		taken_;                                                                                                \
	})

#endif
