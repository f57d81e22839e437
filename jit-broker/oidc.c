/*
 * See oidc.h. A browser's call is answered at once where that is possible; else
 * it waits as a `visit`, which goes from one step to the next as the provider
 * answers, and is no more when the call is answered or the browser has left.
 */
#include "oidc.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "fetch.h"
#include "form.h"
#include "log.h"
#include "oidc_flow.h"
#include "oidc_form.h"
#include "oidc_outcome.h"
#include "oidc_provider.h"
#include "oidc_token.h"
#include "signin.h"
#include "text.h"

#define TIMEOUT_MS 10000
#define ANSWER_MAX 65536 /* bytes, of the token endpoint */

struct jb_oidc_signin {
	const struct jb_conf *conf;
	struct jit_fetch *fetch;
	struct jb_oidc_provider *provider;
	struct jb_oidc_flows *flows;
	struct jb_oidc_strangers strangers;
	struct visit *visits;
	size_t visit_count;
	int64_t told; /* when a sign-in that came to nothing was logged last: once a second */
};

struct visit {
	struct jb_oidc_signin *signin;
	struct jb_api *api;
	struct jb_call *call;
	struct visit *prev, *next;
	void (*step)(struct visit *visit); /* what is done when the provider is known */
	struct jb_oidc_wait wait;
	struct jit_fetch_call *fetch;
	struct jb_oidc_flow flow;
	char cookie[JB_OIDC_RANDOM]; /* what the browser has; "" */
	char code[JB_OIDC_CODE];
	char issuer[JB_OIDC_URL]; /* as the answer names it; "" */
	char *token;		  /* the ID token, once there is one */
	bool anew;		  /* keys were fetched for it already */
};

static void visit_free(struct visit *visit)
{
	struct jb_oidc_signin *signin = visit->signin;

	if (visit->prev)
		visit->prev->next = visit->next;
	else
		signin->visits = visit->next;
	if (visit->next)
		visit->next->prev = visit->prev;
	signin->visit_count--;
	jb_oidc_provider_forget(signin->provider, &visit->wait);
	jit_fetch_cancel(visit->fetch);
	if (visit->token)
		OPENSSL_cleanse(visit->token, strlen(visit->token));
	free(visit->token);
	OPENSSL_cleanse(visit, sizeof(*visit));
	free(visit);
}

static void on_gone(void *arg)
{
	visit_free(arg);
}

