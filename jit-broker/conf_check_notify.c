/* See conf_check.h: of notifications, what would otherwise be found out when the first one does not arrive. */
#include <curl/curl.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#include "cleanup.h"
#include "conf_check_private.h"
#include "fetch.h"
#include "keeper.h"
#include "mail.h"
#include "notice.h"
#include "sign.h"
#include "smtp.h"
#include "ssm.h"

#define WEBHOOKS_MAX 32 /* each has its own connections */

static void urlp(CURLU **url)
{
	curl_url_cleanup(*url);
}

static void curl_textp(char **text)
{
	curl_free(*text);
}

/* https:// and a host, or http:// where that is allowed; without a user, and without what a link would break. */
static bool is_url(const char *text, bool plain)
{
	JIT_CLEANUP(urlp) CURLU *url = curl_url();
	JIT_CLEANUP(curl_textp) char *scheme = NULL;
	JIT_CLEANUP(curl_textp) char *user = NULL;

	for (const char *c = text; *c; c++)
		if (*c <= 0x20 || *c > 0x7e || strchr("\"<>\\^`{|}", *c))
			return false;
	return url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK && strstr(text, "://") &&
	       curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	       curl_url_get(url, CURLUPART_USER, &user, 0) == CURLUE_NO_USER &&
	       (strcmp(scheme, "https") == 0 || (plain && strcmp(scheme, "http") == 0));
}

static void check_broker_url(struct check *c)
{
	const struct jb_conf *conf = c->conf;

	if (conf->url && (!is_url(conf->url, !conf->tls) || strpbrk(conf->url, "?#")))
		jb_check_tell(c, jb_conf_line(&conf->lines, JB_KEY_URL),
			      "url is where people find the broker: https://, a host, and neither ? nor # "
			      "(http:// only with tls = off)");
}

static void check_interest(struct check *c, const struct jb_interest *interest, unsigned events, unsigned roles)
{
	for (size_t i = 0; i < interest->events.count; i++) {
		bool known = false;

		for (int told = 0; told < JB_TOLD_COUNT; told++)
			known |= strcmp(interest->events.word[i], jb_told_name((enum jb_told)told)) == 0;
		if (!known)
			jb_check_tell(c, events, "%.60s is no event; events are: %s", interest->events.word[i],
				      jb_told_names);
	}
	for (size_t i = 0; i < interest->roles.count; i++)
		if (!jb_conf_role(c->conf, interest->roles.word[i]))
			jb_check_tell(c, roles, "roles names %.60s, and there is no [role %.60s]",
				      interest->roles.word[i], interest->roles.word[i]);
}

static bool is_webhook_secret(const char *text, char *why, size_t why_size)
{
	struct jb_sign_keys keys;
	const bool ok = jb_sign_keys_parse(text, &keys, why, why_size);

	OPENSSL_cleanse(&keys, sizeof(keys));
	return ok;
}

static bool is_login(const char *text, char *why, size_t why_size)
{
	struct jb_smtp_login login;
	const bool ok = jb_smtp_login_parse(text, &login, why, why_size);

	OPENSSL_cleanse(&login, sizeof(login));
	return ok;
}

static void check_webhook(struct check *c, const struct jb_webhook *webhook)
{
	char why[512];

	if (!webhook->url ||
	    !is_url(webhook->url, webhook->plain_loopback && jit_fetch_is_plain_loopback(webhook->url)))
		jb_check_tell(c, jb_conf_line(&webhook->lines, JB_KEY_WEBHOOK_URL),
			      "webhook %s wants url = https://... (http:// to loopback wants plain_loopback = yes)",
			      webhook->name);
	if (!webhook->secret)
		jb_check_tell(c, webhook->lines.section,
			      "webhook %s wants secret, a file (or ssm:NAME) of what its messages are signed with",
			      webhook->name);
	else if (!jb_keeper_check(c->conf, webhook->secret, is_webhook_secret, why, sizeof(why)))
		jb_check_tell(c, jb_conf_line(&webhook->lines, JB_KEY_WEBHOOK_SECRET), "%s", why);
	jb_check_file(c, webhook->ca, jb_conf_line(&webhook->lines, JB_KEY_WEBHOOK_CA), "ca");
	check_interest(c, &webhook->interest, jb_conf_line(&webhook->lines, JB_KEY_WEBHOOK_EVENTS),
		       jb_conf_line(&webhook->lines, JB_KEY_WEBHOOK_ROLES));
}

