/*
 * The reference deployment that this project grew from (broker_type =
 * seed-demo): an API Gateway, a workflow, an AssumeRole, and nobody who
 * approves. What it is sent, and what its answers mean. Pure functions.
 *
 * It has one call, which tells it to approve itself, and answers with
 * credentials in clear (Express workflow), with a denial, or with the word
 * that the request was taken in (Standard workflow), after which nothing more
 * can ever be learnt.
 */
#ifndef JH_DEMO_H
#define JH_DEMO_H

#include "answer.h"
#include "conf.h"
#include "creds.h"
#include "fetch.h"
#include "question.h"
#include "verdict.h"

#define JH_DEMO_WARNING                                                                                                \
	"broker_type = seed-demo: what this host is granted is approved by nobody, the reference deployment lets "     \
	"whoever asks approve itself"

/* The role that a question is for: the first one where it names none. NULL: the configuration has no such role. */
const struct jh_role *jh_demo_role(const struct jh_conf *conf, const struct jh_question *question);

/* The body of POST /request-access, which the caller frees. NULL: out of memory. */
char *jh_demo_body(const struct jh_question *question, const struct jh_role *role);

struct jh_demo_facts {
	const char *broker; /* its URL */
	const struct jh_question *question;
	const struct jh_role *role;
	int64_t now_s;	/* this host's clock, where the answer has no Date */
	int64_t now_ms; /* boottime */
};

/*
 * True: *ret_answer is a grant that has begun, with its credentials in *ret_creds (the caller's to clear). False:
 * *ret_verdict says why there is none; no further try is made.
 */
bool jh_demo_judge(const struct jit_fetch_result *result, const struct jh_demo_facts *facts,
		   struct jh_answer *ret_answer, struct jh_creds *ret_creds, struct jh_verdict *ret_verdict);

#endif