/* The browser is told, and the visit is over. */
__attribute__((format(printf, 3, 4))) static void refuse(struct visit *visit, int status, const char *format, ...)
{
	char sentence[1000], text[1000], peer[JB_ADDRESS_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	jit_text_clean_str(text, sizeof(text), sentence);
	if (visit->signin->told != jit_wall_s()) { /* anybody could fill the log */
		visit->signin->told = jit_wall_s();
		jb_address_text(jb_call_peer(visit->call), peer);
		jit_log(LOG_WARNING, "a sign-in from %s came to nothing: %s", peer, text);
	}
	jb_oidc_say(visit->api, visit->call, status, text);
	visit_free(visit);
}

static void on_known(void *arg, const char *why)
{
	struct visit *visit = arg;

	if (why)
		refuse(visit, 502, "The identity provider cannot be asked: %s. Try again later.", why);
	else
		visit->step(visit);
}

/* The step is taken when the provider is known: now or later. */
static void when_known(struct visit *visit, bool anew, void (*step)(struct visit *visit))
{
	struct jb_oidc_provider *provider = visit->signin->provider;

	visit->step = step;
	visit->wait = (struct jb_oidc_wait){.done = on_known, .arg = visit};
	switch (jb_oidc_provider_know(provider, anew, jit_boottime_ms(), &visit->wait)) {
	case JB_OIDC_NOW:
		step(visit);
		break;
	case JB_OIDC_LATER:
		jb_call_on_gone(visit->call, on_gone, visit);
		break;
	case JB_OIDC_NOT_NOW:
		refuse(visit, 502, "The identity provider cannot be asked: %s. Try again in a minute.",
		       jb_oidc_provider_why(provider));
		break;
	}
}

static bool is_crowded(const struct jb_oidc_signin *signin, const struct jb_address *peer)
{
	size_t of_peer = 0;

	for (const struct visit *v = signin->visits; v; v = v->next) {
		const struct jb_address *other = jb_call_peer(v->call);

		of_peer += peer->known && other->known && memcmp(peer->byte, other->byte, sizeof(peer->byte)) == 0;
	}
	return signin->visit_count >= JB_OIDC_CALLS || of_peer >= JB_OIDC_CALLS_PEER;
}

/* NULL: the call has been answered. */
static struct visit *visit_new(struct jb_ask *ask)
{
	struct jb_oidc_signin *signin = ask->api->oidc;
	const bool crowded = signin && is_crowded(signin, jb_call_peer(ask->call));
	struct visit *visit = signin && !crowded ? calloc(1, sizeof(*visit)) : NULL;

	if (!visit) {
		jb_oidc_say(ask->api, ask->call, signin ? 503 : 404,
			    !signin   ? "This broker has no identity provider (oidc_issuer in jit-broker.conf)."
			    : crowded ? "Too many people sign in at this moment. Try again in a minute."
				      : "The broker is out of memory. Try again later.");
		return NULL;
	}
	visit->signin = signin;
	visit->api = ask->api;
	visit->call = ask->call;
	if (jb_cookie(jb_call_header(ask->call, "Cookie"), JB_OIDC_COOKIE, visit->cookie, sizeof(visit->cookie)) < 0)
		visit->cookie[0] = '\0';
	visit->next = signin->visits;
	if (visit->next)
		visit->next->prev = visit;
	signin->visits = visit;
	signin->visit_count++;
	return visit;
}

/* To the provider */

static void send_there(struct visit *visit)
{
	struct jb_oidc_signin *signin = visit->signin;
	char location[JB_OIDC_LOCATION], headers[JB_OIDC_LOCATION + 512];
	struct jb_oidc_begun begun;
	const int r = jb_oidc_flows_begin(signin->flows, jb_call_peer(visit->call), visit->cookie,
					  visit->flow.return_to, jit_boottime_ms(), &begun);

	if (r < 0 || !jb_oidc_location(signin->conf, jb_oidc_provider_about(signin->provider), &begun, location)) {
		refuse(visit, 503, "The broker cannot begin a sign-in: %s.",
		       r < 0 ? strerror(-r) : "oidc_client_id, oidc_redirect and oidc_scopes are too long together");
		return;
	}
	snprintf(headers, sizeof(headers),
		 "Location: %s\r\nSet-Cookie: " JB_OIDC_COOKIE "=%s; Path=/; Max-Age=%d; Secure; HttpOnly; "
		 "SameSite=Lax\r\nReferrer-Policy: no-referrer\r\n",
		 location, begun.cookie, JB_OIDC_FLOW_S);
	jb_call_reply(visit->call, 303, headers, "", 0);
	OPENSSL_cleanse(&begun, sizeof(begun));
	OPENSSL_cleanse(location, sizeof(location));
	OPENSSL_cleanse(headers, sizeof(headers));
	visit_free(visit);
}

void jb_oidc_begin(struct jb_ask *ask)
{
	struct visit *visit = visit_new(ask);

	if (!visit)
		return;
	/* Anything but a page of ours leads to the first one. */
	if (jb_call_query(ask->call, "return_to", visit->flow.return_to, sizeof(visit->flow.return_to)) < 0 ||
	    !jb_signin_may_lead_to(visit->flow.return_to))
		snprintf(visit->flow.return_to, sizeof(visit->flow.return_to), "/");
	when_known(visit, false, send_there);
}

/* Back from there */

static void judge_token(struct visit *visit)
{
	struct jb_oidc_signin *signin = visit->signin;
	const struct jb_oidc_expect expect = {.issuer = signin->conf->oidc_issuer,
					      .client_id = signin->conf->oidc_client_id,
					      .nonce = visit->flow.nonce,
					      .now = jit_wall_s()};
	json_t *claims = NULL;
	char why[256];

	switch (jb_oidc_token_check(jb_oidc_provider_keys(signin->provider), &expect, visit->token, &claims, why,
				    sizeof(why))) {
	case JB_OIDC_GOOD:
		jb_oidc_conclude(visit->api, visit->call, &signin->strangers, expect.issuer, claims,
				 visit->flow.return_to);
		json_decref(claims);
		visit_free(visit);
		return;
	case JB_OIDC_UNKNOWN_KEY:
		if (!visit->anew) {
			visit->anew = true;
			when_known(visit, true, judge_token);
			return;
		}
		break;
	case JB_OIDC_REFUSED:
		break;
	}
	refuse(visit, 502, "The identity provider's token is not believed: %s.", why);
}

/* "invalid_grant: the code is too old", or what else the token endpoint's refusal says. */
static void explain(const json_t *json, long status, char *buf, size_t size)
{
	const char *error = jb_oidc_text(json, "error"), *more = jb_oidc_text(json, "error_description");

	if (error)
		snprintf(buf, size, "%.100s%s%.300s", error, more ? ": " : "", more ? more : "");
	else
		snprintf(buf, size, "it answered with status %ld and no ID token", status);
}

static void on_exchanged(void *arg, const struct jit_fetch_result *result)
{
	struct visit *visit = arg;
	char why[512];

	visit->fetch = NULL; /* freed by the fetcher after this */
	if (result->fault != JIT_FETCH_OK) {
		refuse(visit, 502, "The identity provider cannot be asked: %s. Sign in again.", result->why);
		return;
	}
	JB_OIDC_JSON json_t *json = json_loadb(result->body, result->body_len, JSON_REJECT_DUPLICATES, NULL);
	const char *token = result->status == 200 ? jb_oidc_text(json, "id_token") : NULL;
	if (!token) {
		explain(json, result->status, why, sizeof(why));
		refuse(visit, 502, "The identity provider gives no token: %s. Sign in again.", why);
		return;
	}
	visit->token = strdup(token);
	if (visit->token)
		when_known(visit, false, judge_token);
	else
		refuse(visit, 503, "The broker is out of memory. Try again later.");
}

static bool start_exchange(struct visit *visit, const char *secret)
{
	struct jb_oidc_signin *signin = visit->signin;
	const struct jb_oidc_about *about = jb_oidc_provider_about(signin->provider);
	struct jb_oidc_token_form *form = malloc(sizeof(*form));

	if (form && jb_oidc_token_form(signin->conf, about, visit->code, visit->flow.verifier, secret, form)) {
		const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded",
					       "Accept: application/json",
					       *form->authorization ? form->authorization : NULL, NULL};
		const struct jit_fetch_request request = {
			.method = "POST",
			.url = about->token,
			.headers = headers,
			.body = form->body,
			.body_len = strlen(form->body),
			.timeout_ms = TIMEOUT_MS,
			.max_body = ANSWER_MAX,
		};

		visit->fetch = jit_fetch_start(signin->fetch, &request, on_exchanged, visit);
	}
	if (form)
		OPENSSL_cleanse(form, sizeof(*form));
	free(form);
	return visit->fetch;
}

