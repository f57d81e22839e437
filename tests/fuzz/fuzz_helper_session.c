/*
 * session.sock as a whole: what anybody sends there, on several connections, over a grant with an elevation, while a
 * broker answers what the helper asks it meanwhile. Each connection hears one answer at most, in its form and clean;
 * the credentials go to nobody but who shows the elevation's token; no broker is told a secret.
 *
 * A letter is a step: 'c' the grant has credentials; 'F' a connection with a frame: its type, then lines TAG=TEXT, in
 * which @TOKEN is the token and # before a number makes it one of four bytes; 'R' one with a packet as it is, two bytes
 * before it its length; 'M' the same on the last connection; 'X' the last connection is closed; 'A' an answer
 * (calls.h).
 */
#include <event2/event.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <json-c/json.h>

#include "ahead.h"
#include "calls.h"
#include "changes.h"
#include "clock.h"
#include "elevation.h"
#include "ending.h"
#include "helper.h"
#include "names.h"
#include "pam_side.h"
#include "session_side.h"
#include "spool.h"
#include "text.h"
#include "visit.h"
#include "withdraw.h"

#define ID     "0b6c1f6e-0000-4000-8000-000000000001"
#define SECRET "not-a-secret-key"
#define TOKEN  "01234567890123456789012345678901"
#define MAX    8 /* connections */

static const char configuration[] = "[helper]\nbroker = https://broker.example\nspool_dir = /nonexistent/spool\n"
				    "state_dir = /nonexistent\n[service sudo]\nrole = admin\n";
static const char approval[] =
	"{\"requestId\":\"" ID
	"\",\"shortId\":\"R7KD-2M9Q\",\"requester\":\"%s\",\"role\":\"admin\",\"status\":\"ACTIVE\","
	"\"services\":[\"sudo\"],\"targets\":[\"root\"],\"remaining\":900,\"roleArn\":\"arn:aws:iam::1:role/a\","
	"\"decidedBy\":\"appr1\"}";
static const char plaintext[] =
	"{\"AccessKeyId\":\"ASIAEXAMPLE\",\"SecretAccessKey\":\"" SECRET "\",\"SessionToken\":\"not-a-session-token\","
	"\"Expiration\":\"2036-11-22T16:00:00Z\",\"grantToken\":\"not-a-grant-token\"}";

static struct jh_helper helper = {.passed = -1};
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static socklen_t address_len;
static char requester[JIT_NAME_SIZE];
static struct connection {
	int fd; /* -1: there is none */
	bool proved, answered;
} connections[MAX];
static size_t last;

static void fail_conf(void *arg, const char *message)
{
	(void)arg;
	FUZZ_NEVER(message);
}

/* What lasts from one input to the next: all that asks nobody and holds nothing. */
static void start(void)
{
	char path[] = "/tmp/jit-fuzz-key-XXXXXX", why[512];
	int fd = mkstemp(path);

	FUZZ_CHECK(fd >= 0 && write(fd, "jitk_test\n", 10) == 10 && close(fd) == 0);
	FUZZ_CHECK(jh_conf_parse("t.conf", configuration, fail_conf, NULL, &helper.conf) == 0);
	free(helper.conf->api_key_file);
	helper.conf->api_key_file = strdup(path);
	FUZZ_CHECK((helper.base = event_base_new()) && (helper.alarms = jh_alarms_new(helper.base)));
	helper.in = OPENSSL_secure_zalloc(sizeof(*helper.in));
	helper.out = OPENSSL_secure_zalloc(sizeof(*helper.out));
	if (!(helper.broker = jh_broker_new(helper.base, helper.conf, why, sizeof(why))))
		FUZZ_NEVER(why);
	unlink(path);
	if (getsid(0) == 0) /* of whoever started this from outside our pid namespace: nothing could be told of it */
		setsid();
	FUZZ_CHECK(helper.in && helper.out && jh_names_name(getuid(), requester, sizeof(requester)) == 0);
}

