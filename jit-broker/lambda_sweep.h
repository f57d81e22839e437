/*
 * Notify and Sweep: whatever is due and waits for no call. Deadlines of requests,
 * hosts that fell silent, audit records that are to be sealed, and the outbox: a
 * crash between a change and telling of it is mended here. The event only says that
 * it is time (a schedule's, the table's stream); nothing of it is read.
 */
#ifndef JB_LAMBDA_SWEEP_H
#define JB_LAMBDA_SWEEP_H

#include "lambda_runtime.h"

/* A jb_lambda_handler; arg is a jb_lambda_broker. The answer: {"waiting": how many messages are still to be brought}.
 */
void jb_lambda_sweep(void *arg, const struct jb_lambda_event *event, struct jb_lambda_answer *answer);

#endif
