/*
 * The HTTPS server: connections, TLS, and every limit and deadline that a peer
 * runs into before anybody knows who it is. It knows neither paths nor keys; a
 * whole request goes to one handler, which answers now or later.
 */
#ifndef JB_SERVER_H
#define JB_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "call.h"

struct event_base;
struct jb_server;
struct ssl_ctx_st;

typedef void (*jb_handle)(void *arg, struct jb_call *call);

struct jb_server_options {
	const char *address; /* numeric IPv4 or IPv6 */
	uint16_t port;	     /* 0: any free one */
	int listen_fd;	     /* a listening socket to take over (socket activation), or -1: bind address and port */
	void (*answered)(void *arg, int status); /* told of each answer, with the handler's arg; NULL: nobody */
	bool tls;
	const char *tls_certificate; /* PEM chain */
	const char *tls_key;	     /* PEM, without passphrase, not readable by others */
	const char *tls_client_ca;   /* PEM: peers are asked for a certificate of these; NULL: they are not */
	unsigned max_connections;    /* 0: 16384; cut down to what RLIMIT_NOFILE allows */
	unsigned request_ms; /* 0: 30 s; TLS handshake, each whole request, each whole answer, however they trickle */
	bool (*admit)(void *arg, int fd); /* asked about each new connection; NULL: all are taken */
	void *admit_arg;
	unsigned idle_ms; /* 0: 600 s; between requests, for peers that were once trusted (others: 10 s) */
};

/* NULL with a sentence in why. */
struct jb_server *jb_server_new(struct event_base *base, const struct jb_server_options *options, jb_handle handle,
				void *arg, char *why, size_t why_size);
/* Takes no new connection, closes those that lie idle, and the others with their next answer. */
void jb_server_drain(struct jb_server *server);
/* Is an answer on its way to somebody, or a request on its way to us? Those that wait for the handler do not count. */
bool jb_server_busy(const struct jb_server *server);
/* Ends all connections; whoever waits is told through its gone callback. NULL is fine. */
void jb_server_free(struct jb_server *server);
/* Connections from here on are greeted with this (tls.h); it belongs to the server then. */
void jb_server_set_tls(struct jb_server *server, struct ssl_ctx_st *tls);
/* How many connections it holds at once. */
unsigned jb_server_room(const struct jb_server *server);
uint16_t jb_server_port(const struct jb_server *server);
unsigned jb_server_connections(const struct jb_server *server);

#endif
