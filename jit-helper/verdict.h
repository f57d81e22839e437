/*
 * From what the broker answered to what a person is told: the outcome and one
 * clear sentence. Pure functions: everything that refuses is decided here, and
 * only a request that the broker really sent can lead to an approval.
 */
#ifndef JH_VERDICT_H
#define JH_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "answer.h"
#include "fetch.h"
#include "proto.h"

struct jh_verdict {
	enum jit_outcome outcome;
	bool no_answer; /* jh_no_answer: the one ground for break-glass */
	char text[JIT_LINE_SIZE];
	char error[JH_CODE_SIZE]; /* the broker's code, where it refused to file */
};

/* With that sentence, which is cut where it is too long. */
__attribute__((format(printf, 2, 3))) struct jh_verdict jh_verdict_of(enum jit_outcome outcome, const char *format,
								      ...);

/* What a filing came to. */
enum jh_filed {
	JH_FILED_REFUSED,    /* see the verdict */
	JH_FILED_REQUEST,    /* see the answer */
	JH_FILED_ASK_REASON, /* ask the person, file again; the verdict is for where that is not possible */
	JH_FILED_ASK_TICKET,
	JH_FILED_RETRY, /* lost on the way, or here: the same again with the same key; the verdict is of the last try */
	JH_FILED_UNKNOWN, /* refused, and nobody knows whether the broker has filed it: withdraw it */
};

struct jh_filing_facts {
	const char *broker; /* its URL */
	const char *requester;
	const char *role;	     /* JH_ROLE_ANY: whichever it names */
	bool has_reason, has_ticket; /* was one sent? */
	bool by_jit; /* by `jit request`, where an option says what an environment variable says elsewhere */
	bool first;  /* the first try with this idempotency key */
};

/* On JH_FILED_REQUEST *ret_answer is the caller's to clear; else *ret_verdict is filled. */
enum jh_filed jh_judge_filing(const struct jit_fetch_result *result, const struct jh_filing_facts *facts,
			      struct jh_answer *ret_answer, struct jh_verdict *ret_verdict);

/* Nothing was heard of a request for as long as could be waited, and why, as far as that is known. */
void jh_judge_silence(const char *short_id, int64_t waited_s, const char *trouble, struct jh_verdict *ret);

/* A decided request: ALLOW for APPROVED and ACTIVE, with what to show. `pending_s`: how long one could decide. */
void jh_judge_decision(const struct jh_answer *answer, int64_t pending_s, struct jh_verdict *ret);

/* Why a call brought nothing, in a sentence without an end: "cannot reach the broker at https://…: connection refused".
 */
void jh_trouble(const struct jit_fetch_result *result, const char *broker, char *buf, size_t size);

/*
 * The broker gave no answer: its name, connection, TLS, time, or a 5xx of its
 * own. Never a refusal, nonsense, or what it says for AWS. Where there are
 * several, the next one is asked.
 */
bool jh_no_answer(const struct jit_fetch_result *result);

/* A passing failure of a call that may be made again: lost, timed out, out of memory here, 429 or 5xx. */
bool jh_passing(const struct jit_fetch_result *result);

#endif
