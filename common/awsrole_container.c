/* See awsrole.h: what a container of ECS or EKS has in the place of the instance's metadata service. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "awsrole_private.h"
#include "safefile.h"

#define HEADER	  "Authorization: "
#define TOKEN_MAX 8192
#define URI_MAX	  1024

/* A line, without its end. False: it has what no header may have. */
static bool set_header(struct jit_awsrole *m, const char *token)
{
	const size_t len = strcspn(token, "\r\n"), size = sizeof(HEADER) + len;

	if (len > TOKEN_MAX || token[len + strspn(token + len, "\r\n")] || !jit_awsrole_is_visible(token, len)) {
		jit_awsrole_fail(m, "the token for %s makes no sense", m->way->who);
		return false;
	}
	m->header = OPENSSL_secure_malloc(size);
	if (m->header)
		snprintf(m->header, size, HEADER "%.*s", (int)len, token);
	else
		jit_awsrole_fail(m, "out of memory");
	return m->header != NULL;
}

/* Afresh each time: EKS puts another one there before the last one ends, by leading a link to it. */
static bool read_token(struct jit_awsrole *m)
{
	const struct jit_file_rule rule = {.linked = true, .max_size = TOKEN_MAX};
	char why[256], *text;
	size_t len;

	if (jit_file_read(m->token_file, &rule, &text, &len, why, sizeof(why)) < 0) {
		jit_awsrole_fail(m, "%.200s", why);
		return false;
	}
	const bool ok = set_header(m, text);
	OPENSSL_cleanse(text, len);
	free(text);
	return ok;
}

static void begin(struct jit_awsrole *m)
{
	if ((m->token_file && !read_token(m)) || (!m->token_file && m->token && !set_header(m, m->token)))
		return;
	jit_awsrole_ask(m, "GET", m->path, m->header, jit_awsrole_on_credentials);
}

/* Where its scheme, host and port end; NULL: it leads to where no credentials of ours come from. */
static const char *path_of(const char *uri, bool *ret_loopback)
{
	static const char *const known[] = {JIT_FETCH_CONTAINER, JIT_FETCH_POD, JIT_FETCH_POD_6};
	const char *slash = strncmp(uri, "http://", 7) == 0 ? strchr(uri + 7, '/') : NULL;
	const size_t len = slash ? (size_t)(slash - uri) : 0;

	if (!slash || strlen(uri) > URI_MAX || !jit_awsrole_is_visible(uri, strlen(uri)) || strchr(uri, '#'))
		return NULL;
	*ret_loopback = jit_fetch_is_plain_loopback(uri);
	bool ok = *ret_loopback;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		ok |= strlen(known[i]) == len && strncmp(uri, known[i], len) == 0;
	return ok ? slash : NULL;
}

static struct jit_awsrole *new_at(struct event_base *base, const char *uri, const char *path, bool loopback,
				  const struct jit_awsrole_container *container)
{
	static const struct jit_awsrole_way way = {.who = "the container's credentials endpoint", .begin = begin};
	char endpoint[URI_MAX + 1];
	struct jit_awsrole *m;
	bool ok;

	snprintf(endpoint, sizeof(endpoint), "%.*s", (int)(path - uri), uri);
	if (!(m = jit_awsrole_new(base, &way, endpoint, loopback)))
		return NULL;
	m->path = strdup(path);
	ok = m->path != NULL;
	if (container->token_file)
		ok &= (m->token_file = strdup(container->token_file)) != NULL;
	else if (container->token)
		ok &= (m->token = OPENSSL_secure_malloc(strlen(container->token) + 1)) != NULL &&
		      memcpy(m->token, container->token, strlen(container->token) + 1);
	if (ok)
		return m;
	jit_awsrole_free(m);
	return NULL;
}

struct jit_awsrole *jit_awsrole_container_new(struct event_base *base, const struct jit_awsrole_container *container,
					      char *why, size_t why_size)
{
	const char *relative = container->relative_uri, *path;
	char uri[URI_MAX + 64];
	bool loopback = false;

	if (!relative && !container->full_uri) {
		snprintf(why, why_size,
			 "this is no container of ECS or EKS: neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor "
			 "AWS_CONTAINER_CREDENTIALS_FULL_URI is in the environment");
		return NULL;
	}
	snprintf(uri, sizeof(uri), "%s%.*s", relative ? JIT_FETCH_CONTAINER : "", URI_MAX,
		 relative ? relative : container->full_uri);
	if ((relative && *relative != '/') || !(path = path_of(uri, &loopback))) {
		snprintf(why, why_size,
			 "AWS_CONTAINER_CREDENTIALS_%s leads to where no credentials come from: it is http:// to this "
			 "machine, to 169.254.170.2, 169.254.170.23 or [fd00:ec2::23]",
			 relative ? "RELATIVE_URI" : "FULL_URI");
		return NULL;
	}
	struct jit_awsrole *m = new_at(base, uri, path, loopback, container);
	if (m)
		jit_awsrole_start(m);
	else
		snprintf(why, why_size, "out of memory");
	return m;
}
