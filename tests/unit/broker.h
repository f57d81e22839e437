/*
 * What the broker's tests share: a configuration and a store in a directory of
 * their own, and an issuer that answers when the test says so.
 */
#ifndef JIT_TEST_BROKER_H
#define JIT_TEST_BROKER_H

#include "unit.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf.h"
#include "engine.h"
#include "seal.h"
#include "uuid.h"

#define NOW ((int64_t)1795363200) /* 2026-11-22T16:00:00Z */
#define ARN "arn:aws:iam::123456789012:role/JIT-Admin"

static const char broker_conf[] = "[broker]\n"
				  "tls = off\n"
				  "store = sqlite:DIR/broker.db\n"
				  "issuer = demo\n"
				  "waiting_per_host = 4\n"
				  "waiting_per_requester = 3\n"
				  "[role admin]\n"
				  "arn = " ARN "\n"
				  "region = eu-west-1\n"
				  "services = sudo su sshd\n"
				  "requesters = @sre\n"
				  "hosts = web-* ctl\n"
				  "targets = root self\n"
				  "approvers = @oncall\n"
				  "max_duration = 4h\n"
				  "credential_lifetime = 5m\n"
				  "reason = optional\n"
				  "[role local]\n"
				  "services = sudo\n"
				  "requesters = op1\n"
				  "hosts = *\n"
				  "targets = *\n"
				  "approvers = appr1\n"
				  "code = off\n"
				  "[role two]\n"
				  "services = sudo\n"
				  "requesters = op1\n"
				  "hosts = *\n"
				  "targets = root\n"
				  "approvers = @oncall\n"
				  "approvals = 2\n"
				  "code = off\n"
				  "reason = required\n"
				  "ticket = ^INC-[0-9]+$\n"
				  "[role first-look]\n"
				  "arn = " ARN "\n"
				  "services = sudo\n"
				  "requesters = op1\n"
				  "hosts = *\n"
				  "targets = root\n"
				  "auto_approve = simulated\n"
				  "unsealed = allow\n"
				  "reason = optional\n"
				  "[group sre]\n"
				  "members = op1 op2 appr1 appr1-adm deploy o:1\n"
				  "[group oncall]\n"
				  "members = appr1 appr2 appr3 op1\n"
				  "[person op1]\n"
				  "[person appr1]\n"
				  "unix = appr1 appr1-adm\n"
				  "[person appr2]\n"
				  "[person appr3]\n"
				  "unix = a3\n"
				  "[person deploy]\n"
				  "shared = yes\n"
				  "[host ctl]\n"
				  "may_request_for = web-*\n";

/* An issuer that keeps one call until the test answers it. */
struct fake_issuer {
	struct jb_issuer base;
	jb_issued done;
	void *arg;
	int64_t granted_until; /* as asked for */
	int calls;
};

/*
 * Tests of what every store promises run against another one too: JB_TEST_STORE is
 * the endpoint of a DynamoDB on loopback, where each test gets a table of its own.
 */
#define TABLE_KEYS "store_endpoint = %s\nstore_credentials = %s/keys\nstore_plain_loopback = yes\n"

struct broker {
	bool made; /* the table */
	char dir[64];
	struct jb_conf *conf;
	struct jb_store *store;
	struct jb_engine *engine;
	struct fake_issuer issuer;
	int changes; /* times the engine told of one */
	struct jb_fault fault;
};

static inline int fake_issue(struct jb_issuer *issuer, const struct jb_request *request, const struct jb_role *role,
			     int64_t now, jb_issued done, void *arg)
{
	struct fake_issuer *fake = (struct fake_issuer *)issuer;

	(void)role;
	(void)now;
	fake->done = done;
	fake->arg = arg;
	fake->granted_until = request->granted_until;
	fake->calls++;
	return 0;
}

static inline void fake_free(struct jb_issuer *issuer)
{
	(void)issuer;
}

static inline void write_file(const char *dir, const char *name, const char *text, mode_t mode)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_non_null(f = fopen(path, "w"));
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static inline void fail_conf(void *arg, const char *message)
{
	(void)arg;
	fail_msg("the test's configuration: %s", message);
}

