/*
 * The broker's API (docs/broker-api.md): who calls, what is called, and one short
 * handler for each call. Decisions are the engine's; nothing here grants anything.
 */
#ifndef JB_API_H
#define JB_API_H

#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "engine.h"
#include "issuer.h"
#include "machine.h"
#include "metrics.h"
#include "proto.h"
#include "server.h"
#include "store.h"
#include "waiters.h"

struct event;
struct event_base;
struct json_object;
struct jb_collecting;
struct jb_oidc_signin;
struct jb_live;
struct jb_notify;
struct jb_pace;
struct jb_usage;

struct jb_api {
	const struct jb_conf *conf;
	struct jb_store *store;
	struct jb_engine *engine;
	struct jb_server *server;	/* for what it counts; set after it is made */
	const struct jb_issuer *issuer; /* likewise: one of jb_issuer_watch_new */
	const struct jb_notify *notify; /* likewise */
	struct jb_metrics metrics;
	struct jb_waiters *waiters;
	struct event *timer;		  /* what is due next in the engine */
	int64_t tick_ms;		  /* when it is to come, on the wall clock; 0 before the first time */
	struct jb_machine machine;	  /* as it was at the last tick */
	int64_t told_misuse;		  /* when a key in a wrong place was logged last: once a second */
	struct jb_collecting *collecting; /* calls that wait for credentials */
	struct jb_oidc_signin *oidc;	  /* sign-in with an identity provider; NULL: there is none */
	struct jb_live *live;		  /* pages that wait for news */
	struct jb_pace *pace;		  /* of what sessions change */
	struct jb_usage *usage;		  /* of hosts' plans, and of keys */
};

/* Takes over the engine's on_change. NULL: out of memory. */
struct jb_api *jb_api_new(struct event_base *base, const struct jb_conf *conf, struct jb_store *store,
			  struct jb_engine *engine);
/* After the server is gone, before the engine. NULL is fine. */
void jb_api_free(struct jb_api *api);

/* Whom the API asks how they are. */
void jb_api_watch(struct jb_api *api, struct jb_server *server, const struct jb_issuer *issuer,
		  const struct jb_notify *notify);
/* The broker stops: whoever waits is answered with what is now. */
void jb_api_drain(struct jb_api *api);
/* Does somebody wait for a change? */
bool jb_api_waited_for(const struct jb_api *api);
/* The server's: an answer went out; arg is the api. */
void jb_api_answered(void *arg, int status);

/* Calls from here on see this configuration. */
void jb_api_set_conf(struct jb_api *api, const struct jb_conf *conf);
/* A new one was refused, and the old one counts: whoever watches the broker is told. */
void jb_api_refuse_conf(struct jb_api *api);

/* The server's handler; arg is the api. */
void jb_api_handle(void *arg, struct jb_call *call);
/* The same for calls that the trusted proxy hands on: the page alone. */
void jb_api_handle_proxied(void *arg, struct jb_call *call);

/* One call, its caller known. */
struct jb_ask {
	struct jb_api *api;
	struct jb_call *call;
	const char *who; /* the host, or the person */
	char id[64];	 /* the {id} of the path; "" when it has none */
	int64_t now;
	bool proxied; /* handed on by the trusted proxy */
};

/* Handlers: each replies, or sees to it that somebody will, and returns. */
void jb_api_file(struct jb_ask *ask);
void jb_api_changes(struct jb_ask *ask);
void jb_api_host_list(struct jb_ask *ask);
void jb_api_host_get(struct jb_ask *ask);
void jb_api_credentials(struct jb_ask *ask);
void jb_api_start(struct jb_ask *ask);
void jb_api_cancel(struct jb_ask *ask);
void jb_api_end(struct jb_ask *ask);
void jb_api_events(struct jb_ask *ask);
void jb_api_hosts(struct jb_ask *ask);
void jb_api_person_list(struct jb_ask *ask);
void jb_api_person_get(struct jb_ask *ask);
void jb_api_approve(struct jb_ask *ask);
void jb_api_deny(struct jb_ask *ask);
void jb_api_revoke(struct jb_ask *ask);
void jb_api_audit(struct jb_ask *ask);
void jb_api_healthz(struct jb_ask *ask);
void jb_api_metrics(struct jb_ask *ask);
void jb_api_openapi(struct jb_ask *ask);

/* Who calls. Each: 0 and the name; -1 when the call has been refused. */
int jb_api_know_host(struct jb_ask *ask, char *name, size_t size);
int jb_api_know_person(struct jb_ask *ask, char *name, size_t size);
/*
 * On a path that both sides have: is it a host's call? With an approver's token it is the approver's, unless its key is
 * a host's: what that host may see is then the answer, or that its key is not good here. A key of nobody's counts for
 * nothing beside a token: a front door may want one of its own. -1: the call has been answered.
 */
int jb_api_is_hosts(struct jb_ask *ask);
/* A key may have been revoked while its call waited: false when that has been answered. */
bool jb_api_still_known(struct jb_api *api, struct jb_call *call, const char *host);
/* The same for calls of one host, each with what its connection has to prove; the store is asked once for each key. */
void jb_api_still_known_all(struct jb_api *api, const struct jb_wait *const waits[], size_t count, bool ret_known[]);
/* One more call under the usage plan of the host ask->who. 0; -1 when it has been refused. */
int jb_api_within_plan(struct jb_ask *ask);

/* For the handlers. */

/* Is it that path? "*" in the pattern is a segment, which is the id then. */
bool jb_api_matches(const char *pattern, const char *path, char *id, size_t id_size);
int64_t jb_api_now(void);
/* "Request R7KD-2M9Q is revoked; the last credential dies at …" */
void jb_api_say_revoked(const struct jb_request *r, int64_t now, char *buf, size_t size);
/* Something was filed: open pages are to show it. */
void jb_api_filed(struct jb_api *api);
/* Another process on the same store filed or changed it: whoever waits here is told. */
void jb_api_news(void *api, const struct jb_request *request);

/* The body as an object, an empty one where `optional` and there is none; NULL: has been answered with a 400. */
struct json_object *jb_api_body(struct jb_ask *ask, bool optional);
/* A whole number in the query, at most max; 0 and *ret untouched where absent; -1: has been answered with a 400. */
int jb_api_number(struct jb_ask *ask, const char *name, int64_t max, int64_t *ret);
/* {"requests":[…]}: frees the requests and the array. */
struct json_object *jb_api_list(struct jb_request **requests, size_t count,
				struct json_object *(*form)(const struct jb_request *request, int64_t now),
				const char *name, int64_t now);
/* Calls that waited for credentials and never got them: forgets them. */
void jb_api_drop_collecting(struct jb_api *api);

#endif
