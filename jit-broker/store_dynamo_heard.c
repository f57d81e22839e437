/*
 * When hosts were heard of last, whichever process they spoke to. A host that
 * speaks is written down at most every HEARD_EVERY seconds; so whoever asks is told
 * the latest instant at which it can have spoken.
 */
#include <errno.h>
#include <stdlib.h>

#include "cleanup.h"
#include "store_dynamo.h"

#define HEARD_EVERY 10
#define KEPT_S	    86400

int jb_ddb_heard(struct jb_store *base, const char *host, int64_t now)
{
	struct jb_dynamodb *store = jb_ddb_of(base);
	JB_DOC ask = jb_dynamo_ask(store->table);
	JIT_FREE char *key = jb_ddb_key("host:%s", host);

	if (!key)
		return -ENOMEM;
	const struct jb_ddb_change change = {.key = key,
					     .condition = "attribute_not_exists(#heard) OR #heard < :heard",
					     .set = "#heard = :heard, #expiresAt = :until"};
	jb_ask_number(&ask, ":heard", now);
	jb_ask_number(&ask, ":until", now + KEPT_S);
	int r = jb_ddb_write(store, &ask, &change);
	return r < 0 && r != -ECANCELED ? r : HEARD_EVERY;
}

int jb_ddb_last_heard(struct jb_store *base, const char *host, int64_t *ret)
{
	JIT_JSON json_object *item = NULL;
	JIT_FREE char *key = jb_ddb_key("host:%s", host);

	if (!key)
		return -ENOMEM;
	int r = jb_ddb_get(jb_ddb_of(base), key, &item);
	if (r < 0 && r != -ENOENT)
		return r;
	*ret = r == 0 ? jb_item_number(item, "heard", 0) + HEARD_EVERY : 0;
	return 0;
}
