/*
 * The AWS credentials of the role that this process runs under, and where they come
 * from: the instance's metadata service, version 2 alone (awsrole_imds.c), or what a
 * container has in its place (awsrole_container.c). They are fetched ahead, five
 * minutes before they end, on the caller's loop; whoever wants them is never
 * kept waiting. They lie in OpenSSL's secure heap.
 */
#ifndef JIT_AWSROLE_H
#define JIT_AWSROLE_H

#include <stdbool.h>
#include <stddef.h>

#include "flat.h"

struct event_base;
struct jit_awsrole;

struct jit_awsrole_keys {
	struct jit_span access_key, secret_key, session_token; /* visible ASCII; not NUL-terminated */
};

/*
 * Begins to fetch from the instance's metadata service
 * (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html): a token by PUT,
 * the role's name, its credentials. `endpoint` NULL: the instance's own, http://169.254.169.254; for tests another one,
 * which must be http:// to this machine. NULL: out of memory, or another endpoint.
 */
struct jit_awsrole *jit_awsrole_imds_new(struct event_base *base, const char *endpoint);

/* What ECS and EKS put into a container's environment, under AWS's names; NULL where it is not there. */
struct jit_awsrole_container {
	const char *relative_uri; /* AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: below http://169.254.170.2 */
	const char *full_uri;	  /* AWS_CONTAINER_CREDENTIALS_FULL_URI */
	const char *token_file;	  /* AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: read each time */
	const char *token;	  /* AWS_CONTAINER_AUTHORIZATION_TOKEN */
};
/*
 * Begins to fetch from there
 * (https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html): by plain http to this machine,
 * to 169.254.170.2 or to EKS's 169.254.170.23 and [fd00:ec2::23], and to nobody else. NULL with a sentence in why.
 */
struct jit_awsrole *jit_awsrole_container_new(struct event_base *base, const struct jit_awsrole_container *container,
					      char *why, size_t why_size);

void jit_awsrole_free(struct jit_awsrole *role); /* NULL is fine */

/* Those that are good now, until the loop runs again; NULL: there are none, and jit_awsrole_trouble says why. */
const struct jit_awsrole_keys *jit_awsrole_keys(struct jit_awsrole *role);
/* A phrase: "the instance's metadata service at 169.254.169.254 gives no token: it did not answer in time". */
const char *jit_awsrole_trouble(const struct jit_awsrole *role);

/* Runs the loop until the first fetch has ended, a few seconds at most: for a program's start alone. */
void jit_awsrole_wait(struct jit_awsrole *role);

#endif