/* RFC 9207: the answer is the provider's that was asked, where it says whose it is, and says so where it must. */
static bool is_from_provider(const struct visit *visit)
{
	const struct jb_oidc_signin *signin = visit->signin;

	return *visit->issuer ? strcmp(visit->issuer, signin->conf->oidc_issuer) == 0
			      : !jb_oidc_provider_about(signin->provider)->names_itself;
}

static void exchange(struct visit *visit)
{
	const char *path = visit->signin->conf->oidc_client_secret_file;
	char secret[JB_OIDC_SECRET] = "", why[512];

	if (!is_from_provider(visit)) {
		refuse(visit, 400, "The answer does not come from this broker's identity provider. Sign in again.");
		return;
	}
	if (path && jb_oidc_secret_read(path, secret, why, sizeof(why)) < 0) {
		jit_log(LOG_ERR, "nobody can sign in: %s", why);
		refuse(visit, 503, "The broker has no secret for its identity provider; its log says why.");
		return;
	}
	const bool started = start_exchange(visit, path ? secret : NULL);
	OPENSSL_cleanse(secret, sizeof(secret));
	if (started)
		jb_call_on_gone(visit->call, on_gone, visit);
	else
		refuse(visit, 503, "The broker is out of memory, or what it would send is too long. Try again later.");
}

/* A parameter of the answer; "" where it is absent. False: it is there twice, or too long. */
static bool take(struct jb_ask *ask, const char *name, char *buf, size_t size)
{
	const int r = jb_call_query(ask->call, name, buf, size);

	if (r == -ENOENT)
		*buf = '\0';
	return r == 0 || r == -ENOENT;
}

void jb_oidc_answer(struct jb_ask *ask)
{
	struct visit *visit = visit_new(ask);
	char state[JB_OIDC_RANDOM], error[128], more[512];

	if (!visit)
		return;
	if (!take(ask, "state", state, sizeof(state)) || !take(ask, "code", visit->code, sizeof(visit->code)) ||
	    !take(ask, "iss", visit->issuer, sizeof(visit->issuer)) || !take(ask, "error", error, sizeof(error)) ||
	    !take(ask, "error_description", more, sizeof(more))) {
		refuse(visit, 400, "The identity provider's answer cannot be read. Sign in again.");
		return;
	}
	if (!jb_oidc_flows_take(visit->signin->flows, state, visit->cookie, jit_boottime_ms(), &visit->flow)) {
		refuse(visit, 400,
		       "This sign-in is not known here: it was begun in another browser, or more than ten minutes ago, "
		       "or "
		       "it has been answered before. Sign in again.");
		return;
	}
	if (*error)
		refuse(visit, 403, "The identity provider did not sign you in: %s%s%s.", error, *more ? ": " : "",
		       more);
	else if (!*visit->code)
		refuse(visit, 400, "The identity provider's answer has no code. Sign in again.");
	else
		when_known(visit, false, exchange);
}

struct jb_oidc_signin *jb_oidc_signin_new(struct event_base *base, const struct jb_conf *conf)
{
	const struct jit_fetch_options options = {
		.ca_file = conf->oidc_ca,
		.plain_loopback = conf->oidc_plain_loopback,
		.user_agent = "jit-broker/" JIT_VERSION,
	};
	struct jb_oidc_signin *signin = calloc(1, sizeof(*signin));

	if (!signin)
		return NULL;
	jb_oidc_wipe_json();
	signin->conf = conf;
	signin->fetch = jit_fetch_new(base, &options);
	signin->flows = jb_oidc_flows_new();
	signin->provider = signin->fetch ? jb_oidc_provider_new(conf, signin->fetch) : NULL;
	if (signin->provider && signin->flows)
		return signin;
	jb_oidc_signin_free(signin);
	return NULL;
}

void jb_oidc_signin_free(struct jb_oidc_signin *signin)
{
	if (!signin)
		return;
	while (signin->visits)
		visit_free(signin->visits);
	jb_oidc_provider_free(signin->provider);
	jit_fetch_free(signin->fetch);
	jb_oidc_flows_free(signin->flows);
	free(signin);
}
