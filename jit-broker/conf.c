/*
 * See conf.h. One table holds every key: where it may stand, how its value is
 * read, its default and its range. Whether the whole makes sense is
 * conf_check.c's to say.
 */
#include "conf.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "conf_check.h"
#include "inifile.h"
#include "safefile.h"
#include "text.h"

#define NAME_MAX_LEN	63   /* bytes of a role's, group's, person's or host's name */
#define SECTION_MAX_LEN 49   /* bytes between the brackets that libinih keeps */
#define SECTIONS_MAX	4096 /* of a kind */

enum section_kind { BROKER, ROLE, GROUP, PERSON, HOST, SECTION_KINDS };
enum value_kind { TEXT, APPENDED, WORDS, SECONDS, COUNT, CHOICE, FLAG, LISTEN };

static const char *const kind_names[SECTION_KINDS] = {"broker", "role", "group", "person", "host"};

#define HOUR 3600
#define DAY  86400

/* `choices`: words separated by a blank; the value is the word's place among them (for a FLAG: off, on). */
static const struct key {
	enum section_kind section;
	const char *name;
	enum value_kind kind;
	size_t offset;
	const char *fallback; /* NULL: none */
	uint32_t min, max;
	const char *choices;
} keys[JB_KEY_COUNT] = {
	[JB_KEY_LISTEN] = {BROKER, "listen", LISTEN, 0, "127.0.0.1:8443", 0, 0, NULL},
	[JB_KEY_TLS] = {BROKER, "tls", FLAG, offsetof(struct jb_conf, tls), "on", 0, 0, "off on"},
	[JB_KEY_TLS_CERTIFICATE] = {BROKER, "tls_certificate", TEXT, offsetof(struct jb_conf, tls_certificate), NULL, 0,
				    0, NULL},
	[JB_KEY_TLS_KEY] = {BROKER, "tls_key", TEXT, offsetof(struct jb_conf, tls_key), NULL, 0, 0, NULL},
	[JB_KEY_STORE] = {BROKER, "store", TEXT, offsetof(struct jb_conf, store), NULL, 0, 0, NULL},
	[JB_KEY_ISSUER] = {BROKER, "issuer", TEXT, offsetof(struct jb_conf, issuer), NULL, 0, 0, NULL},
	[JB_KEY_ISSUER_REGION] = {BROKER, "issuer_region", TEXT, offsetof(struct jb_conf, issuer_region), "us-east-1",
				  0, 0, NULL},
	[JB_KEY_ISSUER_CREDENTIALS] = {BROKER, "issuer_credentials", TEXT, offsetof(struct jb_conf, issuer_credentials),
				       NULL, 0, 0, NULL},
	[JB_KEY_ISSUER_CA] = {BROKER, "issuer_ca", TEXT, offsetof(struct jb_conf, issuer_ca), NULL, 0, 0, NULL},
	[JB_KEY_ISSUER_PLAIN_LOOPBACK] = {BROKER, "issuer_plain_loopback", FLAG,
					  offsetof(struct jb_conf, issuer_plain_loopback), "no", 0, 0, "no yes"},
	[JB_KEY_RETENTION] = {BROKER, "retention", SECONDS, offsetof(struct jb_conf, retention), "90d", HOUR,
			      3650 * DAY, NULL},
	[JB_KEY_WAITING_PER_HOST] = {BROKER, "waiting_per_host", COUNT, offsetof(struct jb_conf, waiting_per_host),
				     "200", 1, 100000, NULL},
	[JB_KEY_WAITING_PER_REQUESTER] = {BROKER, "waiting_per_requester", COUNT,
					  offsetof(struct jb_conf, waiting_per_requester), "20", 1, 100000, NULL},
	[JB_KEY_REGION] = {ROLE, "region", TEXT, offsetof(struct jb_role, region), NULL, 0, 0, NULL},
	[JB_KEY_ARN] = {ROLE, "arn", TEXT, offsetof(struct jb_role, arn), NULL, 0, 0, NULL},
	[JB_KEY_SESSION_POLICY] = {ROLE, "session_policy", APPENDED, offsetof(struct jb_role, session_policy), NULL, 0,
				   2048, NULL},
	[JB_KEY_EXTERNAL_ID] = {ROLE, "external_id", TEXT, offsetof(struct jb_role, external_id), NULL, 0, 0, NULL},
	[JB_KEY_SERVICES] = {ROLE, "services", WORDS, offsetof(struct jb_role, services), NULL, 0, 0, NULL},
	[JB_KEY_REQUESTERS] = {ROLE, "requesters", WORDS, offsetof(struct jb_role, requesters), NULL, 0, 0, NULL},
	[JB_KEY_HOSTS] = {ROLE, "hosts", WORDS, offsetof(struct jb_role, hosts), NULL, 0, 0, NULL},
	[JB_KEY_TARGETS] = {ROLE, "targets", WORDS, offsetof(struct jb_role, targets), NULL, 0, 0, NULL},
	[JB_KEY_APPROVERS] = {ROLE, "approvers", WORDS, offsetof(struct jb_role, approvers), NULL, 0, 0, NULL},
	[JB_KEY_APPROVALS] = {ROLE, "approvals", COUNT, offsetof(struct jb_role, approvals), "1", 1, 10, NULL},
	[JB_KEY_MAX_DURATION] = {ROLE, "max_duration", SECONDS, offsetof(struct jb_role, max_duration), "1h", 1,
				 12 * HOUR, NULL},
	[JB_KEY_CREDENTIAL_LIFETIME] = {ROLE, "credential_lifetime", SECONDS,
					offsetof(struct jb_role, credential_lifetime), "15m", 1, HOUR, NULL},
	[JB_KEY_PENDING] = {ROLE, "pending", SECONDS, offsetof(struct jb_role, pending), "5m", 1, DAY, NULL},
	[JB_KEY_USE_WITHIN] = {ROLE, "use_within", SECONDS, offsetof(struct jb_role, use_within), "10m", 1, DAY, NULL},
	[JB_KEY_SCOPE] = {ROLE, "scope", CHOICE, offsetof(struct jb_role, scope), "session", 0, 0, "session user"},
	[JB_KEY_ON_EXPIRY] = {ROLE, "on_expiry", CHOICE, offsetof(struct jb_role, on_expiry), "warn", 0, 0, "warn end"},
	[JB_KEY_AUTO_APPROVE] = {ROLE, "auto_approve", CHOICE, offsetof(struct jb_role, auto_approve), "never", 0, 0,
				 "never simulated"},
	[JB_KEY_CODE] = {ROLE, "code", FLAG, offsetof(struct jb_role, code_required), "required", 0, 0, "off required"},
	[JB_KEY_REASON] = {ROLE, "reason", FLAG, offsetof(struct jb_role, reason_required), "required", 0, 0,
			   "optional required"},
	[JB_KEY_UNSEALED] = {ROLE, "unsealed", FLAG, offsetof(struct jb_role, unsealed_allowed), "deny", 0, 0,
			     "deny allow"},
	[JB_KEY_CHAINING] = {ROLE, "chaining", FLAG, offsetof(struct jb_role, chaining_allowed), "deny", 0, 0,
			     "deny allow"},
	[JB_KEY_TICKET] = {ROLE, "ticket", TEXT, offsetof(struct jb_role, ticket), NULL, 0, 0, NULL},
	[JB_KEY_MEMBERS] = {GROUP, "members", WORDS, offsetof(struct jb_group, members), NULL, 0, 0, NULL},
	[JB_KEY_UNIX] = {PERSON, "unix", WORDS, offsetof(struct jb_person, unix_names), NULL, 0, 0, NULL},
	[JB_KEY_SHARED] = {PERSON, "shared", FLAG, offsetof(struct jb_person, shared), "no", 0, 0, "no yes"},
	[JB_KEY_MAY_REQUEST_FOR] = {HOST, "may_request_for", WORDS, offsetof(struct jb_host_conf, may_request_for),
				    NULL, 0, 0, NULL},
};

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

