/* See admit.h. */
#include "admit.h"

#include <string.h>

#include "place.h"

/* What was typed already must not be lost, or said in another's name. */
static bool says_the_same(const char *theirs, const char *mine)
{
	return !mine[0] || strcmp(theirs, mine) == 0;
}

static bool same_matter(const struct jh_request *r, const struct jh_question *q)
{
	const struct jh_question *theirs = &r->question;

	if (strcmp(theirs->requester, q->requester) != 0 || !says_the_same(theirs->reason, q->reason) ||
	    !says_the_same(theirs->ticket, q->ticket))
		return false;
	if (strcmp(theirs->role, q->role) != 0 && strcmp(r->role, q->role) != 0)
		return false;
	/* One that was filed ahead is for all that its role gives. */
	return !theirs->service[0] ||
	       (strcmp(theirs->service, q->service) == 0 && strcmp(theirs->target, q->target) == 0);
}

bool jh_request_admits(const struct jh_request *r, const struct jh_question *q, const struct jh_session *session,
		       bool alone)
{
	if (r->for_host[0] || q->unattended != JH_UNATTENDED_NO || !same_matter(r, q))
		return false;
	const bool filed = r->stage != JH_REQUEST_FILING && r->stage != JH_REQUEST_ASKING;
	if (!r->question.service[0] && !filed) /* with who leaves it then, it would be gone for who asked ahead */
		return false;
	if (r->open)
		return true;
	if (r->session.uid != session->uid && r->session.uid != JH_ANY_UID)
		return false;
	if (jh_session_same(&r->session, session))
		return true;
	if (!jh_place_same(&r->session, session))
		return false;
	if (r->of_user)
		return true;
	if (!filed)
		return !alone;
	/* What a login has left behind, the next one takes up. */
	return r->resume && jh_question_is_login(q) && jh_question_is_login(&r->question) && LIST_EMPTY(&r->visits);
}

bool jh_request_keeps(const struct jh_request *r, const struct jh_session *session, bool heir)
{
	if (r->of_user || jh_session_same(&r->session, session))
		return true;
	return heir && !r->session.known && !session->known;
}
