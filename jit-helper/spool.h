/*
 * What the broker is still to be told: events that happened while it did not
 * answer, one file each in spool_dir, written to the disk before anything is
 * granted on their ground. They survive restarts and reboots, and are delivered
 * in order to POST /events once a broker answers again; it knows each by its id,
 * so that one which is told twice counts once.
 *
 * Beside them may lie an `open` file for something that has begun and not
 * ended: the event of its end, prepared. The helper that finds one at its start
 * is not the one that began it, and reports that end.
 */
#ifndef JH_SPOOL_H
#define JH_SPOOL_H

#include <stdbool.h>
#include <stddef.h>

#include "conf.h"

struct jh_helper;
struct jh_spool;
struct json_object;

/* Makes spool_dir where it is not there: for root, who gives it to conf->user. What fails is found when it is used. */
void jh_spool_prepare(const struct jh_conf *conf);

/* Reads what waits. NULL: out of memory or descriptors; a folder that cannot be used is told when it is needed. */
struct jh_spool *jh_spool_new(struct jh_helper *helper);
/* The grants of before are known again: what began under one that is not is over. */
void jh_spool_settle(struct jh_spool *spool);
void jh_spool_free(struct jh_spool *spool); /* NULL is fine */

/*
 * Keeps an event, on the disk when it returns. `id` is put into it where it has
 * none; `requester` may only have so many waiting (for an end, `closes`, there
 * is always room). 0, or -errno with a sentence in why.
 */
int jh_spool_add(struct jh_spool *spool, struct json_object *event, const char *requester, bool closes, char *why,
		 size_t why_size);

/* The prepared end of `key` (a uuid), should this process not live to tell it. As jh_spool_add. */
int jh_spool_open(struct jh_spool *spool, const char *key, struct json_object *end, char *why, size_t why_size);
/* Has `key` begun and not ended? 1, 0; -errno: that cannot be told. */
int jh_spool_is_open(struct jh_spool *spool, const char *key);
/* It has ended, now: its prepared end becomes an event that says why. What cannot be kept is tried again. */
void jh_spool_end(struct jh_spool *spool, const char *key, const char *why);
/* It has not begun after all. */
void jh_spool_forget(struct jh_spool *spool, const char *key);

/* A broker answers: what waits is sent, if it is not being sent already. */
void jh_spool_deliver(struct jh_spool *spool);
/* A broker answers that did not: without waiting for the next try. */
void jh_spool_hurry(struct jh_spool *spool);
/* How many events wait. */
size_t jh_spool_waiting(const struct jh_spool *spool);

#endif
