/* Several brokers: which one is asked, what goes on to the next as it is, and who comes back. */
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "helper.h"
#include "unit.h"
#include "verdict.h"

struct server {
	struct evhttp *http;
	unsigned short port;
	int status;
	const char *body;
	bool hang_up;
	bool looks_well; /* to a look, whatever it answers otherwise */
	int asked, looked_at;
	char last_body[64], last_key[64], last_api_key[64];
};

static struct event_base *base;
static struct server servers[2];
static struct jh_conf conf;
static char key_file[] = "/tmp/jit-broker-key-XXXXXX", urls[2][64];
static struct jh_broker *broker;

static void keep(char *buf, size_t size, const char *text)
{
	snprintf(buf, size, "%s", text ? text : "(none)");
}

static void on_request(struct evhttp_request *request, void *arg)
{
	struct server *s = arg;
	struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
	struct evbuffer *in = evhttp_request_get_input_buffer(request), *out = evbuffer_new();

	if (strcmp(evhttp_request_get_uri(request), "/healthz") == 0) {
		s->looked_at++;
		evhttp_send_reply(request, s->status == 200 || s->looks_well ? 200 : 503, "", NULL);
		evbuffer_free(out);
		return;
	}
	s->asked++;
	keep(s->last_key, sizeof(s->last_key), evhttp_find_header(headers, "Idempotency-Key"));
	keep(s->last_api_key, sizeof(s->last_api_key), evhttp_find_header(headers, "x-api-key"));
	snprintf(s->last_body, sizeof(s->last_body), "%.*s", (int)evbuffer_get_length(in),
		 (const char *)evbuffer_pullup(in, -1));
	if (strncmp(evhttp_request_get_uri(request), "/second/", 8) == 0) {
		evhttp_send_reply(request, 200, "", NULL);
	} else if (s->hang_up) {
		evhttp_connection_free(evhttp_request_get_connection(request));
	} else {
		evbuffer_add(out, s->body, strlen(s->body));
		evhttp_send_reply(request, s->status, "", out);
	}
	evbuffer_free(out);
}

/* Begins to serve, on its old port if it had one. */
static void serve(struct server *s)
{
	struct evhttp_bound_socket *bound;
	struct sockaddr_in address;
	socklen_t len = sizeof(address);

	assert_non_null(s->http = evhttp_new(base));
	evhttp_set_gencb(s->http, on_request, s);
	assert_non_null(bound = evhttp_bind_socket_with_handle(s->http, "127.0.0.1", s->port));
	assert_int_equal(getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)(void *)&address, &len), 0);
	s->port = ntohs(address.sin_port);
}

static void shut(struct server *s)
{
	if (s->http)
		evhttp_free(s->http);
	s->http = NULL;
}

static int setup(void **state)
{
	char why[512];

	(void)state;
	memcpy(key_file + sizeof(key_file) - 7, "XXXXXX", 6);
	int fd = mkstemp(key_file);
	if (fd < 0 || write(fd, "jitk_test\n", 10) != 10 || close(fd) < 0)
		return -1;
	base = event_base_new();
	conf = (struct jh_conf){
		.broker_count = 2, .api_key_file = key_file, .plain_loopback = true, .broker_timeout_s = 5};
	for (int i = 0; i < 2; i++) {
		servers[i] = (struct server){.status = 200, .body = "{}"};
		serve(&servers[i]);
		snprintf(urls[i], sizeof(urls[i]), "http://127.0.0.1:%u", servers[i].port);
		conf.brokers[i] = urls[i];
	}
	broker = jh_broker_new(base, &conf, why, sizeof(why));
	return broker ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	jh_broker_free(broker);
	for (int i = 0; i < 2; i++)
		shut(&servers[i]);
	event_base_free(base);
	unlink(key_file);
	return 0;
}

struct outcome {
	bool done, sent, silent;
	enum jit_fetch_fault fault;
	long status;
	char trouble[512];
};

static void on_done(void *arg, const struct jit_fetch_result *result)
{
	struct outcome *o = arg;

	o->done = true;
	o->fault = result->fault;
	o->status = result->status;
	o->sent = result->sent;
	o->silent = result->silent;
	jh_trouble(result, jh_broker_url(broker), o->trouble, sizeof(o->trouble));
}

static struct outcome ask(void)
{
	const struct jh_call call = {
		.method = "POST", .path = "/request-access", .body = "{\"n\":1}", .idempotency_key = "k1"};
	struct outcome o = {.done = false};

	assert_non_null(jh_broker_call(broker, &call, on_done, &o));
	while (!o.done)
		event_base_loop(base, EVLOOP_ONCE);
	return o;
}

static void the_first_is_asked_while_it_answers(void **state)
{
	(void)state;
	assert_int_equal(ask().status, 200);
	servers[0].status = 403; /* a refusal is an answer */
	assert_int_equal(ask().status, 403);
	servers[0].status = 429;
	assert_int_equal(ask().status, 429);
	servers[0].status = 502; /* the broker is well, AWS is not */
	servers[0].body = "{\"message\":\"AWS says no\",\"error\":\"issuer.refused\"}";
	assert_int_equal(ask().status, 502);
	assert_int_equal(servers[1].asked, 0);
	assert_string_equal(jh_broker_url(broker), urls[0]);
}

