/*
 * sshd does not tell its modules that the client has gone. Its connection is
 * among the descriptors that the process has: watched beside the helper's, never
 * read from.
 */
#ifndef PJ_CLIENT_H
#define PJ_CLIENT_H

/*
 * The client's socket: a connected TCP socket of this process whose peer is `rhost` (PAM_RHOST). Where rhost is a name
 * and no address: the only such socket. -1 where it cannot be told. The descriptor stays the host's.
 */
int pj_client_find(const char *rhost);

#endif
