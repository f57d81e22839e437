/*
 * A reverse proxy on this machine that has signed people in: it speaks plain HTTP
 * on a Unix socket, and the kernel says which account connects. Its word counts
 * for the page alone, and nobody else's counts at all.
 */
#ifndef JB_PROXY_H
#define JB_PROXY_H

#include <stdbool.h>
#include <stddef.h>

#include "api.h"
#include "conf.h"

struct event_base;
struct jb_proxy;

/* Listens on conf->proxy_socket for conf->proxy_user. NULL with a sentence in why. */
struct jb_proxy *jb_proxy_new(struct event_base *base, const struct jb_conf *conf, struct jb_api *api, char *why,
			      size_t why_size);
/* As jb_server_drain and jb_server_busy; NULL is fine. */
void jb_proxy_drain(struct jb_proxy *proxy);
bool jb_proxy_busy(const struct jb_proxy *proxy);
/* Ends its connections and takes the socket away. Before the api. NULL is fine. */
void jb_proxy_free(struct jb_proxy *proxy);

#endif
