/* See oidc_about.h. */
#include "oidc_about.h"

#include <stdio.h>
#include <string.h>

#include "oidc_json.h"

#define WELL_KNOWN "/.well-known/openid-configuration"

bool jb_oidc_about_url(const char *issuer, char buf[static JB_OIDC_URL])
{
	size_t len = strlen(issuer);

	while (len && issuer[len - 1] == '/')
		len--;
	if (len + sizeof(WELL_KNOWN) > JB_OIDC_URL)
		return false;
	snprintf(buf, JB_OIDC_URL, "%.*s" WELL_KNOWN, (int)len, issuer);
	return true;
}

/* Visible ASCII alone: it goes into a header. Plain http is further judged, by its host, where it is fetched. */
static bool take_url(const struct jb_conf *conf, const json_t *json, const char *name, char buf[static JB_OIDC_URL])
{
	const char *url = jb_oidc_text(json, name);

	if (!url || strlen(url) >= JB_OIDC_URL ||
	    !(strncmp(url, "https://", 8) == 0 || (conf->oidc_plain_loopback && strncmp(url, "http://", 7) == 0)))
		return false;
	for (const char *s = url; *s; s++)
		if (*s < 0x21 || *s > 0x7e || strchr("#\"<>\\^`{|}", *s))
			return false;
	snprintf(buf, JB_OIDC_URL, "%s", url);
	return true;
}

static bool has_text(const json_t *list, const char *text)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		if (json_is_string(one) && strcmp(json_string_value(one), text) == 0)
			return true;
	}
	return false;
}

int jb_oidc_about_read(const struct jb_conf *conf, const char *text, size_t len, struct jb_oidc_about *ret, char *why,
		       size_t why_size)
{
	JB_OIDC_JSON json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	const json_t *methods = jb_oidc_member(json, "token_endpoint_auth_methods_supported");
	const char *issuer = jb_oidc_text(json, "issuer");
	struct jb_oidc_about about = {0};

	if (!issuer || strcmp(issuer, conf->oidc_issuer) != 0) {
		snprintf(why, why_size, "%s",
			 json_is_object(json)
				 ? "it is about another issuer than oidc_issuer names (a slash at the end counts)"
				 : "it is no discovery document");
		return -1;
	}
	if (!take_url(conf, json, "authorization_endpoint", about.authorization) ||
	    !take_url(conf, json, "token_endpoint", about.token) || !take_url(conf, json, "jwks_uri", about.keys)) {
		snprintf(why, why_size, "its endpoints are not all https addresses of less than %d bytes", JB_OIDC_URL);
		return -1;
	}
	/* Where it names no method, the header is the one that it must take. */
	about.secret_in_form =
		methods && !has_text(methods, "client_secret_basic") && has_text(methods, "client_secret_post");
	about.names_itself = json_is_true(jb_oidc_member(json, "authorization_response_iss_parameter_supported"));
	*ret = about;
	return 0;
}
