/*
 * One account exchange: a live grant is found at once, or a request is filed
 * and its decision awaited, with the person at the terminal. If the connection
 * ends before the verdict was taken, the request is withdrawn at the broker.
 */
#ifndef JH_REQUEST_H
#define JH_REQUEST_H

#include <stdbool.h>

#include "answer.h"
#include "peer.h"
#include "question.h"

/* Answers an ELEVATE; the peer is the exchange's from here on, or closed. */
void jh_request_begin(struct jh_peer *peer, const struct jh_question *question);

/* A change at the broker. False when no exchange waits for that id. */
bool jh_request_changed(struct jh_helper *helper, const struct jh_answer *answer);

/* Withdraws all that are under way; their people are told. For the helper's stop. */
void jh_requests_cancel_all(struct jh_helper *helper);

#endif
