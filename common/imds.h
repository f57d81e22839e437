/*
 * The AWS credentials of the instance that this process runs on, by the
 * instance metadata service, version 2 alone
 * (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html):
 * a token by PUT, the role's name, its credentials. They are fetched ahead, five
 * minutes before they end, on the caller's loop; whoever wants them is never
 * kept waiting. They lie in OpenSSL's secure heap.
 */
#ifndef JIT_IMDS_H
#define JIT_IMDS_H

#include <stdbool.h>
#include <stddef.h>

#include "flat.h"

struct event_base;
struct jit_imds;

struct jit_imds_keys {
	struct jit_span access_key, secret_key, session_token; /* visible ASCII; not NUL-terminated */
};

/*
 * Begins to fetch. `endpoint` NULL: the instance's own, http://169.254.169.254; for tests another one, which must be
 * http:// to this machine. NULL: out of memory, or another endpoint.
 */
struct jit_imds *jit_imds_new(struct event_base *base, const char *endpoint);
void jit_imds_free(struct jit_imds *imds); /* NULL is fine */

/* Those that are good now, until the loop runs again; NULL: there are none, and jit_imds_trouble says why. */
const struct jit_imds_keys *jit_imds_keys(struct jit_imds *imds);
/* A phrase: "169.254.169.254 did not answer in time". */
const char *jit_imds_trouble(const struct jit_imds *imds);

/* Runs the loop until the first fetch has ended, a few seconds at most: for a program's start alone. */
void jit_imds_wait(struct jit_imds *imds);

#endif
