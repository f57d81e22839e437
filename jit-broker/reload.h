/*
 * SIGHUP: the configuration is read anew, whole or not at all. A file with an error
 * changes nothing. From the moment of the change on every request and every live
 * grant is judged by the new one; TLS certificate and key are read again too.
 */
#ifndef JB_RELOAD_H
#define JB_RELOAD_H

#include "api.h"
#include "conf.h"
#include "engine.h"
#include "notify.h"
#include "proxy.h"
#include "server.h"
#include "store.h"

struct jb_running {
	struct jb_conf *started; /* what store, issuer and listener were opened with: they go on with it */
	struct jb_conf *conf;	 /* what counts now; may be `started` */
	struct jb_store *store;
	struct jb_engine *engine;
	struct jb_api *api;
	struct jb_notify *notify;
	struct jb_server *server;
	struct jb_proxy *proxy; /* NULL: none is trusted */
	struct jit_sandbox *sandbox;
};

/* Logs what comes of it. False: everything is as it was. */
bool jb_reload(struct jb_running *running);

#endif
