/* See conf.h. */
#include "conf.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto.h"
#include "text.h"

#define DURATION_S	 900
#define DURATION_MAX_S	 (7 * 86400)
#define TIMEOUT_S	 300
#define TIMEOUT_MAX_S	 3600
#define BROKER_TIMEOUT_S 10
#define BROKER_MAX_S	 60
#define ASK_ATTEMPTS	 3
#define ASK_MAX		 9
#define END_GRACE_S	 5
#define GLASS_S		 900
#define GLASS_MAX_S	 3600
#define SILENT_MAX_S	 3600
#define WARNING_MAX_S	 86400

struct reading {
	struct jh_conf *conf;
	jit_ini_error on_error;
	void *arg;
	const char *file;
	bool any; /* a key was read: then what is missing is worth telling */
};

static bool set_text(char **slot, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return false;
	free(*slot);
	*slot = copy;
	return true;
}

static bool set_path(char **slot, const char *name, const char *value, char *why, size_t size)
{
	if (value[0] != '/') {
		snprintf(why, size, "%s must be an absolute path, such as /etc/pam-jit/api.key", name);
		return false;
	}
	return set_text(slot, value);
}

static bool set_name(char **slot, const char *name, const char *value, char *why, size_t size)
{
	if (!*value || strlen(value) >= JIT_NAME_SIZE || strpbrk(value, " \t")) {
		snprintf(why, size, "%s must be one word of at most 255 bytes", name);
		return false;
	}
	return set_text(slot, value);
}

static bool set_bool(bool *slot, const char *name, const char *value, char *why, size_t size)
{
	if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0) {
		snprintf(why, size, "%s must be yes or no", name);
		return false;
	}
	*slot = value[0] == 'y';
	return true;
}

static bool set_seconds(int64_t *slot, const char *name, const char *value, uint64_t max, char *why, size_t size)
{
	char longest[32];
	uint64_t s;

	if (jit_parse_duration(value, max, &s) < 0 || s == 0) {
		jit_format_duration(max, longest, sizeof(longest));
		snprintf(why, size, "%s must be a duration from 1s to %s, such as 90s, 15m or 4h", name, longest);
		return false;
	}
	*slot = (int64_t)s;
	return true;
}

/* Whether it may be plain http is judged once plain_loopback is known (check). */
static bool set_url(struct jh_conf *conf, const char *value, char *why, size_t size)
{
	size_t len = strlen(value);

	if ((strncmp(value, "https://", 8) != 0 && strncmp(value, "http://", 7) != 0) ||
	    strpbrk(value, " \t?#@\"\\<>") || strlen(strchr(value, ':')) < 4) {
		snprintf(why, size, "broker must be a URL such as https://broker.example.org:8443");
		return false;
	}
	if (conf->broker_count == JH_BROKERS_MAX) {
		snprintf(why, size, "there are more than %d brokers", JH_BROKERS_MAX);
		return false;
	}
	char *url = strdup(value);
	if (!url)
		return false;
	while (len && url[len - 1] == '/')
		url[--len] = '\0';
	conf->brokers[conf->broker_count++] = url;
	return true;
}

/* "5m 1m", the earliest first, or "none". */
static bool set_warnings(struct jh_conf *c, const char *value, char *why, size_t size)
{
	char list[128], *rest = list, *word;

	c->warning_count = 0;
	if (strcmp(value, "none") == 0)
		return true;
	snprintf(why, size, "warn must be none, or up to %d durations such as 5m 1m, the longest first",
		 JH_WARNINGS_MAX);
	if (strlen(value) >= sizeof(list))
		return false;
	memcpy(list, value, strlen(value) + 1);
	while ((word = strsep(&rest, " \t"))) {
		size_t n = c->warning_count;
		uint64_t s;

		if (!*word)
			continue;
		if (n == JH_WARNINGS_MAX || jit_parse_duration(word, WARNING_MAX_S, &s) < 0 || s == 0 ||
		    (n && (int64_t)s >= c->warnings_s[n - 1]))
			return false;
		c->warnings_s[c->warning_count++] = (int64_t)s;
	}
	return c->warning_count > 0;
}

