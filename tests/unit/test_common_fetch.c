/* common/fetch: which URLs are spoken to at all. What the calls do stands in the tests of helper and broker. */
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fetch.h"
#include "fetch_fault.h"
#include "unit.h"

struct outcome {
	bool done;
	enum jit_fetch_fault fault;
	char why[256];
};

static void on_done(void *arg, const struct jit_fetch_result *result)
{
	struct outcome *o = arg;

	o->done = true;
	o->fault = result->fault;
	snprintf(o->why, sizeof(o->why), "%s", result->why);
}

/* From here on this process has no descriptor left; `ret` restores them. */
static void use_up_descriptors(struct rlimit *ret)
{
	const int first_free = dup(STDERR_FILENO);

	close(first_free);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, ret), 0);
	const struct rlimit none = {.rlim_cur = (rlim_t)first_free, .rlim_max = ret->rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
}

static struct outcome ask_short(bool plain_loopback, const char *url, bool no_descriptors)
{
	const struct jit_fetch_options options = {.plain_loopback = plain_loopback};
	const struct jit_fetch_request request = {.method = "GET", .url = url, .timeout_ms = 5000, .max_body = 1};
	struct event_base *base = event_base_new();
	struct jit_fetch *fetch = jit_fetch_new(base, &options);
	struct outcome o = {.done = false};

	assert_non_null(fetch);
	assert_non_null(jit_fetch_start(fetch, &request, on_done, &o));
	assert_false(o.done); /* never from within the call */
	struct rlimit limit;
	if (no_descriptors)
		use_up_descriptors(&limit);
	event_base_dispatch(base);
	if (no_descriptors)
		setrlimit(RLIMIT_NOFILE, &limit);
	assert_true(o.done);
	jit_fetch_free(fetch);
	event_base_free(base);
	return o;
}

static enum jit_fetch_fault ask(bool plain_loopback, const char *url)
{
	return ask_short(plain_loopback, url, false).fault;
}

/* Port 1 is closed: whoever is asked at all refuses the connection. */
static void plain_http_goes_to_this_machine_alone_and_only_when_allowed(void **state)
{
	(void)state;
	assert_int_equal(ask(true, "http://127.0.0.1:1/"), JIT_FETCH_CONNECT);
	assert_int_equal(ask(true, "http://localhost:1/"), JIT_FETCH_CONNECT);
	assert_int_equal(ask(false, "http://127.0.0.1:1/"), JIT_FETCH_LOCAL);
	assert_int_equal(ask(true, "http://192.0.2.1:1/"), JIT_FETCH_LOCAL);
	assert_int_equal(ask(true, "http://127.0.0.1.example:1/"), JIT_FETCH_LOCAL);
	assert_int_equal(ask(true, "http://localhost:x@192.0.2.1:1/"), JIT_FETCH_LOCAL);
	assert_int_equal(ask(true, "http://127.0.0.1@192.0.2.1:1/"), JIT_FETCH_LOCAL);
}

static void other_protocols_are_not_spoken(void **state)
{
	(void)state;
	assert_int_equal(ask(true, "file:///etc/passwd"), JIT_FETCH_LOCAL);
	assert_int_equal(ask(true, "ftp://127.0.0.1:1/"), JIT_FETCH_LOCAL);
	assert_int_equal(ask(true, ""), JIT_FETCH_LOCAL);
	assert_int_equal(ask(false, "https://127.0.0.1:1/"), JIT_FETCH_CONNECT);
}

/* libcurl says no more than that it could not connect: whose fault it is decides what to do. */
static void who_has_no_descriptor_left_says_so(void **state)
{
	static const char url[] = "http://127.0.0.1:1/";
	struct outcome o = ask_short(true, url, true);
	struct rlimit limit;

	(void)state;
	assert_int_equal(o.fault, JIT_FETCH_CONNECT);
	assert_string_equal(o.why, "this process has no descriptor left");
	o = ask_short(true, url, false);
	assert_int_equal(o.fault, JIT_FETCH_CONNECT);
	assert_string_equal(o.why, "connection refused");
	CURL *easy = curl_easy_init();
	assert_string_equal(jit_fetch_why(JIT_FETCH_CONNECT, CURLE_COULDNT_CONNECT, easy, ""), "it cannot be reached");
	const char *resolved = jit_fetch_why(JIT_FETCH_DNS, CURLE_COULDNT_RESOLVE_HOST, easy, "");
	assert_string_equal(resolved, "its name cannot be resolved");
	use_up_descriptors(&limit);
	resolved = jit_fetch_why(JIT_FETCH_DNS, CURLE_COULDNT_RESOLVE_HOST, easy, "");
	setrlimit(RLIMIT_NOFILE, &limit);
	assert_string_equal(resolved, "this process has no descriptor left");
	curl_easy_cleanup(easy);
}

/* What libcurl says when a TLS 1.3 server refuses our certificate: only with the first bytes that it sends. */
static void an_alert_of_tls_is_told_by_its_name(void **state)
{
	static const char said[] =
		"OpenSSL SSL_read: error:0A000415:SSL routines::sslv3 alert certificate expired, errno 0";
	char detail[256];

	(void)state;
	snprintf(detail, sizeof(detail), "%s", said);
	assert_true(jit_fetch_alert(CURLE_RECV_ERROR, detail, sizeof(detail)));
	assert_string_equal(detail, "it ended TLS with the alert: certificate expired");
	snprintf(detail, sizeof(detail), "%s", said);
	assert_false(jit_fetch_alert(CURLE_COULDNT_CONNECT, detail, sizeof(detail)));
	assert_string_equal(detail, said);
	snprintf(detail, sizeof(detail), "Recv failure: Connection reset by peer");
	assert_false(jit_fetch_alert(CURLE_RECV_ERROR, detail, sizeof(detail)));
	memset(detail, 'x', sizeof(detail) - 1); /* an alert whose name does not end */
	detail[sizeof(detail) - 1] = '\0';
	memcpy(detail, " alert ", 7);
	assert_true(jit_fetch_alert(CURLE_SEND_ERROR, detail, sizeof(detail)));
	assert_true(strlen(detail) < 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_alert_of_tls_is_told_by_its_name),
		cmocka_unit_test(plain_http_goes_to_this_machine_alone_and_only_when_allowed),
		cmocka_unit_test(who_has_no_descriptor_left_says_so),
		cmocka_unit_test(other_protocols_are_not_spoken),
	};

	return cmocka_run_group_tests_name("common fetch", tests, NULL, NULL);
}
