/*
 * The issuer for a first look without an account: credentials that say DEMO and
 * open nothing, handed out the way STS's are, later and from the loop.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

#include "b64.h"
#include "issuer_call.h"
#include "issuer_kinds.h"
#include "sts.h"

struct demo_call {
	struct jb_issuer_call call;
	int64_t end;
};

struct jb_issuer_demo {
	struct jb_issuer issuer;
	struct event_base *base;
	struct jb_issuer_call *calls;
};

static bool make(struct jb_credentials *c, int64_t end)
{
	uint8_t random[24 + 6];
	char text[JIT_B64_SIZE(24)];

	if (RAND_bytes(random, sizeof(random)) != 1)
		return false;
	jit_b64_encode(random, 24, text);
	snprintf(c->access_key_id, sizeof(c->access_key_id), "ASIADEMO%02X%02X%02X%02X%02X%02X", random[24], random[25],
		 random[26], random[27], random[28], random[29]);
	snprintf(c->secret_access_key, sizeof(c->secret_access_key), "DEMO-UNUSABLE-%s", text);
	snprintf(c->session_token, sizeof(c->session_token), "DEMO-UNUSABLE-%s", text);
	c->expiration = end;
	OPENSSL_cleanse(random, sizeof(random));
	OPENSSL_cleanse(text, sizeof(text));
	return true;
}

static void on_soon(struct jb_issuer_call *call)
{
	struct jb_credentials credentials = {0};
	const bool made = make(&credentials, ((struct demo_call *)call)->end);

	call->passing = true;
	snprintf(call->why, sizeof(call->why), "The system's random numbers failed.");
	jb_issuer_call_finish(call, made ? &credentials : NULL);
	OPENSSL_cleanse(&credentials, sizeof(credentials));
}

static int demo_issue(struct jb_issuer *issuer, const struct jb_request *request, const struct jb_role *role,
		      int64_t now, jb_issued done, void *arg)
{
	struct jb_issuer_demo *demo = (struct jb_issuer_demo *)issuer;
	struct demo_call *call = calloc(1, sizeof(*call));

	if (!call || jb_issuer_call_begin(&call->call, &demo->calls, demo->base, on_soon, done, arg) < 0)
		return -ENOMEM;
	call->end = jb_sts_end(request, role, now);
	jb_issuer_call_soon(&call->call);
	return 0;
}

static void demo_free(struct jb_issuer *issuer)
{
	struct jb_issuer_demo *demo = (struct jb_issuer_demo *)issuer;

	jb_issuer_calls_drop(demo->calls);
	free(demo);
}

struct jb_issuer *jb_issuer_demo_new(struct event_base *base)
{
	struct jb_issuer_demo *demo = calloc(1, sizeof(*demo));

	if (!demo)
		return NULL;
	demo->issuer = (struct jb_issuer){.issue = demo_issue, .free = demo_free};
	demo->base = base;
	return &demo->issuer;
}
