/*
 * The daemon's own state: what it holds and what it is waiting for. One thread,
 * one loop; every part gets this to find the others.
 */
#ifndef JH_HELPER_H
#define JH_HELPER_H

#include <stdbool.h>
#include <sys/queue.h>

#include "alarm.h"
#include "broker.h"
#include "conf.h"
#include "frame.h"

struct event;
struct event_base;
struct jh_listener;
struct jh_state;
struct jh_spool;
struct jh_spare;

struct jh_helper {
	struct event_base *base;
	struct jh_conf *conf;
	struct jh_alarms *alarms;
	struct jh_broker *broker;
	struct jh_changes *changes;
	struct jh_state *state;
	struct jh_spool *spool;
	struct jh_spare *spare;
	struct jh_listener *pam;
	struct jh_listener *session;
	struct event *term, *interrupt;				  /* SIGTERM and SIGINT */
	LIST_HEAD(jh_visit_list, jh_visit) visits;		  /* account exchanges under way */
	LIST_HEAD(jh_request_list, jh_request) requests;	  /* at the broker, or on their way there */
	LIST_HEAD(jh_ahead_list, jh_ahead) ahead;		  /* what `jit request` has asked for */
	LIST_HEAD(jh_grant_list, jh_grant) grants;		  /* what approvals gave */
	LIST_HEAD(jh_elevation_list, jh_elevation) elevations;	  /* open sessions under them */
	LIST_HEAD(jh_ending_list, jh_ending) endings;		  /* what grants that are over left running */
	LIST_HEAD(jh_withdrawal_list, jh_withdrawal) withdrawals; /* what the broker is still to be told */
	/* The frame that came and the frame that goes, in the secure heap: they carry tokens and credentials. */
	struct jit_frame *in, *out;
	int passed; /* the descriptor that came with `in`, for whoever wants it; -1 */
	bool stopping;
};

#endif
