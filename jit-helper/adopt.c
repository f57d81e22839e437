/* See adopt.h. */
#include "adopt.h"

#include <stdio.h>
#include <string.h>

#include "helper.h"
#include "log.h"
#include "names.h"
#include "place.h"
#include "request.h"

#define DURATION_S 900 /* it was asked for already */

bool jh_adopt_wants(const struct jh_answer *a, const char *host)
{
	if (!host[0] || strcmp(a->host, host) != 0 || a->status > JH_ACTIVE)
		return false;
	if (a->filed_by[0] &&
	    strcmp(a->filed_by, host) != 0) /* of scope session it is good once: not after its start */
		return a->status != JH_ACTIVE || strcmp(a->scope, "user") == 0;
	/* A login's, that its next connection takes up. One that has begun is some session's already. */
	return a->outlives && a->service[0] && a->rhost[0] && a->status != JH_ACTIVE;
}

void jh_adopt(struct jh_helper *helper, struct jh_answer *a)
{
	struct jh_question question = {.app = "sshd", .live = true, .duration_s = DURATION_S};
	struct jh_session session = {0};
	const struct jh_request_plan plan = {
		.question = &question, .session = &session, .leader_fd = -1, .login_uid = JH_NO_AUDIT, .resume = true};
	const char *limit = jh_request_host_limit(helper, a->requester);
	const bool open = a->filed_by[0];

	if (limit) {
		jit_log(LOG_WARNING, "%s: is not taken up: %s", a->short_id, limit);
		return;
	}
	if (jh_names_uid(a->requester, &session.uid) < 0) {
		jit_log(LOG_WARNING, "%s: is for %s, whom this host does not know", a->short_id, a->requester);
		return;
	}
	question.uid = session.uid;
	memcpy(question.requester, a->requester, sizeof(question.requester));
	memcpy(question.role, a->role, sizeof(question.role));
	if (!open) {
		/* Whether the service names it or the policy chose it: who comes again asks as the first did. */
		snprintf(question.role, sizeof(question.role), "%s", JH_ROLE_ANY);
		memcpy(question.service, a->service, sizeof(question.service));
		memcpy(question.target, a->target, sizeof(question.target));
		memcpy(question.rhost, a->rhost, sizeof(question.rhost));
		jh_place_of_login(&question, session.place);
	}
	jit_log(LOG_NOTICE, "%s: role %s for %s, filed by %s: taken up", a->short_id, a->role, a->requester,
		open ? a->filed_by : "a jit-helper that has ended");
	jh_request_adopt(helper, &plan, open, a);
}
