/*
 * What the broker says (docs/broker-api.md, "The request"), read strictly: every
 * field checked for type, size and form, and every text made safe to show. No I/O.
 */
#ifndef JH_ANSWER_H
#define JH_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto.h"

#define JH_SHORT_SIZE sizeof("R7KD-2M9Q")
#define JH_WORDS_SIZE 1024
#define JH_CODE_SIZE  64

struct json_object;

enum jh_status {
	JH_PENDING,
	JH_APPROVED,
	JH_ACTIVE,
	/* final: */
	JH_DENIED,
	JH_EXPIRED,
	JH_CANCELLED,
	JH_ENDED,
	JH_REVOKED,
	JH_FAILED,
};

/* One request. Texts are clean; "" and -1 where absent. */
struct jh_answer {
	char id[JIT_ID_SIZE];
	char short_id[JH_SHORT_SIZE];
	enum jh_status status;
	char host[JIT_NAME_SIZE];     /* that it is for */
	char filed_by[JIT_NAME_SIZE]; /* the control node; "": the host itself */
	char requester[JIT_NAME_SIZE];
	char role[JIT_NAME_SIZE];
	char service[JIT_NAME_SIZE], target[JIT_NAME_SIZE], rhost[JIT_NAME_SIZE]; /* of the filing */
	char code[3];
	char decided_by[JIT_NAME_SIZE];
	char ended_by[JIT_NAME_SIZE]; /* of what is over: who revoked it, which need not be who decided */
	char comment[JIT_LINE_SIZE];
	char failure[JIT_LINE_SIZE];
	char services[JH_WORDS_SIZE]; /* words */
	char targets[JH_WORDS_SIZE];  /* words */
	char scope[16];
	char region[64];
	char on_expiry[16];
	bool has_arn;	     /* the role has AWS credentials to collect */
	bool outlives;	     /* its poller may come back (resume), or is another host (a control node) */
	int64_t pending_s;   /* how long a decision may take, by the broker's own clock */
	int64_t remaining_s; /* of the grant */
	int64_t sent_at; /* the broker's clock when it sent `remaining` (epoch seconds); -1 before the grant is ACTIVE
			  */
	char *sealed;	 /* compact JWE; owned, freed by jh_answer_clear */
};

/* 0; -EINVAL: not such a request, *ret untouched; -ENOMEM. */
int jh_answer_parse(struct json_object *json, struct jh_answer *ret);
int jh_answer_read(const char *body, size_t len, struct jh_answer *ret);
void jh_answer_clear(struct jh_answer *answer);

/* A body as JSON; the caller puts it. NULL with errno: EINVAL, it is anything else; ENOMEM. */
struct json_object *jh_json_read(const char *body, size_t len);

/* {"message","error"} of a refusal; each "" where absent. */
void jh_error_read(const char *body, size_t len, char code[static JH_CODE_SIZE], char message[static JIT_LINE_SIZE]);

/* Is `id`, as a person may write it, that uuid, or that short id with or without its dash, in any case? */
bool jh_id_matches(const char *id, const char *uuid, const char *short_id);

/* True when `word` stands in the blank-separated list; `*` in the list stands for any. */
bool jh_words_have(const char *words, const char *word);

#endif
