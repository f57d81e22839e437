/* What is logged meanwhile: standard error goes into memory from log_begin() until log_end(). */
#ifndef JIT_TEST_LOGGED_H
#define JIT_TEST_LOGGED_H

#include <sys/mman.h>
#include <unistd.h>

#include "unit.h"

static int logged_fd, kept_stderr;

/* Returns what is standard error now. */
static inline int log_begin(void)
{
	kept_stderr = dup(STDERR_FILENO);
	logged_fd = memfd_create("logged", MFD_CLOEXEC);
	assert_true(kept_stderr >= 0 && logged_fd >= 0);
	assert_int_equal(dup2(logged_fd, STDERR_FILENO), STDERR_FILENO);
	return logged_fd;
}

/* The first `size` - 1 bytes of it, as a string. */
static inline void log_end(char *ret, size_t size)
{
	dup2(kept_stderr, STDERR_FILENO);
	close(kept_stderr);
	const ssize_t n = pread(logged_fd, ret, size - 1, 0);
	close(logged_fd);
	assert_true(n >= 0);
	ret[n] = '\0';
}

#endif
