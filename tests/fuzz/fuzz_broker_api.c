/*
 * Calls of hosts, approvers, the page and strangers, one after the other on a broker with a store of its own, up to a
 * NUL each: the first byte is the caller, what follows the head and the body as a connection brings them. Every call is
 * answered once, in its form; nobody approves what is theirs; the audit chain stays whole.
 */
#include <event2/event.h>
#include <json-c/json.h>

#include "api.h"
#include "broker_store.h"
#include "call_transport.h"
#include "clock.h"
#include "fuzz.h"
#include "issuer_kinds.h"
#include "issuer_watch.h"
#include "notify.h"
#include "signin.h"

#define CALLS_MAX 8
#define MARKUP	  "<fuzz" /* what somebody wrote, and no page of ours */

/* One call: the first member is what handlers see. */
struct call {
	struct jb_call call;
	char *text;
	bool answered, by_person;
};

static struct {
	char host[128], control[128], approver[128], second[128]; /* header lines */
	struct jb_conf *conf;
	struct event_base *base;
	struct jb_store *store;
	struct jb_issuer *issuer;
	struct jb_engine *engine;
	struct jb_api *api;
	struct jb_server *server;
	struct jb_notify *notify;
	struct call calls[CALLS_MAX];
	unsigned count;
	char cookie[256]; /* header line of the page's session */
	char csrf[80];	  /* what its forms carry; CSRF in a body stands for it */
	char last[10];	  /* the short id that an answer named last; LAST in a path stands for it */
} lab;

static const char configuration[] =
	"[broker]\ntls = off\nstore = sqlite:%s/broker.db\nissuer = demo\nproxy_socket = %s/proxy\nproxy_user = root\n"
	"waiting_per_host = 4\nauditors = appr1\n"
	"[role admin]\narn = arn:aws:iam::123456789012:role/JIT-Admin\nregion = eu-west-1\nservices = sudo su sshd\n"
	"requesters = @sre\nhosts = web-* ctl\ntargets = root self\napprovers = @oncall\nmax_duration = 4h\n"
	"reason = optional\ncode = off\n"
	"[role coded]\nservices = sudo\nrequesters = @sre\nhosts = *\ntargets = *\napprovers = @oncall\n"
	"[role two]\nservices = sudo\nrequesters = @sre\nhosts = *\ntargets = root\napprovers = @oncall\n"
	"approvals = 2\ncode = off\nticket = ^INC-[0-9]+$\n"
	"[role look]\narn = arn:aws:iam::123456789012:role/JIT-Look\nservices = sudo\nrequesters = op1\nhosts = *\n"
	"targets = root\nauto_approve = simulated\nunsealed = allow\nreason = optional\n"
	"[group sre]\nmembers = op1 op2 appr1 deploy\n[group oncall]\nmembers = appr1 appr2 op1\n"
	"[person op1]\n[person appr1]\nremote_user = appr1\n[person appr2]\n[person deploy]\nshared = yes\n"
	"[host ctl]\nmay_request_for = web-*\n";

/* For what it counts; nobody connects to it. */
static struct jb_server *idle_server(void)
{
	const struct jb_server_options options = {.address = "127.0.0.1", .listen_fd = -1, .max_connections = 1};
	char why[256];

	return jb_server_new(lab.base, &options, jb_api_handle, NULL, why, sizeof(why));
}

static void add_secret(const char *kind, const char *owner, const char *header, char *line, size_t size)
{
	char text[96];

	FUZZ_CHECK(jb_store_secret_add(lab.store, kind, owner, jit_wall_s(), text, sizeof(text)) == 0);
	snprintf(line, size, "%s%s\r\n", header, text);
}

/* Once: a store with everybody's keys, kept as it is then. */
static void build(void)
{
	const char *folder = fuzz_store_folder();
	char text[4096], why[256];

	snprintf(text, sizeof(text), configuration, folder, folder);
	FUZZ_CHECK((lab.base = event_base_new()) && (lab.server = idle_server()));
	lab.conf = fuzz_store_conf(text);
	FUZZ_CHECK((lab.store = jb_store_open(lab.conf, why, sizeof(why))));
	add_secret("host", "web-1", "x-api-key: ", lab.host, sizeof(lab.host));
	add_secret("host", "ctl", "x-api-key: ", lab.control, sizeof(lab.control));
	add_secret("person", "appr1", "Authorization: Bearer ", lab.approver, sizeof(lab.approver));
	add_secret("person", "appr2", "Authorization: Bearer ", lab.second, sizeof(lab.second));
	jb_store_close(lab.store);
	fuzz_store_keep();
}

static void start(void)
{
	if (!lab.conf)
		build();
	lab.store = fuzz_store_begin(lab.conf);
	lab.issuer = jb_issuer_watch_new(jb_issuer_demo_new(lab.base));
	FUZZ_CHECK(lab.issuer && (lab.notify = jb_notify_new(lab.base, lab.conf, lab.store)));
	FUZZ_CHECK((lab.engine = jb_engine_new(lab.conf, lab.store, lab.issuer, jit_wall_s())));
	FUZZ_CHECK((lab.api = jb_api_new(lab.base, lab.conf, lab.store, lab.engine)));
	jb_api_watch(lab.api, lab.server, lab.issuer, lab.notify);
}

static void stop(void)
{
	for (unsigned i = 0; i < lab.count; i++)
		if (!lab.calls[i].answered)
			jb_call_lost(&lab.calls[i].call);
	jb_api_free(lab.api);
	jb_notify_free(lab.notify);
	jb_issuer_free(lab.issuer);
	jb_engine_free(lab.engine);
	jb_store_close(lab.store);
	for (unsigned i = 0; i < lab.count; i++) {
		free(lab.calls[i].text);
		free(lab.calls[i].call.body);
	}
	lab.count = 0;
	lab.cookie[0] = lab.csrf[0] = '\0';
}

