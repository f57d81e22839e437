/*
 * Which visits may wait for a request that somebody else, or an earlier visit,
 * has filed. Pure rules: what it gives is judged again when it is approved.
 */
#ifndef JH_ADMIT_H
#define JH_ADMIT_H

#include "request.h"

/* May that asker wait for it? `alone`: it was sent away by one whose scope was not known yet, and waits for no such. */
bool jh_request_admits(const struct jh_request *request, const struct jh_question *question,
		       const struct jh_session *session, bool alone);

/* Once the broker has told the scope: does a visit that was let in before that stay? `heir`: the one it was filed for.
 */
bool jh_request_keeps(const struct jh_request *request, const struct jh_session *session, bool heir);

#endif
