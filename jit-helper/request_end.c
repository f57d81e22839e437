/* See request_end.h. */
#include "request_end.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ahead.h"
#include "cleanup.h"
#include "grant.h"
#include "log.h"
#include "visit.h"
#include "withdraw.h"

#define UNHEARD_MAX 64		     /* refusals that wait for somebody to hear them */
#define UNHEARD_MS  (10 * 60 * 1000) /* how long a refusal waits for somebody to hear it */

void jh_request_free(struct jh_request *r)
{
	LIST_REMOVE(r, link);
	if (r->ahead)
		r->ahead->request = NULL;
	jit_fetch_cancel(r->call);
	jh_alarm_clear(&r->again);
	jh_alarm_clear(&r->over);
	jh_grant_free(r->grant);
	jh_creds_clear(&r->creds);
	EVP_PKEY_free(r->key);
	if (r->leader_fd >= 0)
		close(r->leader_fd);
	free(r->body);
	free(r);
}

/* The broker must not go on with it. */
void jh_request_withdraw(struct jh_request *r)
{
	if (r->helper->conf->demo)
		return; /* there is no way to */
	if (r->id[0])
		jh_withdraw(r->helper, r->question.requester, r->id, r->short_id, JH_CANCEL);
	else if (r->maybe_filed || r->call)
		jh_withdraw_filing(r->helper, r->question.requester, JIT_TAKE(r->body), r->idempotency);
}

void jh_request_detach(struct jh_request *r, struct jh_visit *v)
{
	LIST_REMOVE(v, beside);
	v->request = NULL;
	if (r->first == v)
		r->first = NULL;
}

/* A login that was sent away comes back for this answer: filing anew would page people who have said no. */
static bool is_unheard(const struct jh_request *r)
{
	return r->stage == JH_REQUEST_PENDING && r->resume && !r->open && !r->ahead && LIST_EMPTY(&r->visits);
}

static void keep_for_the_next(struct jh_request *r, const struct jh_verdict *verdict)
{
	struct jh_request *other, *oldest = NULL;
	size_t kept = 0;

	for (other = LIST_FIRST(&r->helper->requests); other; other = LIST_NEXT(other, link)) {
		if (other->stage != JH_REQUEST_UNHEARD)
			continue;
		kept++;
		if (!oldest || other->over.when_ms < oldest->over.when_ms)
			oldest = other;
	}
	if (kept >= UNHEARD_MAX)
		jh_request_free(oldest);
	jit_log(LOG_NOTICE, "%s", verdict->text);
	r->stage = JH_REQUEST_UNHEARD;
	r->last = *verdict;
	jit_fetch_cancel(r->call); /* a look that is under way says nothing more about what is withdrawn */
	r->call = NULL;
	jh_alarm_clear(&r->again);
	jh_alarm_in(&r->over, UNHEARD_MS);
}

/* The end of a request that gave nothing: all who wait hear the same. */
void jh_request_refuse_all(struct jh_request *r, const struct jh_verdict *verdict)
{
	struct jh_visit *v;

	if (is_unheard(r)) {
		keep_for_the_next(r, verdict);
		return;
	}
	if (r->ahead)
		jh_ahead_refused(r->ahead, verdict);
	while ((v = LIST_FIRST(&r->visits))) {
		LIST_REMOVE(v, beside);
		jh_visit_refuse(v, verdict);
	}
	jh_request_free(r);
}

void jh_request_fail(struct jh_request *r, const char *sentence)
{
	struct jh_verdict verdict = {.outcome = JIT_UNAVAILABLE};

	snprintf(verdict.text, sizeof(verdict.text), "%s", sentence);
	jh_request_refuse_all(r, &verdict);
}
