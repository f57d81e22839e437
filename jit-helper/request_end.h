/*
 * How a request ends that gave nothing: whoever waits hears why, the broker hears
 * that nobody goes on with it, and a refusal that nobody heard is kept for the next
 * who comes.
 */
#ifndef JH_REQUEST_END_H
#define JH_REQUEST_END_H

#include "request.h"

/* The request and all that it holds; its visits must be gone. */
void jh_request_free(struct jh_request *request);
/* The visit waits for it no longer, and nobody is told. */
void jh_request_detach(struct jh_request *request, struct jh_visit *visit);
/* The broker must not go on with it. */
void jh_request_withdraw(struct jh_request *request);
/* All who wait hear the same. Takes the request, unless it is kept for the next who comes. */
void jh_request_refuse_all(struct jh_request *request, const struct jh_verdict *verdict);
/* Likewise: what should work did not. */
void jh_request_fail(struct jh_request *request, const char *sentence);

#endif
