/*
 * What comes of a sign-in: a session of the declared person whose account it is,
 * or a page, a line in the log and a record in the audit chain that say whose it
 * was. The last step, when the provider's word has been believed.
 */
#ifndef JB_OIDC_OUTCOME_H
#define JB_OIDC_OUTCOME_H

#include "api.h"
#include "oidc_json.h"

/* Answers a call that came to nothing with a page of one sentence. */
void jb_oidc_say(struct jb_api *api, struct jb_call *call, int status, const char *sentence);

/* Accounts that were turned away lately, so that each is recorded once an hour. All zeros is none. */
struct jb_oidc_strangers {
	struct {
		char hash[65];
		int64_t at;
	} seen[64];
	size_t next;
};

/* Answers the call: into the person's session and to return_to, or not. */
void jb_oidc_conclude(struct jb_api *api, struct jb_call *call, struct jb_oidc_strangers *strangers, const char *issuer,
		      const json_t *claims, const char *return_to);

#endif
