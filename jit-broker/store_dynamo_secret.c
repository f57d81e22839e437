/* API keys and approver tokens in the DynamoDB store: hashes alone, each change with its audit record in the same item.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "secret.h"
#include "store_dynamo.h"

#define PLACE_TRIES 10 /* of many who add a key at once each is through after as many, or refused */
#define KEY_SIZE    (sizeof("secret:") + JB_SECRET_ID_SIZE)

static void key_of(const char *id, char key[static KEY_SIZE])
{
	snprintf(key, KEY_SIZE, "secret:%.16s", id);
}

static void list_of(const char *kind, char *list, size_t size)
{
	snprintf(list, size, "secret:%s", kind);
}

/* Ids, kinds and owners are names without quotes. */
static bool detail_of(char *buf, size_t size, const char *kind, const char *id, const char *owner)
{
	int n = snprintf(buf, size, "{\"kind\":\"%s\",\"id\":\"%s\",\"owner\":\"%s\"}", kind, id, owner);

	return n > 0 && (size_t)n < size;
}

static int insert_secret(struct jb_dynamodb *store, const char *kind, const char *owner, const char *id,
			 const char *hash, int64_t now)
{
	JB_DOC ask = jb_dynamo_ask(store->table);
	char key[KEY_SIZE], list[32], place[64], detail[256];
	const struct jb_audit audit = {.at = now, .action = "secret.added", .actor = "admin", .detail = detail};
	const struct jb_ddb_change change = {
		.key = key,
		.set = "#kind = :kind, #keeper = :keeper, #hash = :hash, #created = :created, #list = :list, "
		       "#place = :place",
		.audit = &audit};

	if (!detail_of(detail, sizeof(detail), kind, id, owner))
		return -EINVAL;
	key_of(id, key);
	list_of(kind, list, sizeof(list));
	snprintf(place, sizeof(place), "%012lld#%s", (long long)now, id);
	jb_ask_text(&ask, ":kind", kind);
	jb_ask_text(&ask, ":keeper", owner);
	jb_ask_text(&ask, ":hash", hash);
	jb_ask_number(&ask, ":created", now);
	jb_ask_text(&ask, ":list", list);
	jb_ask_text(&ask, ":place", place);
	return jb_ddb_insert(store, &ask, &change, now);
}

/* The item of a secret of that kind which is not revoked; 0, -ENOENT, -EIO. */
static int get_valid(struct jb_dynamodb *store, const char *kind, const char *id, json_object **ret)
{
	char key[KEY_SIZE];

	key_of(id, key);
	int r = jb_ddb_get(store, key, ret);
	if (r < 0)
		return r;
	const char *is = jb_item_text(*ret, "kind");
	return is && strcmp(is, kind) == 0 && !jb_item_number(*ret, "revoked", 0) ? 0 : -ENOENT;
}

static int secret_check(struct jb_store *base, const char *kind, const char *text, char *owner, size_t size)
{
	JIT_JSON json_object *item = NULL;
	char id[JB_SECRET_ID_SIZE];

	if (!jb_secret_key_id(text, id))
		return -ENOENT;
	int r = get_valid(jb_ddb_of(base), kind, id, &item);
	if (r < 0)
		return r;
	const char *name = jb_item_text(item, "keeper");
	if (!name || strlen(name) >= size || !jb_secret_fits(text, jb_item_text(item, "hash")))
		return -ENOENT;
	snprintf(owner, size, "%s", name);
	return 0;
}

