/* See server.h; what goes on on a connection is connection.c's. */
#include "server.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "listen.h"
#include "log.h"
#include "server_private.h"
#include "tls.h"
#include "unasked.h"

#define MAX_CONNECTIONS 16384
#define REQUEST_MS	30000
#define IDLE_MS		600000
#define ACCEPT_PAUSE_MS 200

/* Out of descriptors or memory: a listener that stays ready would spin, or turn everybody away. */
static void pause_accept(struct jb_server *server, int error)
{
	const struct timeval tv = {.tv_usec = ACCEPT_PAUSE_MS * 1000};

	if (!server->turned_away)
		jit_log(LOG_ERR,
			"no further connection can be taken: %s; until there is room whoever comes waits, or is turned "
			"away",
			strerror(error));
	server->turned_away = true;
	if (event_add(server->resume_accept, &tv) == 0) /* else nobody would be heard again */
		evconnlistener_disable(server->listener);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *sockaddr, int len,
		      void *arg)
{
	struct jb_server *server = arg;
	const struct jb_address peer = jb_address_of(sockaddr);

	(void)listener;
	(void)len;
	if (server->admit && !server->admit(server->admit_arg, fd)) {
		jit_unasked_close(fd);
		return;
	}
	jb_listen_accepted(fd);
	const int r = jb_connection_take(server, fd, &peer);
	if (r == -ENOMEM)
		pause_accept(server, ENOMEM);
	else if (r == 0)
		server->turned_away = false;
}

static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	(void)listener;
	pause_accept(arg, EVUTIL_SOCKET_ERROR());
}

static void on_resume_accept(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval tv = {.tv_usec = ACCEPT_PAUSE_MS * 1000};
	struct jb_server *server = arg;

	(void)fd;
	(void)what;
	if (server->listener && evconnlistener_enable(server->listener) < 0)
		event_add(server->resume_accept, &tv);
}

static int start_listening(struct jb_server *server, const struct jb_server_options *options, char *why,
			   size_t why_size)
{
	JIT_CLOSE int fd = options->listen_fd >= 0 ? options->listen_fd
						   : jb_listen(options->address, options->port, why, why_size);

	if (fd < 0)
		return -1;
	if (!options->tls && !jb_listen_is_loopback(fd)) {
		snprintf(why, why_size, "without TLS the broker listens on a loopback address alone");
		return -1;
	}
	server->port = jb_listen_port(fd);
	server->resume_accept = evtimer_new(server->base, on_resume_accept, server);
	/* It listens already, with a backlog of its own: libevent would cut that to 128. */
	if (server->resume_accept && evutil_make_socket_nonblocking(fd) == 0)
		server->listener = evconnlistener_new(server->base, on_accept, server,
						      LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (!server->listener) {
		snprintf(why, why_size, "cannot listen on the socket: %s", strerror(errno));
		return -1;
	}
	jit_take_fd(&fd);
	evconnlistener_set_error_cb(server->listener, on_accept_error);
	return 0;
}

struct jb_server *jb_server_new(struct event_base *base, const struct jb_server_options *options, jb_handle handle,
				void *arg, char *why, size_t why_size)
{
	struct jb_server *server = calloc(1, sizeof(*server));

	if (!server) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	server->base = base;
	server->handle = handle;
	server->answered = options->answered;
	server->arg = arg;
	server->admit = options->admit;
	server->admit_arg = options->admit_arg;
	jb_crowd_init(&server->crowd,
		      jb_listen_affordable(options->max_connections ? options->max_connections : MAX_CONNECTIONS));
	server->request_ms = options->request_ms ? options->request_ms : REQUEST_MS;
	server->idle_ms = options->idle_ms ? options->idle_ms : IDLE_MS;
	if (options->tls)
		server->tls =
			jb_tls_new(options->tls_certificate, options->tls_key, options->tls_client_ca, why, why_size);
	if ((options->tls && !server->tls) || start_listening(server, options, why, why_size) < 0) {
		jb_server_free(server);
		return NULL;
	}
	return server;
}

void jb_server_free(struct jb_server *server)
{
	if (!server)
		return;
	if (server->listener)
		evconnlistener_free(server->listener);
	if (server->resume_accept)
		event_free(server->resume_accept);
	jb_connections_end(server);
	SSL_CTX_free(server->tls);
	free(server);
}

void jb_server_drain(struct jb_server *server)
{
	server->draining = true;
	if (server->listener)
		evconnlistener_free(server->listener);
	server->listener = NULL;
	jb_connections_drain(server);
}

bool jb_server_busy(const struct jb_server *server)
{
	return jb_connections_busy(server);
}

void jb_server_set_tls(struct jb_server *server, SSL_CTX *tls)
{
	SSL_CTX_free(server->tls); /* connections that it greeted keep it for themselves */
	server->tls = tls;
}

unsigned jb_server_room(const struct jb_server *server)
{
	return server->crowd.max;
}

uint16_t jb_server_port(const struct jb_server *server)
{
	return server->port;
}

unsigned jb_server_connections(const struct jb_server *server)
{
	return server->crowd.count;
}
