/*
 * See conf_check.h: the files that the configuration names. A broker that serves
 * has read them already; `jit-broker check` tries them before it is started.
 */
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <string.h>

#include "aws_keys.h"
#include "conf_check.h"
#include "conf_check_private.h"
#include "conf_keys.h"
#include "oidc_form.h"
#include "tls.h"

/* jb_tls_new's sentences begin with the key whose file is wrong. */
static enum jb_key key_of(const char *why)
{
	if (strstr(why, "tls_client_ca:"))
		return JB_KEY_TLS_CLIENT_CA;
	return strstr(why, "tls_certificate:") ? JB_KEY_TLS_CERTIFICATE : JB_KEY_TLS_KEY;
}

static void check_tls(struct check *c)
{
	const struct jb_conf *conf = c->conf;
	SSL_CTX *tls;
	char why[512];

	if (!conf->tls)
		return;
	tls = jb_tls_new(conf->tls_certificate, conf->tls_key, conf->tls_client_ca, why, sizeof(why));
	if (!tls)
		jb_check_tell(c, jb_conf_line(&conf->lines, key_of(why)), "%s", why);
	SSL_CTX_free(tls);
}

static void check_keys(struct check *c, const char *credentials, enum jb_key key)
{
	char why[512];

	if (credentials && !jb_aws_keys_check(credentials, why, sizeof(why)))
		jb_check_tell(c, jb_conf_line(&c->conf->lines, key), "%s", why);
}

static void check_issuer(struct check *c)
{
	const struct jb_conf *conf = c->conf;

	check_keys(c, conf->store_credentials, JB_KEY_STORE_CREDENTIALS);
	check_keys(c, conf->ssm_credentials, JB_KEY_SSM_CREDENTIALS);
	check_keys(c, conf->workflow_credentials, JB_KEY_WORKFLOW_CREDENTIALS);
	if (strcmp(conf->issuer, "demo") == 0 && !conf->issue_function && !conf->issue_workflow)
		return;
	check_keys(c, conf->issuer_credentials, JB_KEY_ISSUER_CREDENTIALS);
}

static void check_oidc(struct check *c)
{
	const struct jb_conf *conf = c->conf;
	char secret[JB_OIDC_SECRET], why[512];

	if (conf->oidc_client_secret_file &&
	    jb_oidc_secret_read(conf->oidc_client_secret_file, secret, why, sizeof(why)) < 0)
		jb_check_tell(c, jb_conf_line(&conf->lines, JB_KEY_OIDC_CLIENT_SECRET_FILE), "%s", why);
	OPENSSL_cleanse(secret, sizeof(secret));
}

int jb_conf_check_authorities(const struct jb_conf *conf, void (*on_error)(void *arg, const char *message), void *arg)
{
	const struct {
		const char *path;
		enum jb_key key;
	} files[] = {{conf->store_ca, JB_KEY_STORE_CA},
		     {conf->issuer_ca, JB_KEY_ISSUER_CA},
		     {conf->workflow_ca, JB_KEY_WORKFLOW_CA},
		     {conf->oidc_ca, JB_KEY_OIDC_CA}};
	struct check c = {.conf = conf, .on_error = on_error, .arg = arg};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		jb_check_file(&c, files[i].path, jb_conf_line(&conf->lines, files[i].key),
			      jb_conf_keys[files[i].key].name);
	return c.errors;
}

int jb_conf_check_secrets(const struct jb_conf *conf, void (*on_error)(void *arg, const char *message), void *arg)
{
	struct check c = {.conf = conf, .on_error = on_error, .arg = arg};

	check_issuer(&c);
	check_oidc(&c);
	return c.errors;
}

int jb_conf_check_files(const struct jb_conf *conf, void (*on_error)(void *arg, const char *message), void *arg)
{
	struct check c = {.conf = conf, .on_error = on_error, .arg = arg};

	check_tls(&c);
	return c.errors + jb_conf_check_authorities(conf, on_error, arg) + jb_conf_check_secrets(conf, on_error, arg);
}
