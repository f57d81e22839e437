/* See listen.h. */
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "safepath.h"
#include "unasked.h"

#define SPARE_DESCRIPTORS 1024 /* store, log, AWS, webhooks, the proxy's connections */

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* Length of the address; 0 when the text is none. */
static socklen_t parse_address(const char *text, uint16_t port, union address *ret)
{
	if (inet_pton(AF_INET, text, &ret->v4.sin_addr) == 1) {
		ret->v4.sin_family = AF_INET;
		ret->v4.sin_port = htons(port);
		return sizeof(ret->v4);
	}
	if (inet_pton(AF_INET6, text, &ret->v6.sin6_addr) == 1) {
		ret->v6.sin6_family = AF_INET6;
		ret->v6.sin6_port = htons(port);
		return sizeof(ret->v6);
	}
	return 0;
}

int jb_listen(const char *text, uint16_t port, char *why, size_t why_size)
{
	union address address = {0};
	socklen_t size = parse_address(text, port, &address);
	const int on = 1;

	if (!size) {
		snprintf(why, why_size, "cannot listen: %s is not a numeric address", text);
		return -1;
	}
	JIT_CLOSE int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, &address.any, size) < 0 || listen(fd, 1024) < 0) {
		snprintf(why, why_size, "cannot listen on %s port %u: %s", text, port, strerror(errno));
		return -1;
	}
	return jit_take_fd(&fd);
}

/* True when nobody answers there any more. */
static bool is_left_behind(const struct sockaddr_un *address)
{
	struct stat st;

	if (lstat(address->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	JIT_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 && errno == ECONNREFUSED;
}

int jb_listen_local(const char *path, char *why, size_t why_size)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct jit_safepath way;
	JIT_CLOSE int above = jit_safepath_open(path, false, &way, why, why_size);
	JIT_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (above == -EPERM) /* whatever else is wrong bind tells */
		return -1;
	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s", path) >= (int)sizeof(address.sun_path)) {
		snprintf(why, why_size, "cannot listen on %s: the path is too long", path);
		return -1;
	}
	if (is_left_behind(&address))
		unlink(path);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || chmod(path, 0666) < 0 ||
	    listen(fd, 128) < 0) {
		snprintf(why, why_size, "cannot listen on %s: %s", path, strerror(errno));
		return -1;
	}
	jit_unasked_refuse(fd);
	return jit_take_fd(&fd);
}

bool jb_listen_is_loopback(int fd)
{
	union address address = {0};
	socklen_t size = sizeof(address);

	if (getsockname(fd, &address.any, &size) < 0)
		return false;
	if (address.any.sa_family == AF_UNIX)
		return true;
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

void jb_listen_accepted(int fd)
{
	const int on = 1, idle_s = 30, interval_s = 10, probes = 3, unheard_ms = 30000;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	/* A host that lost its power sends no FIN. */
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
	/* Nor does it confirm what is sent to it, and then nobody probes: retries alone would go on for a quarter of an
	 * hour. */
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unheard_ms, sizeof(unheard_ms));
}

/* The cap stays below what there are descriptors for; where these are few, most of them are for connections. */
unsigned jb_listen_affordable(unsigned wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return wanted;
	const rlim_t had = limit.rlim_cur, all = (rlim_t)wanted + SPARE_DESCRIPTORS;
	if (had < all) {
		limit.rlim_cur = limit.rlim_max < all ? limit.rlim_max : all;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			limit.rlim_cur = had;
	}
	const rlim_t spare = limit.rlim_cur / 4 < SPARE_DESCRIPTORS ? limit.rlim_cur / 4 : SPARE_DESCRIPTORS;
	const rlim_t room = limit.rlim_cur - spare;
	return room < wanted ? (unsigned)room : wanted;
}
