/* Who is told of a decision first: the host at which somebody waits, then the person who decided. */
#include "broker_engine.h"

#include <event2/event.h>

#include "api.h"
#include "call_transport.h"
#include "clock.h"

struct call {
	struct jb_call call;
	char text[128];
	int status;   /* 0: not answered yet */
	unsigned nth; /* answer of all */
};

static struct jb_api *api;
static unsigned answers;

static void note(struct jb_call *call, int status, const char *headers, const char *body, size_t len)
{
	struct call *c = (struct call *)call;

	(void)headers;
	(void)body;
	(void)len;
	c->status = status;
	c->nth = ++answers;
}

static struct jb_ask ask(struct call *c, const char *who, const char *line)
{
	static const struct jb_transport transport = {.may_wait = true, .reply = note};
	static char none[] = "";
	const char *why;

	*c = (struct call){.call = {.transport = &transport, .body = none, .host = who}};
	snprintf(c->text, sizeof(c->text), "%s HTTP/1.1\r\nHost: b\r\n\r\n", line);
	assert_int_equal(jb_http_parse(c->text, strlen(c->text), &c->call.head, &why), 0);
	return (struct jb_ask){.api = api, .call = &c->call, .who = who, .now = jit_wall_s()};
}

/* A long poll of the host, which has heard of all that there is. */
static void wait_for_changes(struct call *c)
{
	struct jb_request **requests;
	size_t count;
	int64_t next;
	char line[64];

	assert_int_equal(jb_engine_changes(b->engine, "web-1", -1, &requests, &count, &next, &b->fault), 0);
	for (size_t i = 0; i < count; i++)
		jb_request_free(requests[i]);
	free(requests);
	snprintf(line, sizeof(line), "GET /changes?after=%lld&wait=20", (long long)next);
	struct jb_ask host = ask(c, "web-1", line);
	jb_api_changes(&host);
	assert_int_equal(c->status, 0);
}

static void decided(void (*decide)(struct jb_ask *ask))
{
	struct event_base *base = event_base_new();
	struct jb_filing f = filing();
	struct call waiting, deciding;

	api = jb_api_new(base, b->conf, b->store, b->engine);
	assert_non_null(api);
	answers = 0;
	f.role = "local";
	f.reason = "test";
	struct jb_request *request = file(&f, jit_wall_s());
	wait_for_changes(&waiting);
	struct jb_ask person = ask(&deciding, "appr1", "POST /decide");
	snprintf(person.id, sizeof(person.id), "%s", request->id);
	decide(&person);
	assert_int_equal(deciding.status, 200);
	assert_int_equal(waiting.status, 200);
	assert_int_equal(waiting.nth, 1);
	assert_int_equal(deciding.nth, 2);
	jb_request_free(request);
	jb_api_free(api);
	event_base_free(base);
}

static void a_waiting_host_hears_of_an_approval_before_the_approver(void **state)
{
	(void)state;
	decided(jb_api_approve);
}

static void a_waiting_host_hears_of_a_denial_before_the_approver(void **state)
{
	(void)state;
	decided(jb_api_deny);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_waiting_host_hears_of_an_approval_before_the_approver, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_waiting_host_hears_of_a_denial_before_the_approver, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
