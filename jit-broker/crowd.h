/*
 * Who leaves when more connections come than there is room for. One that has not
 * proved who it is (a stranger) leaves first, the oldest before the others, and
 * one address has no more than its share of these: who squats is gone, and an
 * honest host has proved itself within milliseconds. Of the others those leave
 * that lie idle, or whose request has not come whole; one whose answer is awaited is
 * never put out.
 */
#ifndef JB_CROWD_H
#define JB_CROWD_H

#include <stdbool.h>
#include <sys/queue.h>

#include "source.h"

struct jb_place;

/* A part of a connection. */
struct jb_guest {
	struct jb_crowd *crowd;
	enum {
		JB_STRANGER,
		JB_BUSY,
		JB_IDLE,
	} is;
	struct jb_place *place;	       /* where a stranger comes from; NULL: unknown */
	TAILQ_ENTRY(jb_guest) of_kind; /* strangers by their arrival, idle ones by their last request */
	TAILQ_ENTRY(jb_guest) of_place;
};

TAILQ_HEAD(jb_guest_list, jb_guest);

struct jb_crowd {
	unsigned count, max, max_of_place;
	struct jb_guest_list strangers, idle;
	void *places; /* tsearch(3) */
};

void jb_crowd_init(struct jb_crowd *crowd, unsigned max);

/* May one from there come? False: no. *ret_leaver: who has to go for it first, or NULL. */
bool jb_crowd_room(const struct jb_crowd *crowd, const struct jb_address *from, struct jb_guest **ret_leaver);

/* Comes, as a stranger. 0 or -ENOMEM: then it has not come. */
int jb_crowd_enter(struct jb_crowd *crowd, struct jb_guest *guest, const struct jb_address *from);
/* Has proved who it is, and is busy. */
void jb_crowd_trust(struct jb_guest *guest);
/* Begins to lie idle, or has a request again. Strangers stay strangers. */
void jb_crowd_set_idle(struct jb_guest *guest, bool idle);
/* One that has not come may leave, too. */
void jb_crowd_leave(struct jb_guest *guest);

#endif
