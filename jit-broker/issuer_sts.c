/*
 * AssumeRole at STS: the form of sts.h, its answer turned into credentials or a reason.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws_post.h"
#include "cleanup.h"
#include "clock.h"
#include "fetch.h"
#include "issuer_call.h"
#include "issuer_kinds.h"
#include "sts.h"

#define TIMEOUT_MS 8000	 /* of one AssumeRole: a host that waits 10 s is to hear that it is STS that is silent */
#define ANSWER_MAX 65536 /* bytes */

struct jb_issuer_sts {
	struct jb_issuer issuer;
	struct event_base *base;
	const struct jb_conf *conf;
	struct jit_fetch *fetch;
	char *url;
	struct jb_issuer_call *calls;
};

struct sts_call {
	struct jb_issuer_call call;
	struct jb_issuer_sts *sts;
	int64_t end;
};

/* Reads STS's answer; true when there are credentials. */
static bool read_answer(struct sts_call *call, const struct jit_fetch_result *result, struct jb_sts_answer *answer)
{
	call->call.passing = true;
	if (result->fault != JIT_FETCH_OK) {
		snprintf(call->call.why, sizeof(call->call.why), "STS cannot be asked: %s.", result->why);
		return false;
	}
	jb_sts_parse(result->body, result->body_len, answer);
	if (answer->kind == JB_STS_ERROR) {
		jb_sts_explain(answer->code, answer->message, result->status, call->call.why, sizeof(call->call.why),
			       &call->call.passing);
		return false;
	}
	if (answer->kind == JB_STS_CREDENTIALS && result->status == 200)
		return true;
	snprintf(call->call.why, sizeof(call->call.why), "STS answered with status %ld and no AssumeRole document.",
		 result->status);
	return false;
}

static void on_answer(void *arg, const struct jit_fetch_result *result)
{
	struct sts_call *call = arg;
	struct jb_sts_answer answer = {0};

	call->call.fetch = NULL; /* freed by the fetcher after this */
	bool ok = read_answer(call, result, &answer);
	/* What counts is when the session policy ends access, however long STS's own credential goes on. */
	if (ok && call->end < answer.credentials.expiration)
		answer.credentials.expiration = call->end;
	jb_issuer_call_finish(&call->call, ok ? &answer.credentials : NULL);
	OPENSSL_cleanse(&answer, sizeof(answer));
}

static void start(struct sts_call *call, const struct jb_request *request, const struct jb_role *role)
{
	const struct jb_issuer_sts *sts = call->sts;
	JIT_FREE char *form = NULL;
	char why[448];
	int r = jb_sts_form(request, role, call->end, &form);

	if (r < 0) {
		call->call.passing = r == -ENOMEM;
		snprintf(call->call.why, sizeof(call->call.why), "%s",
			 r == -ENOMEM  ? "The broker is out of memory."
			 : r == -E2BIG ? "The role's session_policy is too long for AWS (2048 characters)."
				       : "The role's session_policy has no Statement.");
		return;
	}
	const struct jb_aws_post post = {
		.url = sts->url,
		.region = sts->conf->issuer_region,
		.service = "sts",
		.content_type = "application/x-www-form-urlencoded",
		.body = form,
		.timeout_ms = TIMEOUT_MS,
		.max_body = ANSWER_MAX,
		.secret = true,
	};
	call->call.passing = true;
	call->call.fetch =
		jb_aws_post(sts->fetch, sts->conf->issuer_credentials, &post, on_answer, call, why, sizeof(why));
	if (!call->call.fetch)
		snprintf(call->call.why, sizeof(call->call.why), "STS cannot be asked: %s.", why);
}

static int sts_issue(struct jb_issuer *issuer, const struct jb_request *request, const struct jb_role *role,
		     int64_t now, jb_issued done, void *arg)
{
	struct jb_issuer_sts *sts = (struct jb_issuer_sts *)issuer;
	struct sts_call *call = calloc(1, sizeof(*call));

	if (!call || jb_issuer_call_begin(&call->call, &sts->calls, sts->base, NULL, done, arg) < 0)
		return -ENOMEM;
	call->sts = sts;
	call->end = jb_sts_end(request, role, now);
	start(call, request, role);
	if (!call->call.fetch)
		jb_issuer_call_soon(&call->call);
	return 0;
}

static void sts_free(struct jb_issuer *issuer)
{
	struct jb_issuer_sts *sts = (struct jb_issuer_sts *)issuer;

	jb_issuer_calls_drop(sts->calls);
	jit_fetch_free(sts->fetch);
	free(sts->url);
	free(sts);
}

struct jb_issuer *jb_issuer_sts_new(struct event_base *base, const struct jb_conf *conf, const char *endpoint,
				    char *why, size_t why_size)
{
	const struct jit_fetch_options options = {
		.ca_file = conf->issuer_ca,
		.plain_loopback = conf->issuer_plain_loopback,
		.user_agent = "jit-broker/" JIT_VERSION,
	};
	struct jb_issuer_sts *sts = calloc(1, sizeof(*sts));

	if (!sts || !(sts->url = jb_aws_url(endpoint, "/")) || !(sts->fetch = jit_fetch_new(base, &options))) {
		snprintf(why, why_size, "issuer = sts:%s: %s", endpoint,
			 sts && !sts->url ? "give scheme, host and port, and nothing after them" : "out of memory");
		if (sts)
			sts_free(&sts->issuer);
		return NULL;
	}
	sts->issuer = (struct jb_issuer){.issue = sts_issue, .free = sts_free};
	sts->base = base;
	sts->conf = conf;
	return &sts->issuer;
}
