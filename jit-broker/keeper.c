/* See keeper.h. */
#include "keeper.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws_post.h"
#include "cleanup.h"
#include "clock.h"
#include "fetch.h"
#include "safefile.h"
#include "ssm.h"

#define SSM	   "ssm:"
#define TIMEOUT_MS 5000
#define ANSWER_MAX 16384
#define AGAIN_MS   (30 * 1000) /* after which it is tried again meanwhile */

struct jb_keeper {
	const struct jb_conf *conf;
	char *name;
	struct jit_fetch *fetch; /* NULL: a file */
	struct jit_fetch_call *call;
	struct jb_keeper_call *calls; /* whoever waits for it */
	char *url;
	char *text;		 /* secure heap */
	int64_t due_ms, over_ms; /* boottime */
	bool passing;
	char why[384]; /* of the last fetch, where there is no text */
};

struct jb_keeper_call {
	struct jb_keeper_call *next, **link; /* in keeper->calls */
	void (*done)(void *arg);
	void *arg;
};

static void forget(struct jb_keeper *keeper)
{
	if (keeper->text)
		OPENSSL_secure_clear_free(keeper->text, strlen(keeper->text) + 1);
	keeper->text = NULL;
}

/* False with a sentence in why. */
static bool is_named(const struct jb_conf *conf, const char *from, char *why, size_t why_size)
{
	if (!jb_ssm_is_name(from + strlen(SSM)))
		snprintf(why, why_size,
			 "%.80s is no parameter: ssm:NAME, a name below ssm_path, of letters, digits and _ . - /",
			 from);
	else if (!conf->ssm_path || !jb_ssm_is_path(conf->ssm_path))
		snprintf(why, why_size, "%.80s wants ssm_path, the path of the parameters, like /jit-broker/notify",
			 from);
	else if (!conf->ssm_credentials)
		snprintf(why, why_size,
			 "%.80s wants ssm_credentials, a file with the broker's access key and secret (or "
			 "imds, or container)",
			 from);
	else
		return true;
	return false;
}

static bool read_file(const char *path, char **ret, char *why, size_t why_size)
{
	const struct jit_file_rule rule = {.secret = true, .max_size = JB_KEEPER_MAX};
	char *text;
	size_t len;

	if (jit_file_read(path, &rule, &text, &len, why, why_size) < 0)
		return false;
	char *kept = OPENSSL_secure_zalloc(len + 1);
	if (kept)
		memcpy(kept, text, len);
	else
		snprintf(why, why_size, "the broker is out of memory");
	OPENSSL_cleanse(text, len);
	free(text);
	if (kept)
		*ret = kept;
	return kept != NULL;
}

bool jb_keeper_check(const struct jb_conf *conf, const char *from, bool (*is_good)(const char *, char *, size_t),
		     char *why, size_t why_size)
{
	char *text, reason[256];

	if (strncmp(from, SSM, strlen(SSM)) == 0)
		return is_named(conf, from, why, why_size);
	if (!read_file(from, &text, why, why_size))
		return false;
	const bool ok = is_good(text, reason, sizeof(reason));
	if (!ok)
		snprintf(why, why_size, "%s: %s", from, reason);
	OPENSSL_secure_clear_free(text, strlen(text) + 1);
	return ok;
}

/* What asks SSM. False with a sentence in why. */
static bool open_ssm(struct jb_keeper *keeper, struct event_base *base, char *why, size_t why_size)
{
	const struct jb_conf *conf = keeper->conf;
	const struct jit_fetch_options options = {
		.ca_file = conf->ssm_ca,
		.plain_loopback = conf->ssm_plain_loopback,
		.user_agent = "jit-broker/" JIT_VERSION,
	};
	char endpoint[128];

	snprintf(endpoint, sizeof(endpoint), "https://ssm.%s.amazonaws.com", conf->ssm_region);
	keeper->url = jb_aws_url(conf->ssm_endpoint ? conf->ssm_endpoint : endpoint, "/");
	if (!keeper->url) {
		snprintf(why, why_size, "ssm_endpoint is scheme, host and port, and nothing after them");
		return false;
	}
	keeper->fetch = jit_fetch_new(base, &options);
	snprintf(why, why_size, "out of memory");
	return keeper->fetch != NULL;
}

struct jb_keeper *jb_keeper_new(struct event_base *base, const struct jb_conf *conf, const char *from, char *why,
				size_t why_size)
{
	const bool ssm = strncmp(from, SSM, strlen(SSM)) == 0;
	struct jb_keeper *keeper;

	if (ssm && !is_named(conf, from, why, why_size))
		return NULL;
	keeper = calloc(1, sizeof(*keeper));
	snprintf(why, why_size, "out of memory");
	if (!keeper)
		return NULL;
	keeper->conf = conf;
	if (asprintf(&keeper->name, "%s%s%s", ssm ? conf->ssm_path : "", ssm ? "/" : "",
		     from + (ssm ? strlen(SSM) : 0)) < 0)
		keeper->name = NULL;
	if (!keeper->name || (ssm && !open_ssm(keeper, base, why, why_size))) {
		jb_keeper_free(keeper);
		return NULL;
	}
	return keeper;
}

