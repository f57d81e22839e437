/*
 * What a daemon under test is preloaded with: its wall clock is put forward or
 * back, and its writes to files are slowed, torn or refused, while it runs.
 * The test sets so in a file that is mapped here (FAULT_SHIM names it), and
 * reads in it how often each order, or a shortage, was met.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SHOWN	    __attribute__((visibility("default")))
#define HOARD_MOST  (1 << 20)
#define HOARD_FINE  1024
#define HOARD_LEAST 16
#define HOARD_ALL   (1 << 30) /* where there is no limit, this machine goes on: hardly any of it is touched */

/* victims.py writes it: five little-endian numbers. */
struct orders {
	int64_t shift_s; /* of CLOCK_REALTIME */
	int64_t slow_ms; /* of each fsync and fdatasync */
	int64_t error;	 /* errno of each write to a place in a file, 0: none */
	int64_t torn;	 /* 1: half of what was to be written has been when it fails */
	int64_t hoard;	 /* 1: what memory there is, is taken until it is 0 again */
};

/* And reads these. */
struct met {
	int64_t shifted; /* clocks read that were put forward or back */
	int64_t slowed;	 /* fsyncs and fdatasyncs */
	int64_t failed;	 /* writes that were refused or torn */
	int64_t starved; /* allocations there was no memory for while all was taken */
	int64_t crowded; /* calls there was no descriptor for */
	int64_t full;	 /* calls there was no room on the disk for */
	int64_t locked;	 /* locks that somebody else held */
};

struct page {
	struct orders orders;
	struct met met;
};

static struct page quiet;
static volatile struct page *page = &quiet;

#define ORDERED(what) (page->orders.what)
#define MEET(what)    ((void)__atomic_fetch_add(&page->met.what, 1, __ATOMIC_RELAXED))

__attribute__((constructor)) static void read_orders(void)
{
	const char *path = getenv("FAULT_SHIM");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

	if (fd < 0)
		return;
	void *at = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at != MAP_FAILED)
		page = at;
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
	if (r == 0 && ORDERED(shift_s) && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
		ts->tv_sec += ORDERED(shift_s);
		MEET(shifted);
	}
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
	const int64_t ms = ORDERED(slow_ms);
	const struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	if (ms) {
		nanosleep(&ts, NULL);
		MEET(slowed);
	}
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

/*
 * With a limit on the address space there is soon no more: what a heap has free
 * would otherwise last for long. What is freed meanwhile is taken too. The order
 * ends before the limit does: who went on would take what there is then.
 */
static void take_all(void)
{
	static size_t taken;

	if (!hoard)
		taken = 0;
	/* malloc keeps what was freed by its length, up to a kilobyte: what a daemon does again and again it has there.
	 */
	for (size_t size = HOARD_MOST; size >= HOARD_LEAST; size = size > HOARD_FINE ? size / 2 : size - 16)
		for (void **piece; ORDERED(hoard) && taken < HOARD_ALL && (piece = __libc_malloc(size));
		     taken += size) {
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
	if (busy || (!ORDERED(hoard) && !hoard))
		return;
	busy = 1;
	if (ORDERED(hoard))
		take_all();
	else
		give_back();
	busy = 0;
}

static void *got(void *p)
{
	if (!p && ORDERED(hoard))
		MEET(starved);
	return p;
}

SHOWN void *malloc(size_t size)
{
	obey();
	return got(__libc_malloc(size));
}

SHOWN void *calloc(size_t count, size_t size)
{
	obey();
	return got(__libc_calloc(count, size));
}

SHOWN void *realloc(void *p, size_t size)
{
	obey();
	void *grown = __libc_realloc(p, size);
	return size ? got(grown) : grown;
}

/* What a call that may be short of something has come to; errno stays. */
static int short_of(int r)
{
	if (r < 0 && errno == EMFILE)
		MEET(crowded);
	else if (r < 0 && errno == ENOSPC)
		MEET(full);
	return r;
}

SHOWN int socket(int domain, int type, int protocol)
{
	static int (*real)(int, int, int);

	if (!real)
		*(void **)&real = next("socket");
	return short_of(real(domain, type, protocol));
}

SHOWN int accept4(int fd, __SOCKADDR_ARG address, socklen_t *restrict size, int flags)
{
	static int (*real)(int, __SOCKADDR_ARG, socklen_t *, int);

	if (!real)
		*(void **)&real = next("accept4");
	return short_of(real(fd, address, size, flags));
}

/* What may follow the flags. */
#define MODE(flags, ret)                                                                                               \
	do {                                                                                                           \
		va_list list;                                                                                          \
		va_start(list, flags);                                                                                 \
		(ret) = (flags)&O_CREAT ? va_arg(list, mode_t) : 0;                                                    \
		va_end(list);                                                                                          \
	} while (0)

static int open_at(int folder, const char *path, int flags, mode_t mode)
{
	static int (*real)(int, const char *, int, ...);

	if (!real)
		*(void **)&real = next("openat");
	return short_of(real(folder, path, flags, mode));
}

SHOWN int open(const char *path, int flags, ...)
{
	mode_t mode;

	MODE(flags, mode);
	return open_at(AT_FDCWD, path, flags, mode);
}

SHOWN int open64(const char *path, int flags, ...)
{
	mode_t mode;

	MODE(flags, mode);
	return open_at(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}

SHOWN int openat(int folder, const char *path, int flags, ...)
{
	mode_t mode;

	MODE(flags, mode);
	return open_at(folder, path, flags, mode);
}

/* sqlite3 takes its locks so. */
static int control(const char *name, int (**real)(int, int, ...), int fd, int command, void *arg)
{
	if (!*real)
		*(void **)real = next(name);
	int r = (*real)(fd, command, arg);
	if (r < 0 && command == F_SETLK && (errno == EAGAIN || errno == EACCES))
		MEET(locked);
	return r;
}

#define CONTROL(name)                                                                                                  \
	SHOWN int name(int fd, int command, ...)                                                                       \
	{                                                                                                              \
		static int (*real)(int, int, ...);                                                                     \
		va_list list;                                                                                          \
                                                                                                                       \
		va_start(list, command);                                                                               \
		void *arg = va_arg(list, void *);                                                                      \
		va_end(list);                                                                                          \
		return control(#name, &real, fd, command, arg);                                                        \
	}
CONTROL(fcntl)
CONTROL(fcntl64)

SHOWN ssize_t write(int fd, const void *data, size_t size)
{
	static ssize_t (*real)(int, const void *, size_t);

	if (!real)
		*(void **)&real = next("write");
	const ssize_t n = real(fd, data, size);
	short_of(n < 0 ? -1 : 0);
	return n;
}

SHOWN ssize_t pwrite64(int fd, const void *data, size_t size, off_t at)
{
	static ssize_t (*real)(int, const void *, size_t, off_t);

	if (!real)
		*(void **)&real = next("pwrite64");
	if (!ORDERED(error)) {
		const ssize_t n = real(fd, data, size, at);
		short_of(n < 0 ? -1 : 0);
		return n;
	}
	MEET(failed);
	if (ORDERED(torn))
		(void)!real(fd, data, size / 2, at);
	errno = (int)ORDERED(error);
	return -1;
}

SHOWN ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
	return pwrite64(fd, data, size, at);
}
