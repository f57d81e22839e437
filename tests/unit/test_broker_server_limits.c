/* The server's deadlines, and who leaves where there is no room, from a peer's side of the socket. */
#include "server_peer.h"

#include <netinet/tcp.h>

#include "listen.h"
#include "logged.h"
#include "no_memory.h"

static void a_client_that_trickles_is_cut_off_at_the_deadline(void **state)
{
	struct bench *b = start(&(struct jb_server_options){.request_ms = 200});
	struct peer *p = connect_to(b);
	struct timeval pause = {.tv_usec = 20000};

	(void)state;
	say(p, "GET / HTTP/1.1\r\n", 16);
	/* Bytes keep coming: an idle timeout would be put off for ever. */
	for (int i = 0; i < 100 && !p->closed; i++) {
		say(p, "X", 1);
		event_base_loopexit(b->base, &pause);
		event_base_dispatch(b->base);
	}
	assert_true(p->closed);
	assert_memory_equal(p->got, "HTTP/1.1 408 ", 13);
	leave(p);
	stop(b);
}

static void a_silent_connection_is_closed(void **state)
{
	struct bench *b = start(&(struct jb_server_options){.request_ms = 100});
	struct peer *p = connect_to(b);

	(void)state;
	assert_true(UNTIL(b, p->closed));
	assert_int_equal(p->len, 0);
	assert_int_equal(jb_server_connections(b->server), 0);
	leave(p);
	stop(b);
}

static void a_peer_that_does_not_read_its_answer_is_cut_off_at_the_deadline(void **state)
{
	struct bench *b = start(&(struct jb_server_options){.request_ms = 200});
	struct peer *p = connect_to(b);

	(void)state;
	event_del(p->readable);
	say(p, "GET /much HTTP/1.1\r\nHost: a\r\n\r\n", 31);
	assert_true(UNTIL(b, b->handled == 1));
	assert_int_equal(jb_server_connections(b->server), 1);
	assert_true(UNTIL(b, jb_server_connections(b->server) == 0));
	leave(p);
	stop(b);
}

/* One that lost its power neither closes nor confirms: within half a minute of the next word to it. */
static void a_silent_end_of_a_peer_is_looked_for(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 0, idle = 0, interval = 0, probes = 0;
	unsigned unheard = 0;
	socklen_t len = sizeof(int);

	(void)state;
	jb_listen_accepted(fd);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, &len), 0);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &len), 0);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, &len), 0);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, &len), 0);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unheard, &len), 0);
	assert_true(on);
	assert_in_range(idle + interval * probes, 1, 60);
	assert_in_range(unheard, 1, 30000);
	close(fd);
}

static void when_all_are_taken_the_oldest_that_proved_nothing_leaves(void **state)
{
	struct bench *b = start(&(struct jb_server_options){.max_connections = 3});
	struct peer *known = connect_to(b), *old, *young, *next;

	(void)state;
	ask(known, "/known");
	old = connect_to(b);
	assert_true(UNTIL(b, jb_server_connections(b->server) == 2));
	young = connect_to(b);
	assert_true(UNTIL(b, jb_server_connections(b->server) == 3));
	next = connect_to(b);
	assert_true(UNTIL(b, old->closed));
	ask(next, "/");
	ask(known, "/");
	assert_false(young->closed);
	assert_int_equal(jb_server_connections(b->server), 3);
	leave(young);
	assert_true(UNTIL(b, jb_server_connections(b->server) == 2));
	leave(known);
	leave(old);
	leave(next);
	stop(b);
}

static void of_those_that_proved_themselves_the_one_that_lay_idle_longest_leaves(void **state)
{
	struct bench *b = start(&(struct jb_server_options){.max_connections = 2});
	struct peer *first = connect_to(b), *second = connect_to(b), *third;

	(void)state;
	ask(first, "/known");
	ask(second, "/known");
	ask(first, "/"); /* now it is the second that has said nothing for longer */
	third = connect_to(b);
	assert_true(UNTIL(b, second->closed));
	ask(third, "/");
	assert_false(first->closed);
	leave(first);
	leave(second);
	leave(third);
	stop(b);
}

