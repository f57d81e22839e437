/*
 * See conf.h. Sections and their keys, line by line; what a key is, conf_keys.c
 * says, and whether the whole makes sense, conf_check.c.
 */
#include "conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "conf_check.h"
#include "conf_keys.h"
#include "inifile.h"
#include "safefile.h"
#include "secret.h"

#define NAME_MAX_LEN	63   /* bytes of a role's, group's, person's or host's name */
#define SECTION_MAX_LEN 49   /* bytes between the brackets that libinih keeps */
#define SECTIONS_MAX	4096 /* of a kind */

static const char *const kind_names[JB_SECTIONS] = {"broker", "role",	 "group", "person",
						    "host",   "webhook", "mail",  "usage_plan"};

struct reading {
	struct jb_conf *conf;
	jit_ini_error on_error;
	void *arg;
	int errors;
};

static void tell(struct reading *r, unsigned line, const char *sentence)
{
	char message[1024];

	snprintf(message, sizeof(message), "%s:%u: %s", r->conf->path, line, sentence);
	r->on_error(r->arg, message);
	r->errors++;
}

/* Sections */

static bool set_defaults(enum jb_section kind, void *section)
{
	char why[128];

	for (size_t i = 0; i < JB_KEY_COUNT; i++)
		if (jb_conf_keys[i].section == kind && jb_conf_keys[i].fallback &&
		    !jb_conf_set(&jb_conf_keys[i], section, jb_conf_keys[i].fallback, 0, why, sizeof(why)))
			return false;
	return true;
}

/* Every section's structure begins with its lines and, but for [broker], its name. */
struct named {
	struct jb_lines lines;
	char *name;
};
_Static_assert(offsetof(struct jb_role, name) == offsetof(struct named, name) &&
		       offsetof(struct jb_group, name) == offsetof(struct named, name) &&
		       offsetof(struct jb_person, name) == offsetof(struct named, name) &&
		       offsetof(struct jb_host_conf, name) == offsetof(struct named, name) &&
		       offsetof(struct jb_webhook, name) == offsetof(struct named, name) &&
		       offsetof(struct jb_mail_list, name) == offsetof(struct named, name) &&
		       offsetof(struct jb_usage_plan, name) == offsetof(struct named, name),
	       "sections begin alike");

struct list {
	void *base;
	size_t count, size;
};

static struct list list_of(const struct jb_conf *conf, enum jb_section kind)
{
	switch (kind) {
	case JB_ROLE:
		return (struct list){conf->roles, conf->role_count, sizeof(*conf->roles)};
	case JB_GROUP:
		return (struct list){conf->groups, conf->group_count, sizeof(*conf->groups)};
	case JB_PERSON:
		return (struct list){conf->persons, conf->person_count, sizeof(*conf->persons)};
	case JB_HOST:
		return (struct list){conf->hosts, conf->host_count, sizeof(*conf->hosts)};
	case JB_WEBHOOK:
		return (struct list){conf->webhooks, conf->webhook_count, sizeof(*conf->webhooks)};
	case JB_MAIL:
		return (struct list){conf->mail_lists, conf->mail_list_count, sizeof(*conf->mail_lists)};
	case JB_PLAN:
		return (struct list){conf->plans, conf->plan_count, sizeof(*conf->plans)};
	default:
		return (struct list){NULL, 0, 0};
	}
}

static struct named *find(const struct jb_conf *conf, enum jb_section kind, const char *name)
{
	struct list list = list_of(conf, kind);

	for (size_t i = 0; name && i < list.count; i++) {
		struct named *section = (struct named *)((char *)list.base + i * list.size);

		if (strcmp(section->name, name) == 0)
			return section;
	}
	return NULL;
}

#define GROW(array, count)                                                                                             \
	({                                                                                                             \
		void *grown_ = (count) < SECTIONS_MAX ? reallocarray((array), (count) + 1, sizeof(*(array))) : NULL;   \
		if (grown_) {                                                                                          \
			(array) = grown_;                                                                              \
			memset(&(array)[count], 0, sizeof(*(array)));                                                  \
		}                                                                                                      \
		grown_ ? (struct named *)&(array)[(count)++] : NULL;                                                   \
	})