static bool set_keyless(struct jh_conf *c, const char *value, char *why, size_t size)
{
	if (strcmp(value, "descent") != 0 && strcmp(value, "refuse") != 0) {
		snprintf(why, size, "without_keyring must be descent or refuse");
		return false;
	}
	c->keyless = value[0] == 'd';
	return true;
}

static bool set_unattended(enum jh_unattended *slot, const char *value, char *why, size_t size)
{
	static const char *const words[] = {"no", "deny", "existing"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(value, words[i]) == 0) {
			*slot = (enum jh_unattended)i;
			return true;
		}
	}
	snprintf(why, size, "non_interactive must be no, deny or existing");
	return false;
}

static bool helper_key(struct jh_conf *c, const char *name, const char *value, char *why, size_t size)
{
	const struct {
		const char *name;
		char **slot;
	} paths[] = {
		{"api_key_file", &c->api_key_file},
		{"ca_file", &c->ca_file},
		{"pam_socket", &c->pam_socket},
		{"session_socket", &c->session_socket},
		{"aws_credentials_file", &c->aws_credentials_file},
		{"state_dir", &c->state_dir},
		{"spool_dir", &c->spool_dir},
	};
	uint64_t n;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (strcmp(name, paths[i].name) == 0)
			return set_path(paths[i].slot, name, value, why, size);
	if (strcmp(name, "broker") == 0)
		return set_url(c, value, why, size);
	if (strcmp(name, "user") == 0)
		return set_name(&c->user, name, value, why, size);
	if (strcmp(name, "plain_loopback") == 0)
		return set_bool(&c->plain_loopback, name, value, why, size);
	if (strcmp(name, "timeout") == 0)
		return set_seconds(&c->timeout_s, name, value, TIMEOUT_MAX_S, why, size);
	if (strcmp(name, "broker_timeout") == 0)
		return set_seconds(&c->broker_timeout_s, name, value, BROKER_MAX_S, why, size);
	if (strcmp(name, "warn") == 0)
		return set_warnings(c, value, why, size);
	if (strcmp(name, "end_grace") == 0)
		return set_seconds(&c->end_grace_s, name, value, JH_END_GRACE_MAX_S, why, size);
	if (strcmp(name, "break_glass_group") == 0)
		return set_name(&c->break_glass_group, name, value, why, size);
	if (strcmp(name, "break_glass_duration") == 0)
		return set_seconds(&c->break_glass_s, name, value, GLASS_MAX_S, why, size);
	if (strcmp(name, "without_keyring") == 0)
		return set_keyless(c, value, why, size);
	if (strcmp(name, "ask_attempts") == 0) {
		if (jit_parse_u64(value, ASK_MAX, &n) == 0) {
			c->ask_attempts = (unsigned)n;
			return true;
		}
		snprintf(why, size, "ask_attempts must be a number from 0 to %d", ASK_MAX);
		return false;
	}
	snprintf(why, size, "[helper] has no key '%s'; docs/configuration.md lists them", name);
	return false;
}

enum jh_unattended jh_unattended_default(const char *service)
{
	static const char *const nobody[] = {"cron", "crond", "atd", "systemd-user"};

	for (size_t i = 0; i < sizeof(nobody) / sizeof(nobody[0]); i++)
		if (strcmp(service, nobody[i]) == 0)
			return JH_UNATTENDED_DENY;
	return JH_UNATTENDED_NO;
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
	if (!service->name) {
		free(service);
		return NULL;
	}
	service->duration_s = DURATION_S;
	service->unattended = jh_unattended_default(name);
	service->resume = true;
	LIST_INSERT_HEAD(&conf->services, service, link);
	return service;
}

