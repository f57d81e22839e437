/*
 * The issuer for a first look without an account: credentials that say DEMO and
 * open nothing, handed out the way STS's are, later and from the loop.
 */
#include <errno.h>
#include <event2/event.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

#include "b64.h"
#include "issuer_kinds.h"
#include "sts.h"

struct demo_call {
	struct jb_issuer_demo *demo;
	struct demo_call *prev, *next;
	struct event *soon;
	int64_t end;
	jb_issued done;
	void *arg;
};

struct jb_issuer_demo {
	struct jb_issuer issuer;
	struct event_base *base;
	struct demo_call *calls;
};

static void call_free(struct demo_call *call)
{
	if (call->prev)
		call->prev->next = call->next;
	else
		call->demo->calls = call->next;
	if (call->next)
		call->next->prev = call->prev;
	event_free(call->soon);
	free(call);
}

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

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
	struct demo_call *call = arg;
	struct jb_credentials credentials = {0};
	struct jb_issue issue = {.passing = true, .why = "The system's random numbers failed."};
	jb_issued done = call->done;
	void *done_arg = call->arg;

	(void)fd;
	(void)what;
	if (make(&credentials, call->end))
		issue = (struct jb_issue){.credentials = &credentials};
	call_free(call);
	done(done_arg, &issue);
	OPENSSL_cleanse(&credentials, sizeof(credentials));
}

static int demo_issue(struct jb_issuer *issuer, const struct jb_request *request, const struct jb_role *role,
		      int64_t now, jb_issued done, void *arg)
{
	struct jb_issuer_demo *demo = (struct jb_issuer_demo *)issuer;
	struct demo_call *call = calloc(1, sizeof(*call));
	struct timeval at_once = {0};

	if (!call || !(call->soon = evtimer_new(demo->base, on_soon, call))) {
		free(call);
		return -ENOMEM;
	}
	call->demo = demo;
	call->end = jb_sts_end(request, role, now);
	call->done = done;
	call->arg = arg;
	call->next = demo->calls;
	if (call->next)
		call->next->prev = call;
	demo->calls = call;
	event_add(call->soon, &at_once);
	return 0;
}

static void demo_free(struct jb_issuer *issuer)
{
	struct jb_issuer_demo *demo = (struct jb_issuer_demo *)issuer;

	while (demo->calls)
		call_free(demo->calls);
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
