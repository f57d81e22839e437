/* Between what is kept (spool.c) and how it is told (spool_send.c). */
#ifndef JH_SPOOL_PRIVATE_H
#define JH_SPOOL_PRIVATE_H

#include <sys/queue.h>

#include "alarm.h"
#include "spool.h"
#include "spool_dir.h"
#include "text.h"

struct jit_fetch_call;

#define JH_SPOOL_BACKOFF_FIRST_MS 1000
#define JH_SPOOL_BACKOFF_CAP_MS	  60000

struct jh_spool_entry {
	TAILQ_ENTRY(jh_spool_entry) link;
	uint64_t number; /* its place, and its file's name */
	char requester[JIT_NAME_SIZE];
	bool sent; /* in the call under way */
};

struct jh_spool {
	struct jh_helper *helper;
	int dir; /* -1: it could not be used when last tried */
	TAILQ_HEAD(jh_spool_list, jh_spool_entry) entries;
	size_t count;
	uint64_t last; /* number */
	struct jit_fetch_call *call;
	struct jh_alarm again;
	unsigned failures;
	struct jh_alarm mend; /* set while something could not be recorded, or read */
	unsigned lacks;
	bool settled;	 /* open ends have been looked through */
	bool one_by_one; /* the broker refused several: which of them? */
};

/* A file's name, by its number. */
void jh_spool_name(uint64_t number, const char *suffix, char buf[static JH_SPOOL_NAME_MAX]);
/* The event in a file, which the caller puts. 0, -EBADMSG where it is none, or another error. */
int jh_spool_event(struct jh_spool *spool, const char *name, struct json_object **ret);
/* Is it the file that is at fault, and not this moment? */
bool jh_spool_hopeless(int error);
/* What no broker will ever take is kept, out of the way. */
void jh_spool_set_aside(struct jh_spool *spool, uint64_t number, const char *why);
/* It waits no longer; its file is left as it is. */
void jh_spool_drop(struct jh_spool *spool, struct jh_spool_entry *entry);
/* Sends what waits first, with a jh_spool. */
void jh_spool_send(void *arg);

#endif
