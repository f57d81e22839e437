/* See api.h: routes, and what runs beside the calls. Who calls, api_caller.c knows. */
#include "api.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "clock.h"
#include "doc.h"
#include "filing.h"
#include "live.h"
#include "log.h"
#include "log_request.h"
#include "oidc.h"
#include "pace.h"
#include "page.h"
#include "reply.h"
#include "text.h"
#include "usage.h"

/*
 * A timer that comes late tells that we were held up, or the wall clock set, and
 * that hosts may have spoken unheard. Both together stay below the 5 s by which
 * their polls (JB_WAIT_MAX) are shorter than the silence that ends a request.
 */
#define TICK_MAX_MS 3000
#define LATE_MS	    1000
#define SOON_MS	    100 /* after a change */

typedef void (*handler)(struct jb_ask *ask);

static const struct route {
	const char *method, *path; /* "*" is an id */
	handler open;		   /* for anybody */
	handler host;		   /* with x-api-key */
	handler person;		   /* with Authorization: Bearer */
} routes[] = {
	{"POST", "/request-access", .host = jb_api_file},
	/* The stage under which an API Gateway serves it: callers change the host's name and nothing else. */
	{"POST", "/prod/request-access", .host = jb_api_file},
	{"GET", "/changes", .host = jb_api_changes},
	{"GET", "/requests", .host = jb_api_host_list, .person = jb_api_person_list},
	{"GET", "/requests/*", .host = jb_api_host_get, .person = jb_api_person_get},
	{"POST", "/requests/*/credentials", .host = jb_api_credentials},
	{"POST", "/requests/*/start", .host = jb_api_start},
	{"POST", "/requests/*/cancel", .host = jb_api_cancel},
	{"POST", "/requests/*/end", .host = jb_api_end},
	{"POST", "/events", .host = jb_api_events},
	{"GET", "/hosts", .host = jb_api_hosts},
	{"POST", "/requests/*/approve", .person = jb_api_approve},
	{"POST", "/requests/*/deny", .person = jb_api_deny},
	{"POST", "/requests/*/revoke", .person = jb_api_revoke},
	{"GET", "/audit", .person = jb_api_audit},
	{"GET", "/healthz", .open = jb_api_healthz},
	{"GET", "/metrics", .open = jb_api_metrics},
	{"GET", "/openapi.json", .open = jb_api_openapi},
	{"GET", "/sign-in/oidc", .open = jb_oidc_begin},
	{"GET", JB_OIDC_ANSWER, .open = jb_oidc_answer},
};

bool jb_api_matches(const char *pattern, const char *path, char *id, size_t id_size)
{
	const char *star = strchr(pattern, '*');
	size_t before = star ? (size_t)(star - pattern) : 0;

	*id = '\0';
	if (!star)
		return strcmp(pattern, path) == 0;
	if (strncmp(pattern, path, before) != 0)
		return false;
	size_t len = strcspn(path + before, "/");
	if (len == 0 || len >= id_size || strcmp(star + 1, path + before + len) != 0)
		return false;
	memcpy(id, path + before, len);
	id[len] = '\0';
	return true;
}

static const struct route *find_route(struct jb_ask *ask)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (strcmp(routes[i].method, jb_call_method(ask->call)) == 0 &&
		    jb_api_matches(routes[i].path, jb_call_path(ask->call), ask->id, sizeof(ask->id)))
			return &routes[i];
	return NULL;
}

static int64_t wall_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void come_back(struct jb_api *api, int64_t ms)
{
	const struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_add(api->timer, &tv);
	api->tick_ms = wall_ms() + ms;
}

/* Does what is due and comes back when the next thing is. */
static void tick(struct jb_api *api)
{
	jb_machine_look(&api->machine);
	if (api->tick_ms && wall_ms() > api->tick_ms + LATE_MS)
		jb_engine_awake(api->engine, jit_wall_s());
	int64_t next = jb_engine_tick(api->engine, jit_wall_s());
	int64_t ms = TICK_MAX_MS;

	if (next < INT64_MAX / 1000 && next * 1000 - wall_ms() < ms)
		ms = next * 1000 - wall_ms();
	if (ms < 10)
		ms = 10; /* something that stays due must not make us spin */
	come_back(api, ms);
}

/* A change may bring something due nearer. Of many changes one look tells: it asks the store what is next. A clock that
 * was put forward has brought everything nearer: tick() finds itself late. */
static void tick_soon(struct jb_api *api)
{
	const int64_t left_ms = api->tick_ms - wall_ms();

	if (left_ms > SOON_MS)
		come_back(api, SOON_MS);
	else if (left_ms < -LATE_MS)
		event_active(api->timer, EV_TIMEOUT, 0);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	tick(arg);
}

static void on_change(void *arg, const struct jb_request *request)
{
	struct jb_api *api = arg;

	api->metrics.changes[request->status]++;
	jb_log_request("changed", request);
	jb_waiters_wake(api->waiters, request);
	jb_live_wake(api->live);
}

void jb_api_filed(struct jb_api *api)
{
	jb_live_wake(api->live);
}

void jb_api_news(void *arg, const struct jb_request *request)
{
	struct jb_api *api = arg;

	jb_waiters_wake(api->waiters, request);
	jb_live_wake(api->live);
}

int64_t jb_api_now(void)
{
	return jit_wall_s();
}

/* A page's call. */
static bool serve_page(struct jb_ask *ask)
{
	if (!jb_page_serve(ask))
		return false;
	if (*ask->id)
		tick_soon(ask->api);
	return true;
}