/* Values: each function reads one kind into `at`, or says what is wrong with it. */

static bool set_text(char **at, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return false;
	free(*at);
	*at = copy;
	return true;
}

static bool append_text(char **at, const char *value, size_t max)
{
	size_t have = *at ? strlen(*at) : 0, more = strlen(value);
	char *grown;

	if (have + more > max || !(grown = realloc(*at, have + more + 1)))
		return false;
	memcpy(grown + have, value, more + 1);
	*at = grown;
	return true;
}

static bool add_words(struct jb_words *words, const char *value)
{
	for (value += strspn(value, " \t"); *value; value += strspn(value, " \t")) {
		size_t len = strcspn(value, " \t");
		char **grown = realloc(words->word, (words->count + 1) * sizeof(*grown));

		if (!grown)
			return false;
		words->word = grown;
		if (!(grown[words->count] = strndup(value, len)))
			return false;
		words->count++;
		value += len;
	}
	return true;
}

/* The place of `value` among the blank-separated choices; -1 when it is none of them. */
static int choice_of(const char *choices, const char *value)
{
	size_t len = strlen(value);

	for (int i = 0; *choices; i++, choices += strspn(choices, " ")) {
		size_t n = strcspn(choices, " ");

		if (n == len && memcmp(choices, value, n) == 0)
			return i;
		choices += n;
	}
	return -1;
}

