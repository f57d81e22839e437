/* A listening socket, and how many connections the process may hold. */
#ifndef JB_LISTEN_H
#define JB_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Binds a numeric address and listens. The caller closes the descriptor. -1 with a sentence in why. */
int jb_listen(const char *text, uint16_t port, char *why, size_t why_size);

/*
 * Binds a Unix socket and listens; one that a dead process left behind is replaced.
 * Every account may connect: who does is for the caller to ask (SO_PEERCRED).
 */
int jb_listen_local(const char *path, char *why, size_t why_size);

/* True for a Unix socket, and for a TCP socket bound to 127.0.0.0/8 or ::1. */
bool jb_listen_is_loopback(int fd);

/* The port a listening socket is bound to; 0 when it has none. */
uint16_t jb_listen_port(int fd);

/* For a connection that was taken: nothing is held back, and a peer that vanished without a word is noticed. */
void jb_listen_accepted(int fd);

/* `wanted` connections, or fewer where RLIMIT_NOFILE (raised as far as it may be) holds fewer. */
unsigned jb_listen_affordable(unsigned wanted);

#endif