static int secret_revoke(struct jb_store *base, const char *kind, const char *id, int64_t now)
{
	struct jb_dynamodb *store = jb_ddb_of(base);
	JIT_JSON json_object *item = NULL;
	JB_DOC ask = jb_dynamo_ask(store->table);
	char key[KEY_SIZE], detail[256];
	const struct jb_audit audit = {.at = now, .action = "secret.revoked", .actor = "admin", .detail = detail};
	const struct jb_ddb_change change = {.key = key,
					     .condition = "attribute_not_exists(#revoked)",
					     .set = "#revoked = :revoked",
					     .audit = &audit};
	int r = get_valid(store, kind, id, &item);

	if (r < 0)
		return r;
	const char *owner = jb_item_text(item, "keeper");
	if (!owner || !detail_of(detail, sizeof(detail), kind, id, owner))
		return -EINVAL;
	key_of(id, key);
	jb_ask_number(&ask, ":revoked", now);
	r = jb_ddb_write(store, &ask, &change);
	return r == -ECANCELED ? -ENOENT : r;
}

/* Each item of that kind, in the order in which they were made. */
static int visit(struct jb_dynamodb *store, const char *kind, jb_ddb_each each, void *arg)
{
	struct jb_ddb_keys keys = {0};
	char list[32];

	list_of(kind, list, sizeof(list));
	JB_DOC ask = jb_ddb_index(store, "list", list, NULL);
	int r = jb_ddb_query(store, &ask, jb_ddb_keep_key, &keys);
	if (r == 0)
		r = jb_ddb_items(store, &keys, each, arg);
	jb_ddb_keys_clear(&keys);
	return r < 0 ? -EIO : 0;
}

/*
 * The valid keys of a host are few, and an index may not show the newest yet. So
 * each is noted in an item of the host's, "ID@SECONDS ID@SECONDS", before it is
 * made; that item is written only where it is as it was read.
 */
#define NOTE_SIZE (JB_SECRET_ID_SIZE + 24)
#define MAKING_S  60 /* a noted key that is not there yet is about to be */

struct held {
	struct jb_dynamodb *store;
	const char *owner;
	int64_t now;
	size_t count;
	char notes[JB_HOST_KEYS_MAX * NOTE_SIZE]; /* of as many as there may be */
};

static void hold(struct held *held, const char *id, size_t len, int64_t at)
{
	const size_t used = strlen(held->notes);
	char note[NOTE_SIZE];

	snprintf(note, sizeof(note), "%.*s@", (int)len, id);
	if (strstr(held->notes, note) || held->count++ >= JB_HOST_KEYS_MAX)
		return;
	snprintf(held->notes + used, sizeof(held->notes) - used, "%s%s%lld", used ? " " : "", note, (long long)at);
}

static int hold_valid(void *arg, json_object *item)
{
	struct held *held = arg;
	const char *id = jb_item_key(item, "secret"), *owner = jb_item_text(item, "keeper");

	if (id && owner && strcmp(owner, held->owner) == 0 && !jb_item_number(item, "revoked", 0))
		hold(held, id, strlen(id), held->now);
	return 0;
}

/* Those that are noted: what has been revoked since, or was never made, holds no place. */
static int hold_noted(struct held *held, const char *notes)
{
	for (const char *at; (at = strchr(notes, '@')); notes = at + strcspn(at, " "), notes += *notes == ' ') {
		const size_t len = (size_t)(at - notes);
		const int64_t since = strtoll(at + 1, NULL, 10);
		JIT_JSON json_object *item = NULL;
		char id[JB_SECRET_ID_SIZE], key[KEY_SIZE];

		snprintf(id, sizeof(id), "%.*s", (int)len, notes);
		key_of(id, key);
		int r = jb_ddb_get(held->store, key, &item);
		if (r == 0 ? !jb_item_number(item, "revoked", 0)
			   : r == -ENOENT && since > held->now - MAKING_S && since <= held->now + MAKING_S)
			hold(held, notes, len, since);
		else if (r < 0 && r != -ENOENT)
			return r;
	}
	return 0;
}

