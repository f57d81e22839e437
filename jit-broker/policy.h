/*
 * What jit-broker.conf says to one request: may it be, and who may decide it. Pure
 * functions of configuration, record, person and instant: nothing here reads a
 * clock. The same one is asked at filing, at approval, at every issue and of every
 * live grant when the configuration is another one, so that a rule taken away
 * stops a grant.
 */
#ifndef JB_POLICY_H
#define JB_POLICY_H

#include <stdbool.h>

#include "conf.h"
#include "request.h"

struct jb_decision {
	bool allowed;
	bool by_policy;	   /* allowed, and nobody has to approve it: auto_approve */
	char code[32];	   /* "policy.requester"; "" when allowed */
	char message[400]; /* one sentence for a person: why, or why not */
	unsigned line;	   /* of the rule in jit-broker.conf that decided; 0 where there is none */
};

/*
 * May this request be, at that instant? With a person: and may that person decide
 * it? It looks at host, filed_by, requester, login_user, role, role_arn, service,
 * target, reason, ticket, duration, public_key, and at services and targets where
 * they are set (nothing that the role no longer gives). An approved one must still
 * have an approval that counts.
 */
struct jb_decision jb_policy_allows(const struct jb_conf *conf, const struct jb_request *request, const char *person,
				    int64_t now);

/* How long a grant of it can be that is filed at that instant: what is asked for, cut to max_duration and the hours. */
int64_t jb_policy_duration(const struct jb_conf *conf, const struct jb_request *request, int64_t now);
/* Until when a grant of it that begins at that instant lasts: its duration, and never past the role's hours. */
int64_t jb_policy_ends(const struct jb_conf *conf, const struct jb_request *request, int64_t from);

/*
 * The role for a request that names none ("*"): the first in the file whose
 * policy lets this requester ask, on this host, for this service and target (and
 * for role_arn, where one is named). Reason and ticket do not count: the chosen
 * role asks for its own. NULL, with the refusal, when there is none: of several that
 * only the hour shuts out, the first says when it may be asked for.
 */
const struct jb_role *jb_policy_choose(const struct jb_conf *conf, const struct jb_request *request, int64_t now,
				       struct jb_decision *refusal);

/* May `filer` file requests that are good on `host`? On itself always. */
bool jb_policy_may_file_for(const struct jb_conf *conf, const char *filer, const char *host);

/* May this person approve or deny it? Never one's own; only the role's approvers. */
struct jb_decision jb_policy_may_decide(const struct jb_conf *conf, const struct jb_request *request,
					const char *person);

/* May this person see it, and revoke it? The role's approvers; where the role is gone, every approver of another. */
struct jb_decision jb_policy_may_revoke(const struct jb_conf *conf, const struct jb_request *request,
					const char *person);

/* Is it this person's own: by requester or by login user, under any name? */
bool jb_policy_is_own(const struct jb_conf *conf, const struct jb_request *request, const struct jb_person *person);

/* How many persons of approved_by (words) may decide it today: what a quorum counts. */
unsigned jb_policy_count_approvals(const struct jb_conf *conf, const struct jb_request *request);

#endif