static void the_same_call_goes_to_the_next_when_one_fails(void **state)
{
	for (int how = 0; how < 4; how++) {
		setup(state);
		if (how == 0)
			shut(&servers[0]);
		servers[0].hang_up = how == 1;
		servers[0].status = how == 2 ? 503 : how == 3 ? 500 : 200;
		assert_int_equal(ask().status, 200);
		assert_int_equal(servers[0].asked, how == 0 ? 0 : 1);
		assert_int_equal(servers[1].asked, 1);
		assert_string_equal(servers[1].last_body, "{\"n\":1}");
		assert_string_equal(servers[1].last_key, "k1");
		assert_string_equal(servers[1].last_api_key, "jitk_test");
		assert_string_equal(jh_broker_url(broker), urls[1]);
		/* And the next call does not try the first again. */
		assert_int_equal(ask().status, 200);
		assert_int_equal(servers[0].asked, how == 0 ? 0 : 1);
		teardown(state);
	}
}

static void when_none_answers_all_are_named(void **state)
{
	char expected[256];

	(void)state;
	shut(&servers[0]);
	shut(&servers[1]);
	struct outcome o = ask();
	assert_int_equal(o.fault, JIT_FETCH_CONNECT);
	assert_true(o.silent);
	assert_false(o.sent);
	snprintf(expected, sizeof(expected), "no broker answers: %s: connection refused; %s: connection refused",
		 urls[0], urls[1]);
	assert_string_equal(o.trouble, expected);
	serve(&servers[0]);
	servers[0].status = 504;
	o = ask(); /* it was sent to one, so it may have been filed there */
	assert_true(o.sent);
	assert_true(o.silent);
	assert_non_null(strstr(o.trouble, ": HTTP status 504"));
	/* One that comes back is found even without being looked for. */
	serve(&servers[1]);
	assert_int_equal(ask().status, 200);
}

static void one_whose_url_goes_on_from_anothers_is_told_from_it(void **state)
{
	(void)state;
	snprintf(urls[1], sizeof(urls[1]), "http://127.0.0.1:%u/second", servers[0].port);
	servers[0].status = 503;
	assert_int_equal(ask().status, 200);
	assert_string_equal(jh_broker_url(broker), urls[1]);
}

static void one_that_comes_back_is_asked_again(void **state)
{
	(void)state;
	servers[0].status = 503;
	assert_int_equal(ask().status, 200);
	jh_broker_look(broker);
	while (servers[0].looked_at == 0)
		event_base_loop(base, EVLOOP_ONCE);
	assert_string_equal(jh_broker_url(broker), urls[1]); /* still ill */
	servers[0].status = 200;
	while (strcmp(jh_broker_url(broker), urls[0]) != 0) {
		jh_broker_look(broker);
		event_base_loop(base, EVLOOP_ONCE);
	}
	assert_int_equal(ask().status, 200);
	assert_int_equal(servers[0].asked, 2);
	assert_int_equal(servers[1].asked, 1);
}

/* Looks until the first is found well; how many looks it took. */
static int find_first(void)
{
	int looks = 0, looked_at = servers[0].looked_at;

	while (servers[0].looked_at == looked_at) {
		assert_in_range(++looks, 1, 40);
		jh_broker_look(broker);
		event_base_loop(base, EVLOOP_NONBLOCK);
		for (int i = 0; i < 20 && servers[0].looked_at == looked_at; i++) {
			usleep(1000);
			event_base_loop(base, EVLOOP_NONBLOCK);
		}
	}
	while (strcmp(jh_broker_url(broker), urls[0]) != 0)
		event_base_loop(base, EVLOOP_ONCE);
	return looks;
}

static void one_that_only_looks_well_is_trusted_less_and_less(void **state)
{
	(void)state;
	servers[0].status = 503;
	servers[0].looks_well = true;
	assert_int_equal(ask().status, 200);
	for (int pause = 1; pause <= 16; pause *= 2) {
		assert_int_equal(find_first(), pause);
		assert_int_equal(ask().status, 200); /* it fails again */
	}
	find_first();
	servers[0].status = 200;
	assert_int_equal(ask().status, 200); /* it serves: what was is forgotten */
	servers[0].status = 503;
	assert_int_equal(ask().status, 200);
	assert_int_equal(find_first(), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_first_is_asked_while_it_answers),
		cmocka_unit_test(the_same_call_goes_to_the_next_when_one_fails),
		TEST(when_none_answers_all_are_named),
		TEST(one_whose_url_goes_on_from_anothers_is_told_from_it),
		TEST(one_that_comes_back_is_asked_again),
		TEST(one_that_only_looks_well_is_trusted_less_and_less),
	};

	CRYPTO_secure_malloc_init(1 << 16, 32);
	return cmocka_run_group_tests_name("helper broker", tests, NULL, NULL);
}