static struct named *add_section(struct jb_conf *conf, enum jb_section kind)
{
	switch (kind) {
	case JB_ROLE:
		return GROW(conf->roles, conf->role_count);
	case JB_GROUP:
		return GROW(conf->groups, conf->group_count);
	case JB_PERSON:
		return GROW(conf->persons, conf->person_count);
	case JB_HOST:
		return GROW(conf->hosts, conf->host_count);
	case JB_WEBHOOK:
		return GROW(conf->webhooks, conf->webhook_count);
	case JB_MAIL:
		return GROW(conf->mail_lists, conf->mail_list_count);
	case JB_PLAN:
		return GROW(conf->plans, conf->plan_count);
	default:
		return NULL;
	}
}

/* "role admin": its kind and name; "broker" has none. */
static bool parse_header(const char *header, enum jb_section *ret_kind, const char **ret_name)
{
	for (int kind = 0; kind < JB_SECTIONS; kind++) {
		size_t len = strlen(kind_names[kind]);

		if (strncmp(header, kind_names[kind], len) != 0)
			continue;
		if (kind == JB_BROKER ? header[len] != '\0' : header[len] != ' ' || !header[len + 1])
			continue;
		*ret_kind = (enum jb_section)kind;
		*ret_name = kind == JB_BROKER ? NULL : header + len + 1;
		return true;
	}
	return false;
}

static bool is_name(const char *name)
{
	size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-");

	return len > 0 && len <= NAME_MAX_LEN && !name[len] && name[0] != '-';
}

static void declare_section(struct reading *r, const char *header, unsigned line)
{
	enum jb_section kind;
	const char *name;

	if (strlen(header) > SECTION_MAX_LEN)
		return tell(r, line, "this section's name is longer than 49 bytes");
	if (!parse_header(header, &kind, &name))
		return tell(r, line,
			    "this section is none of [broker], [role NAME], [group NAME], [person NAME], [host NAME], "
			    "[webhook NAME], [mail NAME], [usage_plan NAME]");
	if (kind == JB_BROKER) {
		if (r->conf->lines.section)
			tell(r, line, "[broker] stands here a second time; write its keys in one place");
		else
			r->conf->lines.section = line;
		return;
	}
	if (!is_name(name))
		return tell(r, line,
			    "a section's name is made of letters, digits and . _ + - and does not begin with -");
	if (find(r->conf, kind, name))
		return tell(r, line, "this section stands here a second time; write its keys in one place");
	struct named *section = add_section(r->conf, kind);
	if (!section || !(section->name = strdup(name)) || !set_defaults(kind, section))
		return tell(r, line, "out of memory, or too many sections");
	section->lines.section = line;
}

/* Headers are read before the keys: libinih says nothing about a section without keys ([person op1] is one). */
static void declare_sections(struct reading *r, const char *text)
{
	for (unsigned line = 1; *text; line++) {
		size_t len = strcspn(text, "\n");
		const char *close = memchr(text, ']', len);

		if (*text == '[' && close) {
			JIT_FREE char *header = strndup(text + 1, (size_t)(close - text) - 1);

			if (header)
				declare_section(r, header, line);
			else
				tell(r, line, "out of memory");
		}
		text += len + (text[len] == '\n');
	}
}

static bool on_key(void *arg, const char *header, const char *name, const char *value, unsigned line, char *why,
		   size_t why_size)
{
	struct reading *r = arg;
	enum jb_section kind;
	const char *section_name;
	struct jb_lines *section;

	if (!parse_header(header, &kind, &section_name) ||
	    !(section = kind == JB_BROKER ? &r->conf->lines : (struct jb_lines *)find(r->conf, kind, section_name))) {
		snprintf(why, why_size, "%.40s stands in no section that is known", name);
		return false;
	}
	for (size_t i = 0; i < JB_KEY_COUNT; i++) {
		const struct jb_conf_key *key = &jb_conf_keys[i];

		if (key->section != kind || strcmp(key->name, name) != 0)
			continue;
		if (section->key[i] && !jb_conf_repeats(key)) {
			snprintf(why, why_size, "%s stands in line %u already", name, section->key[i]);
			return false;
		}
		if (!section->key[i])
			section->key[i] = line;
		return jb_conf_set(key, section, value, line, why, why_size);
	}
	snprintf(why, why_size, "[%s] has no key %.40s; man jit-broker.conf lists them", kind_names[kind], name);
	return false;
}

