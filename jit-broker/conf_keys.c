/* See conf_keys.h. jit-broker.conf(5) tells people the same. */
#include "conf_keys.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#define HOUR 3600
#define DAY  86400

/* A busy host makes some ten calls for a sudo: a hundred of them at once, and then twenty a second, go through. */
#define JB_PLAN_RATE  "200"
#define JB_PLAN_BURST "1000"

const struct jb_conf_key jb_conf_keys[JB_KEY_COUNT] = {
	[JB_KEY_LISTEN] = {JB_BROKER, "listen", JB_LISTEN, 0, "127.0.0.1:8443", 0, 0, NULL},
	[JB_KEY_TLS] = {JB_BROKER, "tls", JB_FLAG, offsetof(struct jb_conf, tls), "on", 0, 0, "off on"},
	[JB_KEY_TLS_CERTIFICATE] = {JB_BROKER, "tls_certificate", JB_TEXT, offsetof(struct jb_conf, tls_certificate),
				    NULL, 0, 0, NULL},
	[JB_KEY_TLS_KEY] = {JB_BROKER, "tls_key", JB_TEXT, offsetof(struct jb_conf, tls_key), NULL, 0, 0, NULL},
	[JB_KEY_TLS_CLIENT_CA] = {JB_BROKER, "tls_client_ca", JB_TEXT, offsetof(struct jb_conf, tls_client_ca), NULL, 0,
				  0, NULL},
	[JB_KEY_STORE] = {JB_BROKER, "store", JB_TEXT, offsetof(struct jb_conf, store), NULL, 0, 0, NULL},
	[JB_KEY_STORE_REGION] = {JB_BROKER, "store_region", JB_TEXT, offsetof(struct jb_conf, store_region),
				 "us-east-1", 0, 0, NULL},
	[JB_KEY_STORE_ENDPOINT] = {JB_BROKER, "store_endpoint", JB_TEXT, offsetof(struct jb_conf, store_endpoint), NULL,
				   0, 0, NULL},
	[JB_KEY_STORE_CREDENTIALS] = {JB_BROKER, "store_credentials", JB_TEXT,
				      offsetof(struct jb_conf, store_credentials), NULL, 0, 0, NULL},
	[JB_KEY_STORE_CA] = {JB_BROKER, "store_ca", JB_TEXT, offsetof(struct jb_conf, store_ca), NULL, 0, 0, NULL},
	[JB_KEY_STORE_PLAIN_LOOPBACK] = {JB_BROKER, "store_plain_loopback", JB_FLAG,
					 offsetof(struct jb_conf, store_plain_loopback), "no", 0, 0, "no yes"},
	[JB_KEY_ISSUER] = {JB_BROKER, "issuer", JB_TEXT, offsetof(struct jb_conf, issuer), NULL, 0, 0, NULL},
	[JB_KEY_ISSUER_REGION] = {JB_BROKER, "issuer_region", JB_TEXT, offsetof(struct jb_conf, issuer_region),
				  "us-east-1", 0, 0, NULL},
	[JB_KEY_ISSUER_CREDENTIALS] = {JB_BROKER, "issuer_credentials", JB_TEXT,
				       offsetof(struct jb_conf, issuer_credentials), NULL, 0, 0, NULL},
	[JB_KEY_ISSUER_CA] = {JB_BROKER, "issuer_ca", JB_TEXT, offsetof(struct jb_conf, issuer_ca), NULL, 0, 0, NULL},
	[JB_KEY_ISSUER_PLAIN_LOOPBACK] = {JB_BROKER, "issuer_plain_loopback", JB_FLAG,
					  offsetof(struct jb_conf, issuer_plain_loopback), "no", 0, 0, "no yes"},
	[JB_KEY_ISSUE_FUNCTION] = {JB_BROKER, "issue_function", JB_TEXT, offsetof(struct jb_conf, issue_function), NULL,
				   0, 0, NULL},
	[JB_KEY_ISSUE_WORKFLOW] = {JB_BROKER, "issue_workflow", JB_TEXT, offsetof(struct jb_conf, issue_workflow), NULL,
				   0, 0, NULL},
	[JB_KEY_ISSUE_ENDPOINT] = {JB_BROKER, "issue_endpoint", JB_TEXT, offsetof(struct jb_conf, issue_endpoint), NULL,
				   0, 0, NULL},
	[JB_KEY_WORKFLOW] = {JB_BROKER, "workflow", JB_TEXT, offsetof(struct jb_conf, workflow), NULL, 0, 0, NULL},
	[JB_KEY_WORKFLOW_ENDPOINT] = {JB_BROKER, "workflow_endpoint", JB_TEXT,
				      offsetof(struct jb_conf, workflow_endpoint), NULL, 0, 0, NULL},
	[JB_KEY_WORKFLOW_CREDENTIALS] = {JB_BROKER, "workflow_credentials", JB_TEXT,
					 offsetof(struct jb_conf, workflow_credentials), NULL, 0, 0, NULL},
	[JB_KEY_WORKFLOW_CA] = {JB_BROKER, "workflow_ca", JB_TEXT, offsetof(struct jb_conf, workflow_ca), NULL, 0, 0,
				NULL},
	[JB_KEY_WORKFLOW_PLAIN_LOOPBACK] = {JB_BROKER, "workflow_plain_loopback", JB_FLAG,
					    offsetof(struct jb_conf, workflow_plain_loopback), "no", 0, 0, "no yes"},
	[JB_KEY_RETENTION] = {JB_BROKER, "retention", JB_SECONDS, offsetof(struct jb_conf, retention), "90d", HOUR,
			      3650 * DAY, NULL},
	[JB_KEY_MAX_CONNECTIONS] = {JB_BROKER, "max_connections", JB_NUMBER, offsetof(struct jb_conf, max_connections),
				    "16384", 64, 500000, NULL},
	[JB_KEY_WAITING_PER_HOST] = {JB_BROKER, "waiting_per_host", JB_NUMBER,
				     offsetof(struct jb_conf, waiting_per_host), "200", 1, 100000, NULL},
	[JB_KEY_WAITING_PER_REQUESTER] = {JB_BROKER, "waiting_per_requester", JB_NUMBER,
					  offsetof(struct jb_conf, waiting_per_requester), "20", 1, 100000, NULL},
	[JB_KEY_SESSION_LIFETIME] = {JB_BROKER, "session_lifetime", JB_SECONDS,
				     offsetof(struct jb_conf, session_lifetime), "12h", 60, 7 * DAY, NULL},
	[JB_KEY_SESSION_IDLE] = {JB_BROKER, "session_idle", JB_SECONDS, offsetof(struct jb_conf, session_idle), "1h",
				 60, 7 * DAY, NULL},
	[JB_KEY_PROXY_SOCKET] = {JB_BROKER, "proxy_socket", JB_TEXT, offsetof(struct jb_conf, proxy_socket), NULL, 0, 0,
				 NULL},
	[JB_KEY_PROXY_USER] = {JB_BROKER, "proxy_user", JB_TEXT, offsetof(struct jb_conf, proxy_user), NULL, 0, 0,
			       NULL},
	[JB_KEY_AUDITORS] = {JB_BROKER, "auditors", JB_WORDS, offsetof(struct jb_conf, auditors), NULL, 0, 0, NULL},
	[JB_KEY_OIDC_ISSUER] = {JB_BROKER, "oidc_issuer", JB_TEXT, offsetof(struct jb_conf, oidc_issuer), NULL, 0, 0,
				NULL},
	[JB_KEY_OIDC_CLIENT_ID] = {JB_BROKER, "oidc_client_id", JB_TEXT, offsetof(struct jb_conf, oidc_client_id), NULL,
				   0, 0, NULL},
	[JB_KEY_OIDC_CLIENT_SECRET_FILE] = {JB_BROKER, "oidc_client_secret_file", JB_TEXT,
					    offsetof(struct jb_conf, oidc_client_secret_file), NULL, 0, 0, NULL},
	[JB_KEY_OIDC_REDIRECT] = {JB_BROKER, "oidc_redirect", JB_TEXT, offsetof(struct jb_conf, oidc_redirect), NULL, 0,
				  0, NULL},
	[JB_KEY_OIDC_SCOPES] = {JB_BROKER, "oidc_scopes", JB_TEXT, offsetof(struct jb_conf, oidc_scopes), "openid", 0,
				0, NULL},
	[JB_KEY_OIDC_CA] = {JB_BROKER, "oidc_ca", JB_TEXT, offsetof(struct jb_conf, oidc_ca), NULL, 0, 0, NULL},
	[JB_KEY_OIDC_PLAIN_LOOPBACK] = {JB_BROKER, "oidc_plain_loopback", JB_FLAG,
					offsetof(struct jb_conf, oidc_plain_loopback), "no", 0, 0, "no yes"},
	[JB_KEY_URL] = {JB_BROKER, "url", JB_TEXT, offsetof(struct jb_conf, url), NULL, 0, 0, NULL},
	[JB_KEY_MAIL_SERVER] = {JB_BROKER, "mail_server", JB_TEXT, offsetof(struct jb_conf, mail_server), NULL, 0, 0,
				NULL},
	[JB_KEY_MAIL_FROM] = {JB_BROKER, "mail_from", JB_TEXT, offsetof(struct jb_conf, mail_from), NULL, 0, 0, NULL},
	[JB_KEY_MAIL_CREDENTIALS] = {JB_BROKER, "mail_credentials", JB_TEXT, offsetof(struct jb_conf, mail_credentials),
				     NULL, 0, 0, NULL},
	[JB_KEY_MAIL_CA] = {JB_BROKER, "mail_ca", JB_TEXT, offsetof(struct jb_conf, mail_ca), NULL, 0, 0, NULL},
	[JB_KEY_MAIL_PLAIN_LOOPBACK] = {JB_BROKER, "mail_plain_loopback", JB_FLAG,
					offsetof(struct jb_conf, mail_plain_loopback), "no", 0, 0, "no yes"},
	[JB_KEY_NOTIFY_RETRY] = {JB_BROKER, "notify_retry", JB_SECONDS, offsetof(struct jb_conf, notify_retry), "5s", 1,
				 HOUR, NULL},
	[JB_KEY_NOTIFY_RETRY_MAX] = {JB_BROKER, "notify_retry_max", JB_SECONDS,
				     offsetof(struct jb_conf, notify_retry_max), "15m", 1, DAY, NULL},
	[JB_KEY_NOTIFY_GIVE_UP] = {JB_BROKER, "notify_give_up", JB_SECONDS, offsetof(struct jb_conf, notify_give_up),
				   "7d", 1, 365 * DAY, NULL},
	[JB_KEY_SSM_PATH] = {JB_BROKER, "ssm_path", JB_TEXT, offsetof(struct jb_conf, ssm_path), NULL, 0, 0, NULL},
	[JB_KEY_SSM_REGION] = {JB_BROKER, "ssm_region", JB_TEXT, offsetof(struct jb_conf, ssm_region), "us-east-1", 0,
			       0, NULL},
	[JB_KEY_SSM_ENDPOINT] = {JB_BROKER, "ssm_endpoint", JB_TEXT, offsetof(struct jb_conf, ssm_endpoint), NULL, 0, 0,
				 NULL},
	[JB_KEY_SSM_CREDENTIALS] = {JB_BROKER, "ssm_credentials", JB_TEXT, offsetof(struct jb_conf, ssm_credentials),
				    NULL, 0, 0, NULL},
	[JB_KEY_SSM_CA] = {JB_BROKER, "ssm_ca", JB_TEXT, offsetof(struct jb_conf, ssm_ca), NULL, 0, 0, NULL},
	[JB_KEY_SSM_PLAIN_LOOPBACK] = {JB_BROKER, "ssm_plain_loopback", JB_FLAG,
				       offsetof(struct jb_conf, ssm_plain_loopback), "no", 0, 0, "no yes"},
	[JB_KEY_REGION] = {JB_ROLE, "region", JB_TEXT, offsetof(struct jb_role, region), NULL, 0, 0, NULL},
	[JB_KEY_ARN] = {JB_ROLE, "arn", JB_TEXT, offsetof(struct jb_role, arn), NULL, 0, 0, NULL},
	[JB_KEY_SESSION_POLICY] = {JB_ROLE, "session_policy", JB_APPENDED, offsetof(struct jb_role, session_policy),
				   NULL, 0, 2048, NULL},
	[JB_KEY_EXTERNAL_ID] = {JB_ROLE, "external_id", JB_TEXT, offsetof(struct jb_role, external_id), NULL, 0, 0,
				NULL},
	[JB_KEY_SERVICES] = {JB_ROLE, "services", JB_WORDS, offsetof(struct jb_role, services), NULL, 0, 0, NULL},
	[JB_KEY_REQUESTERS] = {JB_ROLE, "requesters", JB_WORDS, offsetof(struct jb_role, requesters), NULL, 0, 0, NULL},
	[JB_KEY_HOSTS] = {JB_ROLE, "hosts", JB_WORDS, offsetof(struct jb_role, hosts), NULL, 0, 0, NULL},
	[JB_KEY_TARGETS] = {JB_ROLE, "targets", JB_WORDS, offsetof(struct jb_role, targets), NULL, 0, 0, NULL},
	[JB_KEY_APPROVERS] = {JB_ROLE, "approvers", JB_WORDS, offsetof(struct jb_role, approvers), NULL, 0, 0, NULL},
	[JB_KEY_APPROVALS] = {JB_ROLE, "approvals", JB_NUMBER, offsetof(struct jb_role, approvals), "1", 1, 10, NULL},
	[JB_KEY_MAX_DURATION] = {JB_ROLE, "max_duration", JB_SECONDS, offsetof(struct jb_role, max_duration), "1h", 1,
				 12 * HOUR, NULL},
	[JB_KEY_CREDENTIAL_LIFETIME] = {JB_ROLE, "credential_lifetime", JB_SECONDS,
					offsetof(struct jb_role, credential_lifetime), "15m", 1, HOUR, NULL},
	[JB_KEY_PENDING] = {JB_ROLE, "pending", JB_SECONDS, offsetof(struct jb_role, pending), "5m", 1, DAY, NULL},
	[JB_KEY_USE_WITHIN] = {JB_ROLE, "use_within", JB_SECONDS, offsetof(struct jb_role, use_within), "10m", 1, DAY,
			       NULL},
	[JB_KEY_SCOPE] = {JB_ROLE, "scope", JB_CHOICE, offsetof(struct jb_role, scope), "session", 0, 0,
			  "session user"},
	[JB_KEY_ON_EXPIRY] = {JB_ROLE, "on_expiry", JB_CHOICE, offsetof(struct jb_role, on_expiry), "warn", 0, 0,
			      "warn end"},
	[JB_KEY_HOURS] = {JB_ROLE, "hours", JB_HOURS, offsetof(struct jb_role, hours), NULL, 0, 0, NULL},
	[JB_KEY_AUTO_APPROVE] = {JB_ROLE, "auto_approve", JB_AUTO, offsetof(struct jb_role, auto_approve), "never", 0,
				 0, "never simulated"},
	[JB_KEY_CODE] = {JB_ROLE, "code", JB_FLAG, offsetof(struct jb_role, code_required), "required", 0, 0,
			 "off required"},
	[JB_KEY_REASON] = {JB_ROLE, "reason", JB_FLAG, offsetof(struct jb_role, reason_required), "required", 0, 0,
			   "optional required"},
	[JB_KEY_UNSEALED] = {JB_ROLE, "unsealed", JB_FLAG, offsetof(struct jb_role, unsealed_allowed), "deny", 0, 0,
			     "deny allow"},
	[JB_KEY_CHAINING] = {JB_ROLE, "chaining", JB_FLAG, offsetof(struct jb_role, chaining_allowed), "deny", 0, 0,
			     "deny allow"},
	[JB_KEY_TICKET] = {JB_ROLE, "ticket", JB_TEXT, offsetof(struct jb_role, ticket), NULL, 0, 0, NULL},
	[JB_KEY_MEMBERS] = {JB_GROUP, "members", JB_WORDS, offsetof(struct jb_group, members), NULL, 0, 0, NULL},
	[JB_KEY_UNIX] = {JB_PERSON, "unix", JB_WORDS, offsetof(struct jb_person, unix_names), NULL, 0, 0, NULL},
	[JB_KEY_OIDC] = {JB_PERSON, "oidc", JB_OIDC, 0, NULL, 0, 0, NULL},
	[JB_KEY_REMOTE_USER] = {JB_PERSON, "remote_user", JB_WORDS, offsetof(struct jb_person, remote_user), NULL, 0, 0,
				NULL},
	[JB_KEY_SHARED] = {JB_PERSON, "shared", JB_FLAG, offsetof(struct jb_person, shared), "no", 0, 0, "no yes"},
	[JB_KEY_MAIL] = {JB_PERSON, "mail", JB_TEXT, offsetof(struct jb_person, mail), NULL, 0, 0, NULL},
	[JB_KEY_MAY_REQUEST_FOR] = {JB_HOST, "may_request_for", JB_WORDS,
				    offsetof(struct jb_host_conf, may_request_for), NULL, 0, 0, NULL},
	[JB_KEY_SOURCE] = {JB_HOST, "source", JB_SOURCES, offsetof(struct jb_host_conf, source), NULL, 0, 0, NULL},
	[JB_KEY_HOST_PLAN] = {JB_HOST, "usage_plan", JB_TEXT, offsetof(struct jb_host_conf, usage_plan), NULL, 0, 0,
			      NULL},
	[JB_KEY_CLIENT_CERTIFICATE] = {JB_HOST, "client_certificate", JB_TEXT,
				       offsetof(struct jb_host_conf, client_certificate), NULL, 0, 0, NULL},
	[JB_KEY_RATE] = {JB_PLAN, "rate", JB_NUMBER, offsetof(struct jb_usage_plan, terms.rate), JB_PLAN_RATE, 1,
			 1000000, NULL},
	[JB_KEY_BURST] = {JB_PLAN, "burst", JB_NUMBER, offsetof(struct jb_usage_plan, terms.burst), JB_PLAN_BURST, 1,
			  1000000, NULL},
	[JB_KEY_QUOTA] = {JB_PLAN, "quota", JB_NUMBER, offsetof(struct jb_usage_plan, terms.quota), NULL, 1, 1000000000,
			  NULL},
	[JB_KEY_PLAN_PENDING] = {JB_PLAN, "pending", JB_NUMBER, offsetof(struct jb_usage_plan, pending), NULL, 1,
				 100000, NULL},
	[JB_KEY_WEBHOOK_URL] = {JB_WEBHOOK, "url", JB_TEXT, offsetof(struct jb_webhook, url), NULL, 0, 0, NULL},
	[JB_KEY_WEBHOOK_SECRET] = {JB_WEBHOOK, "secret", JB_TEXT, offsetof(struct jb_webhook, secret), NULL, 0, 0,
				   NULL},
	[JB_KEY_WEBHOOK_FORMAT] = {JB_WEBHOOK, "format", JB_CHOICE, offsetof(struct jb_webhook, format), "json", 0, 0,
				   "json slack"},
	[JB_KEY_WEBHOOK_CA] = {JB_WEBHOOK, "ca", JB_TEXT, offsetof(struct jb_webhook, ca), NULL, 0, 0, NULL},
	[JB_KEY_WEBHOOK_PLAIN_LOOPBACK] = {JB_WEBHOOK, "plain_loopback", JB_FLAG,
					   offsetof(struct jb_webhook, plain_loopback), "no", 0, 0, "no yes"},
	[JB_KEY_WEBHOOK_EVENTS] = {JB_WEBHOOK, "events", JB_WORDS, offsetof(struct jb_webhook, interest.events), NULL,
				   0, 0, NULL},
	[JB_KEY_WEBHOOK_ROLES] = {JB_WEBHOOK, "roles", JB_WORDS, offsetof(struct jb_webhook, interest.roles), NULL, 0,
				  0, NULL},
	[JB_KEY_MAIL_TO] = {JB_MAIL, "to", JB_WORDS, offsetof(struct jb_mail_list, to), NULL, 0, 0, NULL},
	[JB_KEY_MAIL_EVENTS] = {JB_MAIL, "events", JB_WORDS, offsetof(struct jb_mail_list, interest.events), NULL, 0, 0,
				NULL},
	[JB_KEY_MAIL_ROLES] = {JB_MAIL, "roles", JB_WORDS, offsetof(struct jb_mail_list, interest.roles), NULL, 0, 0,
			       NULL},
};

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

