/* See reload.h. Everything that can fail comes first; the change itself cannot. */
#include "reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "conf_check.h"
#include "conf_keys.h"
#include "confine.h"
#include "log.h"
#include "tls.h"

/* What a file is opened or a socket bound with, once. */
static const enum jb_key fixed[] = {
	JB_KEY_LISTEN,
	JB_KEY_TLS,
	JB_KEY_STORE,
	JB_KEY_STORE_REGION,
	JB_KEY_STORE_ENDPOINT,
	JB_KEY_STORE_CREDENTIALS,
	JB_KEY_STORE_CA,
	JB_KEY_STORE_PLAIN_LOOPBACK,
	JB_KEY_ISSUER,
	JB_KEY_ISSUER_REGION,
	JB_KEY_ISSUER_CREDENTIALS,
	JB_KEY_ISSUER_CA,
	JB_KEY_ISSUER_PLAIN_LOOPBACK,
	JB_KEY_ISSUE_FUNCTION,
	JB_KEY_ISSUE_WORKFLOW,
	JB_KEY_ISSUE_ENDPOINT,
	JB_KEY_MAX_CONNECTIONS,
	JB_KEY_PROXY_SOCKET,
	JB_KEY_PROXY_USER,
	JB_KEY_OIDC_ISSUER,
	JB_KEY_OIDC_CLIENT_ID,
	JB_KEY_OIDC_CLIENT_SECRET_FILE,
	JB_KEY_OIDC_REDIRECT,
	JB_KEY_OIDC_SCOPES,
	JB_KEY_OIDC_CA,
	JB_KEY_OIDC_PLAIN_LOOPBACK,
};

static void tell_error(void *arg, const char *message)
{
	bool *denied = arg;

	jit_log(LOG_ERR, "%s", message);
	*denied = *denied || strstr(message, strerror(EACCES));
}

/* NULL: nothing can be made of it. Which files it names is known only then, so a refusal of the sandbox comes as any.
 */
static struct jb_conf *read_anew(const char *path)
{
	bool denied = false;
	struct jb_conf *conf = jb_conf_read(path, tell_error, &denied);

	if (conf && jb_conf_check_authorities(conf, tell_error, &denied) > 0) {
		jb_conf_free(conf);
		conf = NULL;
	}
	if (!conf)
		jit_log(LOG_ERR, "the configuration is kept as it was: %s has errors%s", path,
			denied ? "; a file in a folder that the running broker has shut itself out from can be used "
				 "after a restart of jit-broker alone"
			       : "");
	return conf;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_value(enum jb_key key, const struct jb_conf *a, const struct jb_conf *b)
{
	const struct jb_conf_key *k = &jb_conf_keys[key];
	const void *in_a = (const char *)a + k->offset, *in_b = (const char *)b + k->offset;

	if (k->kind == JB_LISTEN)
		return same_text(a->listen_address, b->listen_address) && a->listen_port == b->listen_port;
	if (k->kind == JB_FLAG)
		return *(const bool *)in_a == *(const bool *)in_b;
	if (k->kind == JB_NUMBER)
		return *(const uint32_t *)in_a == *(const uint32_t *)in_b;
	return same_text(*(char *const *)in_a, *(char *const *)in_b);
}

static bool copy_text(char **at, const char *text)
{
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy)
		return false;
	free(*at);
	*at = copy;
	return true;
}

static bool copy_value(enum jb_key key, const struct jb_conf *from, struct jb_conf *to)
{
	const struct jb_conf_key *k = &jb_conf_keys[key];
	const void *in_from = (const char *)from + k->offset;
	void *in_to = (char *)to + k->offset;

	if (k->kind == JB_LISTEN) {
		to->listen_port = from->listen_port;
		return copy_text(&to->listen_address, from->listen_address);
	}
	if (k->kind == JB_FLAG) {
		*(bool *)in_to = *(const bool *)in_from;
		return true;
	}
	if (k->kind == JB_NUMBER) {
		*(uint32_t *)in_to = *(const uint32_t *)in_from;
		return true;
	}
	return copy_text(in_to, *(char *const *)in_from);
}

/* Nobody who asks the new configuration must take what it says there for what the broker does. */
static bool keep_fixed(const struct jb_conf *started, struct jb_conf *conf)
{
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		if (same_value(fixed[i], started, conf))
			continue;
		jit_log(LOG_WARNING,
			"%s:%u: %s is read at the start alone; the broker goes on with what it was started with until "
			"it is restarted",
			conf->path, jb_conf_line(&conf->lines, fixed[i]), jb_conf_keys[fixed[i]].name);
		if (!copy_value(fixed[i], started, conf)) {
			jit_log(LOG_ERR, "the configuration is kept as it was: out of memory");
			return false;
		}
	}
	return true;
}

/* Who changed the rules, and when, stands among what was decided by them. */
static bool record(struct jb_store *store, const struct jb_conf *conf)
{
	char detail[128];
	const struct jb_audit audit = {
		.at = jit_wall_s(), .action = "configuration.loaded", .actor = "admin", .detail = detail};

	snprintf(detail, sizeof(detail), "{\"sha256\":\"%s\"}", conf->hash);
	if (jb_store_audit(store, &audit) == 0)
		return true;
	jit_log(LOG_ERR, "the configuration is kept as it was: its change could not be recorded: %s",
		jb_store_error(store));
	return false;
}

/* The context for the new certificate; NULL where TLS is off, or was to be. False: it cannot be had. */
static bool make_tls(const struct jb_running *running, bool wanted, const struct jb_conf *conf, SSL_CTX **ret)
{
	char why[512];

	*ret = NULL;
	if (!running->started->tls || !wanted)
		return true;
	*ret = jb_tls_new(conf->tls_certificate, conf->tls_key, conf->tls_client_ca, why, sizeof(why));
	if (!*ret)
		jit_log(LOG_ERR, "%s; the configuration is kept as it was", why);
	return *ret != NULL;
}

/* What it names must be within the sandbox, which does not grow. */
static bool is_within(const struct jb_running *running, const struct jb_conf *conf)
{
	char why[512];

	if (jb_confine_allows(running->sandbox, conf, why, sizeof(why)))
		return true;
	jit_log(LOG_ERR, "the configuration is kept as it was: %s", why);
	return false;
}

static bool reload(struct jb_running *running)
{
	struct jb_conf *conf = read_anew(running->started->path);
	SSL_CTX *tls;

	if (!conf)
		return false;
	const bool wants_tls = conf->tls; /* without it the file names no certificate */
	if (!keep_fixed(running->started, conf) || !is_within(running, conf) ||
	    !make_tls(running, wants_tls, conf, &tls)) {
		jb_conf_free(conf);
		return false;
	}
	if (!record(running->store, conf)) {
		SSL_CTX_free(tls);
		jb_conf_free(conf);
		return false;
	}
	if (tls)
		jb_server_set_tls(running->server, tls);
	jb_engine_set_conf(running->engine, conf);
	jb_notify_set_conf(running->notify, conf);
	jb_api_set_conf(running->api, conf); /* last: it does what is due now */
	if (running->conf != running->started)
		jb_conf_free(running->conf);
	running->conf = conf;
	jit_log(LOG_NOTICE, "the configuration has been read anew: %zu roles, %zu groups, %zu persons",
		conf->role_count, conf->group_count, conf->person_count);
	return true;
}

bool jb_reload(struct jb_running *running)
{
	if (reload(running))
		return true;
	jb_api_refuse_conf(running->api);
	return false;
}