/* "127.0.0.1:8443", "[::1]:8443". */
static bool set_listen(struct jb_conf *conf, const char *value)
{
	const char *colon = strrchr(value, ':');
	bool bracketed = value[0] == '[';
	char address[INET6_ADDRSTRLEN];
	uint8_t binary[16];
	uint64_t port;

	if (!colon || jit_parse_u64(colon + 1, UINT16_MAX, &port) < 0)
		return false;
	size_t len = (size_t)(colon - value);
	if (bracketed) {
		if (len < 2 || colon[-1] != ']')
			return false;
		value++;
		len -= 2;
	}
	if (len >= sizeof(address))
		return false;
	memcpy(address, value, len);
	address[len] = '\0';
	if (inet_pton(bracketed ? AF_INET6 : AF_INET, address, binary) != 1)
		return false;
	conf->listen_port = (uint16_t)port;
	return set_text(&conf->listen_address, address);
}

static bool set_number(const struct key *key, uint32_t *at, const char *value, char *why, size_t why_size)
{
	uint64_t number;
	int bad = key->kind == SECONDS ? jit_parse_duration(value, UINT32_MAX, &number)
				       : jit_parse_u64(value, UINT32_MAX, &number);

	if (bad < 0 || number < key->min || number > key->max) {
		if (key->kind == SECONDS) {
			char least[48], most[48];

			jit_format_duration(key->min, least, sizeof(least));
			jit_format_duration(key->max, most, sizeof(most));
			snprintf(why, why_size, "%s is a time from %s to %s, like 90s, 15m, 4h or 2d", key->name, least,
				 most);
		} else {
			snprintf(why, why_size, "%s is a number from %u to %u", key->name, key->min, key->max);
		}
		return false;
	}
	*at = (uint32_t)number;
	return true;
}

static bool set_choice(const struct key *key, void *at, const char *value, char *why, size_t why_size)
{
	int choice = choice_of(key->choices, value);

	if (choice < 0) {
		snprintf(why, why_size, "%s is one of: %s", key->name, key->choices);
		return false;
	}
	if (key->kind == FLAG)
		*(bool *)at = choice == 1;
	else /* the enums of conf.h count from 0 in the order of the choices */
		*(enum jb_scope *)at = (enum jb_scope)choice;
	return true;
}
_Static_assert(sizeof(enum jb_scope) == sizeof(enum jb_auto) && sizeof(enum jb_scope) == sizeof(enum jb_on_expiry),
	       "set_choice writes all three");