/* An abstract name: no file of it is left behind. */
static int listen_as(const char *name)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int n = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "jit-fuzz-%s-%d", name, (int)getpid());

	address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1U + (unsigned)n);
	FUZZ_CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, address_len) == 0 && listen(fd, MAX) == 0);
	return fd;
}

/* This process is the elevation's, and in its session. */
static void elevate(struct jh_grant *grant)
{
	struct jh_elevation facts = {.target_uid = getuid(), .target = "root"};
	struct jh_peer self = {.helper = &helper, .fd = -1, .pidfd = -1};

	FUZZ_CHECK(jh_proc_read(getpid(), &self.proc) == 0);
	self.looked = true;
	FUZZ_CHECK(jh_session_of(&self, getuid(), &facts.session, NULL) == 0);
	SHA256((const uint8_t *)TOKEN, JIT_TOKEN_LEN, facts.hash);
	FUZZ_CHECK(jh_grant_bind(grant, &facts.session, -1) == 0);
	FUZZ_CHECK(jh_elevation_restore(grant, &facts, getpid(), self.proc.start) == 0);
}

static void make_grant(void)
{
	char body[512];
	struct jh_answer answer;
	EVP_PKEY *key;

	snprintf(body, sizeof(body), approval, requester);
	FUZZ_CHECK(jit_key_new(&key) == 0 && jh_answer_read(body, strlen(body), &answer) == 0);
	struct jh_grant *grant = jh_grant_new(&helper, &answer, key);
	jh_answer_clear(&answer);
	FUZZ_CHECK(grant);
	jh_grant_list(grant);
	grant->collector.started = true;
	elevate(grant);
	jh_grant_use(grant);
}

static void set_up(void)
{
	if (!helper.base)
		start();
	helper.pam = jh_pam_side_new(&helper, listen_as("pam"));
	helper.session = jh_session_side_new(&helper, listen_as("session"));
	helper.spool = jh_spool_new(&helper);
	FUZZ_CHECK(helper.pam && helper.session && helper.spool && (helper.changes = jh_changes_new(&helper)));
	make_grant();
	for (size_t i = 0; i < MAX; i++)
		connections[i] = (struct connection){.fd = -1};
	last = 0;
}

/* As main does at its end. */
static void tear_down(void)
{
	jh_requests_cancel_all(&helper);
	jh_withdraw_leave(&helper);
	jh_ahead_free_all(&helper);
	jh_elevations_leave(&helper);
	while (!LIST_EMPTY(&helper.grants))
		jh_grant_free(LIST_FIRST(&helper.grants));
	jh_endings_free(&helper);
	jh_listener_free(helper.pam);
	jh_listener_free(helper.session);
	jh_changes_free(helper.changes);
	jh_spool_free(helper.spool);
	FUZZ_CHECK(!fuzz_fetch_first());
}

static void check_clean(const char *text)
{
	char *clean = malloc(strlen(text) * 4 + 8);

	FUZZ_CHECK(clean);
	jit_text_clean_str(clean, strlen(text) * 4 + 8, text);
	FUZZ_CHECK(strcmp(clean, text) == 0);
	free(clean);
}

static void check_clean_json(struct json_object *json)
{
	if (json_object_is_type(json, json_type_string)) {
		check_clean(json_object_get_string(json));
	} else if (json_object_is_type(json, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(json); i++)
			check_clean_json(json_object_array_get_idx(json, i));
	} else if (json_object_is_type(json, json_type_object)) {
		json_object_object_foreach(json, name, value)
		{
			check_clean(name);
			check_clean_json(value);
		}
	}
}