static void relay_error(void *arg, const char *message)
{
	struct reading *r = arg;

	r->on_error(r->arg, message);
	r->errors++;
}

/* A person without `unix` has the section's name as Unix name. */
static bool name_persons(struct jb_conf *conf)
{
	for (size_t i = 0; i < conf->person_count; i++)
		if (conf->persons[i].unix_names.count == 0 &&
		    !jb_words_add(&conf->persons[i].unix_names, conf->persons[i].name))
			return false;
	return true;
}

/* Where the identity provider sends browsers back to, where that is not said: to where people find the broker. */
static bool derive_redirect(struct jb_conf *conf)
{
	if (!conf->oidc_issuer || conf->oidc_redirect || !conf->url)
		return true;

	const size_t len = strlen(conf->url), slash = len > 0 && conf->url[len - 1] == '/';
	char *redirect;
	if (asprintf(&redirect, "%.*s" JB_OIDC_ANSWER, (int)(len - slash), conf->url) < 0)
		return false;
	conf->oidc_redirect = redirect;
	return true;
}

/* Hosts that name no plan have one in any case. */
static bool add_default_plan(struct jb_conf *conf)
{
	if (jb_conf_usage_plan(conf, JB_PLAN_DEFAULT))
		return true;
	struct named *plan = add_section(conf, JB_PLAN);
	return plan && (plan->name = strdup(JB_PLAN_DEFAULT)) && set_defaults(JB_PLAN, plan);
}

static struct jb_conf *read_file(const char *path, bool secret, void (*on_error)(void *arg, const char *message),
				 void *arg)
{
	const struct jit_file_rule rule = {.secret = secret, .max_size = JIT_INI_MAX_SIZE};
	struct jb_conf *conf = calloc(1, sizeof(*conf));
	struct reading r = {.conf = conf, .on_error = on_error, .arg = arg};
	JIT_FREE char *text = NULL;
	char why[512] = "out of memory";
	size_t len;

	if (!conf || !(conf->path = strdup(path)) || !set_defaults(JB_BROKER, conf) ||
	    jit_file_read(path, &rule, &text, &len, why, sizeof(why)) < 0) {
		on_error(arg, why);
		jb_conf_free(conf);
		return NULL;
	}
	if (jb_sha256_hex(text, len, conf->hash) < 0)
		tell(&r, 0, "its SHA-256 could not be made");
	declare_sections(&r, text);
	jit_ini_parse(path, text, on_key, relay_error, &r);
	if (!name_persons(conf) || !derive_redirect(conf) || !add_default_plan(conf))
		tell(&r, 0, "out of memory");
	r.errors += jb_conf_check(conf, on_error, arg);
	if (r.errors) {
		jb_conf_free(conf);
		return NULL;
	}
	return conf;
}

struct jb_conf *jb_conf_read(const char *path, void (*on_error)(void *arg, const char *message), void *arg)
{
	return read_file(path, true, on_error, arg);
}

struct jb_conf *jb_conf_read_public(const char *path, void (*on_error)(void *arg, const char *message), void *arg)
{
	return read_file(path, false, on_error, arg);
}

static void free_sections(const struct jb_conf *conf, enum jb_section kind)
{
	struct list list = list_of(conf, kind);

	for (size_t i = 0; i < list.count; i++) {
		struct named *section = (struct named *)((char *)list.base + i * list.size);

		for (size_t k = 0; k < JB_KEY_COUNT; k++)
			if (jb_conf_keys[k].section == kind)
				jb_conf_free_value(&jb_conf_keys[k], section);
		free(section->name);
	}
	free(list.base);
}

