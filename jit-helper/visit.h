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

struct jh_request;

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
	unsigned asked;		    /* how often a person was asked here */
	int64_t pending_s;	    /* how long a decision was awaited here */
	struct jh_alarm deadline;
};

/* Answers an ELEVATE; the peer is the visit's from here on, or closed. */
void jh_visit_begin(struct jh_peer *peer, const struct jh_question *question);

/* What its request has to say. None of these frees the visit but jh_visit_refuse. */
void jh_visit_say(struct jh_visit *visit, const char *text);
void jh_visit_ask(struct jh_visit *visit, const char *text);
/* A countdown to its own deadline. */
void jh_visit_show(struct jh_visit *visit, const char *text);
/* The request is PENDING, until `until_ms` at the latest. */
void jh_visit_wait(struct jh_visit *visit, int64_t until_ms);
/* ALLOW under that grant; TAKEN is awaited. */
void jh_visit_allow(struct jh_visit *visit, const char *id);
/* The end of a visit that grants nothing; its request has taken it off its list already. */
void jh_visit_refuse(struct jh_visit *visit, enum jit_outcome outcome, const char *sentence);

/* The person may be asked (once more) here. */
bool jh_visit_can_ask(const struct jh_visit *visit);

/* Refuses all there are, and withdraws what they wait for. For the helper's stop. */
void jh_visits_refuse_all(struct jh_helper *helper, const char *sentence);

#endif
