/* See oidc_provider.h. */
#include "oidc_provider.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "fetch.h"

#define TIMEOUT_MS   10000
#define DOCUMENT_MAX (256 * 1024) /* bytes */

struct jb_oidc_provider {
	const struct jb_conf *conf;
	struct jit_fetch *fetch;
	struct jit_fetch_call *call;	    /* under way */
	struct jb_oidc_about about, coming; /* what counts; what the fetch under way has learned */
	struct jb_oidc_keys *keys;	    /* NULL: nothing is known yet */
	int64_t known_ms, begun_ms, failed_ms;
	char url[JB_OIDC_URL]; /* of the fetch under way */
	char why[JB_OIDC_URL + 256];
	struct jb_oidc_wait *waiting;
};

struct jb_oidc_provider *jb_oidc_provider_new(const struct jb_conf *conf, struct jit_fetch *fetch)
{
	struct jb_oidc_provider *provider = calloc(1, sizeof(*provider));

	if (provider) {
		provider->conf = conf;
		provider->fetch = fetch;
	}
	return provider;
}

void jb_oidc_provider_free(struct jb_oidc_provider *provider)
{
	if (!provider)
		return;
	jit_fetch_cancel(provider->call);
	jb_oidc_keys_free(provider->keys);
	free(provider);
}

/* Who is told may ask again at once, or end: each is taken off the list before. */
static void tell_all(struct jb_oidc_provider *provider, const char *why)
{
	while (provider->waiting) {
		struct jb_oidc_wait *wait = provider->waiting;

		provider->waiting = wait->next;
		wait->waiting = false;
		wait->done(wait->arg, why);
	}
}

static void fail(struct jb_oidc_provider *provider, const char *why)
{
	provider->failed_ms = jit_boottime_ms();
	snprintf(provider->why, sizeof(provider->why), "%s: %s", provider->url, why);
	tell_all(provider, provider->why);
}

static bool start(struct jb_oidc_provider *provider, const char *url, jit_fetch_done done)
{
	static const char *const headers[] = {"Accept: application/json", NULL};
	const struct jit_fetch_request request = {.method = "GET",
						  .url = provider->url,
						  .headers = headers,
						  .timeout_ms = TIMEOUT_MS,
						  .max_body = DOCUMENT_MAX};

	snprintf(provider->url, sizeof(provider->url), "%s", url);
	provider->call = jit_fetch_start(provider->fetch, &request, done, provider);
	return provider->call;
}

/* True for a document; else it has failed. */
static bool is_document(struct jb_oidc_provider *provider, const struct jit_fetch_result *result)
{
	char why[64];

	provider->call = NULL;
	snprintf(why, sizeof(why), "it answered with status %ld", result->status);
	if (result->fault == JIT_FETCH_OK && result->status == 200)
		return true;
	fail(provider, result->fault == JIT_FETCH_OK ? why : result->why);
	return false;
}

static void on_keys(void *arg, const struct jit_fetch_result *result)
{
	struct jb_oidc_provider *provider = arg;
	char why[128];

	if (!is_document(provider, result))
		return;
	struct jb_oidc_keys *keys = jb_oidc_keys_read(result->body, result->body_len, why, sizeof(why));
	if (!keys) {
		fail(provider, why);
		return;
	}
	jb_oidc_keys_free(provider->keys);
	provider->keys = keys;
	provider->about = provider->coming;
	provider->known_ms = jit_boottime_ms();
	provider->failed_ms = 0;
	tell_all(provider, NULL);
}

static void on_about(void *arg, const struct jit_fetch_result *result)
{
	struct jb_oidc_provider *provider = arg;
	char why[256];

	if (!is_document(provider, result))
		return;
	if (jb_oidc_about_read(provider->conf, result->body, result->body_len, &provider->coming, why, sizeof(why)) < 0)
		fail(provider, why);
	else if (!start(provider, provider->coming.keys, on_keys))
		fail(provider, "out of memory");
}

enum jb_oidc_know jb_oidc_provider_know(struct jb_oidc_provider *provider, bool anew, int64_t now,
					struct jb_oidc_wait *wait)
{
	char url[JB_OIDC_URL];

	if (provider->keys && !anew && now - provider->known_ms < JB_OIDC_KEPT_MS)
		return JB_OIDC_NOW;
	if (!provider->call) {
		/* Neither a stranger's tokens nor a crowd at the door may make us knock without end. */
		if (provider->failed_ms && now - provider->failed_ms < JB_OIDC_FAILED_MS)
			return JB_OIDC_NOT_NOW;
		snprintf(provider->why, sizeof(provider->why), "its keys were fetched a moment ago");
		if (anew && provider->begun_ms && now - provider->begun_ms < JB_OIDC_ANEW_MS)
			return JB_OIDC_NOT_NOW;
		snprintf(provider->why, sizeof(provider->why), "the broker cannot ask it: out of memory");
		if (!jb_oidc_about_url(provider->conf->oidc_issuer, url) || !start(provider, url, on_about))
			return JB_OIDC_NOT_NOW;
		provider->begun_ms = now;
	}
	wait->next = provider->waiting;
	wait->waiting = true;
	provider->waiting = wait;
	return JB_OIDC_LATER;
}

void jb_oidc_provider_forget(struct jb_oidc_provider *provider, struct jb_oidc_wait *wait)
{
	struct jb_oidc_wait **at = &provider->waiting;

	while (wait->waiting && *at && *at != wait)
		at = &(*at)->next;
	if (wait->waiting && *at)
		*at = wait->next;
	wait->waiting = false;
}

const struct jb_oidc_about *jb_oidc_provider_about(const struct jb_oidc_provider *provider)
{
	return &provider->about;
}

const struct jb_oidc_keys *jb_oidc_provider_keys(const struct jb_oidc_provider *provider)
{
	return provider->keys;
}

const char *jb_oidc_provider_why(const struct jb_oidc_provider *provider)
{
	return provider->why;
}