static inline void ignore_conf(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

static inline void count_change(void *arg, const struct jb_request *request)
{
	(void)request;
	((struct broker *)arg)->changes++;
}

/* (Re)opens store and engine: a broker that starts. */
static inline void broker_start(struct broker *b, int64_t now)
{
	char why[512];

	if (getenv("JB_TEST_STORE") && !b->made && jb_store_create(b->conf, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	b->made = true;
	b->store = jb_store_open(b->conf, why, sizeof(why));
	if (!b->store)
		fail_msg("%s", why);
	b->issuer = (struct fake_issuer){.base = {fake_issue, fake_free}};
	b->engine = jb_engine_new(b->conf, b->store, &b->issuer.base, now);
	assert_non_null(b->engine);
	jb_engine_on_change(b->engine, count_change, b);
}

static inline void broker_stop(struct broker *b)
{
	jb_engine_free(b->engine);
	jb_store_close(b->store);
}

/* The configuration with a table for its store, called like the test's directory. */
static inline void table_text(const struct broker *b, const char *pattern, char *text, size_t size)
{
	static const char file[] = "store = sqlite:DIR/broker.db\n";
	const char *line = strstr(pattern, file);

	assert_non_null(line);
	write_file(b->dir, "keys", "[default]\naws_access_key_id = test\naws_secret_access_key = test\n", 0600);
	snprintf(text, size, "%.*sstore = dynamodb:%s\n" TABLE_KEYS "%s", (int)(line - pattern), pattern,
		 strrchr(b->dir, '/') + 1, getenv("JB_TEST_STORE"), b->dir, line + strlen(file));
}

static inline void ignore_news(void *arg, const struct jb_request *request)
{
	(void)arg;
	(void)request;
}

/* What a serving broker does in the background is done: what was written stands in the chain and in the outbox. */
static inline void broker_settle(struct broker *b)
{
	int64_t since;
	size_t count;

	do {
		assert_true(jb_store_attend(b->store, ignore_news, NULL) >= 0);
		assert_int_equal(jb_store_audit_waiting(b->store, &count, &since), 0);
	} while (count);
}

/* Another configuration for a broker that starts again; "DIR" in it is the test's directory. */
static inline void broker_configure(struct broker *b, const char *pattern)
{
	char text[4096], path[128];
	const char *dir = strstr(pattern, "DIR");

	assert_non_null(dir);
	if (getenv("JB_TEST_STORE"))
		table_text(b, pattern, text, sizeof(text));
	else
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(dir - pattern), pattern, b->dir, dir + 3);
	write_file(b->dir, "jit-broker.conf", text, 0600);
	snprintf(path, sizeof(path), "%s/jit-broker.conf", b->dir);
	jb_conf_free(b->conf);
	b->conf = jb_conf_read(path, fail_conf, NULL);
	assert_non_null(b->conf);
}

static inline int setup_broker(void **state)
{
	struct broker *b = calloc(1, sizeof(*b));

	if (!b)
		return -1;
	snprintf(b->dir, sizeof(b->dir), "/tmp/jit-broker-test-XXXXXX");
	if (!mkdtemp(b->dir))
		return -1;
	broker_configure(b, broker_conf);
	broker_start(b, NOW);
	*state = b;
	return 0;
}

/* A request of op1 that waits, not stored; with a key the one that belongs to it. */
static inline struct jb_request *make(const char *host, const char *key)
{
	struct jb_request *r = jb_request_new();

	assert_non_null(r);
	assert_int_equal(key ? jb_request_id_of_key(host, key, r->id, r->short_id) : jit_uuid_new(r->id, r->short_id),
			 0);
	r->version = 1;
	r->host = strdup(host);
	r->requester = strdup("op1");
	r->role = strdup("admin");
	r->duration = 900;
	r->requested_at = NOW;
	r->pending_until = NOW + 300;
	r->idempotency_key = key ? strdup(key) : NULL;
	return r;
}

static inline int insert(struct jb_store *store, struct jb_request *r)
{
	return jb_store_insert(store, r, false,
			       &(struct jb_audit){.at = NOW, .action = "request.filed", .request_id = r->id});
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int teardown_broker(void **state)
{
	struct broker *b = *state;

	broker_stop(b);
	jb_conf_free(b->conf);
	nftw(b->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(b);
	return 0;
}

#endif
