/* See oidc_outcome.h. */
#include "oidc_outcome.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "oidc_token.h"
#include "page.h"
#include "signin.h"
#include "text.h"

#define TELL_AGAIN_S 3600

void jb_oidc_say(struct jb_api *api, struct jb_call *call, int status, const char *sentence)
{
	struct jb_ask ask = {.api = api, .call = call, .now = jit_wall_s()};
	struct jb_page page = {.ask = &ask};

	jb_page_sentence(&page, status, "Not signed in", sentence);
}

/* Whose account it is, as the provider calls it: "248289761001 (op1@example.com)". */
static void name_account(const json_t *claims, char *buf, size_t size)
{
	const char *more = jb_oidc_text(claims, "email");
	char subject[160], name[160];

	if (!more)
		more = jb_oidc_text(claims, "preferred_username");
	jit_text_clean_str(subject, sizeof(subject), jb_oidc_text(claims, "sub"));
	jit_text_clean_str(name, sizeof(name), more);
	snprintf(buf, size, more ? "%s (%s)" : "%s", subject, name);
}

/* True where that account was turned away within the last hour already. */
static bool is_known_stranger(struct jb_oidc_strangers *strangers, const char *account, int64_t now)
{
	char hash[JB_HASH_SIZE];

	if (jb_sha256_hex(account, strlen(account), hash) < 0)
		return false;
	for (size_t i = 0; i < sizeof(strangers->seen) / sizeof(strangers->seen[0]); i++)
		if (strcmp(strangers->seen[i].hash, hash) == 0 && now - strangers->seen[i].at < TELL_AGAIN_S)
			return true;
	memcpy(strangers->seen[strangers->next].hash, hash, sizeof(hash));
	strangers->seen[strangers->next].at = now;
	strangers->next = (strangers->next + 1) % (sizeof(strangers->seen) / sizeof(strangers->seen[0]));
	return false;
}

static void record_stranger(struct jb_api *api, const char *issuer, const char *account, const char *why, int64_t now)
{
	JB_OIDC_JSON json_t *detail = json_pack("{s:s,s:s,s:s}", "issuer", issuer, "account", account, "why", why);
	char *text = detail ? json_dumps(detail, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	const struct jb_audit audit = {.at = now, .action = "session.refused", .actor = "oidc", .detail = text};

	if (!text || jb_store_audit(api->store, &audit) < 0)
		jit_log(LOG_ERR, "a refused sign-in could not be recorded: %s", jb_store_error(api->store));
	free(text);
}

static void turn_away(struct jb_api *api, struct jb_call *call, struct jb_oidc_strangers *strangers, const char *issuer,
		      const char *account, const char *why, int64_t now)
{
	char peer[JB_ADDRESS_SIZE], sentence[1024];

	if (!is_known_stranger(strangers, account, now)) {
		jb_address_text(jb_call_peer(call), peer);
		jit_log(LOG_WARNING, "%s at %s is turned away from %s: %s in %s", account, issuer, peer, why,
			api->conf->path);
		record_stranger(api, issuer, account, why, now);
	}
	snprintf(sentence, sizeof(sentence),
		 "You are %s at %s, and here you cannot sign in: %s in this broker's configuration. Its operator can "
		 "write that account into your [person] section, under oidc, in jit-broker.conf. If you have another "
		 "account there, sign out of this one first.",
		 account, issuer, why);
	jb_oidc_say(api, call, 403, sentence);
}

static void begin_session(struct jb_api *api, struct jb_call *call, const struct jb_person *person, const char *account,
			  const char *return_to, int64_t now)
{
	struct jb_ask ask = {.api = api, .call = call, .now = now};
	struct jb_page page = {.ask = &ask};
	char peer[JB_ADDRESS_SIZE];
	const int r = jb_signin_begin(api->store, api->conf, person->name, "oidc", now, page.cookie);

	if (r < 0) {
		jit_log(LOG_ERR, "%s cannot be signed in: %s", person->name,
			r == -EBUSY ? "too many sessions within a minute" : jb_store_error(api->store));
		jb_oidc_say(api, call, r == -EBUSY ? 429 : 503,
			    r == -EBUSY
				    ? "You have signed in too often within a minute. Wait a minute, and sign in again."
				    : "The broker cannot keep your session now. Try again later.");
		return;
	}
	jb_address_text(jb_call_peer(call), peer);
	jit_log(LOG_NOTICE, "%s has signed in as %s from %s", person->name, account, peer);
	jb_page_go(&page, return_to, true, "");
	OPENSSL_cleanse(&page, sizeof(page));
}

void jb_oidc_conclude(struct jb_api *api, struct jb_call *call, struct jb_oidc_strangers *strangers, const char *issuer,
		      const json_t *claims, const char *return_to)
{
	const int64_t now = jit_wall_s();
	char account[330], why[256];
	const struct jb_person *person = jb_oidc_person(api->conf, issuer, claims, why, sizeof(why));

	name_account(claims, account, sizeof(account));
	if (person)
		begin_session(api, call, person, account, return_to, now);
	else
		turn_away(api, call, strangers, issuer, account, why, now);
}