bool jb_words_add(struct jb_words *words, const char *value)
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

static bool set_number(const struct jb_conf_key *key, uint32_t *at, const char *value, char *why, size_t why_size)
{
	uint64_t number;
	int bad = key->kind == JB_SECONDS ? jit_parse_duration(value, UINT32_MAX, &number)
					  : jit_parse_u64(value, UINT32_MAX, &number);

	if (bad < 0 || number < key->min || number > key->max) {
		if (key->kind == JB_SECONDS) {
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

static bool set_choice(const struct jb_conf_key *key, void *at, const char *value, char *why, size_t why_size)
{
	int choice = choice_of(key->choices, value);

	if (choice < 0) {
		snprintf(why, why_size, "%s is one of: %s", key->name, key->choices);
		return false;
	}
	if (key->kind == JB_FLAG)
		*(bool *)at = choice == 1;
	else /* the enums of conf.h count from 0 in the order of the choices */
		*(enum jb_scope *)at = (enum jb_scope)choice;
	return true;
}
_Static_assert(sizeof(enum jb_scope) == sizeof(enum jb_auto) && sizeof(enum jb_scope) == sizeof(enum jb_on_expiry) &&
		       sizeof(enum jb_scope) == sizeof(enum jb_format),
	       "set_choice writes all of them");

/* "never", "simulated", or "hours Mon-Fri 09:00-17:00": the last in as many lines as are wanted, and nothing beside. */
static bool set_auto(const struct jb_conf_key *key, struct jb_role *role, const char *value, unsigned line, char *why,
		     size_t why_size)
{
	const bool again = role->lines.key[JB_KEY_AUTO_APPROVE] != line;

	if (strncmp(value, "hours ", 6) == 0 && (!again || role->auto_approve == JB_AUTO_HOURS)) {
		role->auto_approve = JB_AUTO_HOURS;
		return jb_hours_add(&role->auto_hours, value + 6 + strspn(value + 6, " "), line, why, why_size);
	}
	const int choice = choice_of(key->choices, value);
	if (choice < 0 || again)
		snprintf(why, why_size,
			 "auto_approve is never, simulated, or in one or more lines hours like hours Mon-Fri "
			 "09:00-17:00");
	else
		role->auto_approve = (enum jb_auto)choice;
	return choice >= 0 && !again;
}

static bool is_claim(const char *text, size_t len)
{
	return len > 0 && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == len;
}

/* Plain http is for a provider on this machine; whether one is asked at all, oidc_plain_loopback says. */
static bool is_issuer(const char *text, size_t len)
{
	static const char *const begins[] = {"https://", "http://127.0.0.1", "http://[::1]", "http://localhost"};

	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		const size_t n = strlen(begins[i]);

		if (len >= n && strncmp(text, begins[i], n) == 0)
			return i == 0 ? len > n : len == n || text[n] == ':' || text[n] == '/';
	}
	return false;
}

/* "https://login.example 248289761001", "https://login.example email=op1@example.com". */
static bool add_oidc(struct jb_person *person, const char *value, char *why, size_t why_size)
{
	const size_t issuer = strcspn(value, " \t");
	const char *who = value + issuer + strspn(value + issuer, " \t");
	const size_t name = strcspn(who, "=");
	const bool named = who[name] && is_claim(who, name);
	const char *text = named ? who + name + 1 : who;

	if (!is_issuer(value, issuer) || !*text || strpbrk(text, " \t#")) {
		snprintf(why, why_size,
			 "oidc is an issuer and a subject or a claim, like https://login.example 2482897 or "
			 "https://login.example email=op1@example.com");
		return false;
	}
	struct jb_oidc *grown = reallocarray(person->oidc, person->oidc_count + 1, sizeof(*grown));
	if (!grown)
		return false;
	person->oidc = grown;
	struct jb_oidc *oidc = &grown[person->oidc_count++];
	*oidc = (struct jb_oidc){strndup(value, issuer), named ? strndup(who, name) : strdup("sub"), strdup(text)};
	return oidc->issuer && oidc->claim && oidc->value;
}

bool jb_conf_repeats(const struct jb_conf_key *key)
{
	return key->kind == JB_WORDS || key->kind == JB_APPENDED || key->kind == JB_HOURS || key->kind == JB_AUTO ||
	       key->kind == JB_SOURCES || key->kind == JB_OIDC;
}

/*
 * libinih knows ';' behind a value, not '#': what was meant to be gone would stay
 * in the list, and a path or an ARN would be another one. A ticket's expression and
 * a policy's JSON may have it.
 */
static bool has_comment(const struct jb_conf_key *key, const char *value)
{
	const bool may = !jb_conf_repeats(key) && (key->kind != JB_TEXT || key == &jb_conf_keys[JB_KEY_TICKET]);

	if (may || key->kind == JB_APPENDED)
		return false;
	return *value == '#' || strstr(value, " #") || strstr(value, "\t#");
}

bool jb_conf_set(const struct jb_conf_key *key, void *section, const char *value, unsigned line, char *why,
		 size_t why_size)
{
	void *at = (char *)section + key->offset;

	snprintf(why, why_size, "out of memory");
	if (!*value || !jit_utf8_valid(value, strlen(value))) {
		snprintf(why, why_size, "%s has no value, or one that is not UTF-8", key->name);
		return false;
	}
	if (has_comment(key, value)) {
		snprintf(why, why_size, "%s has a comment behind its value; give the comment a line of its own",
			 key->name);
		return false;
	}
	switch (key->kind) {
	case JB_TEXT:
		return set_text(at, value);
	case JB_APPENDED:
		snprintf(why, why_size, "%s is longer than %u bytes", key->name, key->max);
		return append_text(at, value, key->max);
	case JB_WORDS:
		return jb_words_add(at, value);
	case JB_SECONDS:
	case JB_NUMBER:
		return set_number(key, at, value, why, why_size);
	case JB_CHOICE:
	case JB_FLAG:
		return set_choice(key, at, value, why, why_size);
	case JB_LISTEN:
		snprintf(why, why_size, "listen is a numeric address and a port, like 127.0.0.1:8443 or [::1]:8443");
		return set_listen(section, value);
	case JB_HOURS:
		return jb_hours_add(at, value, line, why, why_size);
	case JB_AUTO:
		return set_auto(key, section, value, line, why, why_size);
	case JB_SOURCES:
		return jb_sources_add(at, value, why, why_size);
	case JB_OIDC:
		return add_oidc(section, value, why, why_size);
	}
	return false;
}

static void free_words(struct jb_words *words)
{
	for (size_t i = 0; i < words->count; i++)
		free(words->word[i]);
	free(words->word);
}

static void free_oidc(struct jb_person *person)
{
	for (size_t i = 0; i < person->oidc_count; i++) {
		free(person->oidc[i].issuer);
		free(person->oidc[i].claim);
		free(person->oidc[i].value);
	}
	free(person->oidc);
}

void jb_conf_free_value(const struct jb_conf_key *key, void *section)
{
	void *at = (char *)section + key->offset;

	if (key->kind == JB_TEXT || key->kind == JB_APPENDED)
		free(*(char **)at);
	else if (key->kind == JB_WORDS)
		free_words(at);
	else if (key->kind == JB_HOURS)
		jb_hours_clear(at);
	else if (key->kind == JB_AUTO)
		jb_hours_clear(&((struct jb_role *)section)->auto_hours);
	else if (key->kind == JB_SOURCES)
		jb_sources_clear(at);
	else if (key->kind == JB_OIDC)
		free_oidc(section);
}
