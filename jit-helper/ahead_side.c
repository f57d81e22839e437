/* See ahead_side.h. */
#include "ahead_side.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ahead.h"
#include "clock.h"
#include "helper.h"
#include "json.h"
#include "log.h"
#include "names.h"
#include "proc.h"
#include "session_side.h"
#include "text.h"
#include "verdict.h"

#define ANSWER_MS      12000
#define FOLLOW_MAX_S   60
#define DURATION_S     900
#define DURATION_MAX_S (7 * 86400)
#define PATH_SIZE      16384

struct asking {
	LIST_ENTRY(asking) link;
	struct jh_helper *helper;
	struct jh_peer *peer;
	struct jh_session session;
	struct jh_question question;
	bool decided; /* FOLLOW: until people have decided, not the broker alone */
	bool busy;    /* still being filed: not answered yet */
	struct jh_ahead *of[JH_AHEAD_HOSTS];
	size_t count;
	struct jit_fetch_call *call; /* for the hosts */
	struct jh_alarm patience;
};

static LIST_HEAD(asking_list, asking) all = LIST_HEAD_INITIALIZER(all);

static void asking_free(struct asking *a)
{
	LIST_REMOVE(a, link);
	jit_fetch_cancel(a->call);
	jh_alarm_clear(&a->patience);
	for (size_t i = 0; i < a->count; i++)
		a->of[i]->watched--;
	free(a);
}

static void on_gone(struct jh_peer *peer)
{
	asking_free(peer->arg);
}

static void on_frame(struct jh_peer *peer, const struct jit_frame *frame)
{
	(void)frame; /* one frame, one answer: a second one ends it */
	asking_free(peer->arg);
	jh_peer_close(peer);
}

static const struct jh_peer_owner owner = {.frame = on_frame, .gone = on_gone};

/* `brief`: without what people said. */
static struct json_object *answer_json(const struct asking *a, bool brief)
{
	JIT_JSON struct json_object *json = json_object_new_object();
	struct json_object *list = json_object_new_array();
	bool whole = jit_json_add(json, "requests", list);

	for (size_t i = 0; whole && i < a->count; i++) {
		struct json_object *one = jh_ahead_json(a->of[i]);
		if (one && brief)
			json_object_object_del(one, "comment");
		whole = jit_json_append(list, one);
	}
	return whole ? JIT_TAKE(json) : NULL;
}

static void answer(struct asking *a)
{
	struct json_object *json = answer_json(a, false);
	struct jh_peer *peer = a->peer;

	if (!jh_json_fits(json)) {
		json_object_put(json);
		json = answer_json(a, true);
	}
	asking_free(a);
	jh_send_json(peer, json);
}

static void refuse(struct asking *a, enum jit_exit status, const char *sentence)
{
	struct jh_peer *peer = a->peer;

	asking_free(a);
	jh_fault_and_close(peer, status, sentence);
}

static void on_patience(void *arg)
{
	struct asking *a = arg;

	if (a->count)
		answer(a);
	else
		refuse(a, JIT_EXIT_UNAVAILABLE, "the broker did not answer in time; tell the operator of this host");
}

static bool is_settled(const struct asking *a)
{
	for (size_t i = 0; i < a->count; i++)
		if (!a->of[i]->status || (a->decided && jh_ahead_pending(a->of[i])))
			return false;
	return !a->busy;
}

void jh_asking_free_all(void)
{
	while (!LIST_EMPTY(&all))
		asking_free(LIST_FIRST(&all));
}

void jh_asking_look(void)
{
	struct asking *a = LIST_FIRST(&all), *next;

	for (; a; a = next) {
		next = LIST_NEXT(a, link);
		if (is_settled(a))
			answer(a);
	}
}

static struct asking *asking_new(struct jh_peer *peer, const struct jh_session *session, int64_t patience_ms)
{
	struct asking *a = calloc(1, sizeof(*a));

	if (!a) {
		jh_fault_and_close(peer, JIT_EXIT_INTERNAL, "jit-helper is out of memory");
		return NULL;
	}
	a->helper = peer->helper;
	a->peer = peer;
	a->session = *session;
	jh_alarm_init(&a->patience, peer->helper->alarms, on_patience, a);
	jh_alarm_in(&a->patience, patience_ms);
	LIST_INSERT_HEAD(&all, a, link);
	jh_peer_give(peer, &owner, a);
	return a;
}

