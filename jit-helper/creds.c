/* See creds.h. */
#include "creds.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "proto.h"

#define KEY_ID_MAX   128 /* bytes each; the STS API's own bounds are 128, none, none */
#define SECRET_MAX   256
#define TOKEN_MAX    8192
#define BEARER_MAX   256
#define DOCUMENT_MAX (JIT_FRAME_MAX - 64)

static bool read_time(const struct jit_span *span, int64_t *ret)
{
	char text[40];

	if (span->len >= sizeof(text))
		return false;
	memcpy(text, span->at, span->len);
	text[span->len] = '\0';
	return jit_iso_parse(text, ret) == 0;
}

int jh_creds_read(char *plain, size_t len, struct jh_creds *ret)
{
	struct jh_creds c = {.plain = plain, .plain_len = len};
	struct jit_flat flat = {.at = plain, .end = plain + len};
	struct jit_span expiration;

	if (!jit_flat_text(&flat, "{") || !jit_flat_member(&flat, "AccessKeyId", KEY_ID_MAX, &c.access_key) ||
	    !jit_flat_text(&flat, ",") || !jit_flat_member(&flat, "SecretAccessKey", SECRET_MAX, &c.secret_key) ||
	    !jit_flat_text(&flat, ",") || !jit_flat_member(&flat, "SessionToken", TOKEN_MAX, &c.session_token) ||
	    !jit_flat_text(&flat, ",") || !jit_flat_member(&flat, "Expiration", TOKEN_MAX, &expiration) ||
	    !jit_flat_text(&flat, ",") || !jit_flat_member(&flat, "grantToken", BEARER_MAX, &c.grant_token) ||
	    !jit_flat_text(&flat, "}") || flat.at != flat.end)
		return -EINVAL;
	if (!read_time(&expiration, &c.expires_at))
		return -EINVAL;
	*ret = c;
	return 0;
}

int jh_creds_read_clear(char *plain, size_t len, struct jh_creds *ret)
{
	enum { ACCESS, SECRET, TOKEN, EXPIRATION, WANTS };
	struct jit_flat_want wants[WANTS] = {[ACCESS] = {"AccessKeyId", KEY_ID_MAX, {NULL, 0}},
					     [SECRET] = {"SecretAccessKey", SECRET_MAX, {NULL, 0}},
					     [TOKEN] = {"SessionToken", TOKEN_MAX, {NULL, 0}},
					     [EXPIRATION] = {"Expiration", TOKEN_MAX, {NULL, 0}}};
	struct jh_creds c = {.plain = plain, .plain_len = len};

	if (!jit_flat_object(plain, len, wants, WANTS))
		return -EINVAL;
	for (size_t i = 0; i < WANTS; i++)
		if (!wants[i].value.at)
			return -EINVAL;
	if (!read_time(&wants[EXPIRATION].value, &c.expires_at))
		return -EINVAL;
	c.access_key = wants[ACCESS].value;
	c.secret_key = wants[SECRET].value;
	c.session_token = wants[TOKEN].value;
	*ret = c;
	return 0;
}

void jh_creds_clear(struct jh_creds *creds)
{
	if (creds->plain)
		OPENSSL_secure_clear_free(creds->plain, creds->plain_len + 1);
	*creds = (struct jh_creds){0};
}

struct writer {
	char *buf;
	size_t len;
	bool full;
};

static void add(struct writer *w, const char *s, size_t len)
{
	if (len > DOCUMENT_MAX - w->len) {
		w->full = true;
		return;
	}
	memcpy(w->buf + w->len, s, len);
	w->len += len;
}

static void add_member(struct writer *w, const char *head, struct jit_span value)
{
	add(w, head, strlen(head));
	add(w, value.at, value.len);
	add(w, "\"", 1);
}

void jh_creds_put(const struct jh_creds *creds, struct jit_frame *frame)
{
	struct writer w = {.buf = OPENSSL_secure_malloc(DOCUMENT_MAX)};
	char expiration[JIT_ISO_SIZE];

	if (!w.buf) {
		frame->overflow = true; /* it can then not be sent */
		return;
	}
	jit_iso_format(creds->expires_at, expiration);
	add_member(&w, "{\"Version\":1,\"AccessKeyId\":\"", creds->access_key);
	add_member(&w, ",\"SecretAccessKey\":\"", creds->secret_key);
	add_member(&w, ",\"SessionToken\":\"", creds->session_token);
	add_member(&w, ",\"Expiration\":\"", (struct jit_span){expiration, strlen(expiration)});
	add(&w, "}", 1);
	jit_frame_put(frame, JIT_T_JSON, w.buf, w.len);
	frame->overflow |= w.full;
	OPENSSL_secure_clear_free(w.buf, DOCUMENT_MAX);
}
