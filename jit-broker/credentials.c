/* See credentials.h. */
#include "credentials.h"

#include <errno.h>
#include <json-c/json.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "seal.h"

/*
 * {"AccessKeyId":…}: in this order, without blanks or escapes, so that a reader
 * needs no allocating parser; a value that would want an escape is refused.
 */
static int format_plain(const struct jb_credentials *cr, const char *token, char *buf, size_t size)
{
	char expiration[JIT_ISO_SIZE];
	const char *values[] = {cr->access_key_id, cr->secret_access_key, cr->session_token};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		for (const char *v = values[i]; *v; v++)
			if (*v == '"' || *v == '\\' || *v < 0x20 || *v > 0x7e)
				return -EINVAL;
	jit_iso_format(cr->expiration, expiration);
	int n = snprintf(buf, size,
			 "{\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"%s\",\"SessionToken\":\"%s\","
			 "\"Expiration\":\"%s\"%s%s%s}",
			 cr->access_key_id, cr->secret_access_key, cr->session_token, expiration,
			 token ? ",\"grantToken\":\"" : "", token ? token : "", token ? "\"" : "");
	return n > 0 && (size_t)n < size ? n : -EINVAL;
}

int jb_credentials_seal(const struct jb_credentials *credentials, const char *token, EVP_PKEY *to, char **ret)
{
	char plain[sizeof(*credentials) + 256];
	int r = format_plain(credentials, token, plain, sizeof(plain));

	if (r > 0)
		r = jit_seal(to, plain, (size_t)r, ret);
	OPENSSL_cleanse(plain, sizeof(plain));
	return r;
}

/* The text between "name":" and the next quote: what format_plain wrote has no escapes. */
static bool read_value(const char *plain, const char *name, char *buf, size_t size)
{
	char begin[32];
	const int len = snprintf(begin, sizeof(begin), "\"%s\":\"", name);
	const char *at = strstr(plain, begin);
	const size_t n = at ? strcspn(at + len, "\"") : 0;

	if (n == 0 || n >= size || at[(size_t)len + n] != '"')
		return false;
	memcpy(buf, at + len, n);
	buf[n] = '\0';
	return true;
}

int jb_credentials_open(EVP_PKEY *key, const char *jwe, struct jb_credentials *ret)
{
	struct jb_credentials c = {0};
	char expiration[JIT_ISO_SIZE];
	char *plain;
	size_t len;

	if (strlen(jwe) > JIT_SEAL_JWE_MAX || jit_unseal(key, jwe, &plain, &len) < 0)
		return -EINVAL;
	const bool whole = strlen(plain) == len &&
			   read_value(plain, "AccessKeyId", c.access_key_id, sizeof(c.access_key_id)) &&
			   read_value(plain, "SecretAccessKey", c.secret_access_key, sizeof(c.secret_access_key)) &&
			   read_value(plain, "SessionToken", c.session_token, sizeof(c.session_token)) &&
			   read_value(plain, "Expiration", expiration, sizeof(expiration)) &&
			   jit_iso_parse(expiration, &c.expiration) == 0;
	OPENSSL_secure_clear_free(plain, len + 1);
	if (whole)
		*ret = c;
	OPENSSL_cleanse(&c, sizeof(c));
	return whole ? 0 : -EINVAL;
}
