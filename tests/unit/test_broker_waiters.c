/*
 * Calls that wait for the same and share one answer: each gets what it is due, whatever stands beside it in the batch.
 * Who has lost its key, its address or its certificate while it waited is told nothing.
 */
#include "broker_engine.h"

#include <event2/event.h>

#include "api.h"
#include "call_transport.h"
#include "clock.h"
#include "secret.h"
#include "waiters.h"

#define CALLS_MAX 48
#define TURNS	  10000		     /* of the loop: many more than any answer takes */
#define NEVER	  ((int64_t)1 << 40) /* a cursor that no store gave out: it stands for what is open */

/* What a connection brings; the first member is what handlers see. */
struct peer {
	struct jb_call call;
	char head[512], body[1024];
	bool certified;
	unsigned answers;
	int status;
	char answer[4096];
};

#define CONF(host)                                                                                                     \
	"[broker]\ntls = on\ntls_certificate = /crt\ntls_key = /key\ntls_client_ca = /ca\nstore = "                    \
	"sqlite:DIR/broker.db\n"                                                                                       \
	"issuer = demo\n" host "[role admin]\narn = " ARN "\nregion = eu-west-1\nservices = sudo\nrequesters = op1\n"  \
	"hosts = *\ntargets = root\napprovers = appr1\nunsealed = allow\ncode = off\nreason = optional\n"              \
	"[person op1]\n[person appr1]\n"

static struct event_base *base;
static struct jb_api *api;
static struct jb_conf *unbound; /* what counted before bind_host; the engine's still */
static struct peer peers[CALLS_MAX];
static size_t count;
static char key_a[JB_SECRET_SIZE], key_b[JB_SECRET_SIZE], key_c[JB_SECRET_SIZE], other_host[JB_SECRET_SIZE];

static bool certified(struct jb_call *call, const char *name, char *why, size_t why_size)
{
	assert_string_equal(name, "web-1.example");
	snprintf(why, why_size, "no client certificate came with it");
	return ((struct peer *)call)->certified;
}

static void reply(struct jb_call *call, int status, const char *headers, const char *body, size_t len)
{
	struct peer *p = (struct peer *)call;

	(void)headers;
	assert_true(len < sizeof(p->answer));
	p->answers++;
	p->status = status;
	memcpy(p->answer, body, len);
	p->answer[len] = '\0';
}

static const struct jb_transport transport = {.may_wait = true, .certified = certified, .reply = reply};

/* One that the handler may take for good: from web-1's address, with its certificate. */
static struct peer *add(const char *method, const char *path, const char *key_text, const char *body)
{
	struct peer *p = &peers[count++];
	const char *why;

	assert_true(count <= CALLS_MAX);
	*p = (struct peer){.call.transport = &transport, .certified = true};
	assert_true(jb_address_parse("192.0.2.7", &p->call.peer));
	snprintf(p->body, sizeof(p->body), "%s", body);
	snprintf(p->head, sizeof(p->head), "%s %s HTTP/1.1\r\nHost: b\r\nx-api-key: %s\r\nContent-Length: %zu\r\n\r\n",
		 method, path, key_text, strlen(body));
	assert_int_equal(jb_http_parse(p->head, strlen(p->head), &p->call.head, &why), 0);
	p->call.body = p->body;
	return p;
}

static void handle(struct peer *p)
{
	jb_api_handle(api, &p->call);
	if (p->answers)
		fail_msg("answered at once: %d %s", p->status, p->answer);
}

static void leave(struct peer *p)
{
	jb_call_lost(&p->call);
	p->call.gone = NULL;
}

static struct peer *poll_changes(const char *key_text, int64_t after)
{
	char path[96];

	snprintf(path, sizeof(path), "/changes?after=%lld&wait=25", (long long)after);
	return add("GET", path, key_text, "");
}

static void add_key(const char *host, char key_text[static JB_SECRET_SIZE])
{
	assert_int_equal(jb_store_secret_add(b->store, "host", host, NOW, key_text, JB_SECRET_SIZE), 0);
}

static void revoke_key(const char *key_text)
{
	char id[JB_SECRET_ID_SIZE];

	assert_true(jb_secret_key_id(key_text, id));
	assert_int_equal(jb_store_secret_revoke(b->store, "host", id, NOW), 0);
}

static int begin(void **state)
{
	int r = setup(state);

	broker_stop(b);
	broker_configure(b, CONF(""));
	broker_start(b, jit_wall_s());
	count = 0;
	base = event_base_new();
	api = jb_api_new(base, b->conf, b->store, b->engine);
	assert_non_null(api);
	add_key("web-1", key_a);
	add_key("web-1", key_c);
	add_key("web-2", other_host);
	return r;
}

