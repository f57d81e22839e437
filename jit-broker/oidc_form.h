/*
 * The two messages of ours in the authorization code flow (RFC 6749, RFC 7636,
 * OpenID Connect Core 1.0): where a browser is sent to, and how its code is
 * exchanged. No I/O.
 */
#ifndef JB_OIDC_FORM_H
#define JB_OIDC_FORM_H

#include "oidc_about.h"
#include "oidc_flow.h"

#define JB_OIDC_CODE	   2048 /* of an authorization code, NUL included */
#define JB_OIDC_SECRET	   512	/* of a client's secret, NUL included */
#define JB_OIDC_LOCATION   3072 /* of the address that a browser is sent to */
#define JB_OIDC_TOKEN_FORM 12288

/* A request to the token endpoint. Wiped by whoever made it. */
struct jb_oidc_token_form {
	char body[JB_OIDC_TOKEN_FORM];
	char authorization[4096]; /* "Authorization: Basic …", or "" */
};

/* False: it is longer than the buffer. */
bool jb_oidc_location(const struct jb_conf *conf, const struct jb_oidc_about *about, const struct jb_oidc_begun *begun,
		      char buf[static JB_OIDC_LOCATION]);

/* `secret`: NULL for a public client. False: it is longer than the buffers. */
bool jb_oidc_token_form(const struct jb_conf *conf, const struct jb_oidc_about *about, const char *code,
			const char *verifier, const char *secret, struct jb_oidc_token_form *ret);

/* The client's secret, read anew at each use. 0; -1 with a sentence in why. */
int jb_oidc_secret_read(const char *path, char secret[static JB_OIDC_SECRET], char *why, size_t why_size);

#endif
