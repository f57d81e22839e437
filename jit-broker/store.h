/*
 * What the broker remembers: requests, the audit chain, keys and tokens. The
 * interface is small on purpose, so that a store with single-item conditional
 * writes alone (DynamoDB) can stand behind it as well as SQLite.
 *
 * A transition is one atomic write of the new record, conditional on the version
 * that was read, together with its audit record.
 */
#ifndef JB_STORE_H
#define JB_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "request.h"

struct jb_store;
struct jb_conf;
struct jb_notices;

/* Opens conf->store: "sqlite:/path" (made 0600 when it is not there) or "dynamodb:TABLE". NULL with a sentence in why.
 */
struct jb_store *jb_store_open(const struct jb_conf *conf, char *why, size_t why_size);
/* Makes the table of a "dynamodb:TABLE" that is not there yet. 0, or -1 with a sentence in why. */
int jb_store_create(const struct jb_conf *conf, char *why, size_t why_size);
void jb_store_close(struct jb_store *store); /* NULL is fine */
/* Why the last call failed with -EIO, in the store's own words ("database or disk is full"). Valid until the next. */
const char *jb_store_error(struct jb_store *store);

/* Can it be read now, and written where the last write failed? At once, whoever else writes. 0 or -EIO. */
int jb_store_ping(struct jb_store *store);
/* Was the last call a write that failed, of which nobody can say whether it was carried out all the same? */
bool jb_store_in_doubt(const struct jb_store *store);
/* Is it no part of this machine, so that a new process would find it as it is now? */
bool jb_store_is_remote(const struct jb_store *store);
/* How many writes it did not take since it was opened. */
uint64_t jb_store_failures(const struct jb_store *store);

/* A request as it is now that another process has filed or changed; gone after the call. */
typedef void (*jb_store_news)(void *arg, const struct jb_request *request);
/*
 * Does what the store wants to be looked after for while its process serves, and
 * tells what other processes on the same store have written since. In how many
 * milliseconds to call again; 0: never (nothing of that is needed); -EIO.
 */
int jb_store_attend(struct jb_store *store, jb_store_news each, void *arg);

/*
 * For stores that several processes serve hosts from. That host was heard of: for
 * how many seconds the store need not be told again, or -EIO. And the latest instant
 * at which any process may have heard of it; 0: the store does not know.
 */
int jb_store_heard(struct jb_store *store, const char *host, int64_t now);
int jb_store_last_heard(struct jb_store *store, const char *host, int64_t *ret);

/* One line of the chain: who did what to which request. Strings may be NULL. */
struct jb_audit {
	int64_t at;	    /* epoch seconds */
	const char *action; /* "request.filed", "request.approved", "credentials.issued" */
	const char *actor;  /* person, "host:web-1", "policy", "timer" */
	const char *request_id;
	const char *detail;		  /* JSON object as text, no secrets */
	const struct jb_notices *notices; /* whom to tell of it: into the outbox in the same write; NULL: nobody */
};

/* With `announce` request->changed is a new cursor. -EEXIST: that id, or that host's idempotency key, is taken. */
int jb_store_insert(struct jb_store *store, struct jb_request *request, bool announce, const struct jb_audit *audit);
/*
 * Writes the record where the stored version is still request->version; on
 * success version is one higher, and with `announce` request->changed is a new
 * cursor. -ESTALE: somebody was faster (read again); -ENOENT; -EIO.
 */
int jb_store_update(struct jb_store *store, struct jb_request *request, bool announce, const struct jb_audit *audit);
/* An audit record that belongs to no transition (a grant token made anew, a key added). */
int jb_store_audit(struct jb_store *store, const struct jb_audit *audit);

/*
 * What a host reports by an id of its own making: remembered under (host, id)
 * until that instant, in one atomic write with its audit record. -EEXIST: it is
 * known already, and nothing was changed.
 */
int jb_store_event(struct jb_store *store, const char *host, const char *id, int64_t until,
		   const struct jb_audit *audit);

/* By uuid or short id. 0, -ENOENT, -EIO; the caller frees. */
int jb_store_get(struct jb_store *store, const char *id, struct jb_request **ret);
int jb_store_get_idempotent(struct jb_store *store, const char *host, const char *key, struct jb_request **ret);

struct jb_query {
	const char *host;      /* good there, or filed from there; NULL: all */
	const char *filer;     /* filed from there; NULL: all */
	const char *requester; /* NULL: all */
	bool open_only;	       /* PENDING, APPROVED, ACTIVE */
	int status;	       /* an enum jb_status, or -1: all */
	int64_t due_until;     /* 0: whatever; else the next instant at which its state changes by itself is <= this */
	size_t limit;	       /* 0: no limit */
	const char *text;      /* stands in what people see of it (ASCII letters of either case); NULL: whatever */
	int64_t before_at;     /* 0: whatever; else what comes after this place in the order newest first: the */
	const char *before_id; /* instant it was requested at, and its id */
};
/* Newest first. Frees: each, then the array. */
int jb_store_find(struct jb_store *store, const struct jb_query *query, struct jb_request ***ret, size_t *ret_count);
/* How many match (limit ignored). */
int jb_store_count(struct jb_store *store, const struct jb_query *query, size_t *ret);
/*
 * What was announced to that host (or to who filed for it) after that cursor,
 * oldest first, at most `limit`; a cursor < 0, or one that this store never gave
 * out, stands for all that is open. What changes meanwhile may be told twice and
 * is never lost. Frees: each, then the array.
 */
