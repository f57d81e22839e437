/*
 * What the workflow of Step Functions asks of a request's record. The record is
 * the truth: a step that waits leaves its token in it and is answered by the same
 * write that takes the request past it; one that comes too late is answered at once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine_private.h"
#include "workflow.h"

#define ACTOR "workflow"

/* The record stays in its state; what it is owed for (jb_workflow_answer) the commit finds itself. */
static enum jb_step note(struct jb_engine *engine, struct jb_request *request, const char *action, const char *step,
			 int64_t now, struct jb_fault *fault)
{
	const struct jb_change change = {
		.to = request->status, .action = action, .actor = ACTOR, .detail = JB_DETAIL({"step", step})};

	return jb_engine_commit(engine, request, &change, now, fault);
}

struct task {
	const char *step, *token;
};

static enum jb_step await_step(struct jb_engine *engine, struct jb_request *request, void *arg, int64_t now,
			       struct jb_fault *fault)
{
	const struct task *task = arg;

	/* The same call once more. */
	if (request->task_token && strcmp(request->task_token, task->token) == 0)
		return JB_STEP_DONE;
	if (!jb_engine_replace(&request->task_token, task->token) ||
	    !jb_engine_replace(&request->task_step, task->step))
		return JB_STEP_REFUSED;
	return note(engine, request, "workflow.waits", task->step, now, fault);
}

int jb_engine_await(struct jb_engine *engine, const char *id, const char *step, const char *token, int64_t now,
		    struct jb_request **ret, struct jb_fault *fault)
{
	struct task task = {step, token};
	const size_t len = strlen(token);

	if (len == 0 || len > JB_TASK_TOKEN_MAX)
		return jb_engine_fault(fault, 400, "request.field", "taskToken must have 1 to %d characters",
				       JB_TASK_TOKEN_MAX);
	return jb_engine_try(engine, NULL, id, await_step, &task, now, ret, fault);
}

int jb_engine_read(struct jb_engine *engine, const char *id, int64_t now, struct jb_request **ret,
		   struct jb_fault *fault)
{
	return jb_engine_try(engine, NULL, id, NULL, NULL, now, ret, fault);
}

static enum jb_step through_step(struct jb_engine *engine, struct jb_request *request, void *arg, int64_t now,
				 struct jb_fault *fault)
{
	(void)arg;
	/* The instant return may be through while a step of the other workflow still waits. */
	if (request->task_token || (request->task_step && strcmp(request->task_step, JB_WORKFLOW_THROUGH) == 0))
		return JB_STEP_DONE;
	if (!jb_engine_replace(&request->task_step, JB_WORKFLOW_THROUGH))
		return JB_STEP_REFUSED;
	return note(engine, request, "workflow.through", NULL, now, fault);
}

int jb_engine_through(struct jb_engine *engine, const char *id, int64_t now, struct jb_request **ret,
		      struct jb_fault *fault)
{
	return jb_engine_try(engine, NULL, id, through_step, NULL, now, ret, fault);
}

static enum jb_step instant_step(struct jb_engine *engine, struct jb_request *request, void *arg, int64_t now,
				 struct jb_fault *fault)
{
	(void)arg;
	if (request->status != JB_PENDING)
		return JB_STEP_DONE;
	request->decided_at = now;
	if (!jb_engine_set_text(&request->decided_by, "policy") || !jb_engine_set_text(&request->ended_by, "policy") ||
	    !jb_engine_set_text(&request->comment, "an instant return waits for nobody's decision"))
		return JB_STEP_REFUSED;
	const struct jb_change change = {.to = JB_DENIED,
					 .action = "request.denied",
					 .actor = ACTOR,
					 .detail = JB_DETAIL({"comment", request->comment}),
					 .announce = true};
	return jb_engine_commit(engine, request, &change, now, fault);
}

int jb_engine_deny_instant(struct jb_engine *engine, const char *id, int64_t now, struct jb_request **ret,
			   struct jb_fault *fault)
{
	return jb_engine_try(engine, NULL, id, instant_step, NULL, now, ret, fault);
}

bool jb_engine_settle_instant(struct jb_engine *engine, const struct jb_request *request, int64_t now, jb_issued done,
			      void *arg)
{
	const struct jb_role *role = jb_conf_role(engine->conf, request->role);

	return engine->issuer->instant && role && request->status == JB_PENDING && !request->public_key &&
	       !request->filed_by && jb_issuer_issue(engine->issuer, request, role, now, done, arg) == 0;
}

static enum jb_step to_issue_step(struct jb_engine *engine, struct jb_request *request, void *arg, int64_t now,
				  struct jb_fault *fault)
{
	enum jb_step went = jb_engine_live(request, fault);

	(void)arg;
	if (went == JB_STEP_DONE && !request->role_arn) {
		jb_engine_fault(fault, 409, "grant.no_credentials", "role %s gives no AWS credentials", request->role);
		return JB_STEP_REFUSED;
	}
	if (went == JB_STEP_DONE)
		went = jb_engine_recheck(engine, request, now, fault);
	/* As whoever collects will write it: this copy is for the issuer alone. */
	if (went == JB_STEP_DONE && request->status == JB_APPROVED)
		jb_engine_start_clock(engine, request, now);
	return went;
}

int jb_engine_to_issue(struct jb_engine *engine, const char *id, int64_t now, struct jb_request **ret,
		       struct jb_fault *fault)
{
	return jb_engine_try(engine, NULL, id, to_issue_step, NULL, now, ret, fault);
}

int64_t jb_engine_pending_seconds(const struct jb_request *request, int64_t now)
{
	return request->status == JB_PENDING && request->pending_until > now ? request->pending_until - now : 1;
}

int64_t jb_engine_use_seconds(const struct jb_engine *engine, const struct jb_request *request, int64_t now)
{
	const struct jb_role *role = jb_conf_role(engine->conf, request->role);

	if (request->status == JB_PENDING && role)
		return role->use_within;
	return request->status == JB_APPROVED && request->use_until > now ? request->use_until - now : 1;
}
