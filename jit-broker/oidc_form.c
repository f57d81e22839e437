/* See oidc_form.h. */
#include "oidc_form.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "form.h"
#include "safefile.h"

/* A form that grows until it no longer fits. */
struct form {
	char *buf;
	size_t size, len;
	bool fits;
};

static void put(struct form *form, const char *name, const char *value)
{
	const size_t left = form->size - form->len;
	const char last = form->len ? form->buf[form->len - 1] : '?';
	const int n = snprintf(form->buf + form->len, left, "%s%s=", last == '?' || last == '&' ? "" : "&", name);

	form->fits = form->fits && n > 0 && (size_t)n < left &&
		     jb_form_encode(value, form->buf + form->len + n, left - (size_t)n);
	if (form->fits)
		form->len += strlen(form->buf + form->len);
}

bool jb_oidc_location(const struct jb_conf *conf, const struct jb_oidc_about *about, const struct jb_oidc_begun *begun,
		      char buf[static JB_OIDC_LOCATION])
{
	const int n = snprintf(buf, JB_OIDC_LOCATION, "%s%s", about->authorization,
			       strchr(about->authorization, '?') ? "" : "?");
	struct form form = {.buf = buf, .size = JB_OIDC_LOCATION, .len = (size_t)n, .fits = true};

	put(&form, "response_type", "code");
	put(&form, "client_id", conf->oidc_client_id);
	put(&form, "redirect_uri", conf->oidc_redirect);
	put(&form, "scope", conf->oidc_scopes);
	put(&form, "state", begun->state);
	put(&form, "nonce", begun->nonce);
	put(&form, "code_challenge", begun->challenge);
	put(&form, "code_challenge_method", "S256");
	return form.fits;
}

/* RFC 6749, section 2.3.1: both are form-encoded before they become a Basic credential. */
static bool put_basic(const char *client_id, const char *secret, char *buf, size_t size)
{
	static const char begin[] = "Authorization: Basic ";
	char id[1024], encoded[JB_OIDC_SECRET * 3], pair[sizeof(id) + sizeof(encoded)];
	bool fits = jb_form_encode(client_id, id, sizeof(id)) && jb_form_encode(secret, encoded, sizeof(encoded));

	if (fits) {
		const int len = snprintf(pair, sizeof(pair), "%s:%s", id, encoded);

		fits = sizeof(begin) + ((size_t)len + 2) / 3 * 4 < size;
		if (fits) {
			memcpy(buf, begin, sizeof(begin));
			EVP_EncodeBlock((unsigned char *)buf + sizeof(begin) - 1, (unsigned char *)pair, len);
		}
	}
	OPENSSL_cleanse(encoded, sizeof(encoded));
	OPENSSL_cleanse(pair, sizeof(pair));
	return fits;
}

bool jb_oidc_token_form(const struct jb_conf *conf, const struct jb_oidc_about *about, const char *code,
			const char *verifier, const char *secret, struct jb_oidc_token_form *ret)
{
	struct form form = {.buf = ret->body, .size = sizeof(ret->body), .fits = true};

	*ret = (struct jb_oidc_token_form){0};
	put(&form, "grant_type", "authorization_code");
	put(&form, "code", code);
	put(&form, "redirect_uri", conf->oidc_redirect);
	put(&form, "code_verifier", verifier);
	if (!secret || about->secret_in_form)
		put(&form, "client_id", conf->oidc_client_id);
	if (secret && about->secret_in_form)
		put(&form, "client_secret", secret);
	if (secret && !about->secret_in_form)
		form.fits = form.fits &&
			    put_basic(conf->oidc_client_id, secret, ret->authorization, sizeof(ret->authorization));
	return form.fits;
}

int jb_oidc_secret_read(const char *path, char secret[static JB_OIDC_SECRET], char *why, size_t why_size)
{
	const struct jit_file_rule rule = {.secret = true, .max_size = JB_OIDC_SECRET};
	char *text;
	size_t size;

	if (jit_file_read(path, &rule, &text, &size, why, why_size) < 0)
		return -1;
	const size_t len = strcspn(text, "\r\n");
	const bool good = len > 0 && len < JB_OIDC_SECRET && text[len + strspn(text + len, "\r\n")] == '\0';
	if (good)
		snprintf(secret, JB_OIDC_SECRET, "%.*s", (int)len, text);
	else
		snprintf(why, why_size, "%s must hold the client's secret, in one line of less than %d bytes", path,
			 JB_OIDC_SECRET);
	explicit_bzero(text, size);
	free(text);
	return good ? 0 : -1;
}
