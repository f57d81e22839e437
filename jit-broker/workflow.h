/*
 * What the broker owes the workflow of Step Functions that follows a request: to
 * be started when it is filed, and an answer to the step that waits, once the
 * request is past it. Both go through the outbox (outbox.h), written with the
 * change itself: the table is the truth, the workflow follows. No I/O.
 */
#ifndef JB_WORKFLOW_H
#define JB_WORKFLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "conf.h"
#include "notice.h"
#include "request.h"

#define JB_CHANNEL_WORKFLOW "workflow"
#define JB_WORKFLOW_START   "workflow.start"
#define JB_WORKFLOW_ANSWER  "workflow.answer"

#define JB_TASK_TOKEN_MAX 2048 /* characters of a task token, at most */

#define JB_AWAIT_DECISION   "await-decision"
#define JB_AWAIT_COLLECTION "await-collection"
#define JB_WORKFLOW_THROUGH "through"

/* Is the request past what that step waits for? */
bool jb_workflow_is_past(const struct jb_request *request, const char *step);

/* Adds what a new request owes; nothing where no workflow is configured. 0, -ENOMEM, -EIO. */
int jb_workflow_start(const struct jb_conf *conf, const struct jb_request *request, int64_t now,
		      struct jb_notices *notices);
/*
 * Where the request, as it is about to be written, is past the step that waits
 * for it: adds the answer and takes the token out of the record. Errors as above.
 */
int jb_workflow_answer(struct jb_request *request, int64_t now, struct jb_notices *notices);

/*
 * What is said to Step Functions for a notice of this channel: the operation
 * ("StartExecution") and its JSON. NULL: it is no such notice, or no memory. The
 * caller wipes and frees it: a task token stands in it.
 */
char *jb_workflow_body(const struct jb_conf *conf, const struct jb_notice *notice, const char **ret_operation);

#endif
