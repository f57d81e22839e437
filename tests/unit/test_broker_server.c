/* What the server takes for a request, and how it answers, from a peer's side of the socket. */
#include "server_peer.h"

#include "listen.h"

static void a_kept_alive_connection_carries_one_request_after_another(void **state)
{
	struct bench *b = start(NULL);
	struct peer *p = connect_to(b);

	(void)state;
	for (int i = 0; i < 3; i++) {
		p->len = 0;
		say(p, GET, sizeof(GET) - 1);
		assert_true(UNTIL(b, strstr(p->got, "hello")));
		assert_non_null(strstr(p->got, "HTTP/1.1 200 OK\r\n"));
		assert_null(strstr(p->got, "Server:"));
		memset(p->got, 0, sizeof(p->got));
	}
	assert_false(p->closed);
	assert_int_equal(b->handled, 3);
	leave(p);
	stop(b);
}

static void requests_sent_together_are_answered_in_turn(void **state)
{
	static const char two[] = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none" GET;
	struct bench *b = start(NULL);
	struct peer *p = connect_to(b);

	(void)state;
	say(p, two, sizeof(two) - 1);
	assert_true(
		UNTIL(b, b->handled == 2 && strstr(p->got, "hello") && strstr(strstr(p->got, "hello") + 1, "hello")));
	leave(p);
	stop(b);
}

