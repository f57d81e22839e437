/*
 * What the files of the DynamoDB store share: the handle, and the few ways in which
 * the table is read and written.
 *
 * Everything lies in one table. Its key is `requestId`; of items that are no
 * requests it begins with their kind and a colon, which no uuid has in it. Each
 * change is one write of one item, and carries its audit record in the item's list
 * `audit`; from there the sealer (store_dynamo_seal.c) brings it into the chain.
 * What is searched for stands in attributes of its own, each the key of an index
 * that holds nothing but keys: what an index says may be late, so the items
 * themselves are always read again, and consistently.
 */
#ifndef JB_STORE_DYNAMO_H
#define JB_STORE_DYNAMO_H

#include "dynamo.h"
#include "dynamo_item.h"
#include "store_ops.h"

/* The text that a sparse index has for its hash key. */
#define JB_DDB_ONE "1"

/* The one process that seals and that empties the outbox. */
#define JB_DDB_LEASE "lease:sealer"

/* Stamps of writes that have been told of, so that they are not told again (store_dynamo_watch.c). */
struct jb_ddb_seen {
	int64_t *stamp;
	size_t count;
};

struct jb_dynamodb {
	struct jb_store store;
	struct jb_dynamo *client;
	char *table;
	const char *error; /* why the last call failed; NULL: the client knows */
	int64_t pruned;	   /* finished requests that expired by then are forgotten */
	char owner[37];	   /* who we are to the lease */
	int64_t leased;	   /* ms: until when we have it; 0: we have not */
	int64_t looked;	   /* ms: when we last tried to get it */
	int64_t finished;  /* first record of the item of the chain whose records we know to be taken out everywhere */
	int64_t head;	   /* first record of the newest item of the chain that we know of; 0: none */
	int64_t watched;   /* ms: all that was written before has been told; 0: nobody has asked yet */
	struct jb_ddb_seen seen;
};

extern const struct jb_request_ops jb_ddb_requests;
extern const struct jb_audit_ops jb_ddb_chain;
extern const struct jb_secret_ops jb_ddb_secrets;
extern const struct jb_calls_ops jb_ddb_calls;
extern const struct jb_session_ops jb_ddb_sessions;
extern const struct jb_outbox_ops jb_ddb_outbox;

static inline struct jb_dynamodb *jb_ddb_of(struct jb_store *store)
{
	return (struct jb_dynamodb *)store;
}

struct jb_conf;
#define JB_DDB_PREFIX "dynamodb:"
/* The table named by conf->store. NULL with a sentence in why. */
struct jb_store *jb_ddb_open(const struct jb_conf *conf, char *why, size_t why_size);
/* Makes it. 0, or -1 with a sentence in why. */
int jb_ddb_create(const struct jb_conf *conf, char *why, size_t why_size);

/* Milliseconds since the epoch; microseconds, to tell one write of a process from its next. */
int64_t jb_ddb_now_ms(void);
int64_t jb_ddb_now_us(void);

/* What makes a document's failure one of the call: a document that is NULL is -ENOMEM. */
int jb_ddb_call(struct jb_dynamodb *store, const char *operation, const struct jb_doc *ask, json_object **ret);
/* An item's key: jb_ddb_key("host:%s", name). NULL: out of memory; the caller frees. */
__attribute__((format(printf, 1, 2))) char *jb_ddb_key(const char *format, ...);
/* The item as it is now; 0, -ENOENT, -EIO, -ENOMEM. */
int jb_ddb_get(struct jb_dynamodb *store, const char *key, json_object **ret);

/* One write of one item, which is made where there is none. */
struct jb_ddb_change {
	const char *key;
	const char *condition; /* NULL: whatever there is */
	const char *set;       /* "#doc = :doc, …" */
	const char *remove;    /* "#open, #due"; NULL: nothing */
	const struct jb_audit *audit;
};
/* `values` holds TableName and the values. 0; -ECANCELED: the condition does not hold; -EINVAL, -ENOMEM, -EIO. */
int jb_ddb_write(struct jb_dynamodb *store, struct jb_doc *values, const struct jb_ddb_change *change);
/* An item that must not be there, or must have expired. -EEXIST: it is. */
int jb_ddb_insert(struct jb_dynamodb *store, struct jb_doc *values, const struct jb_ddb_change *change, int64_t now);
/* Unless it has audit records that are not sealed. */
int jb_ddb_delete(struct jb_dynamodb *store, const char *key);