struct jb_changes {
	struct jb_request **request;
	size_t count;
	int64_t next; /* the cursor to ask with next */
};
int jb_store_changes(struct jb_store *store, const char *host, int64_t after, size_t limit, struct jb_changes *ret);
/* The earliest instant at which any record is due (a finished one: its expires_at); INT64_MAX: none. */
int jb_store_next_due(struct jb_store *store, int64_t *ret);
/* Forgets finished requests whose expires_at has passed, and ids of events (the audit chain stays). */
int jb_store_prune(struct jb_store *store, int64_t now);

/*
 * Secrets that people and hosts present, stored as SHA-256 and compared in
 * constant time: kind "host" (API keys, owner = host) or "person" (approver
 * tokens, owner = person). The text is `jitk_<id>_<secret>`: the id finds the row.
 */
/* -EDQUOT: that host has JB_HOST_KEYS_MAX valid keys already. */
#define JB_HOST_KEYS_MAX 2
int jb_store_secret_add(struct jb_store *store, const char *kind, const char *owner, int64_t now, char *text,
			size_t size);
/* 0 and the owner's name in buf; -ENOENT: no such secret, or revoked. */
int jb_store_secret_check(struct jb_store *store, const char *kind, const char *text, char *owner, size_t size);
int jb_store_secret_revoke(struct jb_store *store, const char *kind, const char *id, int64_t now);
struct jb_secret_row {
	const char *id, *owner;
	int64_t created;
	int64_t used;	 /* when it was presented last, as far as that has been written; 0: never */
	int64_t revoked; /* 0: it is valid */
};
/* In the order in which they were made. */
int jb_store_secret_list(struct jb_store *store, const char *kind,
			 void (*each)(void *arg, const struct jb_secret_row *row), void *arg);
/* When secrets were presented last, several in one write. */
struct jb_secret_use {
	char id[17];
	int64_t at;
};
int jb_store_secret_used(struct jb_store *store, const struct jb_secret_use *uses, size_t count);

/* How many calls of a host count against its quota on that day (days since 1970, UTC); 0 where nobody has said so. */
int jb_store_calls(struct jb_store *store, const char *host, int64_t day, int64_t *ret);
struct jb_calls {
	const char *host;
	int64_t day;
	int64_t calls; /* in: so many more; out: how many there are, whoever counted them */
};
/* Adds them, all in one write; a host's earlier day is forgotten. */
int jb_store_calls_add(struct jb_store *store, struct jb_calls *rows, size_t count);

/* One sign-in at the page (signin.h), kept as the SHA-256 of its cookie. Times: epoch seconds. */
struct jb_session_row {
	char id[17];	  /* 16 hex digits */
	char person[256]; /* whose */
	char how[16];	  /* "proxy", "oidc" */
	char hash[65];
	int64_t begun, used;
};
/* Each with its audit record: "session.begun" by its person; "session.ended" by actor. -ENOENT: it is over already. */
int jb_store_session_add(struct jb_store *store, const struct jb_session_row *row);
int jb_store_session_end(struct jb_store *store, const char *id, const char *actor, int64_t now);
int jb_store_session_get(struct jb_store *store, const char *id, struct jb_session_row *ret);
/* It was used at that instant. */
int jb_store_session_use(struct jb_store *store, const char *id, int64_t now);
/* How many of that person's were begun after that instant. */
int jb_store_session_count(struct jb_store *store, const char *person, int64_t after, size_t *ret);
/* Forgets those that began, or were used last, at or before these instants. */
int jb_store_session_prune(struct jb_store *store, int64_t begun, int64_t used);
/* Oldest first; person NULL: everybody's. */
int jb_store_session_list(struct jb_store *store, const char *person,
			  void (*each)(void *arg, const struct jb_session_row *row), void *arg);

/* The chain from record after+1 on, at most limit, as JSON texts. */
int jb_store_audit_read(struct jb_store *store, int64_t after, size_t limit,
			void (*each)(void *arg, int64_t seq, const char *json), void *arg);
/* The number of the last record; 0: there is none. 0 or -EIO. */
int jb_store_audit_last(struct jb_store *store, int64_t *ret);
/* How many records are written and safe but not in the chain yet, and since when (epoch seconds). */
int jb_store_audit_waiting(struct jb_store *store, size_t *ret_count, int64_t *ret_since);
/* Where a chain is not whole. */
struct jb_audit_break {
	int64_t seq;	 /* the first record that does not fit; of -EIO: that cannot be read */
	const char *why; /* what is wrong with it: "it is missing" */
};
/* One record that fits; anything but 0 ends the walk. */
typedef int (*jb_audit_each)(void *arg, int64_t seq, const char *text, const char *hash);
/*
 * Recomputes the whole chain, as it is at one instant, and hands each record on as
 * soon as it is known to fit. 0: whole; -EBADMSG or -EIO with *ret; what `each`
 * (which may be NULL) said.
 */
int jb_store_audit_walk(struct jb_store *store, jb_audit_each each, void *arg, struct jb_audit_break *ret);

#endif
