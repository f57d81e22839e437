/* See request_demo.h. */
#include "request_demo.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "demo.h"
#include "grant.h"
#include "request_end.h"
#include "request_filing.h"

#define WORKFLOW_MS 25000 /* the whole workflow runs in the call; its front door ends it after 29 s */
#define ANSWER_MAX  32768 /* bytes, in locked memory while they come */

static void on_answer(void *arg, const struct jit_fetch_result *result)
{
	struct jh_request *r = arg;
	const struct jh_demo_facts facts = {
		.broker = jh_broker_url(r->helper->broker),
		.question = &r->question,
		.role = jh_demo_role(r->helper->conf, &r->question),
		.now_s = jit_wall_s(),
		.now_ms = jit_boottime_ms(),
	};
	struct jh_answer answer;

	r->call = NULL;
	if (jh_demo_judge(result, &facts, &answer, &r->creds, &r->last))
		jh_request_filed(r, &answer);
	else
		jh_request_refuse_all(r, &r->last);
}

static void refuse_role(struct jh_request *r)
{
	char why[JIT_LINE_SIZE];

	snprintf(why, sizeof(why),
		 "jit-helper.conf has no section [role %.128s] with a role_arn, which the reference deployment must be "
		 "told; tell the operator of this host",
		 r->question.role);
	jh_request_fail(r, why);
}

void jh_request_demo(struct jh_request *r)
{
	const struct jh_role *role = jh_demo_role(r->helper->conf, &r->question);
	struct jh_call call = {.method = "POST",
			       .path = "/request-access",
			       .longer_ms = WORKFLOW_MS,
			       .max_body = ANSWER_MAX,
			       .secret = true};

	if (!role) {
		refuse_role(r);
		return;
	}
	free(r->body);
	r->body = jh_demo_body(&r->question, role);
	call.body = r->body;
	if (r->body)
		r->call = jh_broker_call(r->helper->broker, &call, on_answer, r);
	if (!r->call)
		jh_request_fail(r, "jit-helper is out of memory");
}

void jh_demo_own(struct jh_request *r, struct jh_grant *g)
{
	g->local = true;
	g->demo = true;
	g->collector.creds = r->creds;
	r->creds = (struct jh_creds){0};
	jh_warning_start(g);
}
