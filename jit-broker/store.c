/* See store.h and outbox.h: each call goes to the kind of store that was opened. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "store_dynamo.h"
#include "store_ops.h"
#include "store_sqlite.h"

struct jb_store *jb_store_open(const struct jb_conf *conf, char *why, size_t why_size)
{
	static const char sqlite[] = "sqlite:";
	const char *path = conf->store + sizeof(sqlite) - 1;

	if (strncmp(conf->store, JB_DDB_PREFIX, strlen(JB_DDB_PREFIX)) == 0)
		return jb_ddb_open(conf, why, why_size);
	if (strncmp(conf->store, sqlite, sizeof(sqlite) - 1) == 0 && *path == '/')
		return jb_sqlite_open(path, true, why, why_size);
	snprintf(why, why_size, "the store %s is not of the form sqlite:/PATH or dynamodb:TABLE", conf->store);
	return NULL;
}

int jb_store_create(const struct jb_conf *conf, char *why, size_t why_size)
{
	if (strncmp(conf->store, JB_DDB_PREFIX, strlen(JB_DDB_PREFIX)) == 0)
		return jb_ddb_create(conf, why, why_size);
	snprintf(why, why_size, "the store %s is made by the broker itself when it starts", conf->store);
	return -1;
}

int jb_store_attend(struct jb_store *store, jb_store_news each, void *arg)
{
	return store->ops->attend(store, each, arg);
}

int jb_store_heard(struct jb_store *store, const char *host, int64_t now)
{
	return store->ops->heard(store, host, now);
}

int jb_store_last_heard(struct jb_store *store, const char *host, int64_t *ret)
{
	return store->ops->last_heard(store, host, ret);
}

void jb_store_close(struct jb_store *store)
{
	if (store)
		store->ops->close(store);
}

const char *jb_store_error(struct jb_store *store)
{
	return store->ops->error(store);
}

int jb_store_ping(struct jb_store *store)
{
	return store->ops->ping(store);
}

bool jb_store_in_doubt(const struct jb_store *store)
{
	return store->in_doubt;
}

bool jb_store_is_remote(const struct jb_store *store)
{
	return store->remote;
}

uint64_t jb_store_failures(const struct jb_store *store)
{
	return store->failures;
}

void jb_outbox_on_write(struct jb_store *store, void (*told)(void *arg), void *arg)
{
	store->on_outbox = told;
	store->on_outbox_arg = arg;
}

int jb_store_insert(struct jb_store *store, struct jb_request *request, bool announce, const struct jb_audit *audit)
{
	return store->ops->request->insert(store, request, announce, audit);
}

int jb_store_update(struct jb_store *store, struct jb_request *request, bool announce, const struct jb_audit *audit)
{
	return store->ops->request->update(store, request, announce, audit);
}

int jb_store_get(struct jb_store *store, const char *id, struct jb_request **ret)
{
	return store->ops->request->get(store, id, ret);
}

int jb_store_get_idempotent(struct jb_store *store, const char *host, const char *key, struct jb_request **ret)
{
	return store->ops->request->get_idempotent(store, host, key, ret);
}

int jb_store_find(struct jb_store *store, const struct jb_query *query, struct jb_request ***ret, size_t *ret_count)
{
	return store->ops->request->find(store, query, ret, ret_count);
}

int jb_store_count(struct jb_store *store, const struct jb_query *query, size_t *ret)
{
	return store->ops->request->count(store, query, ret);
}

int jb_store_changes(struct jb_store *store, const char *host, int64_t after, size_t limit, struct jb_changes *ret)
{
	return store->ops->request->changes(store, host, after, limit, ret);
}

int jb_store_next_due(struct jb_store *store, int64_t *ret)
{
	return store->ops->request->next_due(store, ret);
}

int jb_store_prune(struct jb_store *store, int64_t now)
{
	return store->ops->request->prune(store, now);
}

int jb_store_audit(struct jb_store *store, const struct jb_audit *audit)
{
	return store->ops->audit->add(store, audit);
}

int jb_store_event(struct jb_store *store, const char *host, const char *id, int64_t until,
		   const struct jb_audit *audit)
{
	return store->ops->audit->event(store, host, id, until, audit);
}

int jb_store_audit_read(struct jb_store *store, int64_t after, size_t limit,
			void (*each)(void *arg, int64_t seq, const char *json), void *arg)
{
	return store->ops->audit->read(store, after, limit, each, arg);
}

int jb_store_audit_last(struct jb_store *store, int64_t *ret)
{
	return store->ops->audit->last(store, ret);
}

int jb_store_audit_waiting(struct jb_store *store, size_t *ret_count, int64_t *ret_since)
{
	return store->ops->audit->waiting(store, ret_count, ret_since);
}

int jb_store_audit_walk(struct jb_store *store, jb_audit_each each, void *arg, struct jb_audit_break *ret)
{
	return store->ops->audit->walk(store, each, arg, ret);
}

int jb_store_secret_add(struct jb_store *store, const char *kind, const char *owner, int64_t now, char *text,
			size_t size)
{
	return store->ops->secret->add(store, kind, owner, now, text, size);
}

int jb_store_secret_check(struct jb_store *store, const char *kind, const char *text, char *owner, size_t size)
{
	return store->ops->secret->check(store, kind, text, owner, size);
}

int jb_store_secret_revoke(struct jb_store *store, const char *kind, const char *id, int64_t now)
{
	return store->ops->secret->revoke(store, kind, id, now);
}

int jb_store_secret_list(struct jb_store *store, const char *kind,
			 void (*each)(void *arg, const struct jb_secret_row *row), void *arg)
{
	return store->ops->secret->list(store, kind, each, arg);
}

int jb_store_secret_used(struct jb_store *store, const struct jb_secret_use *uses, size_t count)
{
	return store->ops->secret->used(store, uses, count);
}

int jb_store_calls(struct jb_store *store, const char *host, int64_t day, int64_t *ret)
{
	return store->ops->calls->get(store, host, day, ret);
}

int jb_store_calls_add(struct jb_store *store, struct jb_calls *rows, size_t count)
{
	return store->ops->calls->add(store, rows, count);
}

int jb_store_session_add(struct jb_store *store, const struct jb_session_row *row)
{
	return store->ops->session->add(store, row);
}

int jb_store_session_end(struct jb_store *store, const char *id, const char *actor, int64_t now)
{
	return store->ops->session->end(store, id, actor, now);
}

int jb_store_session_get(struct jb_store *store, const char *id, struct jb_session_row *ret)
{
	return store->ops->session->get(store, id, ret);
}

int jb_store_session_use(struct jb_store *store, const char *id, int64_t now)
{
	return store->ops->session->use(store, id, now);
}

int jb_store_session_count(struct jb_store *store, const char *person, int64_t after, size_t *ret)
{
	return store->ops->session->count(store, person, after, ret);
}

int jb_store_session_prune(struct jb_store *store, int64_t begun, int64_t used)
{
	return store->ops->session->prune(store, begun, used);
}

int jb_store_session_list(struct jb_store *store, const char *person,
			  void (*each)(void *arg, const struct jb_session_row *row), void *arg)
{
	return store->ops->session->list(store, person, each, arg);
}

int jb_outbox_next(struct jb_store *store, const char *channel, size_t limit, struct jb_outbox_rows *ret)
{
	return store->ops->outbox->next(store, channel, limit, ret);
}

int jb_outbox_old(struct jb_store *store, const char *channel, int64_t created, size_t limit,
		  struct jb_outbox_rows *ret)
{
	return store->ops->outbox->old(store, channel, created, limit, ret);
}

int jb_outbox_list(struct jb_store *store, int64_t after, size_t limit, struct jb_outbox_rows *ret)
{
	return store->ops->outbox->list(store, after, limit, ret);
}

int jb_outbox_channels(struct jb_store *store, jb_outbox_each each, void *arg)
{
	return store->ops->outbox->channels(store, each, arg);
}

int jb_outbox_done(struct jb_store *store, const struct jb_outbox_row *row)
{
	return store->ops->outbox->done(store, row);
}

int jb_outbox_failed(struct jb_store *store, const struct jb_outbox_row *row, int64_t due, const char *error)
{
	return store->ops->outbox->failed(store, row, due, error);
}

int jb_outbox_hurry(struct jb_store *store, const char *channel, int64_t now)
{
	return store->ops->outbox->hurry(store, channel, now);
}

int jb_outbox_give_up(struct jb_store *store, const struct jb_outbox_row *row, int64_t now)
{
	return store->ops->outbox->give_up(store, row, now);
}
