/*
 * The loop of a Lambda custom runtime
 * (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html): asks the
 * Runtime API of its own instance for one event after the other, hands each to
 * one handler and takes the answer back. It knows nothing of what events say. While
 * one is served, X-Ray's id of it stands in _X_AMZN_TRACE_ID.
 */
#ifndef JB_LAMBDA_RUNTIME_H
#define JB_LAMBDA_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of an event, and of an answer: Lambda's own limit for calls that wait for their answer. */
#define JB_LAMBDA_BODY_MAX ((size_t)6 * 1024 * 1024)

struct jb_lambda;

/* One event; it is gone, and its text wiped, once it is answered. */
struct jb_lambda_event {
	const char *request_id;
	int64_t deadline_ms; /* on the clock of jit_boottime_ms: then the platform ends the invocation */
	const char *text;    /* JSON, NUL-terminated */
	size_t len;
};

/* Filled by the handler: a text, or an error. Neither is an error too. */
struct jb_lambda_answer {
	char *text; /* JSON in UTF-8, from malloc(3); the loop wipes and frees it */
	size_t len;
	const char *error; /* errorType: "Event.Unknown"; a literal. NULL: none */
	char message[512]; /* errorMessage */
};

typedef void (*jb_lambda_handler)(void *arg, const struct jb_lambda_event *event, struct jb_lambda_answer *answer);

/*
 * `api`: AWS_LAMBDA_RUNTIME_API, "127.0.0.1:9001": plain HTTP, and therefore a
 * numeric loopback or link-local address alone. NULL with a sentence in why.
 */
struct jb_lambda *jb_lambda_new(const char *api, char *why, size_t why_size);
void jb_lambda_free(struct jb_lambda *lambda); /* NULL is fine */

/* Serves events until the Runtime API gives no more. Never well: -1 with a sentence in why. */
int jb_lambda_run(struct jb_lambda *lambda, jb_lambda_handler handle, void *arg, char *why, size_t why_size);

/* Instead of it: the function cannot start. 0, or -1 with a sentence in why: the platform does not know. */
int jb_lambda_fail_init(struct jb_lambda *lambda, const char *error, const char *message, char *why, size_t why_size);

#endif
