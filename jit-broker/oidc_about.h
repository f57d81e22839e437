/*
 * What an identity provider says of itself (OpenID Connect Discovery 1.0): where
 * it asks people, gives tokens and publishes its keys, and how it wants to know
 * its clients. Believed only as far as it is about the issuer that the
 * configuration names, and leads nowhere that is not https. No I/O.
 */
#ifndef JB_OIDC_ABOUT_H
#define JB_OIDC_ABOUT_H

#include <stdbool.h>
#include <stddef.h>

#include "conf.h"

#define JB_OIDC_URL 1024 /* of an address, NUL included */

struct jb_oidc_about {
	char authorization[JB_OIDC_URL], token[JB_OIDC_URL], keys[JB_OIDC_URL];
	bool secret_in_form; /* the client's secret stands in the form; else in the Authorization header */
	bool names_itself;   /* its answers carry `iss` (RFC 9207) */
};

/* Where that document is; false: the issuer's name is too long. */
bool jb_oidc_about_url(const char *issuer, char buf[static JB_OIDC_URL]);

/* 0; -1 with a phrase in why. */
int jb_oidc_about_read(const struct jb_conf *conf, const char *text, size_t len, struct jb_oidc_about *ret, char *why,
		       size_t why_size);

#endif
