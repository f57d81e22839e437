/* Who calls, by key, address and certificate, or by token, and whether a host may call just now. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api.h"
#include "clock.h"
#include "log.h"
#include "reply.h"
#include "secret.h"
#include "usage.h"

static void refuse(struct jb_ask *ask, enum jb_kept_out why)
{
	ask->api->metrics.kept_out[why]++;
	if (why == JB_OUT_TOKEN)
		jb_reply_error(ask->call, 401, "auth.token", "Give a valid approver's token.");
	else
		jb_reply_message(ask->call, 403, "Forbidden");
}

static void refuse_store(struct jb_ask *ask, int r)
{
	jit_log(LOG_ERR, "cannot read the store: %s", r == -EIO ? jb_store_error(ask->api->store) : strerror(-r));
	jb_reply_error(ask->call, 503, "broker.store", "The broker cannot read its store; try again later.");
}

/* Whoever has a key could fill the log. */
static bool may_tell_misuse(struct jb_ask *ask)
{
	const bool may = ask->api->told_misuse != ask->now;

	ask->api->told_misuse = ask->now;
	return may;
}

/* Does the call come from where [host NAME] binds the host's key to? Behind a proxy the proxy is what calls. */
static bool comes_from_its_source(struct jb_ask *ask, const struct jb_host_conf *host)
{
	char address[JB_ADDRESS_SIZE];

	if (host->source.count == 0 || jb_sources_hold(&host->source, jb_call_peer(ask->call)))
		return true;
	jb_address_text(jb_call_peer(ask->call), address);
	if (may_tell_misuse(ask))
		jit_log(LOG_WARNING,
			"the key of host %s was used from %s, which its source does not name (%s:%u): refused",
			host->name, address, ask->api->conf->path, jb_conf_line(&host->lines, JB_KEY_SOURCE));
	return false;
}

/* Does it come with the certificate that [host NAME] binds the host's key to? */
static bool has_its_certificate(struct jb_ask *ask, const struct jb_host_conf *host)
{
	char why[160], address[JB_ADDRESS_SIZE];

	if (!host->client_certificate || jb_call_certified(ask->call, host->client_certificate, why, sizeof(why)))
		return true;
	jb_address_text(jb_call_peer(ask->call), address);
	if (may_tell_misuse(ask))
		jit_log(LOG_WARNING, "the key of host %s was used from %s, but %s (%s:%u): refused", host->name,
			address, why, ask->api->conf->path, jb_conf_line(&host->lines, JB_KEY_CLIENT_CERTIFICATE));
	return false;
}

/* What [host NAME] asks beside the key. True, or *ret_why. */
static bool is_bound(struct jb_ask *ask, const char *name, enum jb_kept_out *ret_why)
{
	const struct jb_host_conf *host = jb_conf_host(ask->api->conf, name);

	if (!host)
		return true;
	*ret_why = JB_OUT_SOURCE;
	if (!comes_from_its_source(ask, host))
		return false;
	*ret_why = JB_OUT_CERTIFICATE;
	return has_its_certificate(ask, host);
}

static const char *token_of(struct jb_ask *ask)
{
	const char *given = jb_call_header(ask->call, "Authorization");

	return given && strncasecmp(given, "Bearer ", 7) == 0 ? given + 7 : NULL;
}

int jb_api_is_hosts(struct jb_ask *ask)
{
	const char *key = jb_call_header(ask->call, "x-api-key");
	char name[JIT_NAME_SIZE];

	if (!key)
		return !jb_call_header(ask->call, "Authorization");
	if (!token_of(ask))
		return 1;
	int r = jb_store_secret_check(ask->api->store, "host", key, name, sizeof(name));
	if (r == 0 || r == -ENOENT || r == -EINVAL)
		return r == 0;
	refuse_store(ask, r);
	return -1;
}

/* The owner of the key that came with the call, as the store has it now. 0, -ENOENT, -EINVAL or another error. */
static int key_owner(struct jb_ask *ask, char *name, size_t size)
{
	const char *key = jb_call_header(ask->call, "x-api-key");

	return key ? jb_store_secret_check(ask->api->store, "host", key, name, size) : -ENOENT;
}

