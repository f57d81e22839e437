/* See confine.h. */
#include "confine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws_role.h"
#include "fetch.h"
#include "sandbox.h"

#define SQLITE "sqlite:"
#define HTTPS  443 /* AWS, and nearly every receiver that a changed configuration may name */

/* What SQLite does with its files. */
static const char *const calls[] = {"fallocate",   "fchmod",   "fchown",    "fchown32",	 "fdatasync", "ftruncate",
				    "ftruncate64", "pwrite64", "setitimer", "utimensat", NULL};

static void allow_file(struct jit_sandbox *sandbox, const char *path)
{
	jit_sandbox_file(sandbox, JIT_SANDBOX_READ, path);
}

static void allow_files(struct jit_sandbox *sandbox, const struct jb_conf *conf)
{
	const char *const named[] = {conf->path,	  conf->tls_certificate,  conf->tls_key,
				     conf->tls_client_ca, conf->store_ca,	  conf->issuer_ca,
				     conf->workflow_ca,	  conf->ssm_ca,		  conf->oidc_client_secret_file,
				     conf->oidc_ca,	  conf->mail_credentials, conf->mail_ca};

	jit_sandbox_system(sandbox);
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		allow_file(sandbox, named[i]);
	for (size_t i = 0; i < conf->webhook_count; i++) {
		allow_file(sandbox, conf->webhooks[i].secret);
		allow_file(sandbox, conf->webhooks[i].ca);
	}
	if (strncmp(conf->store, SQLITE, strlen(SQLITE)) == 0)
		jit_sandbox_file(sandbox, JIT_SANDBOX_WRITE, conf->store + strlen(SQLITE));
	jit_sandbox_file(sandbox, JIT_SANDBOX_WRITE, conf->proxy_socket); /* taken away at the end */
}

/* A file, or who knows a role's (aws_role.h). */
static void allow_credentials(struct jit_sandbox *sandbox, const char *from)
{
	if (!from || !jb_aws_role_is_word(from))
		return allow_file(sandbox, from);
	jit_sandbox_url(sandbox, JIT_FETCH_METADATA);
	jit_sandbox_url(sandbox, from); /* "imds:http://…" */
	jit_sandbox_url(sandbox, getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI"));
	allow_file(sandbox, getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"));
}

static void allow_ports(struct jit_sandbox *sandbox, const struct jb_conf *conf)
{
	static const char issuer[] = "sts:";
	const char *const named[] = {conf->store_endpoint, conf->issue_endpoint, conf->workflow_endpoint,
				     conf->ssm_endpoint,   conf->oidc_issuer,	 conf->mail_server};

	jit_sandbox_port(sandbox, HTTPS);
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		jit_sandbox_url(sandbox, named[i]);
	if (strncmp(conf->issuer, issuer, strlen(issuer)) == 0)
		jit_sandbox_url(sandbox, conf->issuer + strlen(issuer));
	for (size_t i = 0; i < conf->webhook_count; i++)
		jit_sandbox_url(sandbox, conf->webhooks[i].url);
}

static struct jit_sandbox *sandbox_of(const struct jb_conf *conf)
{
	struct jit_sandbox *sandbox = jit_sandbox_new();

	if (sandbox) {
		allow_files(sandbox, conf);
		allow_ports(sandbox, conf);
		allow_credentials(sandbox, conf->store_credentials);
		allow_credentials(sandbox, conf->issuer_credentials);
		allow_credentials(sandbox, conf->workflow_credentials);
		allow_credentials(sandbox, conf->ssm_credentials);
	}
	return sandbox;
}

int jb_confine(const struct jb_conf *conf, struct jit_sandbox **ret, char *why, size_t why_size)
{
	const struct jit_sandbox_rule rule = {.calls = calls};
	struct jit_sandbox *sandbox = sandbox_of(conf);

	snprintf(why, why_size, "out of memory");
	const int r = sandbox ? jit_sandbox_enter(sandbox, &rule, why, why_size) : -1;
	if (r < 0)
		jit_sandbox_free(sandbox);
	else
		*ret = sandbox;
	return r;
}

bool jb_confine_allows(const struct jit_sandbox *entered, const struct jb_conf *conf, char *why, size_t why_size)
{
	struct jit_sandbox *wanted = sandbox_of(conf);
	char what[256] = "more memory than there is";
	const bool allows = wanted && jit_sandbox_covers(entered, wanted, what, sizeof(what));

	jit_sandbox_free(wanted);
	if (!allows)
		snprintf(why, why_size,
			 "it needs %s, which the running broker has shut itself out from: restart jit-broker to use it",
			 what);
	return allows;
}
