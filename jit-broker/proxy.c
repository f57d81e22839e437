/* See proxy.h. */
#include "proxy.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "listen.h"
#include "log.h"
#include "server.h"

#define MAX_CONNECTIONS 512

struct jb_proxy {
	struct jb_server *server;
	char *path, *user;
	uid_t uid;
	int64_t told; /* when a stranger was logged last: once a second */
};

static bool admit(void *arg, int fd)
{
	struct jb_proxy *proxy = arg;
	struct ucred peer;
	socklen_t len = sizeof(peer);
	const int64_t now = jit_wall_s();

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == proxy->uid)
		return true;
	if (proxy->told != now)
		jit_log(LOG_WARNING, "uid %u tried %s, which is for %s alone: refused", (unsigned)peer.uid, proxy->path,
			proxy->user);
	proxy->told = now;
	return false;
}

static int find_user(struct jb_proxy *proxy, char *why, size_t why_size)
{
	char text[4096];
	struct passwd account, *found = NULL;

	if (getpwnam_r(proxy->user, &account, text, sizeof(text), &found) != 0 || !found) {
		snprintf(why, why_size, "proxy_user: there is no account %s on this machine", proxy->user);
		return -1;
	}
	proxy->uid = found->pw_uid;
	return 0;
}

static int listen_there(struct jb_proxy *proxy, struct event_base *base, struct jb_api *api, char *why, size_t why_size)
{
	const struct jb_server_options options = {
		.listen_fd = jb_listen_local(proxy->path, why, why_size),
		.max_connections = MAX_CONNECTIONS,
		.admit = admit,
		.admit_arg = proxy,
	};

	if (options.listen_fd < 0)
		return -1;
	proxy->server = jb_server_new(base, &options, jb_api_handle_proxied, api, why, why_size);
	return proxy->server ? 0 : -1;
}

struct jb_proxy *jb_proxy_new(struct event_base *base, const struct jb_conf *conf, struct jb_api *api, char *why,
			      size_t why_size)
{
	struct jb_proxy *proxy = calloc(1, sizeof(*proxy));

	snprintf(why, why_size, "out of memory");
	if (!proxy)
		return NULL;
	proxy->path = strdup(conf->proxy_socket);
	proxy->user = strdup(conf->proxy_user);
	if (!proxy->path || !proxy->user || find_user(proxy, why, why_size) < 0 ||
	    listen_there(proxy, base, api, why, why_size) < 0) {
		jb_proxy_free(proxy);
		return NULL;
	}
	return proxy;
}

void jb_proxy_drain(struct jb_proxy *proxy)
{
	if (proxy)
		jb_server_drain(proxy->server);
}

bool jb_proxy_busy(const struct jb_proxy *proxy)
{
	return proxy && jb_server_busy(proxy->server);
}

void jb_proxy_free(struct jb_proxy *proxy)
{
	if (!proxy)
		return;
	if (proxy->server)
		unlink(proxy->path);
	jb_server_free(proxy->server);
	free(proxy->path);
	free(proxy->user);
	free(proxy);
}
