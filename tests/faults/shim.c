/*
 * What a daemon under test is preloaded with: its wall clock is put forward or
 * back, and its writes to files are slowed, torn or refused, while it runs.
 * The test sets so in a file that is mapped here (FAULT_SHIM names it).
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SHOWN	    __attribute__((visibility("default")))
#define HOARD_MOST  (1 << 20)
#define HOARD_LEAST 512
#define HOARD_ALL   (64 << 20) /* where there is no limit, this machine goes on */

/* victims.py writes it: five little-endian numbers. */
struct orders {
	int64_t shift_s; /* of CLOCK_REALTIME */
	int64_t slow_ms; /* of each fsync and fdatasync */
	int64_t error;	 /* errno of each write to a place in a file, 0: none */
	int64_t torn;	 /* 1: half of what was to be written has been when it fails */
	int64_t hoard;	 /* 1: what memory there is, is taken until it is 0 again */
};

static const struct orders quiet;
static const volatile struct orders *orders = &quiet;

__attribute__((constructor)) static void read_orders(void)
{
	const char *path = getenv("FAULT_SHIM");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		return;
	void *at = mmap(NULL, sizeof(*orders), PROT_READ, MAP_SHARED, fd, 0);
	if (at != MAP_FAILED)
		orders = at;
	close(fd);
}

/* The function that would have been called without this one. */
static void *next(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

SHOWN int clock_gettime(clockid_t clock, struct timespec *ts)
{
	static int (*real)(clockid_t, struct timespec *);

	if (!real)
		*(void **)&real = next("clock_gettime");
	int r = real(clock, ts);
	if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		ts->tv_sec += orders->shift_s;
	return r;
}

SHOWN time_t time(time_t *ret)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (ret)
		*ret = ts.tv_sec;
	return ts.tv_sec;
}

SHOWN int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}

static void linger(void)
{
	const struct timespec ts = {.tv_sec = orders->slow_ms / 1000, .tv_nsec = orders->slow_ms % 1000 * 1000000};

	if (orders->slow_ms)
		nanosleep(&ts, NULL);
}

SHOWN int fdatasync(int fd)
{
	static int (*real)(int);

	if (!real)
		*(void **)&real = next("fdatasync");
	linger();
	return real(fd);
}

SHOWN int fsync(int fd)
{
	static int (*real)(int);

	if (!real)
		*(void **)&real = next("fsync");
	linger();
	return real(fd);
}

/* glibc's own, behind the names that are taken here. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void __libc_free(void *p);

static _Thread_local int busy;
static void **hoard;

/* With a limit on the address space there is soon no more: what a heap has free would otherwise last for long. */
static void take_all(void)
{
	size_t taken = 0;

	for (size_t size = HOARD_MOST; size >= HOARD_LEAST; size /= 2)
		for (void **piece; taken < HOARD_ALL && (piece = __libc_malloc(size)); taken += size) {
			*piece = hoard;
			hoard = piece;
		}
}

static void give_back(void)
{
	while (hoard) {
		void **next_piece = *hoard;

		__libc_free(hoard);
		hoard = next_piece;
	}
}

static void obey(void)
{
	if (busy || !orders->hoard == !hoard)
		return;
	busy = 1;
	if (orders->hoard)
		take_all();
	else
		give_back();
	busy = 0;
}

SHOWN void *malloc(size_t size)
{
	obey();
	return __libc_malloc(size);
}

SHOWN void *calloc(size_t count, size_t size)
{
	obey();
	return __libc_calloc(count, size);
}

SHOWN void *realloc(void *p, size_t size)
{
	obey();
	return __libc_realloc(p, size);
}

SHOWN ssize_t pwrite64(int fd, const void *data, size_t size, off_t at)
{
	static ssize_t (*real)(int, const void *, size_t, off_t);

	if (!real)
		*(void **)&real = next("pwrite64");
	if (!orders->error)
		return real(fd, data, size, at);
	if (orders->torn)
		(void)!real(fd, data, size / 2, at);
	errno = (int)orders->error;
	return -1;
}

SHOWN ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
	return pwrite64(fd, data, size, at);
}
