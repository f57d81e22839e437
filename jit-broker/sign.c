/* See sign.h. */
#include "sign.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "b64.h"

#define PREFIX	  "whsec_"
#define MAC_BYTES 32

/* Standard base64 with its padding, strictly. The number of bytes, 0 when it is none. */
static size_t decode(const char *text, size_t len, uint8_t *buf, size_t size)
{
	uint8_t block[128];
	size_t digits = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
	const size_t padding = len - (digits < len ? digits : len);

	if (len == 0 || len % 4 != 0 || len / 4 * 3 > sizeof(block) || padding > 2 ||
	    strspn(text + len - padding, "=") < padding)
		return 0;
	const int whole = EVP_DecodeBlock(block, (const unsigned char *)text, (int)len);
	const size_t bytes = whole > 0 ? (size_t)whole - padding : 0;
	if (bytes > 0 && bytes <= size)
		memcpy(buf, block, bytes);
	OPENSSL_cleanse(block, sizeof(block));
	return bytes <= size ? bytes : 0;
}

bool jb_sign_keys_parse(const char *text, struct jb_sign_keys *ret, char *why, size_t why_size)
{
	const size_t prefix = sizeof(PREFIX) - 1;

	memset(ret, 0, sizeof(*ret));
	for (text += strspn(text, "\r\n"); *text; text += strspn(text, "\r\n")) {
		const size_t len = strcspn(text, "\r\n");
		size_t bytes = 0;

		if (ret->count < JB_SIGN_KEYS && len > prefix && strncmp(text, PREFIX, prefix) == 0)
			bytes = decode(text + prefix, len - prefix, ret->key[ret->count].byte, JB_SIGN_KEY_MAX);
		if (bytes < JB_SIGN_KEY_MIN) {
			snprintf(why, why_size,
				 "a webhook's secret is a line of " PREFIX " and %d to %d random bytes in base64, "
				 "and at most %d such lines",
				 JB_SIGN_KEY_MIN, JB_SIGN_KEY_MAX, JB_SIGN_KEYS);
			return false;
		}
		ret->key[ret->count++].len = bytes;
		text += len;
	}
	if (ret->count == 0)
		snprintf(why, why_size, "the webhook's secret is empty");
	return ret->count > 0;
}

static int mac_of(const struct jb_sign_keys *keys, size_t which, const char *text, size_t len,
		  uint8_t mac[static MAC_BYTES])
{
	unsigned size = MAC_BYTES;

	return HMAC(EVP_sha256(), keys->key[which].byte, (int)keys->key[which].len, (const unsigned char *)text, len,
		    mac, &size)
		       ? 0
		       : -EIO;
}

int jb_sign(const struct jb_sign_keys *keys, const char *id, int64_t timestamp, const char *body, size_t len,
	    char buf[static JB_SIGNATURES_MAX])
{
	size_t at = 0;
	char *text;
	int r = 0;

	const int before = asprintf(&text, "%s.%lld.%.*s", id, (long long)timestamp, (int)len, body);
	if (before < 0)
		return -EIO;
	for (size_t i = 0; r == 0 && i < keys->count; i++) {
		uint8_t mac[MAC_BYTES];
		char coded[64];

		r = mac_of(keys, i, text, (size_t)before, mac);
		EVP_EncodeBlock((unsigned char *)coded, mac, sizeof(mac));
		if (r == 0)
			at += (size_t)snprintf(buf + at, JB_SIGNATURES_MAX - at, "%sv1,%s", i ? " " : "", coded);
	}
	free(text);
	return r;
}

int jb_link(const char *base, const char *short_id, const struct jb_sign_keys *keys, const char *via, int64_t until,
	    char buf[static JB_LINK_MAX])
{
	const size_t slash = strlen(base) > 0 && base[strlen(base) - 1] == '/';
	const int root = (int)(strlen(base) - slash);
	uint8_t mac[MAC_BYTES];
	char sig[JIT_B64_SIZE(MAC_BYTES)];
	int n;

	if (!keys) {
		n = snprintf(buf, JB_LINK_MAX, "%.*s/r/%s", root, base, short_id);
		return n > 0 && n < JB_LINK_MAX ? 0 : -ENAMETOOLONG;
	}
	n = snprintf(buf, JB_LINK_MAX, "%.*s/r/%s?via=%s&until=%lld", root, base, short_id, via, (long long)until);
	if (n < 0 || (size_t)n + sizeof("&sig=") + sizeof(sig) > JB_LINK_MAX)
		return -ENAMETOOLONG;
	if (mac_of(keys, 0, buf, (size_t)n, mac) < 0)
		return -EIO;
	jit_b64_encode(mac, sizeof(mac), sig);
	snprintf(buf + n, JB_LINK_MAX - (size_t)n, "&sig=%s", sig);
	return 0;
}