static bool service_key(struct jh_conf *conf, const char *section, const char *name, const char *value, char *why,
			size_t size)
{
	if (!*section || strpbrk(section, " \t/") || strlen(section) >= JIT_NAME_SIZE) {
		snprintf(why, size, "write the PAM service's name into the section, such as [service sudo]");
		return false;
	}
	struct jh_service *service = service_section(conf, section);
	if (!service)
		return false;
	if (strcmp(name, "role") == 0)
		return set_name(&service->role, name, value, why, size);
	if (strcmp(name, "duration") == 0)
		return set_seconds(&service->duration_s, name, value, DURATION_MAX_S, why, size);
	if (strcmp(name, "non_interactive") == 0)
		return set_unattended(&service->unattended, value, why, size);
	if (strcmp(name, "resume") == 0)
		return set_bool(&service->resume, name, value, why, size);
	if (strcmp(name, "silent_wait") == 0 && strcmp(value, "0") == 0) {
		service->silent_wait_s = 0;
		return true;
	}
	if (strcmp(name, "silent_wait") == 0)
		return set_seconds(&service->silent_wait_s, name, value, SILENT_MAX_S, why, size);
	snprintf(why, size,
		 "[service %s] has no key '%s'; it knows role, duration, non_interactive, resume and silent_wait",
		 section, name);
	return false;
}

static bool on_key(void *arg, const char *section, const char *name, const char *value, unsigned line, char *why,
		   size_t size)
{
	struct reading *r = arg;

	(void)line;
	r->any = true;
	snprintf(why, size, "out of memory");
	if (strcmp(section, "helper") == 0)
		return helper_key(r->conf, name, value, why, size);
	if (strncmp(section, "service ", 8) == 0)
		return service_key(r->conf, section + 8, name, value, why, size);
	snprintf(why, size, "there is no section [%s]; write [helper] or [service NAME]", section);
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
static int check(const struct reading *r)
{
	const struct jh_conf *c = r->conf;
	int errors = 0;

	if (c->broker_count == 0)
		errors +=
			complain(r, "[helper] must name the broker, such as broker = https://broker.example.org:8443");
	for (size_t i = 0; i < c->broker_count; i++)
		if (strncmp(c->brokers[i], "http:", 5) == 0 && !c->plain_loopback)
			errors +=
				complain(r, "broker must begin with https:// (plain http is only for a broker on this "
					    "machine, with plain_loopback = yes)");
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
	c->timeout_s = TIMEOUT_S;
	c->broker_timeout_s = BROKER_TIMEOUT_S;
	c->ask_attempts = ASK_ATTEMPTS;
	c->warnings_s[0] = 300;
	c->warnings_s[1] = 60;
	c->warning_count = 2;
	c->end_grace_s = END_GRACE_S;
	c->break_glass_s = GLASS_S;
	c->keyless = true;
	if (!set_text(&c->state_dir, "/run/pam-jit/state") || !set_text(&c->spool_dir, "/var/lib/pam-jit") ||
	    !set_text(&c->api_key_file, "/etc/pam-jit/api.key") || !set_text(&c->user, "_jit") ||
	    !set_text(&c->pam_socket, JIT_PAM_SOCKET) || !set_text(&c->session_socket, JIT_SESSION_SOCKET) ||
	    !set_text(&c->aws_credentials_file, "/etc/pam-jit/aws-credentials")) {
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

	if (!conf)
		return;
	while ((service = LIST_FIRST(&conf->services))) {
		LIST_REMOVE(service, link);
		free(service->name);
		free(service->role);
		free(service);
	}
	for (size_t i = 0; i < conf->broker_count; i++)
		free(conf->brokers[i]);
	free(conf->break_glass_group);
	free(conf->state_dir);
	free(conf->spool_dir);
	free(conf->api_key_file);
	free(conf->ca_file);
	free(conf->user);
	free(conf->pam_socket);
	free(conf->session_socket);
	free(conf->aws_credentials_file);
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
