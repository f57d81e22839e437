/*
 * What happened on a host while no broker answered, as that host reports it
 * later (POST /events): read strictly, and made into the detail of one audit
 * record. A report decides nothing. No I/O.
 */
#ifndef JB_EVENT_H
#define JB_EVENT_H

#include "engine.h"

#define JB_EVENTS_MAX 32 /* in one call */

struct json_object;

struct jb_event {
	char id[37];	    /* of the host's own making: a uuid */
	const char *action; /* of the audit record: "host.break_glass.begin" */
	char *detail;	    /* its detail, JSON text of clean texts; owned */
};

/* 0 and *ret, which jb_event_clear empties; -1 with a 400 (or a 503: out of memory) in *fault. */
int jb_event_read(struct json_object *json, struct jb_event *ret, struct jb_fault *fault);
void jb_event_clear(struct jb_event *event);

#endif