void jb_conf_free(struct jb_conf *conf)
{
	if (!conf)
		return;
	for (int kind = JB_ROLE; kind < JB_SECTIONS; kind++)
		free_sections(conf, (enum jb_section)kind);
	for (size_t k = 0; k < JB_KEY_COUNT; k++)
		if (jb_conf_keys[k].section == JB_BROKER)
			jb_conf_free_value(&jb_conf_keys[k], conf);
	free(conf->listen_address);
	free(conf->path);
	free(conf);
}

const struct jb_role *jb_conf_role(const struct jb_conf *conf, const char *name)
{
	return (const struct jb_role *)find(conf, JB_ROLE, name);
}

const struct jb_person *jb_conf_person(const struct jb_conf *conf, const char *name)
{
	return (const struct jb_person *)find(conf, JB_PERSON, name);
}

const struct jb_host_conf *jb_conf_host(const struct jb_conf *conf, const char *name)
{
	return (const struct jb_host_conf *)find(conf, JB_HOST, name);
}

const struct jb_usage_plan *jb_conf_usage_plan(const struct jb_conf *conf, const char *name)
{
	return (const struct jb_usage_plan *)find(conf, JB_PLAN, name);
}

const struct jb_usage_plan *jb_conf_plan_of(const struct jb_conf *conf, const char *name)
{
	const struct jb_host_conf *host = jb_conf_host(conf, name);

	/* Both are there: conf_check.c sees to the one, jb_conf_read to the other. */
	return jb_conf_usage_plan(conf, host && host->usage_plan ? host->usage_plan : JB_PLAN_DEFAULT);
}

const struct jb_webhook *jb_conf_webhook(const struct jb_conf *conf, const char *name)
{
	return (const struct jb_webhook *)find(conf, JB_WEBHOOK, name);
}

const struct jb_mail_list *jb_conf_mail_list(const struct jb_conf *conf, const char *name)
{
	return (const struct jb_mail_list *)find(conf, JB_MAIL, name);
}

unsigned jb_conf_line(const struct jb_lines *lines, enum jb_key key)
{
	return lines->key[key] ? lines->key[key] : lines->section;
}

const struct jb_person *jb_conf_person_by_unix(const struct jb_conf *conf, const char *unix_name)
{
	for (size_t i = 0; unix_name && i < conf->person_count; i++)
		if (jb_words_have(&conf->persons[i].unix_names, unix_name))
			return &conf->persons[i];
	return NULL;
}

const struct jb_person *jb_conf_person_by_oidc(const struct jb_conf *conf, const char *issuer, const char *claim,
					       const char *value)
{
	for (size_t i = 0; i < conf->person_count; i++)
		for (size_t k = 0; k < conf->persons[i].oidc_count; k++) {
			const struct jb_oidc *oidc = &conf->persons[i].oidc[k];

			if (strcmp(oidc->issuer, issuer) == 0 && strcmp(oidc->claim, claim) == 0 &&
			    strcmp(oidc->value, value) == 0)
				return &conf->persons[i];
		}
	return NULL;
}

const struct jb_person *jb_conf_person_by_remote_user(const struct jb_conf *conf, const char *remote_user)
{
	for (size_t i = 0; i < conf->person_count; i++)
		if (jb_words_have(&conf->persons[i].remote_user, remote_user))
			return &conf->persons[i];
	return NULL;
}

bool jb_words_have(const struct jb_words *list, const char *word)
{
	for (size_t i = 0; word && i < list->count; i++)
		if (strcmp(list->word[i], word) == 0)
			return true;
	return false;
}

bool jb_conf_lists(const struct jb_conf *conf, const struct jb_words *list, const char *name)
{
	if (!name || !*name || *name == '@') /* a user called "@sre" is not the group */
		return false;
	for (size_t i = 0; i < list->count; i++) {
		const char *word = list->word[i];

		if (*word != '@') {
			if (strcmp(word, name) == 0)
				return true;
			continue;
		}
		const struct named *group = find(conf, JB_GROUP, word + 1);
		if (group && jb_words_have(&((const struct jb_group *)group)->members, name))
			return true;
	}
	return false;
}
