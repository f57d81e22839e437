/* See conf.h. Sections, and what only the whole file can show; what a key is, conf_keys.c says. */
#include "conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf_keys.h"
#include "fetch.h"
#include "proto.h"

struct reading {
	struct jh_conf *conf;
	jit_ini_error on_error;
	void *arg;
	const char *file;
	bool any; /* a key was read: then what is missing is worth telling */
};

enum jh_unattended jh_unattended_default(const char *service)
{
	static const char *const nobody[] = {"cron", "crond", "atd", "systemd-user"};

	for (size_t i = 0; i < sizeof(nobody) / sizeof(nobody[0]); i++)
		if (strcmp(service, nobody[i]) == 0)
			return JH_UNATTENDED_DENY;
	return JH_UNATTENDED_NO;
}

static void service_free(struct jh_service *service)
{
	jh_conf_free_values(JH_SERVICE, service);
	free(service->name);
	free(service);
}

static struct jh_service *service_section(struct jh_conf *conf, const char *name)
{
	struct jh_service *service;

	for (service = LIST_FIRST(&conf->services); service; service = LIST_NEXT(service, link))
		if (strcmp(service->name, name) == 0)
			return service;
	service = calloc(1, sizeof(*service));
	if (!service)
		return NULL;
	service->name = strdup(name);
	if (!service->name || !jh_conf_set_defaults(JH_SERVICE, service)) {
		service_free(service);
		return NULL;
	}
	service->unattended = jh_unattended_default(name);
	LIST_INSERT_HEAD(&conf->services, service, link);
	return service;
}

static void role_free(struct jh_role *role)
{
	jh_conf_free_values(JH_ROLE, role);
	free(role->name);
	free(role);
}

static struct jh_role *role_section(struct jh_conf *conf, const char *name)
{
	struct jh_role *role;

	TAILQ_FOREACH(role, &conf->roles, link)
	if (strcmp(role->name, name) == 0)
		return role;
	role = calloc(1, sizeof(*role));
	if (!role)
		return NULL;
	role->name = strdup(name);
	if (!role->name) {
		role_free(role);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&conf->roles, role, link);
	return role;
}

static struct jh_role *named_role(struct jh_conf *conf, const char *name, char *why, size_t size)
{
	if (*name && !strpbrk(name, " \t/") && strcmp(name, "*") != 0 && strlen(name) < JIT_NAME_SIZE)
		return role_section(conf, name);
	snprintf(why, size, "write the role's name into the section, such as [role JIT-ElevatedAdminRole]");
	return NULL;
}

static struct jh_service *named_service(struct jh_conf *conf, const char *name, char *why, size_t size)
{
	if (*name && !strpbrk(name, " \t/") && strlen(name) < JIT_NAME_SIZE)
		return service_section(conf, name);
	snprintf(why, size, "write the PAM service's name into the section, such as [service sudo]");
	return NULL;
}

static bool on_key(void *arg, const char *section, const char *name, const char *value, unsigned line, char *why,
		   size_t size)
{
	struct reading *r = arg;
	enum jh_section kind = JH_HELPER;
	void *at = r->conf;

	(void)line;
	r->any = true;
	snprintf(why, size, "out of memory");
	if (strncmp(section, "service ", 8) == 0) {
		kind = JH_SERVICE;
		at = named_service(r->conf, section + 8, why, size);
	} else if (strncmp(section, "role ", 5) == 0) {
		kind = JH_ROLE;
		at = named_role(r->conf, section + 5, why, size);
	} else if (strcmp(section, "helper") != 0) {
		snprintf(why, size, "there is no section [%s]; write [helper], [service NAME] or [role NAME]", section);
		return false;
	}
	if (!at)
		return false;
	const struct jh_conf_key *key = jh_conf_key(kind, name);
	if (key)
		return jh_conf_set(key, at, value, why, size);
	snprintf(why, size, "[%s] has no key '%s'; man jit-helper.conf lists them", section, name);
	return false;
}

/* The reader hands one argument to both callbacks: ours carries the caller's. */
static void pass_error(void *arg, const char *message)
{
	const struct reading *r = arg;

	r->on_error(r->arg, message);
}

static int complain(const struct reading *r, const char *sentence)
{
	char message[512];

	snprintf(message, sizeof(message), "%s: %s", r->file, sentence);
	r->on_error(r->arg, message);
	return 1;
}

/* What only the whole file can show. */
/* The reference deployment does as it is told: what it is told of must be in this file. */
static int check_demo(const struct reading *r)
{
	const struct jh_conf *c = r->conf;
	const struct jh_role *role;
	int errors = 0;

	if (!c->demo)
		return 0;
	if (c->broker_count > 1)
		errors += complain(r,
				   "broker_type = seed-demo takes one broker: a second one would grant the same again");
	if (TAILQ_EMPTY(&c->roles))
		errors += complain(
			r, "broker_type = seed-demo needs a section [role NAME] with a role_arn for each role that "
			   "may be asked for");
	TAILQ_FOREACH(role, &c->roles, link)
	if (!role->arn || strncmp(role->arn, "arn:", 4) != 0)
		errors += complain(r, "role_arn must be a role's ARN, such as arn:aws:iam::123456789012:role/Name");
	return errors;
}