static void file_one(struct asking *a, const char *host)
{
	struct jh_session session = a->session;
	struct jh_request_plan plan = {
		.question = &a->question, .session = &session, .leader_fd = -1, .for_host = host, .resume = true};

	if (jh_peer_look_login(a->peer) < 0 || jh_session_of(a->peer, a->session.uid, &session, &plan.leader_fd) < 0)
		return;
	plan.login_uid = a->peer->proc.login_uid;
	memcpy(session.place, a->session.place, sizeof(session.place));
	struct jh_ahead *ahead = jh_ahead_file(a->helper, &plan);
	if (ahead) {
		ahead->watched++;
		a->of[a->count++] = ahead;
	}
}

static void filed_all(struct asking *a)
{
	a->busy = false;
	if (a->count == 0)
		refuse(a, JIT_EXIT_INTERNAL, "jit-helper could not file a request; try again");
	else if (is_settled(a))
		answer(a);
}

/* 0, or -1 with the sentence. */
static int file_for_each(struct asking *a, struct json_object *hosts, char *why, size_t size)
{
	size_t count = json_object_is_type(hosts, json_type_array) ? json_object_array_length(hosts) : 0;

	snprintf(why, size,
		 count ? "%zu hosts match; ask for at most %d at a time"
		       : "no host matches that this host may ask for; the broker's operator sets may_request_for",
		 count, JH_AHEAD_HOSTS);
	if (count == 0 || count > JH_AHEAD_HOSTS)
		return -1;
	for (size_t i = 0; i < count; i++) {
		const char *host = json_object_get_string(json_object_array_get_idx(hosts, i));
		char clean[JIT_NAME_SIZE];

		jit_text_clean_str(clean, sizeof(clean), host ? host : "");
		if (clean[0])
			file_one(a, clean);
	}
	return 0;
}

static void on_hosts(void *arg, const struct jit_fetch_result *result)
{
	struct asking *a = arg;
	struct json_object *json, *hosts = NULL;
	char why[JIT_LINE_SIZE], code[JH_CODE_SIZE], message[JIT_LINE_SIZE];

	a->call = NULL;
	if (result->fault != JIT_FETCH_OK || result->status != 200) {
		jh_trouble(result, jh_broker_url(a->helper->broker), why, sizeof(why));
		jh_error_read(result->body, result->body_len, code, message);
		refuse(a, JIT_EXIT_UNAVAILABLE, result->fault == JIT_FETCH_OK && message[0] ? message : why);
		return;
	}
	json = jh_json_read(result->body, result->body_len);
	if (!json && errno == ENOMEM) {
		refuse(a, JIT_EXIT_UNAVAILABLE, JH_SHORTAGE);
		return;
	}
	if (json_object_is_type(json, json_type_object))
		json_object_object_get_ex(json, "hosts", &hosts);
	int r = file_for_each(a, hosts, why, sizeof(why));
	json_object_put(json);
	if (r < 0)
		refuse(a, JIT_EXIT_NOT_ELIGIBLE, why);
	else
		filed_all(a);
}

/* Percent-encodes everything but what a URL's query surely takes. */
static bool add_escaped(char *path, size_t size, const char *text)
{
	size_t len = strlen(path);

	for (; *text; text++) {
		int n = isalnum((unsigned char)*text) || strchr("-._", *text)
				? snprintf(path + len, size - len, "%c", *text)
				: snprintf(path + len, size - len, "%%%02X", (unsigned char)*text);
		if (n < 0 || (size_t)n >= size - len)
			return false;
		len += (size_t)n;
	}
	return true;
}

/* 1: hosts are asked for; 0: none is named; -1: a pattern is too long, or there are too many. */
static int read_hosts(const struct jit_frame *frame, char *path, size_t size)
{
	const uint8_t *value;
	unsigned n = 0;
	size_t len;

	snprintf(path, size, "/hosts");
	for (; jit_frame_get(frame, JIT_T_HOST, n, &value, &len); n++) {
		char pattern[JIT_NAME_SIZE];

		if (n == JH_AHEAD_HOSTS || len == 0 || len >= sizeof(pattern) || memchr(value, '\0', len))
			return -1;
		memcpy(pattern, value, len);
		pattern[len] = '\0';
		size_t at = strlen(path);
		snprintf(path + at, size - at, "%cmatch=", n ? '&' : '?');
		if (!add_escaped(path, size, pattern))
			return -1;
	}
	return n > 0;
}

