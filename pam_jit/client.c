/* See client.h. */
#include "client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define FDS_MAX 256 /* descriptors that are looked at */

/* An address without its port; IPv4 is written as IPv6 maps it. */
static bool read_address(const char *text, struct in6_addr *ret)
{
	char buf[INET6_ADDRSTRLEN + 8];
	size_t len = strcspn(text, "%"); /* fe80::1%eth0 */

	if (len == 0 || len > INET6_ADDRSTRLEN)
		return false;
	snprintf(buf, sizeof(buf), "%.*s", (int)len, text);
	if (inet_pton(AF_INET6, buf, ret) == 1)
		return true;
	snprintf(buf, sizeof(buf), "::ffff:%.*s", (int)len, text);
	return inet_pton(AF_INET6, buf, ret) == 1;
}

/* The peer of a connected TCP socket. */
static bool find_peer(int fd, struct in6_addr *ret)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} peer = {.any.sa_family = AF_UNSPEC};
	socklen_t len = sizeof(peer), type_len = sizeof(int);
	char text[INET_ADDRSTRLEN];
	int type = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) < 0 || type != SOCK_STREAM ||
	    getpeername(fd, &peer.any, &len) < 0)
		return false;
	if (peer.any.sa_family == AF_INET6) {
		*ret = peer.in6.sin6_addr;
		return true;
	}
	return peer.any.sa_family == AF_INET && inet_ntop(AF_INET, &peer.in.sin_addr, text, sizeof(text)) &&
	       read_address(text, ret);
}

int pj_client_find(const char *rhost)
{
	struct in6_addr wanted, peer;
	bool is_address = read_address(rhost, &wanted);
	int found = -1;

	for (int fd = 0; fd < FDS_MAX; fd++) {
		if (!find_peer(fd, &peer))
			continue;
		if (is_address && memcmp(&peer, &wanted, sizeof(peer)) == 0)
			return fd;
		if (is_address)
			continue;
		if (found >= 0)
			return -1; /* two, and nothing tells which */
		found = fd;
	}
	return found;
}