static bool set_value(const struct key *key, void *section, const char *value, char *why, size_t why_size)
{
	void *at = (char *)section + key->offset;

	snprintf(why, why_size, "out of memory");
	if (!*value || !jit_utf8_valid(value, strlen(value))) {
		snprintf(why, why_size, "%s has no value, or one that is not UTF-8", key->name);
		return false;
	}
	switch (key->kind) {
	case TEXT:
		return set_text(at, value);
	case APPENDED:
		snprintf(why, why_size, "%s is longer than %u bytes", key->name, key->max);
		return append_text(at, value, key->max);
	case WORDS:
		return add_words(at, value);
	case SECONDS:
	case COUNT:
		return set_number(key, at, value, why, why_size);
	case CHOICE:
	case FLAG:
		return set_choice(key, at, value, why, why_size);
	case LISTEN:
		snprintf(why, why_size, "listen is a numeric address and a port, like 127.0.0.1:8443 or [::1]:8443");
		return set_listen(section, value);
	}
	return false;
}

/* Sections */

static bool set_defaults(enum section_kind kind, void *section)
{
	char why[128];

	for (size_t i = 0; i < JB_KEY_COUNT; i++)
		if (keys[i].section == kind && keys[i].fallback &&
		    !set_value(&keys[i], section, keys[i].fallback, why, sizeof(why)))
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
		       offsetof(struct jb_host_conf, name) == offsetof(struct named, name),
	       "sections begin alike");

struct list {
	void *base;
	size_t count, size;
};

static struct list list_of(const struct jb_conf *conf, enum section_kind kind)
{
	switch (kind) {
	case ROLE:
		return (struct list){conf->roles, conf->role_count, sizeof(*conf->roles)};
	case GROUP:
		return (struct list){conf->groups, conf->group_count, sizeof(*conf->groups)};
	case PERSON:
		return (struct list){conf->persons, conf->person_count, sizeof(*conf->persons)};
	case HOST:
		return (struct list){conf->hosts, conf->host_count, sizeof(*conf->hosts)};
	default:
		return (struct list){NULL, 0, 0};
	}
}

static struct named *find(const struct jb_conf *conf, enum section_kind kind, const char *name)
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

static struct named *add_section(struct jb_conf *conf, enum section_kind kind)
{
	switch (kind) {
	case ROLE:
		return GROW(conf->roles, conf->role_count);
	case GROUP:
		return GROW(conf->groups, conf->group_count);
	case PERSON:
		return GROW(conf->persons, conf->person_count);
	case HOST:
		return GROW(conf->hosts, conf->host_count);
	default:
		return NULL;
	}
}

