/* A call ends, and those after it are as good as ever, whichever piece of memory was not to be had on its way. */
#include "unit.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fetch.h"
#include "no_memory.h"

#ifdef JIT_TEST_NO_MEMORY

#define PATIENCE_MS 3000 /* far from a call's own limit: who waits for that has been forgotten */
#define LIMIT_MS    60000
#define MOST	    2000 /* pieces of memory that a call may take */

static struct sockaddr_in address = {.sin_family = AF_INET};
static pid_t server;

/* Each connection is kept, and each call answered a little later, so that it has to be waited for. */
static _Noreturn void serve(int fd)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	char text[4096];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	for (int client; (client = accept(fd, NULL, NULL)) >= 0; close(client)) {
		if (fork() != 0)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (read(client, text, sizeof(text)) > 0) {
			usleep(2000);
			if (write(client, answer, strlen(answer)) < 0)
				break;
		}
		_exit(0);
	}
	_exit(1);
}

static int setup(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(address);

	(void)state;
	address.sin_port = 0;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 64) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		return -1;
	server = fork();
	if (server == 0)
		serve(fd);
	close(fd);
	return server < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	return 0;
}

struct outcome {
	bool done;
	long status;
	char why[256];
};

static void on_done(void *arg, const struct jit_fetch_result *result)
{
	struct outcome *o = arg;

	o->done = true;
	o->status = result->status;
	snprintf(o->why, sizeof(o->why), "%s", result->why);
}

static struct event_base *base;

static struct jit_fetch_call *start(struct jit_fetch *fetch, struct outcome *ret)
{
	char url[64];
	const struct jit_fetch_request request = {.method = "GET", .url = url, .timeout_ms = LIMIT_MS, .max_body = 100};

	*ret = (struct outcome){.done = false};
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", ntohs(address.sin_port));
	return jit_fetch_start(fetch, &request, on_done, ret);
}

/* A call with another beside it. `fail`: that many pieces are had, the next one is not. False: one of them has not
 * ended. */
static bool ask(struct jit_fetch *fetch, long fail, struct outcome *ret)
{
	const struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
	struct outcome other;
	struct jit_fetch_call *beside = start(fetch, &other), *call;

	assert_non_null(beside);
	event_base_loopexit(base, &patience);
	left = fail;
	call = start(fetch, ret);
	while (((call && !ret->done) || !other.done) && !event_base_got_exit(base))
		event_base_loop(base, EVLOOP_ONCE);
	const bool met = left < 0;
	left = LONG_MAX;
	if (call && !ret->done)
		jit_fetch_cancel(call);
	if (!other.done)
		jit_fetch_cancel(beside);
	if (!met)
		assert_int_equal(ret->status + other.status, 200 + 200);
	return (!call || ret->done) && other.done;
}

/* Whether it failed, for want of that piece. */
static bool is_short_without(long piece, bool kept)
{
	const struct jit_fetch_options options = {.plain_loopback = true};
	struct jit_fetch *fetch;
	struct outcome before = {.status = 200}, failing, after;

	base = event_base_new();
	assert_non_null(base);
	fetch = jit_fetch_new(base, &options);
	assert_non_null(fetch);
	if (kept)
		assert_true(ask(fetch, LONG_MAX, &before));
	if (!ask(fetch, piece, &failing))
		fail_msg("without piece %ld the call is forgotten", piece);
	if (!ask(fetch, LONG_MAX, &after) || after.status != 200)
		fail_msg("the call after the one without piece %ld: %s", piece, after.done ? after.why : "forgotten");
	jit_fetch_free(fetch);
	event_base_free(base);
	return failing.status != 200;
}

static void every_call_ends(bool kept)
{
	long failed = 0, in_a_row = 0;

	if (!memory_can_run_out())
		skip();
	for (long piece = 0; piece < MOST && in_a_row < 50; piece++) {
		const bool is_short = is_short_without(piece, kept);

		failed += is_short;
		in_a_row = is_short ? 0 : in_a_row + 1;
	}
	assert_true(failed > 10);
}

static void a_call_ends_whatever_it_has_no_memory_for(void **state)
{
	(void)state;
	every_call_ends(false);
}

static void one_on_a_kept_connection_does_too(void **state)
{
	(void)state;
	every_call_ends(true);
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef JIT_TEST_NO_MEMORY
		cmocka_unit_test_setup_teardown(a_call_ends_whatever_it_has_no_memory_for, setup, teardown),
		cmocka_unit_test_setup_teardown(one_on_a_kept_connection_does_too, setup, teardown),
#else
		cmocka_unit_test(memory_cannot_run_out),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
