/*
 * The steps of the workflow (docs/aws.md) as functions: UpdateAccessStatus, what
 * is and what becomes of a request by its record; AssumeJITRole, all that has to
 * do with credentials. They are invoked by the workflow and by other functions of
 * the broker, whom IAM lets through; each serves its own steps and no other.
 */
#ifndef JB_LAMBDA_STEP_H
#define JB_LAMBDA_STEP_H

#include "lambda_runtime.h"

/* A jb_lambda_handler; arg is a jb_lambda_broker. */
void jb_lambda_step(void *arg, const struct jb_lambda_event *event, struct jb_lambda_answer *answer);

/* The words by which a refusal of AssumeJITRole is known: STS said no for good; anything else may go better later. */
#define JB_ERROR_REFUSED "Issuer.Refused"

#endif
