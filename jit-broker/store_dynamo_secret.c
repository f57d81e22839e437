/* API keys and approver tokens in the DynamoDB store: hashes alone, each change with its audit record in the same item.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "secret.h"
#include "store_dynamo.h"

#define KEY_SIZE (sizeof("secret:") + JB_SECRET_ID_SIZE)

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

struct counting {
	const char *owner;
	size_t count;
};

static int count_valid(void *arg, json_object *item)
{
	struct counting *counting = arg;
	const char *owner = jb_item_text(item, "keeper");

	counting->count += owner && strcmp(owner, counting->owner) == 0 && !jb_item_number(item, "revoked", 0);
	return 0;
}

/* Two who add at the same instant do not see each other's. */
static int check_count(struct jb_dynamodb *store, const char *kind, const char *owner)
{
	struct counting counting = {.owner = owner};

	if (strcmp(kind, "host") != 0)
		return 0;
	int r = visit(store, kind, count_valid, &counting);
	return r < 0 ? r : counting.count < JB_HOST_KEYS_MAX ? 0 : -EDQUOT;
}

static int secret_add(struct jb_store *base, const char *kind, const char *owner, int64_t now, char *text, size_t size)
{
	char made[JB_SECRET_SIZE], id[JB_SECRET_ID_SIZE], hash[JB_HASH_SIZE];
	int r = size < JB_SECRET_SIZE ? -ENOBUFS : jb_secret_new_key(made, id, hash);

	if (r < 0)
		return r;
	r = check_count(jb_ddb_of(base), kind, owner);
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
	const char *key = jb_item_text(item, "requestId"), *owner = jb_item_text(item, "keeper");
	const struct jb_secret_row row = {.id = key ? key + strlen("secret:") : NULL,
					  .owner = owner,
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