static bool get_text(const struct jit_frame *frame, enum jit_tag tag, char *buf, size_t size)
{
	char raw[JIT_LINE_SIZE];
	int r = jit_frame_get_str(frame, (uint8_t)tag, raw, size < sizeof(raw) ? size : sizeof(raw));

	jit_text_clean_str(buf, size, raw);
	return r == 0 || r == -ENOENT;
}

/* The service and the target are still to come. */
static bool read_question(struct asking *a, const struct jit_frame *frame)
{
	struct jh_question *q = &a->question;
	uint32_t duration_s = DURATION_S;
	int r = jit_frame_get_u32(frame, JIT_T_DURATION, &duration_s);
	if ((r < 0 && r != -ENOENT) || duration_s == 0 || duration_s > DURATION_MAX_S ||
	    !get_text(frame, JIT_T_ROLE, q->role, sizeof(q->role)) ||
	    !get_text(frame, JIT_T_REASON, q->reason, sizeof(q->reason)) ||
	    !get_text(frame, JIT_T_TICKET, q->ticket, sizeof(q->ticket)))
		return false;
	if (!q->role[0])
		snprintf(q->role, sizeof(q->role), "%s", JH_ROLE_ANY);
	if (a->session.place[0] != '(')
		memcpy(q->rhost, a->session.place, sizeof(q->rhost));
	q->uid = a->session.uid;
	q->duration_s = (int64_t)duration_s;
	return true;
}

void jh_asking_request(struct jh_peer *peer, const struct jit_frame *frame, const struct jh_session *session)
{
	struct asking *a = asking_new(peer, session, ANSWER_MS);
	char path[PATH_SIZE];
	const struct jh_call call = {.method = "GET", .path = path};
	int hosts;

	if (!a)
		return;
	if (a->helper->conf->demo) {
		refuse(a, JIT_EXIT_UNAVAILABLE,
		       "nothing can be asked for ahead here: the reference deployment (broker_type = seed-demo) asks "
		       "no "
		       "one; use sudo, su or ssh at once");
		return;
	}
	a->busy = true;
	hosts = read_hosts(frame, path, sizeof(path));
	if (jh_names_name(a->session.uid, a->question.requester, sizeof(a->question.requester)) < 0) {
		refuse(a, JIT_EXIT_UNAVAILABLE, "this host cannot tell your user name now; try again in a moment");
		return;
	}
	if (!read_question(a, frame) || hosts < 0) {
		refuse(a, JIT_EXIT_INTERNAL,
		       "jit's request made no sense to jit-helper: install the same version of both");
		return;
	}
	if (!hosts) {
		file_one(a, NULL);
		filed_all(a);
		return;
	}
	a->call = jh_broker_call(a->helper->broker, &call, on_hosts, a);
	if (!a->call)
		refuse(a, JIT_EXIT_INTERNAL, "the patterns of hosts are too long in all");
}

void jh_asking_follow(struct jh_peer *peer, const struct jit_frame *frame, const struct jh_session *session)
{
	uint32_t wait_s = 0;
	const uint8_t *value;
	size_t len;

	if (jit_frame_get_u32(frame, JIT_T_WAIT, &wait_s) < 0 || wait_s > FOLLOW_MAX_S)
		wait_s = FOLLOW_MAX_S;
	struct asking *a = asking_new(peer, session, (int64_t)wait_s * 1000);
	if (!a)
		return;
	a->decided = true;
	for (unsigned n = 0; jit_frame_get(frame, JIT_T_GRANT, n, &value, &len); n++) {
		char id[JIT_ID_SIZE] = "";
		struct jh_ahead *ahead;

		if (len < sizeof(id))
			memcpy(id, value, len);
		ahead = n < JH_AHEAD_HOSTS ? jh_ahead_find(a->helper, session, id) : NULL;
		if (!ahead) {
			refuse(a, JIT_EXIT_UNAVAILABLE,
			       "jit-helper follows no such request of this login session: it was restarted "
			       "meanwhile, or the request is over; look with `jit status`, and ask again");
			return;
		}
		ahead->watched++;
		a->of[a->count++] = ahead;
	}
	if (is_settled(a))
		answer(a);
}