static void what_two_programs_could_read_differently_is_refused(void **state)
{
	static const struct {
		const char *sent;
		size_t len;
		int status;
	} cases[] = {
#define CASE(text, status) {text, sizeof(text) - 1, status}
		CASE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400),
		CASE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx", 400),
		CASE("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
		CASE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx", 400),
		CASE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 01\r\n\r\nx", 400),
		CASE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 1\r\n\r\nx", 400),
		CASE("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
		CASE("GET / HTTP/1.1\r\nHost: a\r\nX-Api-Key: a\r\nx-api-key: b\r\n\r\n", 400),
		CASE("GET / HTTP/1.1\r\nHost: a\r\nX-Jit-Grant-Token: a\r\nX-Jit-Grant-Token: b\r\n\r\n", 400),
		CASE("GET / HTTP/1.1\r\nAccept: a\r\n\r\n", 400),
		CASE("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
		CASE("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
		CASE("GET / HTTP/1.1\r\nHost: a\r\nX: a\nY: b\r\n\r\n", 400),
		CASE("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", 400),
		CASE("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
		CASE("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
		CASE("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
		CASE("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
		CASE("\x16\x03\x01 hello, this is TLS\r\n\r\n", 400),
		CASE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n", 413),
#undef CASE
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct bench *b = start(NULL);
		struct peer *p = connect_to(b);
		char expected[32];

		snprintf(expected, sizeof(expected), "HTTP/1.1 %d ", cases[i].status);
		say(p, cases[i].sent, cases[i].len);
		assert_true(UNTIL(b, p->closed));
		if (strncmp(p->got, expected, strlen(expected)) != 0 || !strstr(p->got, "{\"message\":\""))
			fail_msg("case %zu: expected %s and JSON, got %s", i, expected, p->got);
		assert_int_equal(b->handled, 0);
		leave(p);
		stop(b);
	}
}

static void a_head_over_16_KiB_is_refused(void **state)
{
	struct bench *b = start(NULL);
	struct peer *p = connect_to(b);
	char *text = malloc(20000);

	(void)state;
	memset(text, 'a', 20000);
	memcpy(text, "GET /", 5);
	say(p, text, 20000);
	assert_true(UNTIL(b, p->closed));
	assert_memory_equal(p->got, "HTTP/1.1 431 ", 13);
	free(text);
	leave(p);
	stop(b);
}

static void a_body_of_64_KiB_is_taken_and_one_byte_more_is_answered_413(void **state)
{
	struct bench *b = start(NULL);
	char *body = calloc(1, 70000);

	(void)state;
	memset(body, 'x', 65537);
	for (size_t len = 65536; len <= 65537; len++) {
		struct peer *p = connect_to(b);
		char head[96];
		int n = snprintf(head, sizeof(head), "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", len);
		say(p, head, (size_t)n);
		say(p, body, len);
		assert_true(UNTIL(b, strstr(p->got, len == 65536 ? "hello" : "over 64 KiB")));
		leave(p);
	}
	free(body);
	stop(b);
}

static void a_peer_that_leaves_while_its_answer_is_pending_is_noticed(void **state)
{
	(void)state;
	for (int reset = 0; reset <= 1; reset++) {
		struct linger at_once = {.l_onoff = 1};
		struct bench *b = start(NULL);
		struct peer *p = connect_to(b);

		say(p, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n", 32);
		assert_true(UNTIL(b, b->pending));
		if (reset)
			setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		event_del(p->readable);
		close(p->fd);
		p->fd = -1;
		assert_true(UNTIL(b, b->gone == 1));
		assert_int_equal(jb_server_connections(b->server), 0);
		leave(p);
		stop(b);
	}
}

static void an_answer_may_come_later(void **state)
{
	struct bench *b = start(NULL);
	struct peer *p = connect_to(b);

	(void)state;
	say(p, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n", 32);
	assert_true(UNTIL(b, b->pending));
	jb_call_reply(b->pending, 200, "", "at last", 7);
	assert_true(UNTIL(b, strstr(p->got, "at last")));
	leave(p);
	assert_true(UNTIL(b, jb_server_connections(b->server) == 0));
	assert_int_equal(b->gone, 0); /* answered calls have nobody to tell */
	stop(b);
}

static void stopping_tells_whoever_waits(void **state)
{
	struct bench *b = start(NULL);
	struct peer *p = connect_to(b);

	(void)state;
	say(p, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n", 32);
	assert_true(UNTIL(b, b->pending));
	jb_server_free(b->server);
	b->server = NULL;
	assert_int_equal(b->gone, 1);
	leave(p);
	stop(b);
}

static void more_header_lines_than_there_is_room_for_are_refused(void **state)
{
	struct bench *b = start(NULL);
	struct peer *p = connect_to(b);
	char text[8192];
	size_t len = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n");

	(void)state;
	for (int i = 0; i < JB_HTTP_HEADERS_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "X-%d: a\r\n", i);
	len += (size_t)snprintf(text + len, sizeof(text) - len, "\r\n");
	say(p, text, len);
	assert_true(UNTIL(b, p->closed));
	assert_memory_equal(p->got, "HTTP/1.1 431 ", 13);
	assert_int_equal(b->handled, 0);
	leave(p);
	stop(b);
}

static void expect_100_is_answered_before_the_body(void **state)
{
	static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
	struct bench *b = start(NULL);
	struct peer *p = connect_to(b);

	(void)state;
	say(p, head, sizeof(head) - 1);
	assert_true(UNTIL(b, strstr(p->got, "100 Continue")));
	say(p, "body", 4);
	assert_true(UNTIL(b, strstr(p->got, "hello")));
	assert_string_equal(b->last_body, "body");
	leave(p);
	stop(b);
}

static void plain_http_is_served_on_loopback_alone(void **state)
{
	struct event_base *base = event_base_new();
	const struct jb_server_options options = {.address = "0.0.0.0", .listen_fd = -1};
	char why[256] = "";

	(void)state;
	assert_null(jb_server_new(base, &options, handle, NULL, why, sizeof(why)));
	assert_non_null(strstr(why, "loopback"));
	event_base_free(base);
}

static void query_parameters_are_decoded_strictly(void **state)
{
	static const struct {
		const char *query, *value;
		int r;
	} cases[] = {
		{"wait=25", "25", 0},	      {"a=1&wait=2%35&b", "25", 0},	{"", NULL, -ENOENT},
		{"waiting=1", NULL, -ENOENT}, {"wait=1&wait=1", NULL, -EINVAL}, {"wait=%4", NULL, -EINVAL},
		{"wait=%zz", NULL, -EINVAL},  {"wait=%00", NULL, -EINVAL},	{"wait=123456789", NULL, -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct jb_http_head head = {.query = cases[i].query};
		char buf[8] = "";
		assert_int_equal(jb_http_query(&head, "wait", buf, sizeof(buf)), cases[i].r);
		if (cases[i].value)
			assert_string_equal(buf, cases[i].value);
	}
}

static void an_address_of_either_family_is_listened_on(void **state)
{
	static const struct {
		const char *address;
		bool good;
	} rows[] = {{"127.0.0.1", true}, {"::1", true}, {"localhost", false}, {"::1%lo", false}, {"", false}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char why[256] = "";
		int fd = jb_listen(rows[i].address, 0, why, sizeof(why));

		if (!rows[i].good) {
			assert_int_equal(fd, -1);
			assert_non_null(strstr(why, "is not a numeric address"));
		} else if (fd < 0) { /* a machine without IPv6 */
			assert_string_equal(rows[i].address, "::1");
			assert_non_null(strstr(why, "cannot listen on ::1 port 0: "));
		} else {
			close(fd);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_of_either_family_is_listened_on),
		cmocka_unit_test(a_kept_alive_connection_carries_one_request_after_another),
		cmocka_unit_test(requests_sent_together_are_answered_in_turn),
		cmocka_unit_test(what_two_programs_could_read_differently_is_refused),
		cmocka_unit_test(a_head_over_16_KiB_is_refused),
		cmocka_unit_test(a_body_of_64_KiB_is_taken_and_one_byte_more_is_answered_413),
		cmocka_unit_test(a_peer_that_leaves_while_its_answer_is_pending_is_noticed),
		cmocka_unit_test(an_answer_may_come_later),
		cmocka_unit_test(stopping_tells_whoever_waits),
		cmocka_unit_test(more_header_lines_than_there_is_room_for_are_refused),
		cmocka_unit_test(expect_100_is_answered_before_the_body),
		cmocka_unit_test(plain_http_is_served_on_loopback_alone),
		cmocka_unit_test(query_parameters_are_decoded_strictly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
