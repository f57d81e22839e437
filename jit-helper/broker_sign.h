/*
 * What a call to the broker is signed with where hosts are known by IAM
 * (broker_auth): SigV4 for execute-api, with the instance's own credentials
 * (awsrole.h). libcurl makes the signature; here is what it needs to make a right
 * one.
 */
#ifndef JH_BROKER_SIGN_H
#define JH_BROKER_SIGN_H

#include <stddef.h>

#include "conf.h"
#include "fetch.h"

struct event_base;
struct jit_awsrole;

/* All zero: nothing is signed. */
struct jh_signer {
	struct jit_awsrole *imds;
	char provider[320]; /* "aws:amz:REGION:execute-api" */
};

/* Of one call. */
struct jh_signature {
	const char *provider; /* NULL: unsigned */
	char *key, *token;    /* "ACCESS:SECRET" and a header, in the secure heap */
	const char *unable;   /* why there is none, until the loop runs again */
};

/* Runs the loop until the first credentials have come, or not. 0, or -1: out of memory. */
int jh_signer_start(struct jh_signer *signer, struct event_base *base, const struct jh_conf *conf);
void jh_signer_stop(struct jh_signer *signer);
/* Why nothing can be signed now; NULL: it can, or need not. */
const char *jh_signer_trouble(const struct jh_signer *signer);

/* 0, with `unable` where there are no credentials; -1: out of memory. Cleared by jh_signature_clear. */
int jh_sign(const struct jh_signer *signer, struct jh_signature *ret);
void jh_signature_put(const struct jh_signature *signature, struct jit_fetch_request *request);
void jh_signature_clear(struct jh_signature *signature);

/* The path with its query sorted, as a signature wants it. 0, or -1: too long. */
int jh_signed_path(const char *path, char *buf, size_t size);

#endif
