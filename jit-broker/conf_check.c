/*
 * See conf_check.h. What would only be found out at night (a role that nobody
 * can approve, a group that is not there) is found here, with its line.
 */
#include "conf_check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <json-c/json.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf_check_private.h"
#include "filing.h"
#include "safefile.h"
#include "sts.h"

#define CA_MAX	      (8 << 20) /* bytes; some 30 times what a system's CAs take */
#define LIST_TEXT_MAX 500	/* bytes of a role's services or targets, as the approver reads them */

#define tell jb_check_tell

void jb_check_tell(struct check *c, unsigned line, const char *format, ...)
{
	char sentence[512], message[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	snprintf(message, sizeof(message), "%s:%u: %s", c->conf->path, line, sentence);
	c->on_error(c->arg, message);
	c->errors++;
}

void jb_check_file(struct check *c, const char *path, unsigned line, const char *key)
{
	static const struct jit_file_rule rule = {.max_size = CA_MAX};
	char why[512];

	if (path && jit_file_check(path, &rule, why, sizeof(why)) < 0)
		jb_check_tell(c, line, "%s: %s", key, why);
}

static bool is_loopback(const char *address)
{
	struct in_addr v4;

	if (inet_pton(AF_INET, address, &v4) == 1)
		return (ntohl(v4.s_addr) >> 24) == 127;
	return strcmp(address, "::1") == 0;
}

static void check_listener(struct check *c)
{
	const struct jb_conf *conf = c->conf;

	if (!conf->tls && !is_loopback(conf->listen_address))
		tell(c, jb_conf_line(&conf->lines, JB_KEY_TLS),
		     "tls = off is for a loopback address alone; %s is none: listen on 127.0.0.1 or switch TLS on",
		     conf->listen_address);
	if (conf->tls && (!conf->tls_certificate || !conf->tls_key))
		tell(c, jb_conf_line(&conf->lines, JB_KEY_TLS),
		     "TLS wants tls_certificate and tls_key, two PEM files (tls = off is for loopback alone)");
	if (!conf->tls && conf->tls_client_ca)
		tell(c, jb_conf_line(&conf->lines, JB_KEY_TLS_CLIENT_CA), "tls_client_ca wants tls = on");
}

static bool begins(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void check_issuer(struct check *c)
{
	const struct jb_conf *conf = c->conf;
	unsigned line = jb_conf_line(&conf->lines, JB_KEY_ISSUER);

	if (!conf->issuer)
		return tell(c, line, "[broker] wants issuer = sts:https://..., or demo for a first look");
	if (strcmp(conf->issuer, "demo") == 0)
		return;
	if (!begins(conf->issuer, "sts:https://") &&
	    !(conf->issuer_plain_loopback && begins(conf->issuer, "sts:http://")))
		tell(c, line,
		     "issuer is sts:https://... or demo (sts:http:// to loopback wants issuer_plain_loopback = yes)");
	if (!conf->issuer_credentials)
		tell(c, line,
		     "an STS issuer wants issuer_credentials, a file with the broker's access key and secret (or "
		     "imds, or container)");
}

/* As DynamoDB takes them. */
static bool is_table_name(const char *name)
{
	const size_t len = strlen(name);

	return len >= 3 && len <= 255 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == len;
}

static void check_store(struct check *c)
{
	const struct jb_conf *conf = c->conf;
	const unsigned line = jb_conf_line(&conf->lines, JB_KEY_STORE);
	const char *endpoint = conf->store_endpoint;

	if (conf->store && begins(conf->store, "sqlite:/"))
		return;
	if (!conf->store || !begins(conf->store, "dynamodb:"))
		return tell(c, line, "[broker] wants store = sqlite:/PATH, absolute, or dynamodb:TABLE");
	if (!is_table_name(strchr(conf->store, ':') + 1))
		tell(c, line, "store = dynamodb:TABLE wants a table's name: 3 to 255 letters, digits, '_', '-', '.'");
	if (!conf->store_credentials)
		tell(c, line,
		     "a DynamoDB store wants store_credentials, a file with the broker's access key and secret (or "
		     "imds, or container)");
	if (endpoint && !begins(endpoint, "https://") && !(conf->store_plain_loopback && begins(endpoint, "http://")))
		tell(c, jb_conf_line(&conf->lines, JB_KEY_STORE_ENDPOINT),
		     "store_endpoint is https://... (http:// to loopback wants store_plain_loopback = yes)");
}

static void check_broker(struct check *c)
{
	const struct jb_conf *conf = c->conf;

	if (!conf->lines.section)
		tell(c, 1, "there is no [broker] section");
	check_store(c);
	check_listener(c);
	check_issuer(c);
	jb_check_workflow(c);
	if (conf->role_count == 0)
		tell(c, conf->lines.section, "there is no [role NAME] section, so nobody could ask for anything");
}

static const struct jb_group *group_of(const struct jb_conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->group_count; i++)
		if (strcmp(conf->groups[i].name, name) == 0)
			return &conf->groups[i];
	return NULL;
}

static void check_groups_exist(struct check *c, const struct jb_words *words, unsigned line, const char *key)
{
	for (size_t i = 0; i < words->count; i++)
		if (words->word[i][0] == '@' && !group_of(c->conf, words->word[i] + 1))
			tell(c, line, "%s names %s, and there is no [group %s]", key, words->word[i],
			     words->word[i] + 1);
}

static void check_approver(struct check *c, const char *name, unsigned line)
{
	const struct jb_person *person = jb_conf_person(c->conf, name);

	if (!person)
		tell(c, line, "%s is to approve but is no declared person: write a section [person %s]", name, name);
	else if (person->shared)
		tell(c, line, "%s is to approve but is a shared account; only persons approve", name);
}

/* How many different persons could approve. */
static size_t count_approvers(const struct jb_conf *conf, const struct jb_role *role)
{
	size_t count = 0;

	for (size_t i = 0; i < conf->person_count; i++)
		count += !conf->persons[i].shared && jb_conf_lists(conf, &role->approvers, conf->persons[i].name);
	return count;
}

static void check_approvers(struct check *c, const struct jb_role *role)
{
	unsigned line = jb_conf_line(&role->lines, JB_KEY_APPROVERS);

	for (size_t i = 0; i < role->approvers.count; i++) {
		const char *word = role->approvers.word[i];
		const struct jb_group *group = word[0] == '@' ? group_of(c->conf, word + 1) : NULL;

		if (word[0] != '@')
			check_approver(c, word, line);
		for (size_t m = 0; group && m < group->members.count; m++)
			check_approver(c, group->members.word[m], jb_conf_line(&group->lines, JB_KEY_MEMBERS));
	}
	size_t count = count_approvers(c->conf, role);
	if (role->approvers.count == 0) {
		if (role->auto_approve == JB_AUTO_NEVER)
			tell(c, line, "nobody can approve role %s: it wants approvers (or auto_approve)", role->name);
	} else if (role->approvals > count) {
		tell(c, jb_conf_line(&role->lines, JB_KEY_APPROVALS),
		     "role %s wants %u approvals, and %zu different persons could give one", role->name,
		     role->approvals, count);
	}
}

static size_t text_length(const struct jb_words *words)
{
	size_t len = 0;

	for (size_t i = 0; i < words->count; i++)
		len += strlen(words->word[i]) + 2;
	return len;
}

static void check_lists(struct check *c, const struct jb_role *role)
{
	const struct {
		const struct jb_words *words;
		enum jb_key key;
		const char *name, *what;
	} lists[] = {
		{&role->services, JB_KEY_SERVICES, "services", "the PAM services it is good for"},
		{&role->requesters, JB_KEY_REQUESTERS, "requesters", "who may ask for it"},
		{&role->hosts, JB_KEY_HOSTS, "hosts", "the hosts it is good on"},
		{&role->targets, JB_KEY_TARGETS, "targets", "the users that may be become"},
	};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (lists[i].words->count == 0)
			tell(c, role->lines.section, "role %s wants %s: %s", role->name, lists[i].name, lists[i].what);
	check_groups_exist(c, &role->requesters, jb_conf_line(&role->lines, JB_KEY_REQUESTERS), "requesters");
	check_groups_exist(c, &role->approvers, jb_conf_line(&role->lines, JB_KEY_APPROVERS), "approvers");
	if (text_length(&role->services) > LIST_TEXT_MAX || text_length(&role->targets) > LIST_TEXT_MAX)
		tell(c, role->lines.section,
		     "role %s has more than %d bytes of services or targets, too many for an approver to read",
		     role->name, LIST_TEXT_MAX);
}

static void check_ticket(struct check *c, const struct jb_role *role)
{
	char why[128];
	regex_t regex;
	int bad = regcomp(&regex, role->ticket, REG_EXTENDED | REG_NOSUB);

	if (!bad)
		return regfree(&regex);
	regerror(bad, &regex, why, sizeof(why));
	tell(c, jb_conf_line(&role->lines, JB_KEY_TICKET), "ticket is no regular expression: %s", why);
}

/* As it goes to AWS: a part that nobody reads, or that makes it too long, would be found out at the first request. */
static void check_session_policy(struct check *c, const struct jb_role *role)
{
	const unsigned line = jb_conf_line(&role->lines, JB_KEY_SESSION_POLICY);
	json_object *json = jb_json_object(role->session_policy, strlen(role->session_policy));
	char *whole = NULL;
	int r = json ? jb_sts_policy(role, 0, &whole) : 0;

	if (!json)
		tell(c, line, "session_policy is no JSON object");
	else if (r == -E2BIG)
		tell(c, line, "session_policy is too long: with the broker's own statements AWS takes %d characters",
		     JB_STS_POLICY_MAX);
	else if (r < 0)
		tell(c, line, "session_policy has no Statement");
	free(whole);
	json_object_put(json);
}

/* Not on the list is quietly nobody: a name that leads nowhere would be found out by an auditor in a hurry. */
static void check_auditors(struct check *c)
{
	const struct jb_conf *conf = c->conf;
	const unsigned line = jb_conf_line(&conf->lines, JB_KEY_AUDITORS);

	check_groups_exist(c, &conf->auditors, line, "auditors");
	for (size_t i = 0; i < conf->auditors.count; i++)
		if (conf->auditors.word[i][0] != '@' && !jb_conf_person(conf, conf->auditors.word[i]))
			tell(c, line, "%s is an auditor but is no declared person: write a section [person %s]",
			     conf->auditors.word[i], conf->auditors.word[i]);
}

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static bool is_made_of(const char *text, const char *characters, size_t least, size_t most)
{
	const size_t len = strspn(text, characters);

	return !text[len] && len >= least && len <= most;
}

/* The patterns are AWS's own, which would refuse every call. */
static void check_aws(struct check *c, const struct jb_role *role)
{
	if (role->region && !is_made_of(role->region, LETTERS "-", 1, 63))
		tell(c, jb_conf_line(&role->lines, JB_KEY_REGION), "region is one of AWS's, like eu-west-1");
	if (role->external_id && !is_made_of(role->external_id, LETTERS "_+=,.@:/-", 2, 1224))
		tell(c, jb_conf_line(&role->lines, JB_KEY_EXTERNAL_ID),
		     "external_id is made of 2 to 1224 letters, digits and _ + = , . @ : / -");
	if (role->arn && (!begins(role->arn, "arn:aws") || !strstr(role->arn, ":iam::") ||
			  !strstr(role->arn, ":role/") || !is_made_of(role->arn, LETTERS "_+=,.@:/-", 20, 2048)))
		tell(c, jb_conf_line(&role->lines, JB_KEY_ARN), "arn is a role's: arn:aws:iam::123456789012:role/NAME");
	if (role->session_policy)
		check_session_policy(c, role);
}

/* Who stands in the audit chain as the actor must be one thing alone. */
static void check_person_name(struct check *c, const struct jb_person *person)
{
	static const char *const taken[] = {"policy", "timer", "issuer", "oidc", "workflow", "admin"};

	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (strcmp(person->name, taken[i]) == 0)
			tell(c, person->lines.section,
			     "%s is what the audit chain calls the broker's own decisions; give the person another "
			     "name and list this one under unix",
			     person->name);
}

/* One name is one person's: two who share it could approve each other under it. */
static void check_unix_names(struct check *c, const struct jb_person *person)
{
	const unsigned line = jb_conf_line(&person->lines, JB_KEY_UNIX);

	for (size_t u = 0; u < person->unix_names.count; u++) {
		const char *name = person->unix_names.word[u];
		const struct jb_person *first = jb_conf_person_by_unix(c->conf, name);
		const struct jb_person *section = jb_conf_person(c->conf, name);

		if (first != person)
			tell(c, line, "Unix name %s belongs to person %s already; one name is one person's", name,
			     first->name);
		else if (section && section != person) /* a section's name is that person's too */
			tell(c, line, "Unix name %s is the name of [person %s] (line %u); one name is one person's",
			     name, name, section->lines.section);
	}
}

static void check_sign_in(struct check *c, const struct jb_person *person)
{
	const unsigned line = jb_conf_line(&person->lines, JB_KEY_OIDC);

	if (person->shared && person->oidc_count)
		tell(c, line, "%s is a shared account; only persons sign in", person->name);
	for (size_t i = 0; i < person->oidc_count; i++) {
		const struct jb_oidc *oidc = &person->oidc[i];
		const struct jb_person *first = jb_conf_person_by_oidc(c->conf, oidc->issuer, oidc->claim, oidc->value);

		if (first != person)
			tell(c, line, "%s %s of %s is person %s already; one account is one person's", oidc->claim,
			     oidc->value, oidc->issuer, first->name);
	}
}

static void check_remote_users(struct check *c, const struct jb_person *person)
{
	const unsigned line = jb_conf_line(&person->lines, JB_KEY_REMOTE_USER);

	if (person->shared && person->remote_user.count)
		tell(c, line, "%s is a shared account; only persons sign in", person->name);
	for (size_t i = 0; i < person->remote_user.count; i++) {
		const char *name = person->remote_user.word[i];
		const struct jb_person *first = jb_conf_person_by_remote_user(c->conf, name);

		if (first != person)
			tell(c, line, "remote_user %s is person %s already; one account is one person's", name,
			     first->name);
	}
}

static void check_proxy(struct check *c)
{
	const struct jb_conf *conf = c->conf;

	if (!conf->proxy_socket && !conf->proxy_user)
		return;
	if (!conf->proxy_socket || !conf->proxy_user)
		tell(c, jb_conf_line(&conf->lines, conf->proxy_socket ? JB_KEY_PROXY_SOCKET : JB_KEY_PROXY_USER),
		     "proxy_socket and proxy_user belong together: a socket, and the account whose word counts on it");
	else if (conf->proxy_socket[0] != '/' || strlen(conf->proxy_socket) > 107)
		tell(c, jb_conf_line(&conf->lines, JB_KEY_PROXY_SOCKET),
		     "proxy_socket is an absolute path of at most 107 bytes, like /run/jit-broker/proxy.sock");
}

/* Does the URL's path end so, and does nothing come after it? */
static bool ends(const char *text, const char *end)
{
	const size_t len = strlen(text), end_len = strlen(end);

	return len > end_len && strcmp(text + len - end_len, end) == 0;
}

static bool has_word(const char *text, const char *word)
{
	const size_t len = strlen(word);

	for (; *(text += strspn(text, " ")); text += strcspn(text, " "))
		if (strcspn(text, " ") == len && memcmp(text, word, len) == 0)
			return true;
	return false;
}

static void check_oidc(struct check *c)
{
	const struct jb_conf *conf = c->conf;
	const unsigned line = jb_conf_line(&conf->lines, JB_KEY_OIDC_ISSUER);
	const bool plain = conf->oidc_plain_loopback;

	if (!conf->oidc_issuer) {
		if (conf->oidc_client_id)
			tell(c, jb_conf_line(&conf->lines, JB_KEY_OIDC_CLIENT_ID), "oidc_client_id wants oidc_issuer");
		return;
	}
	if (!(begins(conf->oidc_issuer, "https://") || (plain && begins(conf->oidc_issuer, "http://"))) ||
	    strpbrk(conf->oidc_issuer, "?#@ "))
		tell(c, line,
		     "oidc_issuer is the provider's https:// address, as it names itself (http:// to loopback wants "
		     "oidc_plain_loopback = yes)");
	if (!conf->oidc_client_id)
		tell(c, line, "oidc_issuer wants oidc_client_id, the name by which the provider knows this broker");
	if (!conf->oidc_redirect ||
	    !(begins(conf->oidc_redirect, "https://") || (plain && begins(conf->oidc_redirect, "http://"))) ||
	    !ends(conf->oidc_redirect, JB_OIDC_ANSWER) || strpbrk(conf->oidc_redirect, "?#@ "))
		tell(c, conf->oidc_redirect ? jb_conf_line(&conf->lines, JB_KEY_OIDC_REDIRECT) : line,
		     "oidc_issuer wants oidc_redirect, where people reach this broker: https://HOST" JB_OIDC_ANSWER
		     " (or url = https://HOST, and that is it)");
	if (!has_word(conf->oidc_scopes, "openid"))
		tell(c, jb_conf_line(&conf->lines, JB_KEY_OIDC_SCOPES), "oidc_scopes wants openid among them");
}

static void check_persons(struct check *c)
{
	for (size_t i = 0; i < c->conf->person_count; i++) {
		check_person_name(c, &c->conf->persons[i]);
		check_unix_names(c, &c->conf->persons[i]);
		check_sign_in(c, &c->conf->persons[i]);
		check_remote_users(c, &c->conf->persons[i]);
	}
}

static void check_groups(struct check *c)
{
	for (size_t i = 0; i < c->conf->group_count; i++) {
		const struct jb_group *group = &c->conf->groups[i];
		unsigned line = jb_conf_line(&group->lines, JB_KEY_MEMBERS);

		if (group->members.count == 0)
			tell(c, line, "group %s wants members", group->name);
		for (size_t m = 0; m < group->members.count; m++)
			if (group->members.word[m][0] == '@')
				tell(c, line, "group %s has %s as a member; groups hold names, not groups", group->name,
				     group->members.word[m]);
	}
}

static void check_client_certificate(struct check *c, const struct jb_host_conf *host)
{
	const unsigned line = jb_conf_line(&host->lines, JB_KEY_CLIENT_CERTIFICATE);
	const char *name = host->client_certificate;
	const size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_");

	if (name[len] || name[0] == '.' || len > 253)
		tell(c, line,
		     "client_certificate is the name in that host's certificate (a dNSName of its subjectAltName), "
		     "like "
		     "web-1.example, without *");
	if (!c->conf->tls_client_ca)
		tell(c, line,
		     "client_certificate wants tls_client_ca in [broker]: who vouches for hosts' certificates");
}

static void check_host(struct check *c, const struct jb_host_conf *host)
{
	if (host->may_request_for.count == 0 && host->source.count == 0 && !host->usage_plan &&
	    !host->client_certificate)
		tell(c, host->lines.section,
		     "host %s wants may_request_for, source, usage_plan or client_certificate; leave the section out "
		     "otherwise",
		     host->name);
	if (host->usage_plan && !jb_conf_usage_plan(c->conf, host->usage_plan))
		tell(c, jb_conf_line(&host->lines, JB_KEY_HOST_PLAN),
		     "usage_plan names %s, and there is no [usage_plan %s]", host->usage_plan, host->usage_plan);
	if (host->client_certificate)
		check_client_certificate(c, host);
}

static void check_hosts(struct check *c)
{
	for (size_t i = 0; i < c->conf->host_count; i++)
		check_host(c, &c->conf->hosts[i]);
}

int jb_conf_check(const struct jb_conf *conf, void (*on_error)(void *arg, const char *message), void *arg)
{
	struct check c = {.conf = conf, .on_error = on_error, .arg = arg};

	check_broker(&c);
	check_proxy(&c);
	check_oidc(&c);
	check_persons(&c);
	check_groups(&c);
	check_hosts(&c);
	check_auditors(&c);
	jb_check_notify(&c);
	for (size_t i = 0; i < conf->role_count; i++) {
		const struct jb_role *role = &conf->roles[i];

		check_lists(&c, role);
		check_approvers(&c, role);
		check_aws(&c, role);
		if (role->ticket)
			check_ticket(&c, role);
	}
	return c.errors;
}
