/* See aws_post.h. */
#include "aws_post.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "aws_keys.h"

static struct jit_fetch_call *start(struct jit_fetch *fetch, const struct jb_aws_keys *keys,
				    const struct jb_aws_post *post, jit_fetch_done done, void *arg)
{
	char provider[128], type[128], target[128];
	char key[sizeof(keys->access_key_id) + sizeof(keys->secret_access_key)];
	char token[sizeof("X-Amz-Security-Token: ") + sizeof(keys->session_token)];
	const char *headers[4] = {type};
	size_t count = 1;

	snprintf(provider, sizeof(provider), "aws:amz:%s:%s", post->region, post->service);
	snprintf(type, sizeof(type), "Content-Type: %s", post->content_type);
	snprintf(target, sizeof(target), "X-Amz-Target: %s", post->target ? post->target : "");
	snprintf(key, sizeof(key), "%s:%s", keys->access_key_id, keys->secret_access_key);
	snprintf(token, sizeof(token), "X-Amz-Security-Token: %s", keys->session_token);
	if (post->target)
		headers[count++] = target;
	if (*keys->session_token)
		headers[count++] = token;
	const struct jit_fetch_request request = {
		.method = "POST",
		.url = post->url,
		.headers = headers,
		.body = post->body,
		.body_len = strlen(post->body),
		.timeout_ms = post->timeout_ms,
		.max_body = post->max_body,
		.secret = post->secret,
		.sigv4 = provider,
		.sigv4_key = key,
	};
	struct jit_fetch_call *call = jit_fetch_start(fetch, &request, done, arg);
	OPENSSL_cleanse(key, sizeof(key));
	OPENSSL_cleanse(token, sizeof(token));
	return call;
}

struct jit_fetch_call *jb_aws_post(struct jit_fetch *fetch, const char *credentials, const struct jb_aws_post *post,
				   jit_fetch_done done, void *arg, char *why, size_t why_size)
{
	struct jit_fetch_call *call = NULL;
	struct jb_aws_keys keys = {0};
	char cause[384];

	if (jb_aws_keys_read(credentials, &keys, cause, sizeof(cause)) < 0)
		snprintf(why, why_size, "the broker has no AWS credentials of its own: %s", cause);
	else if (!(call = start(fetch, &keys, post, done, arg)))
		snprintf(why, why_size, "the broker is out of memory");
	OPENSSL_cleanse(&keys, sizeof(keys));
	return call;
}

char *jb_aws_url(const char *endpoint, const char *path)
{
	const char *host = strstr(endpoint, "://");
	const char *behind = host ? strchr(host + 3, '/') : NULL;
	char *url = NULL;

	if (!host || strpbrk(host + 3, "?#@") || (behind && behind[1]))
		return NULL;
	return asprintf(&url, "%.*s%s", (int)(behind ? behind - endpoint : (long)strlen(endpoint)), endpoint, path) < 0
		       ? NULL
		       : url;
}

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

/* The next part up to a colon, of ARN's letters. False: there is none, or it does not fit. */
static bool part(const char **at, char *buf, size_t size)
{
	const size_t len = strspn(*at, LETTERS);

	if (len == 0 || len >= size || (*at)[len] != ':')
		return false;
	snprintf(buf, size, "%.*s", (int)len, *at);
	*at += len + 1;
	return true;
}

bool jb_arn_parse_function(const char *text, const char *region, struct jb_arn *ret)
{
	if (strchr(text, ':'))
		return jb_arn_parse(text, "lambda", "function", ret);
	const int name = snprintf(ret->name, sizeof(ret->name), "%s", text);
	const int at = snprintf(ret->region, sizeof(ret->region), "%s", region);
	return *text && !text[strspn(text, LETTERS)] && (size_t)name < sizeof(ret->name) &&
	       (size_t)at < sizeof(ret->region);
}

bool jb_arn_parse(const char *arn, const char *service, const char *kind, struct jb_arn *ret)
{
	char word[32], account[16];
	const char *at = arn;
	struct jb_arn parsed = {0};

	if (!part(&at, word, sizeof(word)) || strcmp(word, "arn") != 0 || !part(&at, word, sizeof(word)) ||
	    !part(&at, word, sizeof(word)) || strcmp(word, service) != 0 ||
	    !part(&at, parsed.region, sizeof(parsed.region)) || !part(&at, account, sizeof(account)) ||
	    !part(&at, word, sizeof(word)) || strcmp(word, kind) != 0)
		return false;
	if (!*at || strlen(at) >= sizeof(parsed.name) || at[strspn(at, LETTERS)])
		return false;
	snprintf(parsed.name, sizeof(parsed.name), "%s", at);
	*ret = parsed;
	return true;
}
