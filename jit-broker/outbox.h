/*
 * The outbox: what has to be told and has not been, kept in the store from the
 * change that caused it (struct jb_audit, notices) until its receiver has taken
 * it. What is in it goes out at least once, in order for each receiver and
 * request. Rows leave it in two ways: delivered, or given up, which the audit
 * chain records.
 */
#ifndef JB_OUTBOX_H
#define JB_OUTBOX_H

#include <stddef.h>
#include <stdint.h>

#include "notice.h"
#include "store.h"

struct jb_outbox_row {
	struct jb_notice notice;
	int64_t seq;
	int64_t due; /* epoch seconds: not to be tried before */
	unsigned tries;
	char *error; /* of the last try; NULL: none yet */
};
struct jb_outbox_rows {
	struct jb_outbox_row *row;
	size_t count;
};
void jb_outbox_row_clear(struct jb_outbox_row *row);
void jb_outbox_rows_clear(struct jb_outbox_rows *rows);

/* For stores: the audit record's detail of one that is given up. NULL: out of memory; the caller frees. */
char *jb_outbox_given_up(const struct jb_outbox_row *row);

/* Told, from within the writing call, after each commit that put something into it. NULL: nobody. */
void jb_outbox_on_write(struct jb_store *store, void (*told)(void *arg), void *arg);

/*
 * The heads of that channel's queues (the first of each receiver and request),
 * what is due first at the front. All of these: 0 or -EIO, -ENOMEM.
 */
int jb_outbox_next(struct jb_store *store, const char *channel, size_t limit, struct jb_outbox_rows *ret);
/* Those made at or before that instant, oldest first, whatever stands before them. */
int jb_outbox_old(struct jb_store *store, const char *channel, int64_t created, size_t limit,
		  struct jb_outbox_rows *ret);
/* What stands in it behind that row, in order. */
int jb_outbox_list(struct jb_store *store, int64_t after, size_t limit, struct jb_outbox_rows *ret);
/* A channel for which something waits: how many messages, and since when the oldest of them. */
typedef void (*jb_outbox_each)(void *arg, const char *channel, size_t waiting, int64_t oldest);
int jb_outbox_channels(struct jb_store *store, jb_outbox_each each, void *arg);

/* It has been delivered. */
int jb_outbox_done(struct jb_store *store, const struct jb_outbox_row *row);
/* A try failed, for that reason; the next not before `due`. */
int jb_outbox_failed(struct jb_store *store, const struct jb_outbox_row *row, int64_t due, const char *error);
/* All of that channel is due at that instant at the latest. */
int jb_outbox_hurry(struct jb_store *store, const char *channel, int64_t now);
/* It leaves undelivered, with an audit record that says so. */
int jb_outbox_give_up(struct jb_store *store, const struct jb_outbox_row *row, int64_t now);

#endif