static void check_answer(const struct connection *c, const struct jit_frame *frame)
{
	char text[JIT_LINE_SIZE * 2];
	const uint8_t *json;
	uint32_t status;
	size_t len;

	FUZZ_CHECK(!memmem(frame->data, frame->len, TOKEN, JIT_TOKEN_LEN));
	FUZZ_CHECK(!memmem(frame->data, frame->len, "not-a-grant-token", 17));
	if (jit_frame_type(frame) == JIT_F_FAULT) {
		FUZZ_CHECK(jit_frame_get_str(frame, JIT_T_TEXT, text, sizeof(text)) == 0 && *text);
		check_clean(text);
		FUZZ_CHECK(jit_frame_get_u32(frame, JIT_T_EXIT, &status) == 0);
		FUZZ_CHECK((status >= JIT_EXIT_NOTHING && status <= JIT_EXIT_INTERNAL && status != JIT_EXIT_USAGE) ||
			   status == JIT_EXIT_NOT_ELIGIBLE);
		FUZZ_CHECK(!memmem(frame->data, frame->len, SECRET, strlen(SECRET)));
		return;
	}
	FUZZ_CHECK(jit_frame_type(frame) == JIT_F_DOCUMENT && jit_frame_get(frame, JIT_T_JSON, 0, &json, &len));
	FUZZ_CHECK(c->proved || !memmem(frame->data, frame->len, SECRET, strlen(SECRET)));
	struct json_object *read = jh_json_read((const char *)json, len);
	FUZZ_CHECK(json_object_is_type(read, json_type_object));
	check_clean_json(read);
	json_object_put(read);
}

static void receive(struct connection *c)
{
	static struct jit_frame frame;
	int r = jit_frame_recv(c->fd, &frame);

	if (r == 1) {
		FUZZ_CHECK(!c->answered);
		c->answered = true;
		check_answer(c, &frame);
		r = jit_frame_recv(c->fd, &frame);
		FUZZ_CHECK(r <= 0); /* answered is closed */
		FUZZ_CHECK(r != -EAGAIN);
	}
	if (r != -EAGAIN) {
		close(c->fd);
		c->fd = -1;
	}
}

/* What the helper asks the broker now is asked of this one, and tells it nothing but what it may know. */
static void check_calls(void)
{
	const struct fuzz_call *call = fuzz_fetch_first();

	if (!call)
		return;
	FUZZ_CHECK(strncmp(call->url, "https://broker.example/", 23) == 0);
	FUZZ_CHECK(!strstr(call->url, TOKEN) && !strstr(call->url, SECRET));
	if (!call->body)
		return;
	FUZZ_CHECK(!strstr(call->body, TOKEN) && !strstr(call->body, SECRET));
	struct json_object *json = jh_json_read(call->body, strlen(call->body)), *name;
	FUZZ_CHECK(json_object_is_type(json, json_type_object));
	if (json_object_object_get_ex(json, "requester", &name))
		FUZZ_CHECK(strcmp(json_object_get_string(name), requester) == 0);
	check_clean_json(json);
	json_object_put(json);
}

static void serve(void)
{
	for (int i = 0; i < 4; i++)
		event_base_loop(helper.base, EVLOOP_NONBLOCK);
	for (size_t i = 0; i < MAX; i++)
		if (connections[i].fd >= 0)
			receive(&connections[i]);
	check_calls();
}

