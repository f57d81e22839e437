/*
 * Requests that `jit request` files before they are needed, for this host or
 * for others: what became of each, for FOLLOW, STATUS and END. Each belongs to
 * the login session that asked, and goes on without it.
 */
#ifndef JH_AHEAD_H
#define JH_AHEAD_H

#include "answer.h"
#include "question.h"
#include "request.h"
#include "session.h"

struct json_object;

#define JH_AHEAD_HOSTS 32 /* of one REQUEST, and of one person while they are PENDING */

struct jh_ahead {
	LIST_ENTRY(jh_ahead) link;
	struct jh_helper *helper;
	struct jh_request *request; /* until it is decided */
	struct jh_session session;  /* whose it is */
	char requester[JIT_NAME_SIZE];
	char host[JIT_NAME_SIZE];
	char for_host[JIT_NAME_SIZE]; /* "": this one */
	char role[JIT_NAME_SIZE];
	char id[JIT_ID_SIZE]; /* "": not filed */
	char short_id[JH_SHORT_SIZE];
	char code[3];
	const char *status; /* NULL: the broker has not answered yet */
	int64_t since_ms, until_ms;
	int64_t remaining_s;
	char decided_by[JIT_NAME_SIZE], ended_by[JIT_NAME_SIZE];
	char comment[JIT_LINE_SIZE], error[JH_CODE_SIZE], message[JIT_LINE_SIZE];
	unsigned watched; /* by exchanges that wait for it: kept as long */
};

/* Files one; for `host` NULL or "" this one. Takes plan->leader_fd over. NULL: out of memory. */
struct jh_ahead *jh_ahead_file(struct jh_helper *helper, const struct jh_request_plan *plan);

/* What its request hears. */
void jh_ahead_filed(struct jh_ahead *ahead, const struct jh_answer *answer);
void jh_ahead_refused(struct jh_ahead *ahead, const struct jh_verdict *verdict);
/* A change at the broker. False when none of these has that id. */
bool jh_ahead_changed(struct jh_helper *helper, const struct jh_answer *answer);

bool jh_ahead_pending(const struct jh_ahead *ahead);
/* NULL when that login session has none of that id. */
struct jh_ahead *jh_ahead_find(struct jh_helper *helper, const struct jh_session *session, const char *id);
struct json_object *jh_ahead_json(const struct jh_ahead *ahead);
/* Those of a login session that wait. */
struct json_object *jh_ahead_list_json(const struct jh_helper *helper, const struct jh_session *session);

/* Gives it back: what waits is withdrawn, what another host may use is ended. False: there is nothing to give back. */
bool jh_ahead_end(struct jh_ahead *ahead);
void jh_ahead_free_all(struct jh_helper *helper);

#endif