static int end_it(void **state)
{
	for (size_t i = 0; i < count; i++)
		leave(&peers[i]);
	jb_api_free(api);
	event_base_free(base);
	const int r = teardown(state);
	jb_conf_free(unbound);
	unbound = NULL;
	return r;
}

/* The configuration that binds web-1's key to an address and a certificate counts from here on. */
static void bind_host(void)
{
	unbound = b->conf;
	b->conf = NULL;
	broker_configure(b, CONF("[host web-1]\nsource = 192.0.2.0/24\nclient_certificate = web-1.example\n"));
	jb_api_set_conf(api, b->conf);
}

static int64_t cursor(void)
{
	enum jb_status unused;
	int64_t next;

	changes(-1, &next, &unused);
	return next;
}

static struct jb_request *file_one(void)
{
	struct jb_filing f = filing();

	return file(&f, jit_wall_s());
}

/* Files and decides one: its short id. */
static void change(char short_id[static JIT_SHORT_SIZE])
{
	struct jb_request *r = file_one();

	snprintf(short_id, JIT_SHORT_SIZE, "%s", r->short_id);
	assert_string_equal(deny("appr1", r, jit_wall_s()), "");
	drop(&r);
}

static size_t answered(void)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += peers[i].answers;
	return n;
}

/* Nothing is waited for: what is to be answered is due. */
static void run_until(size_t answers)
{
	for (int turns = 0; answered() < answers && turns < TURNS; turns++)
		event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	assert_int_equal(answered(), answers);
}

enum who { GOOD, ALSO_GOOD, FAR_AWAY, BARE, REVOKED, ALSO_REVOKED, VOUCHED, ALSO_VOUCHED, KINDS };

static const char *const names[] = {"good",    "also good",	  "far away",	 "without its certificate",
				    "revoked", "revoked as well", "vouched for", "vouched for as well"};

static struct peer *wait_as(enum who who, int64_t after)
{
	const bool revoked = who == REVOKED || who == ALSO_REVOKED || who == VOUCHED,
		   vouched = who == VOUCHED || who == ALSO_VOUCHED;
	struct peer *p = poll_changes(revoked ? key_c : key_a, after);

	if (who == FAR_AWAY || vouched)
		assert_true(jb_address_parse("198.51.100.9", &p->call.peer));
	p->certified = who != BARE && !vouched;
	if (vouched)
		p->call.host = "web-1";
	return p;
}

static void check(enum who who, const struct peer *p, const char *short_id)
{
	const bool due = who == GOOD || who == ALSO_GOOD || who == VOUCHED || who == ALSO_VOUCHED;

	if (p->answers != 1 || p->status != (due ? 200 : 403) || (strstr(p->answer, short_id) != NULL) != due)
		fail_msg("%s: %u answers, %d %s", names[who], p->answers, p->status, p->answer);
}

/* Nine wait, in a batch that begins with `first`: a key is revoked meanwhile, the other one bound, a new one made. */
static void share(unsigned first, bool backwards)
{
	char short_id[JIT_SHORT_SIZE];
	const int64_t after = cursor();
	unsigned i;

	for (i = 0; i < KINDS; i++)
		handle(wait_as((first + (backwards ? KINDS - i : i)) % KINDS, after));
	revoke_key(key_c);
	add_key("web-1", key_b);
	handle(poll_changes(key_b, after));
	bind_host();
	change(short_id);
	run_until(KINDS + 1);
	for (i = 0; i < KINDS; i++)
		check((first + (backwards ? KINDS - i : i)) % KINDS, &peers[i], short_id);
	check(GOOD, &peers[KINDS], short_id);
	assert_string_equal(peers[KINDS].answer, peers[0].status == 200 ? peers[0].answer : peers[KINDS].answer);
}

static void those_who_share_an_answer_each_prove_who_they_are(void **state)
{
	for (unsigned first = 0; first < KINDS; first++) {
		for (unsigned backwards = 0; backwards < 2; backwards++) {
			share(first, backwards);
			end_it(state);
			begin(state);
		}
	}
}

/* One that was never given out stands for what is open; the other one's holder would miss what is over by now. */
static void whoever_asks_with_another_cursor_has_an_answer_of_its_own(void **state)
{
	char short_id[JIT_SHORT_SIZE];

	(void)state;
	const int64_t after = cursor();
	handle(poll_changes(key_a, after));
	handle(poll_changes(key_a, NEVER));
	handle(poll_changes(key_a, after));
	change(short_id);
	run_until(3);
	assert_non_null(strstr(peers[0].answer, short_id));
	assert_null(strstr(peers[1].answer, short_id));
	assert_non_null(strstr(peers[2].answer, short_id));
}

