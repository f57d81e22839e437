/*
 * Preloaded into jit-broker: notes when what it had written was on the disk, and when it then began to tell of it: its
 * first write to a socket after that. Both CLOCK_MONOTONIC, nanoseconds, in a file that is mapped here before the
 * broker confines itself. WATCH_COMMITS names it. And it counts what was told while something that had been written to
 * a file was not on the disk yet.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SHOWN	    __attribute__((visibility("default")))
#define COMMITS_MAX 65536
#define FILES_MAX   1024

/* commits.py reads it. */
static struct commits {
	int64_t count;
	int64_t early; /* writes to a socket before that */
	struct commit {
		int64_t durable, told; /* 0: not yet */
	} at[COMMITS_MAX];
} * commits;

static bool is_dirty[FILES_MAX]; /* by descriptor */

__attribute__((constructor)) static void open_commits(void)
{
	const char *path = getenv("WATCH_COMMITS");
	const int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

	if (fd < 0)
		return;
	void *at = mmap(NULL, sizeof(*commits), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at != MAP_FAILED)
		commits = at;
	close(fd);
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* SQLite writes to its files with it: pages and records, and single bytes where the WAL's index, which nobody needs
 * after a crash, grows. */
SHOWN ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
	static ssize_t (*real)(int, const void *, size_t, off64_t);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "pwrite64");
	if (len > 1 && fd >= 0 && fd < FILES_MAX)
		is_dirty[fd] = true;
	return real(fd, data, len, at);
}

SHOWN int fdatasync(int fd)
{
	static int (*real)(int);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
	const int r = real(fd);
	if (r == 0 && fd >= 0 && fd < FILES_MAX)
		is_dirty[fd] = false;
	if (r == 0 && commits && commits->count < COMMITS_MAX) {
		commits->at[commits->count].durable = now_ns();
		commits->count++;
	}
	return r;
}

static bool is_anything_dirty(void)
{
	return memchr(is_dirty, true, sizeof(is_dirty)) != NULL;
}

/* OpenSSL sends its records with it. */
SHOWN ssize_t write(int fd, const void *data, size_t len)
{
	static ssize_t (*real)(int, const void *, size_t);
	struct stat st;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "write");
	if (commits && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode)) {
		struct commit *last = commits->count ? &commits->at[commits->count - 1] : NULL;

		if (last && !last->told)
			last->told = now_ns();
		if (is_anything_dirty())
			commits->early++;
	}
	return real(fd, data, len);
}
