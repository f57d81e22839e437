/* What whoever watches the broker asks: how it is, and what it has counted. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api.h"
#include "clock.h"
#include "doc.h"
#include "health.h"
#include "outbox.h"
#include "proto.h"
#include "reply.h"

void jb_api_healthz(struct jb_ask *ask)
{
	struct jb_doc doc = {json_object_new_object()};
	struct jb_health health;
	const bool well = jb_health(ask->api->conf, ask->api->store, ask->api->issuer, &health);

	jb_doc_text(&doc, "status", well ? "ok" : "failing");
	jb_doc_text(&doc, "store", health.store);
	jb_doc_text(&doc, "issuer", health.issuer);
	jb_reply_json(ask->call, well ? 200 : 503, doc.json);
}

/* From this machine, and not through a proxy on it; else with an approver's token. */
static bool may_read_metrics(const struct jb_ask *ask)
{
	const char *given = jb_call_header(ask->call, "Authorization");
	char person[JIT_NAME_SIZE];

	if (given && strncasecmp(given, "Bearer ", 7) == 0)
		return jb_store_secret_check(ask->api->store, "person", given + 7, person, sizeof(person)) == 0 &&
		       jb_conf_person(ask->api->conf, person);
	return jb_address_is_loopback(jb_call_peer(ask->call)) && !jb_call_header(ask->call, "X-Forwarded-For") &&
	       !jb_call_header(ask->call, "Forwarded");
}

struct outbox_count {
	struct jb_gauges *gauges;
	int64_t now;
};

static void count_waiting(void *arg, const char *channel, size_t waiting, int64_t oldest)
{
	const struct outbox_count *count = arg;
	const enum jb_notify_kind kind = jb_notify_kind(channel);
	const int64_t age = count->now - oldest;

	count->gauges->waiting[kind] += waiting;
	if (age > count->gauges->oldest[kind])
		count->gauges->oldest[kind] = age;
}

static int read_gauges(struct jb_api *api, struct jb_gauges *ret)
{
	*ret = (struct jb_gauges){.connections = jb_server_connections(api->server),
				  .waiters = jb_waiters_count(api->waiters),
				  .store_errors = jb_store_failures(api->store),
				  .issuer = jb_issuer_watch_stats(api->issuer)};
	struct outbox_count outbox = {.gauges = ret, .now = jit_wall_s()};
	jb_notify_stats(api->notify, &ret->notify);
	for (int i = JB_PENDING; i <= JB_ACTIVE; i++) {
		const struct jb_query query = {.status = i};

		if (jb_store_count(api->store, &query, &ret->open[i]) < 0)
			return -EIO;
	}
	if (jb_outbox_channels(api->store, count_waiting, &outbox) < 0)
		return -EIO;
	return jb_store_audit_last(api->store, &ret->audit_records);
}

void jb_api_metrics(struct jb_ask *ask)
{
	struct jb_gauges gauges;
	struct jit_draft out = {0};
	size_t size;

	if (!may_read_metrics(ask)) {
		jb_reply_error(ask->call, 401, "auth.token", "Give a valid approver's token.");
		return;
	}
	if (read_gauges(ask->api, &gauges) < 0) {
		jb_reply_error(ask->call, 503, "broker.store", "The broker cannot read its store; try again later.");
		return;
	}
	jb_metrics_print(&ask->api->metrics, &gauges, &out);
	char *text = jit_draft_done(&out, &size);
	if (text)
		jb_call_reply(ask->call, 200, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n", text, size);
	else
		jb_reply_json(ask->call, 503, NULL);
	free(text);
}