/* Runs a Query to its end, page by page; each item to `each` until that says anything but 0, which is returned. */
typedef int (*jb_ddb_each)(void *arg, json_object *item);
int jb_ddb_query(struct jb_dynamodb *store, struct jb_doc *ask, jb_ddb_each each, void *arg);
/* How many it finds. */
int jb_ddb_count(struct jb_dynamodb *store, struct jb_doc *ask, size_t *ret);
/* A Query on an index by its hash key, which is called as the index is. */
struct jb_doc jb_ddb_index(struct jb_dynamodb *store, const char *index, const char *value, const char *more);

struct jb_ddb_keys {
	char **key;
	size_t count;
};
/* The key of an item that a Query found; arg: struct jb_ddb_keys. */
int jb_ddb_keep_key(void *arg, json_object *item);
void jb_ddb_keys_clear(struct jb_ddb_keys *keys);
/* Each of these items as it is now, in that order; those that are gone are passed over. As jb_ddb_query. */
int jb_ddb_items(struct jb_dynamodb *store, const struct jb_ddb_keys *keys, jb_ddb_each each, void *arg);

/*
 * An audit record on its way to the chain: {"id":…,"us":…,"at":…,"action":…,"notices":[…]}. The caller frees. 0,
 * -EINVAL (the detail is no JSON object), -ENOMEM.
 */
int jb_ddb_record(const struct jb_audit *audit, const char *id, char **ret);

/* The chain as it is: store_dynamo_chain.c. */
struct jb_ddb_head {
	int64_t first;	   /* record of the newest item; 0: there is no item */
	int64_t last;	   /* record of the chain */
	char hash[65];	   /* its hash */
	json_object *item; /* the newest item, which the caller puts; NULL: none */
};
int jb_ddb_head(struct jb_dynamodb *store, int64_t hint, struct jb_ddb_head *ret);
/* "chain:000000000001" */
#define JB_DDB_CHAIN_KEY_SIZE 32
void jb_ddb_chain_key(int64_t first, char key[static JB_DDB_CHAIN_KEY_SIZE]);

/* Notices of a record with that number, into the outbox, where they are not there already. */
int jb_ddb_outbox_add(struct jb_dynamodb *store, json_object *notices, int64_t seq);

/* Brings audit records into the chain and notices into the outbox, where it is ours to do so. 0 or an error. */
int jb_ddb_seal(struct jb_dynamodb *store, bool *ret_more);
int jb_ddb_heard(struct jb_store *base, const char *host, int64_t now);
int jb_ddb_last_heard(struct jb_store *base, const char *host, int64_t *ret);
/* Is the table there, with all its indexes? 0, or -1 with a sentence in why. */
int jb_ddb_look_at_table(struct jb_dynamodb *store, char *why, size_t why_size);
/* Makes it, and waits until it can be used. */
int jb_ddb_create_table(struct jb_dynamodb *store);

/* Gives the lease back. */
void jb_ddb_unseal(struct jb_dynamodb *store);
/* How long after its stamp a write may still come, or come late to an index, and is seen all the same. */
#define JB_DDB_WINDOW_MS      3000
/* The same for a host, whose few changes cost nothing to look at: a revocation that it missed would be missed for good.
 */
#define JB_DDB_HOST_WINDOW_MS 10000
/* A stamp is milliseconds and, behind them, bits of the id and the version: in order, and hardly ever twice. */
#define JB_DDB_STAMP_BITS     20
int64_t jb_ddb_stamp(int64_t ms, const struct jb_request *request);
int jb_ddb_changes(struct jb_store *base, const char *host, int64_t after, size_t limit, struct jb_changes *ret);
int jb_ddb_find(struct jb_store *base, const struct jb_query *query, struct jb_request ***ret, size_t *ret_count);
int jb_ddb_count_requests(struct jb_store *base, const struct jb_query *query, size_t *ret);
/* A request's place in the list of all: "2026-11-22T16:00:00Z#" and its id. */
#define JB_DDB_PLACE_SIZE 96
/* When an open request changes by itself. */
int64_t jb_ddb_due(const struct jb_request *request);
/* The record of an item: 0; -ENOENT: it has expired; -EIO: it is none. */
int jb_ddb_read_request(const struct jb_dynamodb *store, json_object *item, struct jb_request **ret);

/* Tells of what other processes wrote. */
int jb_ddb_watch(struct jb_dynamodb *store, jb_store_news each, void *arg);
/* This process wrote with that stamp: it need not be told. */
void jb_ddb_wrote(struct jb_dynamodb *store, int64_t stamp);

#endif