static struct connection *knock(void)
{
	last = (last + 1) % MAX;
	struct connection *c = &connections[last];
	if (c->fd >= 0)
		close(c->fd);
	*c = (struct connection){.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
	FUZZ_CHECK(c->fd >= 0 && connect(c->fd, (struct sockaddr *)&address, address_len) == 0);
	return c;
}

static bool is_proof(const struct jit_frame *frame)
{
	const uint8_t *token;
	size_t len;

	return frame->len && jit_frame_check(frame) == 0 && jit_frame_type(frame) == JIT_F_CREDENTIALS &&
	       jit_frame_get(frame, JIT_T_TOKEN, 0, &token, &len) && len == JIT_TOKEN_LEN &&
	       memcmp(token, TOKEN, JIT_TOKEN_LEN) == 0;
}

static void put_field(struct jit_frame *frame, const char *line)
{
	const char *value = strchr(line, '=');
	const uint8_t tag = (uint8_t)strtoul(line, NULL, 10);

	if (!value)
		jit_frame_put(frame, tag, "", 0);
	else if (tag == JIT_T_TOKEN && strcmp(value + 1, "@TOKEN") == 0)
		jit_frame_put(frame, tag, TOKEN, JIT_TOKEN_LEN);
	else if (value[1] == '#')
		jit_frame_put_u32(frame, tag, (uint32_t)strtoul(value + 2, NULL, 10));
	else
		jit_frame_put_str(frame, tag, value + 1);
}

/* The frame's type, and lines of its fields, up to an empty one. */
static void read_frame(struct fuzz_input *in, struct jit_frame *frame)
{
	bool more = true;

	jit_frame_start(frame, fuzz_byte(in));
	while (more) {
		char *line = fuzz_text(in, '\n');

		more = *line != '\0';
		if (more)
			put_field(frame, line);
		free(line);
	}
}

static void send_on(struct connection *c, const struct jit_frame *frame, bool first)
{
	if (c->fd < 0)
		return;
	c->proved |= first && is_proof(frame);
	(void)send(c->fd, frame->data, frame->len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void send_raw(struct fuzz_input *in, bool anew)
{
	static struct jit_frame frame;
	const uint8_t high = fuzz_byte(in);
	size_t len;
	uint8_t *bytes = fuzz_bytes(in, (size_t)high << 8 | fuzz_byte(in), &len);

	frame.len = len < JIT_FRAME_MAX ? len : JIT_FRAME_MAX;
	memcpy(frame.data, bytes, frame.len);
	free(bytes);
	send_on(anew ? knock() : &connections[last], &frame, anew);
}

static void give_credentials(void)
{
	struct jh_grant *grant = jh_grant_by_id(&helper, ID);

	if (!grant || grant->collector.creds.plain)
		return;
	char *plain = OPENSSL_secure_malloc(sizeof(plaintext));
	FUZZ_CHECK(plain);
	memcpy(plain, plaintext, sizeof(plaintext));
	FUZZ_CHECK(jh_creds_read(plain, sizeof(plaintext) - 1, &grant->collector.creds) == 0);
	grant->collector.creds.taken_ms = jit_boottime_ms();
	grant->collector.creds.expires_ms = grant->collector.creds.taken_ms + 600000;
	grant->collector.renew_ms = grant->collector.creds.expires_ms;
}

static void step(struct fuzz_input *in)
{
	static struct jit_frame frame;

	switch (fuzz_byte(in)) {
	case 'c':
		give_credentials();
		break;
	case 'F':
		read_frame(in, &frame);
		if (!frame.overflow)
			send_on(knock(), &frame, true);
		break;
	case 'R':
		send_raw(in, true);
		break;
	case 'M':
		send_raw(in, false);
		break;
	case 'X':
		if (connections[last].fd >= 0)
			close(connections[last].fd);
		connections[last].fd = -1;
		break;
	case 'A':
		fuzz_fetch_answer(in);
		break;
	default:
		return;
	}
	serve();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const known[] = {TOKEN, SECRET, "not-a-grant-token"};
	struct fuzz_input in = {data, size};

	/* What somebody has said comes back to them: it is no secret. */
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (memmem(data, size, known[i], strlen(known[i])))
			return 0;
	set_up();
	serve();
	for (int steps = 0; in.left && steps < 64; steps++)
		step(&in);
	for (size_t i = 0; i < MAX; i++)
		if (connections[i].fd >= 0)
			close(connections[i].fd);
	for (int i = 0; i < 4; i++)
		event_base_loop(helper.base, EVLOOP_NONBLOCK);
	tear_down();
	return 0;
}
