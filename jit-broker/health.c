/* See health.h. */
#include "health.h"

#include <openssl/crypto.h>
#include <string.h>

#include "aws_keys.h"
#include "clock.h"
#include "issuer_watch.h"

/*
 * A call that failed tells of the issuer for this long. Not for ever: a broker
 * that nobody is sent to, because it is not well, would never make another call.
 */
#define FAILED_MS 60000

static const char *store_state(struct jb_store *store)
{
	return jb_store_ping(store) == 0 ? "ok" : "the store cannot be used";
}

static const char *issuer_state(const struct jb_conf *conf, const struct jb_issuer *issuer)
{
	const struct jb_issue_stats *stats = jb_issuer_watch_stats(issuer);
	struct jb_aws_keys keys;
	char why[384];

	if (stats->failing_since && jit_boottime_ms() - stats->failing_since < FAILED_MS)
		return "the last call to STS failed";
	if (strcmp(conf->issuer, "demo") == 0 && !conf->issue_function && !conf->issue_workflow)
		return "ok";
	int r = jb_aws_keys_read(conf->issuer_credentials, &keys, why, sizeof(why));
	OPENSSL_cleanse(&keys, sizeof(keys));
	return r == 0 ? "ok" : "the broker's own AWS credentials cannot be read";
}

bool jb_health(const struct jb_conf *conf, struct jb_store *store, const struct jb_issuer *issuer,
	       struct jb_health *ret)
{
	ret->store = store_state(store);
	ret->issuer = issuer_state(conf, issuer);
	return strcmp(ret->store, "ok") == 0 && strcmp(ret->issuer, "ok") == 0;
}