/* What a signature is made with; a path or query that must be written with % is signed wrongly. */
static int check_auth(const struct reading *r)
{
	const struct jh_conf *c = r->conf;
	int errors = 0;

	if (c->imds_endpoint && !jit_fetch_is_plain_loopback(c->imds_endpoint))
		errors += complain(r, "imds_endpoint is for tests, and must be http:// to this machine; take it out");
	if (c->auth == JH_AUTH_KEY)
		return errors;
	if (c->demo)
		errors +=
			complain(r, "broker_type = seed-demo knows hosts by their API key alone: take broker_auth out");
	if (!c->region || strspn(c->region, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(c->region))
		errors += complain(r,
				   "broker_auth = iam needs broker_region, the AWS region of the broker's API, such as "
				   "broker_region = eu-west-1");
	for (size_t i = 0; i < c->broker_count; i++)
		if (strchr(c->brokers[i], '%'))
			errors += complain(r, "with broker_auth = iam a broker's URL must have no % in it");
	return errors;
}

static int check(const struct reading *r)
{
	const struct jh_conf *c = r->conf;
	int errors = 0;

	if (c->broker_count == 0)
		errors +=
			complain(r, "[helper] must name the broker, such as broker = https://broker.example.org:8443");
	for (size_t i = 0; i < c->broker_count; i++)
		if (strncmp(c->brokers[i], "http:", 5) == 0 &&
		    !(c->plain_loopback && jit_fetch_is_plain_loopback(c->brokers[i])))
			errors +=
				complain(r, "broker must begin with https:// (plain http is only for a broker on this "
					    "machine, with plain_loopback = yes)");
	if (!c->tls_certificate != !c->tls_key)
		errors += complain(r, "tls_certificate and tls_key belong together: a certificate, and its key");
	errors += check_demo(r) + check_auth(r);
	if (c->user && strcmp(c->user, "root") == 0)
		errors += complain(r, "user must not be root; the package makes the user _jit for it");
	return errors;
}

static struct jh_conf *conf_new(void)
{
	struct jh_conf *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	LIST_INIT(&c->services);
	TAILQ_INIT(&c->roles);
	if (!jh_conf_set_defaults(JH_HELPER, c)) {
		jh_conf_free(c);
		return NULL;
	}
	return c;
}

static int finish(struct reading *r, int errors, struct jh_conf **ret)
{
	if (r->any || errors == 0)
		errors += check(r);
	if (errors)
		jh_conf_free(r->conf);
	else
		*ret = r->conf;
	return errors;
}

int jh_conf_read(const char *path, jit_ini_error on_error, void *arg, struct jh_conf **ret)
{
	struct reading r = {.conf = conf_new(), .on_error = on_error, .arg = arg, .file = path};

	if (!r.conf)
		return complain(&r, "out of memory");
	int errors = jit_ini_read(path, false, on_key, pass_error, &r);
	return finish(&r, errors, ret);
}

int jh_conf_parse(const char *name, const char *text, jit_ini_error on_error, void *arg, struct jh_conf **ret)
{
	struct reading r = {.conf = conf_new(), .on_error = on_error, .arg = arg, .file = name};

	if (!r.conf)
		return complain(&r, "out of memory");
	int errors = jit_ini_parse(name, text, on_key, pass_error, &r);
	return finish(&r, errors, ret);
}

void jh_conf_free(struct jh_conf *conf)
{
	struct jh_service *service;
	struct jh_role *role;

	if (!conf)
		return;
	while ((role = TAILQ_FIRST(&conf->roles))) {
		TAILQ_REMOVE(&conf->roles, role, link);
		role_free(role);
	}
	while ((service = LIST_FIRST(&conf->services))) {
		LIST_REMOVE(service, link);
		service_free(service);
	}
	for (size_t i = 0; i < conf->broker_count; i++)
		free(conf->brokers[i]);
	jh_conf_free_values(JH_HELPER, conf);
	free(conf);
}

const struct jh_service *jh_conf_service(const struct jh_conf *conf, const char *name)
{
	const struct jh_service *service;

	for (service = LIST_FIRST(&conf->services); service; service = LIST_NEXT(service, link))
		if (strcmp(service->name, name) == 0)
			return service;
	return NULL;
}

const struct jh_role *jh_conf_role(const struct jh_conf *conf, const char *name)
{
	const struct jh_role *role;

	TAILQ_FOREACH(role, &conf->roles, link)
	if (strcmp(role->name, name) == 0)
		return role;
	return NULL;
}
