/*
 * Who makes the credentials: STS (sts:https://…) or, for a first look, `demo`
 * (labelled, unusable); or a function of AWS Lambda that does so for everybody. Asynchronous: STS is a network away.
 */
#ifndef JB_ISSUER_H
#define JB_ISSUER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "request.h"

struct event_base;
struct jb_issuer;

struct jb_credentials {
	char access_key_id[129];
	char secret_access_key[129];
	char session_token[8193];
	int64_t expiration; /* seconds since the epoch: when access really ends (the session policy's instant) */
};

struct jb_issue {
	const struct jb_credentials *credentials; /* NULL: refused; gone (and wiped) after the callback */
	bool passing;				  /* refused, but worth another try: network, 5xx, throttling */
	const char *why;			  /* a sentence when refused */
};

typedef void (*jb_issued)(void *arg, const struct jb_issue *issue);

/* First member of each issuer's own structure (sts, demo, a test's). */
struct jb_issuer {
	int (*issue)(struct jb_issuer *issuer, const struct jb_request *request, const struct jb_role *role,
		     int64_t now, jb_issued done, void *arg);
	void (*free)(struct jb_issuer *issuer); /* pending calls are dropped */
	/* A request without a public key goes by a workflow that also ends what nobody approved: it may be PENDING, and
	 * there are no credentials then. */
	bool instant;
};

/* NULL with a sentence in why. `conf` must outlive it. */
struct jb_issuer *jb_issuer_new(struct event_base *base, const struct jb_conf *conf, char *why, size_t why_size);
/* The same for the function that the others have issue (issue_function): it goes to `issuer` itself. */
struct jb_issuer *jb_issuer_own_new(struct event_base *base, const struct jb_conf *conf, char *why, size_t why_size);

/* Before the engine that uses it is freed. NULL is fine. */
static inline void jb_issuer_free(struct jb_issuer *issuer)
{
	if (issuer)
		issuer->free(issuer);
}

/*
 * AssumeRole for this request, under a session policy that ends access at
 * min(now + credential_lifetime, granted_until); granted_until is always set in
 * what comes here. Request and role are the caller's and may be gone when `done`
 * comes: exactly once, never from within this call. 0 or -ENOMEM (then `done`
 * is not called).
 */
static inline int jb_issuer_issue(struct jb_issuer *issuer, const struct jb_request *request,
				  const struct jb_role *role, int64_t now, jb_issued done, void *arg)
{
	return issuer->issue(issuer, request, role, now, done, arg);
}

/* Can this name be an AWS SourceIdentity: [\w+=,.@-]{2,64}? Asked at filing. */
bool jb_issuer_accepts_requester(const char *requester);

#endif