/* `r`: what key_owner said. */
static int admit(struct jb_ask *ask, int r, const char *name)
{
	enum jb_kept_out why = JB_OUT_KEY;

	if (r == 0 && is_bound(ask, name, &why)) {
		jb_usage_seen(ask->api->usage, jb_call_header(ask->call, "x-api-key"), ask->now);
		return 0;
	}
	if (r == 0 || r == -ENOENT || r == -EINVAL)
		refuse(ask, why);
	else
		refuse_store(ask, r);
	return -1;
}

int jb_api_know_host(struct jb_ask *ask, char *name, size_t size)
{
	const char *vouched = jb_call_host(ask->call);

	if (vouched && (size_t)snprintf(name, size, "%s", vouched) < size)
		return 0;
	return admit(ask, key_owner(ask, name, size), name);
}

bool jb_api_still_known(struct jb_api *api, struct jb_call *call, const char *host)
{
	struct jb_ask ask = {.api = api, .call = call, .who = host, .now = jit_wall_s()};
	char name[JIT_NAME_SIZE];

	if (jb_api_know_host(&ask, name, sizeof(name)) < 0)
		return false;
	if (strcmp(name, host) == 0)
		return true;
	refuse(&ask, JB_OUT_KEY);
	return false;
}

void jb_api_still_known_all(struct jb_api *api, const struct jb_wait *const waits[], size_t count, bool ret_known[])
{
	const char *good = NULL; /* a key of this host, as the store had it a moment ago */

	for (size_t i = 0; i < count; i++) {
		const struct jb_wait *w = waits[i];
		struct jb_ask ask = {.api = api, .call = w->call, .who = w->host, .now = jit_wall_s()};
		const char *key = jb_call_header(w->call, "x-api-key");

		if (!jb_call_host(w->call) && jb_secret_same(key, good)) {
			ret_known[i] = admit(&ask, 0, w->host) == 0;
			continue;
		}
		ret_known[i] = jb_api_still_known(api, w->call, w->host);
		if (ret_known[i] && !jb_call_host(w->call))
			good = key;
	}
}

/* The same for a person, who must still be declared in the configuration. */
int jb_api_know_person(struct jb_ask *ask, char *name, size_t size)
{
	const char *token = token_of(ask);
	int r = token ? jb_store_secret_check(ask->api->store, "person", token, name, size) : -ENOENT;

	if (r == 0 && jb_conf_person(ask->api->conf, name)) {
		jb_usage_seen(ask->api->usage, token, ask->now);
		return 0;
	}
	if (r == 0 || r == -ENOENT || r == -EINVAL)
		refuse(ask, JB_OUT_TOKEN);
	else
		refuse_store(ask, r);
	return -1;
}

int jb_api_within_plan(struct jb_ask *ask)
{
	const struct jb_usage_plan *plan = jb_conf_plan_of(ask->api->conf, ask->who);
	unsigned retry_after;
	bool tell;
	const enum jb_plan_verdict verdict =
		jb_usage_call(ask->api->usage, &plan->terms, ask->who, ask->now, &retry_after, &tell);

	if (verdict == JB_PLAN_PASSES)
		return 0;
	const bool used_up = verdict == JB_PLAN_USED_UP;
	if (tell && used_up)
		jit_log(LOG_WARNING,
			"host %s has made the %u calls that its usage plan %s gives it a day (UTC): refused", ask->who,
			plan->terms.quota, plan->name);
	else if (tell)
		jit_log(LOG_WARNING,
			"host %s calls faster than its usage plan %s allows (%u a second, %u at once): refused",
			ask->who, plan->name, plan->terms.rate, plan->terms.burst);
	ask->api->metrics.kept_out[used_up ? JB_OUT_QUOTA : JB_OUT_RATE]++;
	jb_reply_later(ask->call, used_up ? "Limit Exceeded" : "Too Many Requests", retry_after);
	return -1;
}