/* 0; -EDQUOT; -ECANCELED: somebody else does the same just now. */
static int note_key(struct jb_dynamodb *store, const char *owner, const char *id, int64_t now)
{
	struct held held = {.store = store, .owner = owner, .now = now};
	JB_DOC ask = jb_dynamo_ask(store->table);
	JIT_JSON json_object *item = NULL;
	JIT_FREE char *key = jb_ddb_key("keys:%s", owner);

	if (!key)
		return -ENOMEM;
	int r = jb_ddb_get(store, key, &item);
	const char *notes = r == 0 ? jb_item_text(item, "keys") : NULL;
	if (r == -ENOENT)
		r = 0;
	if (notes)
		r = hold_noted(&held, notes);
	if (r == 0)
		r = visit(store, "host", hold_valid, &held);
	if (r < 0 || held.count >= JB_HOST_KEYS_MAX)
		return r < 0 ? r : -EDQUOT;
	hold(&held, id, strlen(id), now);
	const struct jb_ddb_change change = {.key = key,
					     .condition = notes ? "#keys = :before" : "attribute_not_exists(#keys)",
					     .set = "#keys = :keys"};
	if (notes)
		jb_ask_text(&ask, ":before", notes);
	jb_ask_text(&ask, ":keys", held.notes);
	return jb_ddb_write(store, &ask, &change);
}

static int take_place(struct jb_dynamodb *store, const char *kind, const char *owner, const char *id, int64_t now)
{
	int r = -ECANCELED;

	if (strcmp(kind, "host") != 0)
		return 0;
	for (int i = 0; r == -ECANCELED && i < PLACE_TRIES; i++)
		r = note_key(store, owner, id, now);
	return r == -ECANCELED ? -EIO : r;
}

static int secret_add(struct jb_store *base, const char *kind, const char *owner, int64_t now, char *text, size_t size)
{
	char made[JB_SECRET_SIZE], id[JB_SECRET_ID_SIZE], hash[JB_HASH_SIZE];
	int r = size < JB_SECRET_SIZE ? -ENOBUFS : jb_secret_new_key(made, id, hash);

	if (r < 0)
		return r;
	r = take_place(jb_ddb_of(base), kind, owner, id, now);
	if (r == 0)
		r = insert_secret(jb_ddb_of(base), kind, owner, id, hash, now);
	if (r == 0)
		snprintf(text, size, "%s", made);
	OPENSSL_cleanse(made, sizeof(made));
	return r;
}

struct telling {
	void (*each)(void *arg, const struct jb_secret_row *row);
	void *arg;
};

static int tell(void *arg, json_object *item)
{
	const struct telling *telling = arg;
	const struct jb_secret_row row = {.id = jb_item_key(item, "secret"),
					  .owner = jb_item_text(item, "keeper"),
					  .created = jb_item_number(item, "created", 0),
					  .used = jb_item_number(item, "used", 0),
					  .revoked = jb_item_number(item, "revoked", 0)};

	if (row.id && row.owner)
		telling->each(telling->arg, &row);
	return 0;
}

static int secret_list(struct jb_store *base, const char *kind,
		       void (*each)(void *arg, const struct jb_secret_row *row), void *arg)
{
	struct telling telling = {each, arg};

	return visit(jb_ddb_of(base), kind, tell, &telling);
}

static int note_use(struct jb_dynamodb *store, const struct jb_secret_use *use)
{
	JB_DOC ask = jb_dynamo_ask(store->table);
	char key[KEY_SIZE];
	const struct jb_ddb_change change = {
		.key = key,
		.condition = "attribute_exists(#kind) AND (attribute_not_exists(#used) OR #used < :used)",
		.set = "#used = :used"};

	key_of(use->id, key);
	jb_ask_number(&ask, ":used", use->at);
	int r = jb_ddb_write(store, &ask, &change);
	return r == -ECANCELED ? 0 : r; /* known already, or forgotten */
}

/* Each by itself: what is written twice after a failure says the same. */
static int secret_used(struct jb_store *base, const struct jb_secret_use *uses, size_t count)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = note_use(jb_ddb_of(base), &uses[i]);
	return r;
}

const struct jb_secret_ops jb_ddb_secrets = {
	.add = secret_add,
	.check = secret_check,
	.revoke = secret_revoke,
	.list = secret_list,
	.used = secret_used,
};