void jb_keeper_free(struct jb_keeper *keeper)
{
	if (!keeper)
		return;
	while (keeper->calls)
		jb_keeper_cancel(keeper->calls);
	jit_fetch_free(keeper->fetch);
	forget(keeper);
	free(keeper->url);
	free(keeper->name);
	free(keeper);
}

const char *jb_keeper_name(const struct jb_keeper *keeper)
{
	return keeper->name;
}

bool jb_keeper_is_due(const struct jb_keeper *keeper, int64_t now_ms)
{
	return keeper->fetch && now_ms >= keeper->due_ms;
}

bool jb_keeper_is_passing(const struct jb_keeper *keeper)
{
	return keeper->passing;
}

static void take(struct jb_keeper *keeper, char *text)
{
	const int64_t now = jit_boottime_ms();

	forget(keeper);
	keeper->text = text;
	keeper->due_ms = now + JB_KEEPER_GOOD_MS;
	keeper->over_ms = now + JB_KEEPER_KEPT_MS;
}

/* Without a text the next one who wants it asks again. */
static void miss(struct jb_keeper *keeper, bool passing, const char *why)
{
	const int64_t now = jit_boottime_ms();

	keeper->passing = passing;
	snprintf(keeper->why, sizeof(keeper->why), "the parameter %.200s cannot be read: %s", keeper->name, why);
	if (!passing || now >= keeper->over_ms)
		forget(keeper);
	keeper->due_ms = keeper->text ? now + AGAIN_MS : 0;
}

/* Whoever waits is told, one after the other; each may end others. */
static void settle(struct jb_keeper *keeper)
{
	while (keeper->calls) {
		struct jb_keeper_call *call = keeper->calls;
		void (*done)(void *) = call->done;
		void *arg = call->arg;

		jb_keeper_cancel(call);
		done(arg);
	}
}

static void on_answer(void *arg, const struct jit_fetch_result *answer)
{
	struct jb_keeper *keeper = arg;
	char why[256], *text;

	keeper->call = NULL; /* freed by the fetcher after this */
	if (answer->fault != JIT_FETCH_OK) {
		miss(keeper, true, answer->why);
	} else {
		const enum jb_ssm_kind kind =
			jb_ssm_read(answer->status, answer->body, JB_KEEPER_MAX, &text, why, sizeof(why));

		if (kind == JB_SSM_VALUE)
			take(keeper, text);
		else
			miss(keeper, kind == JB_SSM_PASSING, why);
	}
	settle(keeper);
}

/* NULL: keeper->why says why. */
static struct jit_fetch_call *ask(struct jb_keeper *keeper)
{
	char why[256] = "the broker is out of memory";
	JIT_FREE char *body = jb_ssm_body(keeper->name);
	const struct jb_aws_post post = {
		.url = keeper->url,
		.region = keeper->conf->ssm_region,
		.service = "ssm",
		.content_type = JB_SSM_CONTENT_TYPE,
		.target = JB_SSM_TARGET,
		.body = body,
		.timeout_ms = TIMEOUT_MS,
		.max_body = ANSWER_MAX,
		.secret = true,
	};
	struct jit_fetch_call *call = NULL;

	if (body)
		call = jb_aws_post(keeper->fetch, keeper->conf->ssm_credentials, &post, on_answer, keeper, why,
				   sizeof(why));
	if (!call)
		miss(keeper, true, why);
	return call;
}

struct jb_keeper_call *jb_keeper_fetch(struct jb_keeper *keeper, void (*done)(void *arg), void *arg)
{
	struct jb_keeper_call *call = calloc(1, sizeof(*call));

	if (!call)
		miss(keeper, true, "the broker is out of memory");
	if (!call || (!keeper->call && !(keeper->call = ask(keeper)))) {
		free(call);
		return NULL;
	}
	*call = (struct jb_keeper_call){.next = keeper->calls, .link = &keeper->calls, .done = done, .arg = arg};
	if (call->next)
		call->next->link = &call->next;
	keeper->calls = call;
	return call;
}

void jb_keeper_cancel(struct jb_keeper_call *call)
{
	if (!call)
		return;
	*call->link = call->next;
	if (call->next)
		call->next->link = call->link;
	free(call);
}

const char *jb_keeper_text(struct jb_keeper *keeper, int64_t now_ms, char *why, size_t why_size)
{
	if (!keeper->fetch) {
		forget(keeper);
		if (!read_file(keeper->name, &keeper->text, why, why_size))
			return NULL;
	} else if (keeper->text && now_ms >= keeper->over_ms) {
		forget(keeper);
	}
	if (!keeper->text && keeper->fetch)
		snprintf(why, why_size, "%s", keeper->why);
	return keeper->text;
}