static void nobody_who_proved_itself_is_put_out_while_it_waits(void **state)
{
	struct bench *b = start(&(struct jb_server_options){.max_connections = 1});
	struct peer *waiting = connect_to(b), *next;

	(void)state;
	ask(waiting, "/known");
	say(waiting, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n", 32);
	assert_true(UNTIL(b, b->pending));
	next = connect_to(b);
	assert_true(UNTIL(b, next->closed));
	assert_int_equal(b->gone, 0);
	leave(next);
	jb_call_reply(b->pending, 200, "", "at last", 7);
	assert_true(UNTIL(b, strstr(waiting->got, "at last")));
	leave(waiting);
	stop(b);
}

/* Else a key, or a token, and a byte now and then would do to hold all of them. */
static void a_request_that_has_not_come_whole_keeps_nobody_in(void **state)
{
	static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
	struct bench *b = start(&(struct jb_server_options){.max_connections = 1});
	struct peer *slow = connect_to(b), *next;

	(void)state;
	ask(slow, "/known");
	say(slow, head, sizeof(head) - 1);
	assert_true(UNTIL(b, strstr(slow->got, "100 Continue")));
	next = connect_to(b);
	assert_true(UNTIL(b, slow->closed));
	ask(next, "/");
	leave(slow);
	leave(next);
	stop(b);
}

/* A quarter of them, and 256 at least. */
static void one_address_has_its_share_of_those_that_proved_nothing(void **state)
{
	enum { SHARE = 256, ROOM = 600 };
	struct bench *b = start(&(struct jb_server_options){.max_connections = ROOM});
	struct peer *honest, *squatter[SHARE + 1];
	struct peer *elsewhere = connect_from(b, "127.0.0.2");

	(void)state;
	for (unsigned i = 0; i < SHARE; i++) {
		squatter[i] = connect_to(b);
		assert_true(UNTIL(b, jb_server_connections(b->server) == i + 2));
	}
	assert_false(squatter[0]->closed);
	honest = connect_to(b);
	assert_true(UNTIL(b, squatter[0]->closed));
	ask(honest, "/known"); /* and it counts no more */
	squatter[SHARE] = connect_to(b);
	assert_true(UNTIL(b, jb_server_connections(b->server) == SHARE + 2));
	assert_false(squatter[1]->closed);
	assert_false(elsewhere->closed);
	ask(honest, "/");
	for (unsigned i = 0; i <= SHARE; i++)
		leave(squatter[i]);
	leave(honest);
	leave(elsewhere);
	stop(b);
}

static void an_address_of_ipv6_stands_for_its_64(void **state)
{
	struct jb_address a, b, c, v4, other;

	(void)state;
	assert_true(jb_address_parse("2001:db8:1:2::1", &a) && jb_address_parse("2001:db8:1:2:ffff::9", &b) &&
		    jb_address_parse("2001:db8:1:3::1", &c) && jb_address_parse("192.0.2.1", &v4) &&
		    jb_address_parse("192.0.2.2", &other));
	a = jb_address_site(&a);
	b = jb_address_site(&b);
	c = jb_address_site(&c);
	v4 = jb_address_site(&v4);
	other = jb_address_site(&other);
	assert_memory_equal(a.byte, b.byte, sizeof(a.byte));
	assert_memory_not_equal(a.byte, c.byte, sizeof(a.byte));
	assert_memory_not_equal(v4.byte, other.byte, sizeof(v4.byte));
}

#ifdef JIT_TEST_NO_MEMORY
#define TAKES 5 /* allocations until libevent makes a connection of its own; some of those it does not bear to miss */

/* Runs the loop until the nth allocation from here on has failed; what was logged. */
static const char *lack(struct bench *b, long nth)
{
	static char said[512];

	log_begin();
	for (left = nth; left >= 0;)
		event_base_loop(b->base, EVLOOP_ONCE);
	left = LONG_MAX;
	log_end(said, sizeof(said));
	return said;
}

static void without_memory_it_says_so_once_and_lets_the_others_wait(void **state)
{
	(void)state;
	if (!memory_can_run_out())
		skip();
	for (long nth = 0; nth < TAKES; nth++) {
		struct bench *b = start(NULL);
		struct peer *first = connect_to(b), *second = connect_to(b), *third = connect_to(b);

		const char *said = lack(b, nth);
		if (!strstr(said, "no further connection can be taken: Cannot allocate memory; until there is room "))
			fail_msg("without allocation %ld: \"%s\"", nth, said);
		assert_int_equal(jb_server_connections(b->server), 0);
		assert_string_equal(lack(b, nth), "");
		assert_int_equal(jb_server_connections(b->server), 0);
		ask(third, "/");
		assert_true(UNTIL(b, first->closed && second->closed));
		leave(first);
		leave(second);
		leave(third);
		stop(b);
	}
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_that_trickles_is_cut_off_at_the_deadline),
		cmocka_unit_test(a_silent_connection_is_closed),
		cmocka_unit_test(a_peer_that_does_not_read_its_answer_is_cut_off_at_the_deadline),
		cmocka_unit_test(a_silent_end_of_a_peer_is_looked_for),
		cmocka_unit_test(when_all_are_taken_the_oldest_that_proved_nothing_leaves),
		cmocka_unit_test(of_those_that_proved_themselves_the_one_that_lay_idle_longest_leaves),
		cmocka_unit_test(nobody_who_proved_itself_is_put_out_while_it_waits),
		cmocka_unit_test(a_request_that_has_not_come_whole_keeps_nobody_in),
		cmocka_unit_test(one_address_has_its_share_of_those_that_proved_nothing),
		cmocka_unit_test(an_address_of_ipv6_stands_for_its_64),
#ifdef JIT_TEST_NO_MEMORY
		cmocka_unit_test(without_memory_it_says_so_once_and_lets_the_others_wait),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
