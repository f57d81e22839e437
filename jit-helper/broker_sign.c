/* See broker_sign.h. */
#include "broker_sign.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "awsrole.h"

#define TOKEN	       "X-Amz-Security-Token: "
#define PARAMETERS_MAX 40

int jh_signer_start(struct jh_signer *s, struct event_base *base, const struct jh_conf *conf)
{
	if (conf->auth == JH_AUTH_KEY)
		return 0;
	snprintf(s->provider, sizeof(s->provider), "aws:amz:%s:execute-api", conf->region);
	s->imds = jit_awsrole_imds_new(base, conf->imds_endpoint);
	if (!s->imds)
		return -1;
	jit_awsrole_wait(s->imds);
	return 0;
}

void jh_signer_stop(struct jh_signer *s)
{
	jit_awsrole_free(s->imds);
	s->imds = NULL;
}

const char *jh_signer_trouble(const struct jh_signer *s)
{
	return s->imds && !jit_awsrole_keys(s->imds) ? jit_awsrole_trouble(s->imds) : NULL;
}

/* A, then B, then C; in the secure heap. */
static char *join(struct jit_span a, struct jit_span b, struct jit_span c)
{
	char *text = OPENSSL_secure_malloc(a.len + b.len + c.len + 1);

	if (!text)
		return NULL;
	memcpy(text, a.at, a.len);
	memcpy(text + a.len, b.at, b.len);
	memcpy(text + a.len + b.len, c.at, c.len);
	text[a.len + b.len + c.len] = '\0';
	return text;
}

int jh_sign(const struct jh_signer *s, struct jh_signature *ret)
{
	const struct jit_span colon = {":", 1}, name = {TOKEN, strlen(TOKEN)}, nothing = {"", 0};

	*ret = (struct jh_signature){0};
	if (!s->imds)
		return 0;
	const struct jit_awsrole_keys *keys = jit_awsrole_keys(s->imds);
	if (!keys) {
		ret->unable = jit_awsrole_trouble(s->imds);
		return 0;
	}
	ret->provider = s->provider;
	ret->key = join(keys->access_key, colon, keys->secret_key);
	ret->token = join(name, keys->session_token, nothing);
	if (ret->key && ret->token)
		return 0;
	jh_signature_clear(ret);
	return -1;
}

void jh_signature_put(const struct jh_signature *signature, struct jit_fetch_request *request)
{
	request->sigv4 = signature->provider;
	request->sigv4_key = signature->key;
	request->unable = signature->unable;
}

void jh_signature_clear(struct jh_signature *signature)
{
	if (signature->key)
		OPENSSL_secure_clear_free(signature->key, strlen(signature->key) + 1);
	if (signature->token)
		OPENSSL_secure_clear_free(signature->token, strlen(signature->token) + 1);
	*signature = (struct jh_signature){0};
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int jh_signed_path(const char *path, char *buf, size_t size)
{
	const char *query = strchr(path, '?');
	char *list[PARAMETERS_MAX], *word;
	size_t n = 0, len = query ? (size_t)(query - path) : strlen(path);
	char *copy = strdup(query ? query + 1 : ""), *rest = copy;
	int r = -1;

	if (!copy || len >= size)
		goto out;
	memcpy(buf, path, len);
	buf[len] = '\0';
	while (query && (word = strsep(&rest, "&"))) {
		if (n == PARAMETERS_MAX)
			goto out;
		list[n++] = word;
	}
	qsort(list, n, sizeof(list[0]), by_bytes);
	for (size_t i = 0; i < n; i++) {
		int added = snprintf(buf + len, size - len, "%c%s", i ? '&' : '?', list[i]);

		if (added < 0 || (size_t)added >= size - len)
			goto out;
		len += (size_t)added;
	}
	r = 0;
out:
	free(copy);
	return r;
}
