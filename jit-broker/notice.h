/*
 * Who is told of a change, and what: the rows of the outbox, made at the instant
 * of the change by the configuration of that instant, and written with it. What is
 * told is what an approver may see: no code, no credential, no token. No I/O.
 */
#ifndef JB_NOTICE_H
#define JB_NOTICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "request.h"

#define JB_NOTICE_ID_SIZE 37 /* a uuid */
#define JB_CHANNEL_MAIL	  "mail"

/* What receivers are told of; their names are the words of `events`. */
enum jb_told {
	JB_TOLD_FILED,
	JB_TOLD_APPROVED,
	JB_TOLD_DENIED,
	JB_TOLD_EXPIRED,
	JB_TOLD_CANCELLED,
	JB_TOLD_REVOKED,
	JB_TOLD_FAILED,
	JB_TOLD_ENDED,
	JB_TOLD_BREAK_GLASS,
	JB_TOLD_COUNT,
};
const char *jb_told_name(enum jb_told told); /* "filed" */
/* All the names, with a blank between them. */
extern const char jb_told_names[];
/* What coming to that state is told as; false: nobody is told. */
bool jb_told_of_status(enum jb_status status, enum jb_told *ret);

/* One message to one receiver: a row of the outbox. */
struct jb_notice {
	char id[JB_NOTICE_ID_SIZE]; /* of this delivery: the same request, receiver and event have always the same */
	char *channel;		    /* by which way: "webhook:chat", "mail" */
	char *receiver; /* "webhook:chat", "list:oncall:ops@example.com", "approver:appr1", "requester:op1" */
	char *about;	/* what it keeps its order with: the request's id, "host:web-1" */
	char *event;	/* "request.filed" */
	char *doc;	/* JSON: {"type", "timestamp", "data"} */
	int64_t at;	/* epoch seconds */
};

struct jb_notices {
	struct jb_notice *notice;
	size_t count;
};

/* `request` as it is after the change. 0, -ENOMEM, -EIO; jb_notices_clear empties *ret in any case. */
int jb_notices_of_request(const struct jb_conf *conf, const struct jb_request *request, enum jb_told told, int64_t now,
			  struct jb_notices *ret);
/* What a host reported (event.h): its id, the action and detail of its audit record. */
int jb_notices_of_event(const struct jb_conf *conf, const char *host, const char *id, const char *action,
			const char *detail, int64_t now, struct jb_notices *ret);
void jb_notices_clear(struct jb_notices *notices);

/* The id of the delivery to that receiver: of what, as which event ("request.filed"). 0 or -EIO. */
int jb_notice_id(const char *about, const char *receiver, const char *event, char id[static JB_NOTICE_ID_SIZE]);

#endif