/* "role admin": its kind and name; "broker" has none. */
static bool parse_header(const char *header, enum section_kind *ret_kind, const char **ret_name)
{
	for (int kind = 0; kind < SECTION_KINDS; kind++) {
		size_t len = strlen(kind_names[kind]);

		if (strncmp(header, kind_names[kind], len) != 0)
			continue;
		if (kind == BROKER ? header[len] != '\0' : header[len] != ' ' || !header[len + 1])
			continue;
		*ret_kind = (enum section_kind)kind;
		*ret_name = kind == BROKER ? NULL : header + len + 1;
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
	enum section_kind kind;
	const char *name;

	if (strlen(header) > SECTION_MAX_LEN)
		return tell(r, line, "this section's name is longer than 49 bytes");
	if (!parse_header(header, &kind, &name))
		return tell(r, line,
			    "this section is none of [broker], [role NAME], [group NAME], [person NAME], [host NAME]");
	if (kind == BROKER) {
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
	enum section_kind kind;
	const char *section_name;
	struct jb_lines *section;

	if (!parse_header(header, &kind, &section_name) ||
	    !(section = kind == BROKER ? &r->conf->lines : (struct jb_lines *)find(r->conf, kind, section_name))) {
		snprintf(why, why_size, "%.40s stands in no section that is known", name);
		return false;
	}
	for (size_t i = 0; i < JB_KEY_COUNT; i++) {
		const struct key *key = &keys[i];

		if (key->section != kind || strcmp(key->name, name) != 0)
			continue;
		if (section->key[i] && key->kind != WORDS && key->kind != APPENDED) {
			snprintf(why, why_size, "%s stands in line %u already", name, section->key[i]);
			return false;
		}
		if (!section->key[i])
			section->key[i] = line;
		return set_value(key, section, value, why, why_size);
	}
	snprintf(why, why_size, "[%s] has no key %.40s; docs/configuration.md lists them", kind_names[kind], name);
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
		    !add_words(&conf->persons[i].unix_names, conf->persons[i].name))
			return false;
	return true;
}

struct jb_conf *jb_conf_read(const char *path, void (*on_error)(void *arg, const char *message), void *arg)
{
	const struct jit_file_rule rule = {.secret = true, .max_size = JIT_INI_MAX_SIZE};
	struct jb_conf *conf = calloc(1, sizeof(*conf));
	struct reading r = {.conf = conf, .on_error = on_error, .arg = arg};
	JIT_FREE char *text = NULL;
	char why[512] = "out of memory";
	size_t len;

	if (!conf || !(conf->path = strdup(path)) || !set_defaults(BROKER, conf) ||
	    jit_file_read(path, &rule, &text, &len, why, sizeof(why)) < 0) {
		on_error(arg, why);
		jb_conf_free(conf);
		return NULL;
	}
	declare_sections(&r, text);
	jit_ini_parse(path, text, on_key, relay_error, &r);
	if (!name_persons(conf))
		tell(&r, 0, "out of memory");
	r.errors += jb_conf_check(conf, on_error, arg);
	if (r.errors) {
		jb_conf_free(conf);
		return NULL;
	}
	return conf;
}

static void free_value(const struct key *key, void *section)
{
	void *at = (char *)section + key->offset;

	if (key->kind == TEXT || key->kind == APPENDED) {
		free(*(char **)at);
	} else if (key->kind == WORDS) {
		struct jb_words *words = at;

		for (size_t i = 0; i < words->count; i++)
			free(words->word[i]);
		free(words->word);
	}
}

static void free_sections(const struct jb_conf *conf, enum section_kind kind)
{
	struct list list = list_of(conf, kind);

	for (size_t i = 0; i < list.count; i++) {
		struct named *section = (struct named *)((char *)list.base + i * list.size);

		for (size_t k = 0; k < JB_KEY_COUNT; k++)
			if (keys[k].section == kind)
				free_value(&keys[k], section);
		free(section->name);
	}
	free(list.base);
}

void jb_conf_free(struct jb_conf *conf)
{
	if (!conf)
		return;
	for (int kind = ROLE; kind < SECTION_KINDS; kind++)
		free_sections(conf, (enum section_kind)kind);
	for (size_t k = 0; k < JB_KEY_COUNT; k++)
		if (keys[k].section == BROKER)
			free_value(&keys[k], conf);
	free(conf->listen_address);
	free(conf->path);
	free(conf);
}

const struct jb_role *jb_conf_role(const struct jb_conf *conf, const char *name)
{
	return (const struct jb_role *)find(conf, ROLE, name);
}

const struct jb_person *jb_conf_person(const struct jb_conf *conf, const char *name)
{
	return (const struct jb_person *)find(conf, PERSON, name);
}

const struct jb_host_conf *jb_conf_host(const struct jb_conf *conf, const char *name)
{
	return (const struct jb_host_conf *)find(conf, HOST, name);
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
		const struct named *group = find(conf, GROUP, word + 1);
		if (group && jb_words_have(&((const struct jb_group *)group)->members, name))
			return true;
	}
	return false;
}
