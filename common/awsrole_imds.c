/* See awsrole.h: the instance's metadata service, version 2. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "awsrole_private.h"

#define ROLES	     "/latest/meta-data/iam/security-credentials/"
#define TOKEN_HEADER "X-aws-ec2-metadata-token: "
#define TOKEN_TTL    "X-aws-ec2-metadata-token-ttl-seconds: 300" /* a round takes milliseconds, and each has its own */
#define TOKEN_MAX    512
#define ROLE_MAX     64 /* IAM's own bound */

static void on_role(void *arg, const struct jit_fetch_result *result)
{
	struct jit_awsrole *m = arg;
	char path[sizeof(ROLES) + ROLE_MAX];
	size_t len = strcspn(result->body, "\r\n");

	m->call = NULL;
	if (result->fault == JIT_FETCH_OK && result->status == 404) {
		jit_awsrole_fail(m, "this instance has no role: attach an instance profile");
		return;
	}
	if (!jit_awsrole_judge(m, result, "role"))
		return;
	/* Into a path goes what IAM lets a name be, and nothing else. */
	for (size_t i = 0; i < len; i++)
		len = strchr("/?#%\\", result->body[i]) ? 0 : len;
	if (len > ROLE_MAX || !jit_awsrole_is_visible(result->body, len)) {
		jit_awsrole_fail(m, "the instance's metadata service names a role that is none");
		return;
	}
	snprintf(path, sizeof(path), ROLES "%.*s", (int)len, result->body);
	jit_awsrole_ask(m, "GET", path, m->header, jit_awsrole_on_credentials);
}

static void on_token(void *arg, const struct jit_fetch_result *result)
{
	struct jit_awsrole *m = arg;
	size_t size = sizeof(TOKEN_HEADER) + result->body_len;

	m->call = NULL;
	if (!jit_awsrole_judge(m, result, "token"))
		return;
	if (result->body_len > TOKEN_MAX || !jit_awsrole_is_visible(result->body, result->body_len)) {
		jit_awsrole_fail(m, "the instance's metadata service gives a token that makes no sense");
		return;
	}
	m->header = OPENSSL_secure_malloc(size);
	if (!m->header) {
		jit_awsrole_fail(m, "out of memory");
		return;
	}
	snprintf(m->header, size, TOKEN_HEADER "%s", result->body);
	jit_awsrole_ask(m, "GET", ROLES, m->header, on_role);
}

static void begin(struct jit_awsrole *m)
{
	jit_awsrole_ask(m, "PUT", "/latest/api/token", TOKEN_TTL, on_token);
}

struct jit_awsrole *jit_awsrole_imds_new(struct event_base *base, const char *endpoint)
{
	static const struct jit_awsrole_way way = {
		.who = "the instance's metadata service", .begin = begin, .has_code = true};
	struct jit_awsrole *m;

	if (endpoint && !jit_fetch_is_plain_loopback(endpoint))
		return NULL;
	m = jit_awsrole_new(base, &way, endpoint ? endpoint : JIT_FETCH_METADATA, endpoint != NULL);
	if (m)
		jit_awsrole_start(m);
	return m;
}