/* An address without a server would wait for ever. */
static void check_address(struct check *c, const char *address, unsigned line, const char *key)
{
	if (!jb_mail_is_address(address))
		jb_check_tell(c, line, "%s is no mail address: %.80s (name@domain, without a display name)", key,
			      address);
	if (!c->conf->mail_server)
		jb_check_tell(c, line, "%s is there, and [broker] has no mail_server to send mail with", key);
}

static void check_mail_server(struct check *c)
{
	const struct jb_conf *conf = c->conf;
	char why[512];

	if (conf->mail_server && jb_smtp_scheme_of(conf->mail_server, conf->mail_plain_loopback) == JB_SMTP_BAD)
		jb_check_tell(
			c, jb_conf_line(&conf->lines, JB_KEY_MAIL_SERVER),
			"mail_server is smtp://HOST:PORT (with STARTTLS) or smtps://HOST:PORT, and nothing after it");
	if (conf->mail_server && !conf->mail_from)
		jb_check_tell(c, jb_conf_line(&conf->lines, JB_KEY_MAIL_SERVER),
			      "mail_server wants mail_from, the address that mail comes from");
	if (conf->mail_from)
		check_address(c, conf->mail_from, jb_conf_line(&conf->lines, JB_KEY_MAIL_FROM), "mail_from");
	if (conf->mail_credentials && !jb_keeper_check(conf, conf->mail_credentials, is_login, why, sizeof(why)))
		jb_check_tell(c, jb_conf_line(&conf->lines, JB_KEY_MAIL_CREDENTIALS), "%s", why);
	jb_check_file(c, conf->mail_ca, jb_conf_line(&conf->lines, JB_KEY_MAIL_CA), "mail_ca");
}

static void check_ssm(struct check *c)
{
	const struct jb_conf *conf = c->conf;
	const char *endpoint = conf->ssm_endpoint;

	if (conf->ssm_path && !jb_ssm_is_path(conf->ssm_path))
		jb_check_tell(c, jb_conf_line(&conf->lines, JB_KEY_SSM_PATH),
			      "ssm_path is a path of parameters, like /jit-broker/notify, without a slash at its end");
	if (endpoint && strncmp(endpoint, "https://", 8) != 0 &&
	    !(conf->ssm_plain_loopback && strncmp(endpoint, "http://", 7) == 0))
		jb_check_tell(c, jb_conf_line(&conf->lines, JB_KEY_SSM_ENDPOINT),
			      "ssm_endpoint is https://... (http:// to loopback wants ssm_plain_loopback = yes)");
	jb_check_file(c, conf->ssm_ca, jb_conf_line(&conf->lines, JB_KEY_SSM_CA), "ssm_ca");
}

static void check_mail_list(struct check *c, const struct jb_mail_list *list)
{
	const unsigned line = jb_conf_line(&list->lines, JB_KEY_MAIL_TO);

	if (list->to.count == 0)
		jb_check_tell(c, line, "mail %s wants to, the addresses that are told", list->name);
	for (size_t i = 0; i < list->to.count; i++)
		check_address(c, list->to.word[i], line, "to");
	check_interest(c, &list->interest, jb_conf_line(&list->lines, JB_KEY_MAIL_EVENTS),
		       jb_conf_line(&list->lines, JB_KEY_MAIL_ROLES));
}

void jb_check_notify(struct check *c)
{
	const struct jb_conf *conf = c->conf;

	check_broker_url(c);
	check_mail_server(c);
	check_ssm(c);
	if (conf->notify_retry_max < conf->notify_retry)
		jb_check_tell(c, jb_conf_line(&conf->lines, JB_KEY_NOTIFY_RETRY_MAX),
			      "notify_retry_max is shorter than notify_retry");
	if (conf->webhook_count > WEBHOOKS_MAX)
		jb_check_tell(c, conf->webhooks[WEBHOOKS_MAX].lines.section, "there are more than %d webhooks",
			      WEBHOOKS_MAX);
	for (size_t i = 0; i < conf->webhook_count; i++)
		check_webhook(c, &conf->webhooks[i]);
	for (size_t i = 0; i < conf->mail_list_count; i++)
		check_mail_list(c, &conf->mail_lists[i]);
	for (size_t i = 0; i < conf->person_count; i++)
		if (conf->persons[i].mail)
			check_address(c, conf->persons[i].mail, jb_conf_line(&conf->persons[i].lines, JB_KEY_MAIL),
				      "mail");
}
