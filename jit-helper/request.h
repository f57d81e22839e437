/*
 * One request at the broker: filed, tried again when it was lost on the way,
 * followed until it is decided, and withdrawn when nobody waits for it any
 * more. Who waits are visits (visit.h), one or several.
 */
#ifndef JH_REQUEST_H
#define JH_REQUEST_H

#include <openssl/evp.h>
#include <stdbool.h>

#include "alarm.h"
#include "answer.h"
#include "filing.h"
#include "helper.h"
#include "question.h"
#include "seal.h"
#include "session.h"
#include "verdict.h"

#define JH_REQUEST_PAUSE_FIRST_MS 200 /* before the second try of a call */
#define JH_REQUEST_PAUSE_CAP_MS	  5000

struct jh_ahead;
struct jh_grant;
struct jh_visit;

enum jh_request_stage {
	JH_REQUEST_FILING,  /* a call to the broker, or the pause before the next try */
	JH_REQUEST_ASKING,  /* a person types a reason or a ticket */
	JH_REQUEST_PENDING, /* at the broker */
	JH_REQUEST_GRANTED, /* its visits were told, none has taken it yet */
	JH_REQUEST_UNHEARD, /* refused while nobody listened: the next who comes is told why */
};

struct jh_request {
	LIST_ENTRY(jh_request) link;
	struct jh_helper *helper;
	struct jh_visit_list visits; /* who waits for it */
	enum jh_request_stage stage;
	struct jh_question
		question; /* of who asked first, with what was typed since; no service: asked ahead of its use */
	struct jh_session session;
	int leader_fd;		      /* until a grant takes it */
	uint32_t login_uid;	      /* JH_NO_AUDIT: nobody is known to have logged in */
	char for_host[JIT_NAME_SIZE]; /* "": this one */
	char role[JIT_NAME_SIZE];     /* once the broker has named it */
	bool of_user;		      /* its scope, likewise */
	bool resume;		      /* goes on when nobody waits: filed so at the broker */
	bool open;		      /* filed by another host: for whoever of that name comes first */
	struct jh_ahead *ahead;	      /* asked for before its use: who wants to know; NULL: nobody */
	struct jh_visit *first;	      /* it was filed for; NULL once that has left */
	struct jh_visit *asking;      /* ASKING: whose person types */
	bool asking_ticket;	      /* not a reason */
	EVP_PKEY *key;		      /* until a grant takes it */
	char jwk[JIT_JWK_SIZE];
	char idempotency[JH_IDEMPOTENCY_SIZE];
	char *body;
	bool maybe_filed; /* the broker may hold it although no answer came */
	unsigned tries;
	uint64_t strangers;   /* before the filing, see changes.h */
	char id[JIT_ID_SIZE]; /* "": not filed */
	char short_id[JH_SHORT_SIZE];
	char code[3];
	long retry_after_s;	/* when the broker wants to be asked for it; 0: it did not say */
	int64_t pending_s;	/* how long a decision may take */
	int64_t until_ms;	/* boottime: when the broker gives it up; INT64_MAX where it did not say */
	struct jh_verdict last; /* what to say if no further try succeeds */
	struct jit_fetch_call *call;
	struct jh_alarm again; /* the next try, or the next look */
	struct jh_alarm over;  /* at until_ms, and a little; then a little later */
	bool asked_last;       /* the second time */
	struct jh_creds creds; /* of the reference deployment (demo.h), until a grant takes them */
	struct jh_grant
		*grant; /* GRANTED: to be listed when the first takes it; what may be taken up is listed at once */
};

/* A sentence when that requester, or this host, has too much under way already; else NULL. */
const char *jh_request_limit(const struct jh_helper *helper, const char *requester);
/* The same of this host's grants alone. */
const char *jh_request_host_limit(const struct jh_helper *helper, const char *requester);

/* What makes a request; leader_fd is taken over. */
struct jh_request_plan {
	const struct jh_question *question;
	const struct jh_session *session;
	int leader_fd; /* of the login session's leader, or -1 */
	uint32_t login_uid;
	const char *for_host; /* NULL: this one */
	bool resume;
};

/* Not filed yet. NULL: out of memory. */
struct jh_request *jh_request_new(struct jh_helper *helper, const struct jh_request_plan *plan);
void jh_request_file(struct jh_request *request);

/* A visit waits for it from here on, and hears at once what there is to say. */
void jh_request_join(struct jh_request *request, struct jh_visit *visit);
/* It waits no longer. With the last one the request is withdrawn, unless it may be taken up again. */
void jh_request_leave(struct jh_request *request, struct jh_visit *visit);
/* What the person typed who was asked. */
void jh_request_answered(struct jh_request *request, const char *typed);
/* Nothing can be shown where the person was asked: the next is asked, if there is one. */
void jh_request_unanswered(struct jh_request *request);
/* One of its visits has taken what it gave: it is over, and the others go on by themselves. */
void jh_request_taken(struct jh_request *request);

/* What stands open at the broker, and nobody here has filed (any more): followed like any other. `open`: for whoever of
 * that name comes first. Clears the answer. */
void jh_request_adopt(struct jh_helper *helper, const struct jh_request_plan *plan, bool open,
		      struct jh_answer *answer);
/* Withdrawn by who asked ahead: whoever waits for it is told. */
void jh_request_give_back(struct jh_request *request);

/* A change at the broker. False when no request here has that id. */
bool jh_request_changed(struct jh_helper *helper, const struct jh_answer *answer);

/* Withdraws all that are under way; their people are told. For the helper's stop. */
void jh_requests_cancel_all(struct jh_helper *helper);

#endif
