/* See conf_keys.h. jit-helper.conf(5) tells people the same. */
#include "conf_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto.h"
#include "text.h"

#define HOUR 3600
#define DAY  86400

#define HELPER(member)	offsetof(struct jh_conf, member)
#define SERVICE(member) offsetof(struct jh_service, member)
#define ROLE(member)	offsetof(struct jh_role, member)

static const struct jh_conf_key keys[] = {
	{JH_HELPER, "broker", JH_URL, 0, NULL, 0, JH_BROKERS_MAX, NULL},
	{JH_HELPER, "broker_type", JH_FLAG, HELPER(demo), "jit", 0, 0, "jit seed-demo"},
	{JH_HELPER, "broker_auth", JH_CHOICE, HELPER(auth), "key", 0, 0, "key iam both"},
	{JH_HELPER, "broker_region", JH_NAME, HELPER(region), NULL, 0, 0, NULL},
	{JH_HELPER, "imds_endpoint", JH_NAME, HELPER(imds_endpoint), NULL, 0, 0, NULL},
	{JH_HELPER, "api_key_file", JH_PATH, HELPER(api_key_file), "/etc/pam-jit/api.key", 0, 0, NULL},
	{JH_HELPER, "ca_file", JH_PATH, HELPER(ca_file), NULL, 0, 0, NULL},
	{JH_HELPER, "tls_certificate", JH_PATH, HELPER(tls_certificate), NULL, 0, 0, NULL},
	{JH_HELPER, "tls_key", JH_PATH, HELPER(tls_key), NULL, 0, 0, NULL},
	{JH_HELPER, "plain_loopback", JH_FLAG, HELPER(plain_loopback), "no", 0, 0, "no yes"},
	{JH_HELPER, "user", JH_NAME, HELPER(user), "_jit", 0, 0, NULL},
	{JH_HELPER, "pam_socket", JH_PATH, HELPER(pam_socket), JIT_PAM_SOCKET, 0, 0, NULL},
	{JH_HELPER, "session_socket", JH_PATH, HELPER(session_socket), JIT_SESSION_SOCKET, 0, 0, NULL},
	{JH_HELPER, "timeout", JH_SECONDS, HELPER(timeout_s), "5m", 1, HOUR, NULL},
	{JH_HELPER, "broker_timeout", JH_SECONDS, HELPER(broker_timeout_s), "10s", 1, 60, NULL},
	{JH_HELPER, "aws_credentials_file", JH_PATH, HELPER(aws_credentials_file), "/etc/pam-jit/aws-credentials", 0, 0,
	 NULL},
	{JH_HELPER, "warn", JH_WARNINGS, 0, "5m 1m", 1, DAY, NULL},
	{JH_HELPER, "end_grace", JH_SECONDS, HELPER(end_grace_s), "5s", 1, JH_END_GRACE_MAX_S, NULL},
	{JH_HELPER, "break_glass_group", JH_NAME, HELPER(break_glass_group), NULL, 0, 0, NULL},
	{JH_HELPER, "break_glass_duration", JH_SECONDS, HELPER(break_glass_s), "15m", 1, HOUR, NULL},
	{JH_HELPER, "without_keyring", JH_FLAG, HELPER(keyless), "descent", 0, 0, "refuse descent"},
	{JH_HELPER, "state_dir", JH_PATH, HELPER(state_dir), "/run/pam-jit/state", 0, 0, NULL},
	{JH_HELPER, "spool_dir", JH_PATH, HELPER(spool_dir), "/var/lib/pam-jit", 0, 0, NULL},
	{JH_HELPER, "ask_attempts", JH_NUMBER, HELPER(ask_attempts), "3", 0, 9, NULL},
	{JH_SERVICE, "role", JH_NAME, SERVICE(role), NULL, 0, 0, NULL},
	{JH_SERVICE, "duration", JH_SECONDS, SERVICE(duration_s), "15m", 1, 7 * DAY, NULL},
	{JH_SERVICE, "non_interactive", JH_CHOICE, SERVICE(unattended), "no", 0, 0, "no deny existing"},
	{JH_SERVICE, "resume", JH_FLAG, SERVICE(resume), "yes", 0, 0, "no yes"},
	{JH_SERVICE, "silent_wait", JH_SECONDS, SERVICE(silent_wait_s), "0", 0, HOUR, NULL},
	{JH_ROLE, "role_arn", JH_NAME, ROLE(arn), NULL, 0, 0, NULL},
};

#define KEYS (sizeof(keys) / sizeof(keys[0]))

