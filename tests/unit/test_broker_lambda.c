/* The loop of the Lambda runtime as the function in it sees it: what stands in its environment while it serves. */
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lambda_runtime.h"
#include "unit.h"

#define TRACE "_X_AMZN_TRACE_ID"
#define ROOT  "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=7e9f0a1b2c3d4e5f;Sampled=0"

#define EVENT(trace)                                                                                                   \
	"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r-1\r\nLambda-Runtime-Deadline-Ms: 4102444800000\r\n" trace \
	"Content-Length: 2\r\n\r\n{}"
#define TAKEN "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"

/* A Runtime API for one connection: each thing that is asked gets the next of these. */
static const char *const said[] = {
	EVENT("Lambda-Runtime-Trace-Id: " ROOT "\r\n"),
	TAKEN,
	EVENT(""),
	TAKEN,
	EVENT("Lambda-Runtime-Trace-Id: a\x1b[31mb\r\n"),
	TAKEN,
	"HTTP/1.1 500 Over\r\nContent-Length: 0\r\n\r\n",
};

static void *answer_all(void *arg)
{
	const int fd = accept(*(int *)arg, NULL, NULL);
	char asked[4096];

	/* A request of this loop comes in one piece, and the next one only when it is answered. */
	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]) && recv(fd, asked, sizeof(asked), 0) > 0; i++)
		assert_int_equal(send(fd, said[i], strlen(said[i]), MSG_NOSIGNAL), strlen(said[i]));
	close(fd);
	return NULL;
}

struct seen {
	size_t count;
	char trace[3][128];
};

static void look(void *arg, const struct jb_lambda_event *event, struct jb_lambda_answer *answer)
{
	struct seen *seen = arg;
	const char *trace = getenv(TRACE);

	assert_string_equal(event->text, "{}");
	snprintf(seen->trace[seen->count++], sizeof(seen->trace[0]), "%s", trace ? trace : "none");
	answer->text = strdup("{}");
	answer->len = 2;
}

static void while_an_event_is_served_its_trace_stands_in_the_environment(void **state)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	struct seen seen = {0};
	char api[32], why[256];
	pthread_t thread;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	snprintf(api, sizeof(api), "127.0.0.1:%u", ntohs(at.sin_port));
	assert_int_equal(pthread_create(&thread, NULL, answer_all, &fd), 0);
	struct jb_lambda *lambda = jb_lambda_new(api, why, sizeof(why));
	assert_non_null(lambda);
	assert_int_equal(jb_lambda_run(lambda, look, &seen, why, sizeof(why)), -1);
	assert_non_null(strstr(why, "status 500"));
	jb_lambda_free(lambda);
	pthread_join(thread, NULL);
	close(fd);
	assert_int_equal(seen.count, 3);
	assert_string_equal(seen.trace[0], ROOT);
	assert_string_equal(seen.trace[1], "none");
	assert_string_equal(seen.trace[2], "none"); /* no such id: it would go into the log */
	assert_null(getenv(TRACE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(while_an_event_is_served_its_trace_stands_in_the_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
