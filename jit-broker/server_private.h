/* Between who listens (server.c) and what goes on on a connection (connection.c). */
#ifndef JB_SERVER_PRIVATE_H
#define JB_SERVER_PRIVATE_H

#include "crowd.h"
#include "server.h"

struct event;
struct evconnlistener;
struct jb_connection;

struct jb_server {
	struct event_base *base;
	struct evconnlistener *listener;
	struct event *resume_accept;
	bool turned_away; /* one could not be taken, and none has been since */
	SSL_CTX *tls;
	struct jb_connection *connections;
	struct jb_crowd crowd;
	unsigned request_ms, idle_ms;
	uint16_t port;
	bool (*admit)(void *arg, int fd);
	void *admit_arg;
	bool draining;
	void (*answered)(void *arg, int status);
	jb_handle handle;
	void *arg;
};

/* Takes fd over. 0; -EBUSY or -ENOMEM, and fd closed: there is no room for it, or no memory. */
int jb_connection_take(struct jb_server *server, int fd, const struct jb_address *peer);
/* Closes those that lie idle. */
void jb_connections_drain(struct jb_server *server);
/* As jb_server_busy. */
bool jb_connections_busy(const struct jb_server *server);
/* Closes all; whoever waits is told. */
void jb_connections_end(struct jb_server *server);

#endif
