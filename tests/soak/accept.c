/*
 * What a daemon under test is preloaded with, so that taking a connection lasts: what others do meanwhile, all of it,
 * is there when the daemon's loop looks again.
 */
#include <dlfcn.h>
#include <stddef.h>
#include <sys/socket.h>
#include <time.h>

#define LASTS_NS 300000000L

__attribute__((visibility("default"))) int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	static int (*real)(int, struct sockaddr *, socklen_t *, int);
	const struct timespec lasts = {.tv_nsec = LASTS_NS};

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "accept4");
	int conn = real(fd, addr, len, flags);
	if (conn >= 0)
		nanosleep(&lasts, NULL);
	return conn;
}