static void check_json(const char *body, size_t len, bool for_person)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *json = json_tokener_parse_ex(tokener, body, (int)len), *code, *id;

	FUZZ_CHECK(json && json_object_is_type(json, json_type_object));
	/* Number matching is worth something only where who approves is told the number by who asks. */
	FUZZ_CHECK(!for_person || !json_object_object_get_ex(json, "code", &code));
	if (json_object_object_get_ex(json, "shortId", &id))
		snprintf(lab.last, sizeof(lab.last), "%s", json_object_get_string(id));
	json_object_put(json);
	json_tokener_free(tokener);
}

static void reply(struct jb_call *call, int status, const char *headers, const char *body, size_t len)
{
	struct call *c = (struct call *)call;

	FUZZ_CHECK(!c->answered && status >= 200 && status <= 599);
	c->answered = true;
	for (const char *line = headers; *line; line = strstr(line, "\r\n") + 2)
		FUZZ_CHECK(strchr(line, ':') && strstr(line, "\r\n") && strcspn(line, "\r\n") > 3);
	const char *cookie = strstr(headers, "Set-Cookie: " JB_SIGNIN_COOKIE "=");
	if (cookie)
		snprintf(lab.cookie, sizeof(lab.cookie), "Cookie: %.*s\r\n", (int)strcspn(cookie + 12, ";\r"),
			 cookie + 12);
	if (strstr(headers, "Content-Type: application/json"))
		check_json(body, len, c->by_person);
	const char *field = memmem(body, len, "name=\"csrf\" value=\"", 19);
	if (field)
		snprintf(lab.csrf, sizeof(lab.csrf), "%.64s", field + 19);
	if (strstr(headers, "Content-Type: text/html"))
		FUZZ_CHECK(!memmem(body, len, MARKUP, strlen(MARKUP)));
}

static const struct jb_transport transport = {.may_wait = true, .reply = reply},
				 hurried = {.may_wait = false, .reply = reply};

/* The line that says who calls. */
static const char *caller_line(char caller)
{
	switch (caller) {
	case 'h':
		return lab.host;
	case 'c':
		return lab.control;
	case 'p':
		return lab.approver;
	case 'q':
		return lab.second;
	case 'x':
		return "X-Remote-User: appr1\r\nSec-Fetch-Site: same-origin\r\n";
	default:
		return "";
	}
}

/* The head as it comes over a connection: the request line, who calls, and what else the input has. */
static char *make_head(const char *input, char caller, size_t len)
{
	const char *session = caller == 'x' ? lab.cookie : "";
	const char *line = strstr(input, "\r\n"), *last = memmem(input, (size_t)(line - input), "LAST", 4);
	const size_t before = last ? (size_t)(last - input) : 0, after = last ? before + 4 : 0;
	char *text;

	FUZZ_CHECK(asprintf(&text, "%.*s%s%.*s\r\nHost: b\r\n%s%s%.*s", (int)before, input, last ? lab.last : "",
			    (int)((size_t)(line - input) - after), input + after, caller_line(caller), session,
			    (int)(len - (size_t)(line + 2 - input)), line + 2) > 0);
	return text;
}

/* The body, the page's own token in its place. */
static char *make_body(const char *input)
{
	const char *mark = strstr(input, "CSRF");
	char *body;

	FUZZ_CHECK(asprintf(&body, "%.*s%s%s", (int)(mark ? mark - input : 0), input, mark ? lab.csrf : "",
			    mark ? mark + 4 : input) >= 0);
	return body;
}

static void make_call(const char *input)
{
	struct call *c = &lab.calls[lab.count];
	const char *end = strstr(input, "\r\n\r\n"), *why;

	if (!*input || !end || lab.count == CALLS_MAX)
		return;
	const char caller = *input++;
	*c = (struct call){.call.transport = caller == 'c' ? &hurried : &transport,
			   .by_person = caller == 'p' || caller == 'q'};
	if (end < input) /* the caller's byte was part of it */
		return;
	c->text = make_head(input, caller, (size_t)(end + 4 - input));
	c->call.body = make_body(end + 4);
	lab.count++;
	c->answered = jb_http_parse(c->text, strlen(c->text), &c->call.head, &why) != 0;
	if (c->answered)
		return;
	c->call.head.content_length = strlen(c->call.body);
	if (caller == 'x')
		jb_api_handle_proxied(lab.api, &c->call);
	else
		jb_api_handle(lab.api, &c->call);
	event_base_loop(lab.base, EVLOOP_NONBLOCK);
}

/* Whoever holds something has it from somebody else, or from a role that says so. */
static void check_grants(void)
{
	const struct jb_query query = {.status = -1, .limit = 100};
	struct jb_request **found;
	size_t count;

	FUZZ_CHECK(jb_store_find(lab.store, &query, &found, &count) == 0);
	for (size_t i = 0; i < count; i++) {
		const struct jb_request *r = found[i];

		if ((r->status == JB_APPROVED || r->status == JB_ACTIVE) && strcmp(r->role, "look") != 0)
			FUZZ_CHECK(r->approved_by && !jb_request_approved_by(r, r->requester) &&
				   (strcmp(r->role, "two") != 0 || strchr(r->approved_by, ' ')));
		FUZZ_CHECK(r->expires_at > r->granted_until);
		jb_request_free(found[i]);
	}
	free(found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	struct jb_audit_break broken;

	start();
	while (in.left) {
		char *text = fuzz_text(&in, '\0');

		make_call(text);
		free(text);
	}
	check_grants();
	FUZZ_CHECK(jb_store_audit_walk(lab.store, NULL, NULL, &broken) == 0);
	stop();
	return 0;
}