static void hosts_that_are_answered_in_one_turn_are_told_of_their_own(void **state)
{
	char short_id[JIT_SHORT_SIZE];

	(void)state;
	handle(poll_changes(key_a, NEVER));
	handle(poll_changes(other_host, NEVER));
	handle(poll_changes(key_a, NEVER));
	struct jb_request *r = file_one();
	snprintf(short_id, sizeof(short_id), "%s", r->short_id);
	drop(&r);
	jb_api_drain(api);
	run_until(3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(peers[i].status, 200);
		assert_non_null(strstr(peers[i].answer, i == 1 ? "\"host\":\"web-2\"" : "\"host\":\"web-1\""));
		assert_int_equal(strstr(peers[i].answer, short_id) != NULL, i != 1);
	}
}

/* Who filed it without a key of its own has its credentials with the answer; who looks at it has not. */
static void who_looks_at_a_request_is_not_given_what_who_filed_it_is(void **state)
{
	char path[96];

	(void)state;
	struct peer *filer = add("POST", "/request-access?wait=25", key_a,
				 "{\"requester\":\"op1\",\"role\":\"admin\",\"roleArn\":\"" ARN
				 "\",\"duration\":900,\"target\":\"root\","
				 "\"service\":\"sudo\",\"loginUser\":\"op1\"}");
	handle(filer);
	struct jb_request **list;
	size_t open;
	const struct jb_query query = {.status = JB_PENDING};
	assert_int_equal(jb_store_find(b->store, &query, &list, &open), 0);
	assert_int_equal(open, 1);
	snprintf(path, sizeof(path), "/requests/%s?wait=25", list[0]->id);
	struct peer *looker = add("GET", path, key_a, "");
	handle(looker);
	assert_string_equal(approve("appr1", list[0], NULL, jit_wall_s()), "");
	drop(&list[0]);
	free(list);
	run_until(1);
	assert_int_equal(looker->answers, 1);
	assert_int_equal(looker->status, 200);
	assert_null(strstr(looker->answer, "AccessKeyId"));
	assert_int_equal(b->issuer.calls, 1);
	issue_good(jit_wall_s() + 300);
	assert_int_equal(filer->status, 200);
	assert_non_null(strstr(filer->answer, "ASIAEXAMPLE"));
}

static void each_request_that_is_waited_for_is_answered_as_what_it_is(void **state)
{
	struct jb_request *r[2] = {file_one(), file_one()};
	char path[96];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "/requests/%s?wait=25", r[i % 2]->id);
		handle(add("GET", path, key_a, ""));
	}
	jb_api_drain(api);
	run_until(4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(peers[i].status, 200);
		assert_non_null(strstr(peers[i].answer, r[i % 2]->short_id));
		assert_null(strstr(peers[i].answer, r[1 - i % 2]->short_id));
	}
	drop(&r[0]);
	drop(&r[1]);
}

/* Also beyond the first batch: nobody is answered twice, and who has left not at all. */
static void many_are_answered_a_few_at_a_time_but_for_who_has_left(void **state)
{
	char short_id[JIT_SHORT_SIZE];
	const int64_t after = cursor();
	size_t most = 0, before = 0;

	(void)state;
	for (size_t i = 0; i < 40; i++)
		handle(poll_changes(key_a, after));
	peers[20].call.peer.byte[15]++; /* still of web-1's network */
	bind_host();
	peers[17].certified = peers[33].certified = false;
	change(short_id);
	for (size_t i = 15; i <= 21; i += 3)
		leave(&peers[i]);
	for (int turns = 0; answered() < 37 && turns < TURNS; turns++) {
		event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		most = answered() - before > most ? answered() - before : most;
		before = answered();
	}
	assert_int_equal(most, JB_WAITS_AT_ONCE);
	assert_false(jb_api_waited_for(api));
	for (size_t i = 0; i < 40; i++) {
		const bool left = i == 15 || i == 18 || i == 21, bare = i == 17 || i == 33;
		if (left)
			assert_int_equal(peers[i].answers, 0);
		else
			check(bare ? BARE : GOOD, &peers[i], short_id);
	}
}

#define WAIT_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end_it)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WAIT_TEST(those_who_share_an_answer_each_prove_who_they_are),
		WAIT_TEST(whoever_asks_with_another_cursor_has_an_answer_of_its_own),
		WAIT_TEST(hosts_that_are_answered_in_one_turn_are_told_of_their_own),
		WAIT_TEST(who_looks_at_a_request_is_not_given_what_who_filed_it_is),
		WAIT_TEST(each_request_that_is_waited_for_is_answered_as_what_it_is),
		WAIT_TEST(many_are_answered_a_few_at_a_time_but_for_who_has_left),
	};

	return cmocka_run_group_tests_name("broker waiters", tests, NULL, NULL);
}
