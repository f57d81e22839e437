/* What the tests of every store's promises share. They run on SQLite, and with JB_TEST_STORE on DynamoDB (broker.h). */
#ifndef JIT_TEST_STORE_CONTRACT_H
#define JIT_TEST_STORE_CONTRACT_H

#include "broker.h"

static struct broker *b;

static inline int setup(void **state)
{
	int r = setup_broker(state);

	b = *state;
	return r;
}

static inline int update(struct jb_store *store, struct jb_request *r, bool announce)
{
	return jb_store_update(store, r, announce,
			       &(struct jb_audit){.at = NOW, .action = "test.changed", .request_id = r->id});
}

static inline struct jb_store *open_again(void)
{
	char why[512];
	struct jb_store *store = jb_store_open(b->conf, why, sizeof(why));

	assert_non_null(store);
	return store;
}

static inline void keep_last(void *arg, int64_t seq, const char *json)
{
	(void)seq;
	snprintf(arg, 1024, "%s", json);
}

static inline int64_t chain_length(void)
{
	char last[1024] = "";
	int64_t seq = 0;

	for (; jb_store_audit_read(b->store, seq, 1, keep_last, last) == 0 && last[0]; seq++)
		last[0] = '\0';
	return seq;
}

/* Called `name` in its comment. */
static inline struct jb_request *filed(const char *name, const char *host, const char *filed_by, int64_t at)
{
	struct jb_request *r = make(host, NULL);

	r->comment = strdup(name);
	r->filed_by = filed_by ? strdup(filed_by) : NULL;
	r->requested_at = at;
	r->pending_until = at + 300;
	assert_int_equal(insert(b->store, r), 0);
	return r;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown_broker)

#endif
