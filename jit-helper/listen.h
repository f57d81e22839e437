/*
 * The two listening sockets: handed over by systemd (names "pam" and
 * "session"), or made here in a directory that is root's.
 */
#ifndef JH_LISTEN_H
#define JH_LISTEN_H

#include <stddef.h>

#include "conf.h"

struct jh_sockets {
	int pam, session;
};

/* How many descriptors systemd handed over: 3 to 3 + n - 1. */
int jh_listen_inherited(void);

/* Takes or makes them; the caller closes them. 0, or -errno with a sentence in `why`. */
int jh_listen(const struct jh_conf *conf, struct jh_sockets *ret, char *why, size_t why_size);

#endif
