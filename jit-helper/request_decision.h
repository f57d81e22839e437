/*
 * A request that is at the broker: followed until it is decided, and what the
 * decision makes of it, a grant or a refusal.
 */
#ifndef JH_REQUEST_DECISION_H
#define JH_REQUEST_DECISION_H

#include "request.h"

/* It has been filed, and the broker says that it is pending. */
void jh_request_wait(struct jh_request *request, const struct jh_answer *answer);
/* Asks the broker for it once. */
void jh_request_look(struct jh_request *request);
/* It is decided. May take the request. */
void jh_request_decide(struct jh_request *request, const struct jh_answer *answer);
/* An alarm's: the broker's own deadline has passed, or nobody came to hear a refusal. Takes the request. */
void jh_request_over(void *request);

#endif
