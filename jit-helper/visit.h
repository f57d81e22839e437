/*
 * One account exchange with the module: what a person is shown, asked and told
 * in the end. A visit passes under a live grant, or waits for a request
 * (request.h), which it may share with others; who leaves before the verdict
 * was taken leaves the request too.
 */
#ifndef JH_VISIT_H
#define JH_VISIT_H

#include <stdbool.h>
#include <sys/queue.h>

#include "alarm.h"
#include "peer.h"
#include "question.h"
#include "session.h"
#include "verdict.h"

struct jh_grant;
struct jh_request;

/* What is said of break-glass (glass.h) in a visit. */
struct jh_glass_talk {
	bool offered;		     /* it may be asked for: once */
	bool opened;		     /* it was given here: it is over if nobody takes it */
	unsigned tries;		     /* of a reason */
	char trouble[JIT_LINE_SIZE]; /* what is wrong with the brokers */
};

enum jh_visit_stage {
	JH_VISIT_WAITING, /* for its request */
	JH_VISIT_ASKING,  /* the person types */
	JH_VISIT_TOLD,	  /* ALLOW was sent, TAKEN has not come */
};

struct jh_visit {
	LIST_ENTRY(jh_visit) link;   /* of the helper's */
	LIST_ENTRY(jh_visit) beside; /* of its request's */
	struct jh_helper *helper;
	struct jh_peer *peer;
	struct jh_question question;
	struct jh_session session;
	enum jh_visit_stage stage;
	struct jh_request *request; /* NULL: it needs none, or no longer */
	char grant[JIT_ID_SIZE];    /* TOLD: under which */
	unsigned asked;		    /* how often a person was asked here for a reason or a ticket */
	bool silent;		    /* nothing can be shown here: known once a prompt has failed */
	bool reply_due;		    /* a prompt stands on the screen */
	bool alone;		    /* it was sent away from another's request, see admit.h */
	int64_t pending_s;	    /* how long a decision is awaited here */
	/* What an answer is for; `typed` NULL: the prompt could not be shown. */
	void (*answered)(struct jh_visit *visit, const char *typed);
	struct jh_glass_talk glass;
	struct jh_alarm deadline;
};

/* Answers an ELEVATE; the peer is the visit's from here on, or closed. */
void jh_visit_begin(struct jh_peer *peer, const struct jh_question *question);
/* Looks (again) for what it may pass under or wait for. May end it. */
void jh_visit_seek(struct jh_visit *visit);

/* What its request has to say. Of these jh_visit_wait and jh_visit_refuse may end the visit. */

/* Nothing is said where text is not live. */
void jh_visit_say(struct jh_visit *visit, const char *text);
/* A countdown to its own deadline, likewise. */
void jh_visit_show(struct jh_visit *visit, const char *text);
/* Asks for a reason or a ticket; `why` (may be NULL) is said before. */
void jh_visit_ask(struct jh_visit *visit, const char *why, const char *text);
/* Asks anything else. */
void jh_visit_prompt(struct jh_visit *visit, const char *text,
		     void (*answered)(struct jh_visit *visit, const char *typed));
/* Finds the leader of its login session, where it has one, and that one's pidfd (else -1). 0 or -errno. */
int jh_visit_session(struct jh_visit *visit, int *ret_leader_fd);
/* The request is PENDING, until `until_ms` at the latest. */
void jh_visit_wait(struct jh_visit *visit, int64_t until_ms);
/* ALLOW under that grant; TAKEN is awaited. */
void jh_visit_allow(struct jh_visit *visit, const struct jh_grant *grant);
/*
 * The end of a visit that grants nothing, or of its wait for a broker: where none answers, break-glass may be had. Its
 * request has taken it off its list already.
 */
void jh_visit_refuse(struct jh_visit *visit, const struct jh_verdict *verdict);

/* The person may be asked for a reason or a ticket (once more) here. */
bool jh_visit_can_ask(const struct jh_visit *visit);

/* For the helper's stop: refuses all who wait, and withdraws what they wait for. */
void jh_visits_refuse_all(struct jh_helper *helper, const char *sentence);
/* Some were let in under a grant that goes on, and are about to say that they took it. */
bool jh_visits_let_in(const struct jh_helper *helper);
/* Those who did not say so. */
void jh_visits_drop_all(struct jh_helper *helper);

#endif
