/*
 * The way of a request to the broker: its body, the tries, what the person is
 * asked for on the way, and who waits for it once the broker has it.
 */
#ifndef JH_REQUEST_FILING_H
#define JH_REQUEST_FILING_H

#include "request.h"

/* Sends what is prepared, once more where it was sent before. */
void jh_request_send(struct jh_request *request);
/* The broker has it: it is pending, or decided already. Clears the answer; may take the request. */
void jh_request_filed(struct jh_request *request, struct jh_answer *answer);
/* Asks the next person who can be asked for what it lacks; where nobody can, it is refused. */
void jh_request_ask(struct jh_request *request);

#endif