const struct jh_conf_key *jh_conf_key(enum jh_section section, const char *name)
{
	for (size_t i = 0; i < KEYS; i++)
		if (keys[i].section == section && strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

/* Values: each function reads one kind, or says what is wrong with it. */

static bool set_text(char **slot, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return false;
	free(*slot);
	*slot = copy;
	return true;
}

static bool set_path(const struct jh_conf_key *key, char **slot, const char *value, char *why, size_t size)
{
	if (value[0] != '/') {
		snprintf(why, size, "%s must be an absolute path, such as /etc/pam-jit/api.key", key->name);
		return false;
	}
	return set_text(slot, value);
}

static bool set_name(const struct jh_conf_key *key, char **slot, const char *value, char *why, size_t size)
{
	if (!*value || strlen(value) >= JIT_NAME_SIZE || strpbrk(value, " \t")) {
		snprintf(why, size, "%s must be one word of at most 255 bytes", key->name);
		return false;
	}
	return set_text(slot, value);
}

static bool set_seconds(const struct jh_conf_key *key, int64_t *slot, const char *value, char *why, size_t size)
{
	char longest[32];
	uint64_t s;

	if (jit_parse_duration(value, key->max, &s) < 0 || s < key->min) {
		jit_format_duration(key->max, longest, sizeof(longest));
		snprintf(why, size, "%s must be a duration from %us to %s, such as 90s, 15m or 4h", key->name,
			 (unsigned)key->min, longest);
		return false;
	}
	*slot = (int64_t)s;
	return true;
}

static bool set_number(const struct jh_conf_key *key, unsigned *slot, const char *value, char *why, size_t size)
{
	uint64_t n;

	if (jit_parse_u64(value, key->max, &n) < 0 || n < key->min) {
		snprintf(why, size, "%s must be a number from %u to %u", key->name, (unsigned)key->min,
			 (unsigned)key->max);
		return false;
	}
	*slot = (unsigned)n;
	return true;
}

/* Whether it may be plain http is judged once plain_loopback is known (conf.c). */
static bool set_url(const struct jh_conf_key *key, struct jh_conf *conf, const char *value, char *why, size_t size)
{
	size_t len = strlen(value);

	if ((strncmp(value, "https://", 8) != 0 && strncmp(value, "http://", 7) != 0) ||
	    strpbrk(value, " \t?#@\"\\<>") || !strchr(value, ':')[3] || strchr(value, ':')[3] == '/') {
		snprintf(why, size, "broker must be a URL such as https://broker.example.org:8443");
		return false;
	}
	if (conf->broker_count == key->max) {
		snprintf(why, size, "there are more than %u brokers", (unsigned)key->max);
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
static bool set_warnings(const struct jh_conf_key *key, struct jh_conf *c, const char *value, char *why, size_t size)
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
		if (n == JH_WARNINGS_MAX || jit_parse_duration(word, key->max, &s) < 0 || s < key->min ||
		    (n && (int64_t)s >= c->warnings_s[n - 1]))
			return false;
		c->warnings_s[c->warning_count++] = (int64_t)s;
	}
	return c->warning_count > 0;
}

/* "no deny existing" -> "no, deny or existing" */
static void list_choices(const char *choices, char *buf, size_t size)
{
	size_t len = 0;

	*buf = '\0';
	for (const char *at = choices; *at && len < size;) {
		size_t word = strcspn(at, " ");
		const char *next = at + word + strspn(at + word, " ");
		const char *mark = at == choices ? "" : *next ? ", " : " or ";

		len += (size_t)snprintf(buf + len, size - len, "%s%.*s", mark, (int)word, at);
		at = next;
	}
}

static bool set_choice(const struct jh_conf_key *key, void *slot, const char *value, char *why, size_t size)
{
	char words[64];
	int place = 0;

	for (const char *at = key->choices; *at; place++) {
		size_t word = strcspn(at, " ");

		if (strlen(value) == word && memcmp(at, value, word) == 0) {
			if (key->kind == JH_FLAG)
				*(bool *)slot = place == 1;
			else /* each enum of conf.h counts from 0 in the order of its choices */
				*(unsigned *)slot = (unsigned)place;
			return true;
		}
		at += word + strspn(at + word, " ");
	}
	list_choices(key->choices, words, sizeof(words));
	snprintf(why, size, "%s must be %s", key->name, words);
	return false;
}

bool jh_conf_set(const struct jh_conf_key *key, void *section, const char *value, char *why, size_t size)
{
	void *slot = (char *)section + key->offset;

	snprintf(why, size, "out of memory");
	switch (key->kind) {
	case JH_URL:
		return set_url(key, section, value, why, size);
	case JH_PATH:
		return set_path(key, slot, value, why, size);
	case JH_NAME:
		return set_name(key, slot, value, why, size);
	case JH_SECONDS:
		return set_seconds(key, slot, value, why, size);
	case JH_WARNINGS:
		return set_warnings(key, section, value, why, size);
	case JH_NUMBER:
		return set_number(key, slot, value, why, size);
	case JH_CHOICE:
	case JH_FLAG:
		return set_choice(key, slot, value, why, size);
	}
	return false;
}

bool jh_conf_set_defaults(enum jh_section section, void *at)
{
	char why[256];

	for (size_t i = 0; i < KEYS; i++)
		if (keys[i].section == section && keys[i].fallback &&
		    !jh_conf_set(&keys[i], at, keys[i].fallback, why, sizeof(why)))
			return false;
	return true;
}

void jh_conf_free_values(enum jh_section section, void *at)
{
	for (size_t i = 0; i < KEYS; i++)
		if (keys[i].section == section && (keys[i].kind == JH_PATH || keys[i].kind == JH_NAME))
			free(*(char **)((char *)at + keys[i].offset));
}
