/*
 * What stands behind store.h and outbox.h: one table of functions for each kind
 * of thing that is kept. What each function promises is said there, under the
 * same name; none is NULL. A kind of store begins with struct jb_store.
 */
#ifndef JB_STORE_OPS_H
#define JB_STORE_OPS_H

#include "outbox.h"
#include "store.h"

struct jb_request_ops {
	int (*insert)(struct jb_store *store, struct jb_request *request, bool announce, const struct jb_audit *audit);
	int (*update)(struct jb_store *store, struct jb_request *request, bool announce, const struct jb_audit *audit);
	int (*get)(struct jb_store *store, const char *id, struct jb_request **ret);
	int (*get_idempotent)(struct jb_store *store, const char *host, const char *key, struct jb_request **ret);
	int (*find)(struct jb_store *store, const struct jb_query *query, struct jb_request ***ret, size_t *ret_count);
	int (*count)(struct jb_store *store, const struct jb_query *query, size_t *ret);
	int (*changes)(struct jb_store *store, const char *host, int64_t after, size_t limit, struct jb_changes *ret);
	int (*next_due)(struct jb_store *store, int64_t *ret);
	int (*prune)(struct jb_store *store, int64_t now);
};

struct jb_audit_ops {
	int (*add)(struct jb_store *store, const struct jb_audit *audit);
	int (*event)(struct jb_store *store, const char *host, const char *id, int64_t until,
		     const struct jb_audit *audit);
	int (*read)(struct jb_store *store, int64_t after, size_t limit,
		    void (*each)(void *arg, int64_t seq, const char *json), void *arg);
	int (*last)(struct jb_store *store, int64_t *ret);
	int (*waiting)(struct jb_store *store, size_t *ret_count, int64_t *ret_since);
	int (*walk)(struct jb_store *store, jb_audit_each each, void *arg, struct jb_audit_break *ret);
};

struct jb_secret_ops {
	int (*add)(struct jb_store *store, const char *kind, const char *owner, int64_t now, char *text, size_t size);
	int (*check)(struct jb_store *store, const char *kind, const char *text, char *owner, size_t size);
	int (*revoke)(struct jb_store *store, const char *kind, const char *id, int64_t now);
	int (*list)(struct jb_store *store, const char *kind, void (*each)(void *arg, const struct jb_secret_row *row),
		    void *arg);
	int (*used)(struct jb_store *store, const struct jb_secret_use *uses, size_t count);
};

struct jb_calls_ops {
	int (*get)(struct jb_store *store, const char *host, int64_t day, int64_t *ret);
	int (*add)(struct jb_store *store, struct jb_calls *rows, size_t count);
};

struct jb_session_ops {
	int (*add)(struct jb_store *store, const struct jb_session_row *row);
	int (*end)(struct jb_store *store, const char *id, const char *actor, int64_t now);
	int (*get)(struct jb_store *store, const char *id, struct jb_session_row *ret);
	int (*use)(struct jb_store *store, const char *id, int64_t now);
	int (*count)(struct jb_store *store, const char *person, int64_t after, size_t *ret);
	int (*prune)(struct jb_store *store, int64_t begun, int64_t used);
	int (*list)(struct jb_store *store, const char *person,
		    void (*each)(void *arg, const struct jb_session_row *row), void *arg);
};

struct jb_outbox_ops {
	int (*next)(struct jb_store *store, const char *channel, size_t limit, struct jb_outbox_rows *ret);
	int (*old)(struct jb_store *store, const char *channel, int64_t created, size_t limit,
		   struct jb_outbox_rows *ret);
	int (*list)(struct jb_store *store, int64_t after, size_t limit, struct jb_outbox_rows *ret);
	int (*channels)(struct jb_store *store, jb_outbox_each each, void *arg);
	int (*done)(struct jb_store *store, const struct jb_outbox_row *row);
	int (*failed)(struct jb_store *store, const struct jb_outbox_row *row, int64_t due, const char *error);
	int (*hurry)(struct jb_store *store, const char *channel, int64_t now);
	int (*give_up)(struct jb_store *store, const struct jb_outbox_row *row, int64_t now);
};

struct jb_store_ops {
	void (*close)(struct jb_store *store);
	const char *(*error)(struct jb_store *store);
	int (*ping)(struct jb_store *store);
	int (*attend)(struct jb_store *store, jb_store_news each, void *arg);
	int (*heard)(struct jb_store *store, const char *host, int64_t now);
	int (*last_heard)(struct jb_store *store, const char *host, int64_t *ret);
	const struct jb_request_ops *request;
	const struct jb_audit_ops *audit;
	const struct jb_secret_ops *secret;
	const struct jb_calls_ops *calls;
	const struct jb_session_ops *session;
	const struct jb_outbox_ops *outbox;
};

struct jb_store {
	const struct jb_store_ops *ops;
	uint64_t failures;	      /* writes that it did not take */
	bool in_doubt;		      /* the last call was a write that failed, and may have been carried out */
	bool remote;		      /* it is no part of this machine */
	void (*on_outbox)(void *arg); /* told after a write with something in it for the outbox; NULL: nobody */
	void *on_outbox_arg;
};

#endif