void jb_api_handle_proxied(void *arg, struct jb_call *call)
{
	struct jb_ask ask = {.api = arg, .call = call, .now = jit_wall_s(), .proxied = true};

	if (!serve_page(&ask))
		jb_reply_error(call, 404, "proxy.page", "The page alone is served here.");
}

void jb_api_handle(void *arg, struct jb_call *call)
{
	struct jb_ask ask = {.api = arg, .call = call, .now = jit_wall_s()};
	const struct route *route = find_route(&ask);
	char name[JIT_NAME_SIZE];

	if (!route && serve_page(&ask))
		return;
	if (!route) {
		jb_reply_message(call, 403, "Missing Authentication Token");
		return;
	}
	bool changes = strcmp(route->method, "POST") == 0;
	ask.who = name;
	if (route->open) {
		route->open(&ask);
		return;
	}
	const int of_host = route->host && route->person ? jb_api_is_hosts(&ask) : route->host != NULL;
	if (of_host < 0)
		return;
	if (of_host) {
		if (jb_api_know_host(&ask, name, sizeof(name)) < 0)
			return;
		/* Also one that is too fast is heard: what it waits for stays. Its connections are as good as a
		 * stranger's: else one key could take all that there are. */
		jb_engine_heard(ask.api->engine, name, ask.now);
		if (jb_api_within_plan(&ask) < 0)
			return;
		jb_call_trust(call);
		route->host(&ask);
	} else {
		if (jb_api_know_person(&ask, name, sizeof(name)) < 0)
			return;
		jb_call_trust(call);
		route->person(&ask);
	}
	if (changes)
		tick_soon(ask.api);
}

struct json_object *jb_api_body(struct jb_ask *ask, bool optional)
{
	size_t len;
	const char *text = jb_call_body(ask->call, &len);
	struct json_object *json = len == 0 && optional ? json_object_new_object() : jb_json_object(text, len);

	if (!json && errno == ENOMEM)
		jb_reply_json(ask->call, 503, NULL);
	else if (!json)
		jb_reply_message(ask->call, 400, "Invalid JSON body");
	return json;
}

int jb_api_number(struct jb_ask *ask, const char *name, int64_t max, int64_t *ret)
{
	char text[24];
	uint64_t value = 0;
	int r = jb_call_query(ask->call, name, text, sizeof(text));

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = jit_parse_u64(text, INT64_MAX, &value);
	if (r < 0) {
		struct jb_fault fault = {.http = 400, .code = "request.field"};
		snprintf(fault.message, sizeof(fault.message), "The parameter '%s' must be a whole number.", name);
		jb_reply_fault(ask->call, &fault);
		return -1;
	}
	*ret = (int64_t)value < max ? (int64_t)value : max;
	return 0;
}

struct json_object *jb_api_list(struct jb_request **requests, size_t count,
				struct json_object *(*form)(const struct jb_request *request, int64_t now),
				const char *name, int64_t now)
{
	struct jb_doc doc = {json_object_new_object()}, list = {json_object_new_array()};

	for (size_t i = 0; i < count; i++) {
		jb_doc_append(&list, form(requests[i], now));
		jb_request_free(requests[i]);
	}
	free(requests);
	jb_doc_put(&doc, name, list.json);
	return doc.json;
}

struct jb_api *jb_api_new(struct event_base *base, const struct jb_conf *conf, struct jb_store *store,
			  struct jb_engine *engine)
{
	struct jb_api *api = calloc(1, sizeof(*api));

	if (!api)
		return NULL;
	api->conf = conf;
	api->store = store;
	api->engine = engine;
	api->waiters = jb_waiters_new(base, api);
	api->timer = evtimer_new(base, on_timer, api);
	if (conf->oidc_issuer)
		api->oidc = jb_oidc_signin_new(base, conf);
	api->live = jb_live_new(base, &(struct jb_live_calls){jb_page_look, jb_page_news}, api);
	api->pace = jb_pace_new();
	api->usage = jb_usage_new(base, store);
	if (!api->waiters || !api->timer || !api->live || !api->pace || !api->usage ||
	    (conf->oidc_issuer && !api->oidc)) {
		jb_api_free(api);
		return NULL;
	}
	jb_engine_on_change(engine, on_change, api);
	tick(api);
	return api;
}

void jb_api_watch(struct jb_api *api, struct jb_server *server, const struct jb_issuer *issuer,
		  const struct jb_notify *notify)
{
	api->server = server;
	api->issuer = issuer;
	api->notify = notify;
}

void jb_api_drain(struct jb_api *api)
{
	jb_waiters_drain(api->waiters);
	jb_live_drain(api->live);
}

bool jb_api_waited_for(const struct jb_api *api)
{
	return jb_waiters_count(api->waiters) || jb_live_count(api->live);
}

void jb_api_answered(void *arg, int status)
{
	jb_metrics_answered(&((struct jb_api *)arg)->metrics, status);
}

void jb_api_set_conf(struct jb_api *api, const struct jb_conf *conf)
{
	api->conf = conf;
	api->metrics.conf_refused = false;
	tick(api); /* what it no longer gives ends */
}

void jb_api_refuse_conf(struct jb_api *api)
{
	api->metrics.conf_refused = true;
}

void jb_api_free(struct jb_api *api)
{
	if (!api)
		return;
	if (api->timer)
		event_free(api->timer);
	jb_waiters_free(api->waiters);
	jb_oidc_signin_free(api->oidc);
	jb_live_free(api->live);
	free(api->pace);
	jb_usage_free(api->usage);
	jb_api_drop_collecting(api);
	free(api);
}
