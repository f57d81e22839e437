/* See listen.h. */
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/util.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "cleanup.h"

#define SPARE_DESCRIPTORS 64 /* store, log, STS */

int jb_listen(const char *address, uint16_t port, char *why, size_t why_size)
{
	struct sockaddr_storage bound = {0};
	int size = sizeof(bound);
	const int on = 1;
	char text[80];

	snprintf(text, sizeof(text), strchr(address, ':') ? "[%s]:%u" : "%s:%u", address, port);
	if (evutil_parse_sockaddr_port(text, (struct sockaddr *)&bound, &size) < 0) {
		snprintf(why, why_size, "cannot listen: %s is not a numeric address", address);
		return -1;
	}
	JIT_CLOSE int fd = socket(bound.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&bound, (socklen_t)size) < 0 || listen(fd, 1024) < 0) {
		snprintf(why, why_size, "cannot listen on %s: %s", text, strerror(errno));
		return -1;
	}
	return jit_take_fd(&fd);
}

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

bool jb_listen_is_loopback(int fd)
{
	union address address = {0};
	socklen_t size = sizeof(address);

	if (getsockname(fd, &address.any, &size) < 0)
		return false;
	if (address.any.sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&address.v6.sin6_addr);
	return address.any.sa_family == AF_INET && ntohl(address.v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

uint16_t jb_listen_port(int fd)
{
	union address address = {0};
	socklen_t size = sizeof(address);

	if (getsockname(fd, &address.any, &size) < 0)
		return 0;
	if (address.any.sa_family == AF_INET6)
		return ntohs(address.v6.sin6_port);
	return address.any.sa_family == AF_INET ? ntohs(address.v4.sin_port) : 0;
}

/* The cap stays below what there are descriptors for. */
unsigned jb_listen_affordable(unsigned wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted + SPARE_DESCRIPTORS)
		return wanted;
	limit.rlim_cur = limit.rlim_max < wanted + SPARE_DESCRIPTORS ? limit.rlim_max : wanted + SPARE_DESCRIPTORS;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur <= 2 * SPARE_DESCRIPTORS)
		return SPARE_DESCRIPTORS;
	return (unsigned)limit.rlim_cur - SPARE_DESCRIPTORS;
}
