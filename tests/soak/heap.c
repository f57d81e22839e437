/*
 * What a daemon under test is preloaded with, so that each piece of its heap is counted: how many are in use, by size,
 * in a file that is mapped here (HEAP_COUNTS names it) and that heap.py reads at any moment.
 *
 * Pages that a heap has taken say little of a leak: they come in steps of thousands of bytes, and stay when what was on
 * them is free again. The pieces in use are as many as before, or they are not.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#define SHOWN	__attribute__((visibility("default")))
#define CLASSES 513 /* one for each size that glibc gives, 16 bytes apart; the last one has all that are larger */

/* heap.py reads it: little-endian numbers of 64 bits. */
struct counts {
	int64_t secure; /* in use of OpenSSL's heap for secrets, when the process last began to wait */
	int64_t pieces[CLASSES];
};

static struct counts unread; /* until the file is there */
static struct counts *counts = &unread;

__attribute__((constructor)) static void share_counts(void)
{
	const char *path = getenv("HEAP_COUNTS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

	if (fd < 0)
		return;
	if (ftruncate(fd, sizeof(*counts)) == 0) {
		struct counts *at = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		if (at != MAP_FAILED) {
			*at = unread; /* nobody else runs yet */
			counts = at;
		}
	}
	close(fd);
}

/* glibc's own, behind the names that are taken here. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *p);

static void count(size_t size, int64_t change)
{
	const size_t class = size / 16 < CLASSES - 1 ? size / 16 : CLASSES - 1;

	__atomic_add_fetch(&counts->pieces[class], change, __ATOMIC_RELAXED);
}

static void *counted(void *p)
{
	if (p)
		count(malloc_usable_size(p), 1);
	return p;
}

SHOWN void *malloc(size_t size)
{
	return counted(__libc_malloc(size));
}

SHOWN void *calloc(size_t number, size_t size)
{
	return counted(__libc_calloc(number, size));
}

SHOWN void *realloc(void *p, size_t size)
{
	const size_t before = p ? malloc_usable_size(p) : 0;
	void *after = __libc_realloc(p, size);

	if (p && (after || size == 0))
		count(before, -1);
	return counted(after);
}

SHOWN void free(void *p)
{
	if (p)
		count(malloc_usable_size(p), -1);
	__libc_free(p);
}

SHOWN void *memalign(size_t alignment, size_t size)
{
	return counted(__libc_memalign(alignment, size));
}

SHOWN void *aligned_alloc(size_t alignment, size_t size)
{
	return counted(__libc_memalign(alignment, size));
}

SHOWN int posix_memalign(void **ret, size_t alignment, size_t size)
{
	void *p = counted(__libc_memalign(alignment, size));

	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}

/* The loop waits here: what it has of OpenSSL's heap is what it keeps. */
SHOWN int epoll_wait(int fd, struct epoll_event *events, int most, int timeout_ms)
{
	static int (*real)(int, struct epoll_event *, int, int);
	static size_t (*secure_used)(void);

	if (!real) {
		*(void **)&secure_used = dlsym(RTLD_DEFAULT, "CRYPTO_secure_used");
		*(void **)&real = dlsym(RTLD_NEXT, "epoll_wait");
	}
	if (secure_used)
		counts->secure = (int64_t)secure_used();
	return real(fd, events, most, timeout_ms);
}
