/* See spool.h. */
#include "spool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "cleanup.h"
#include "clock.h"
#include "folder.h"
#include "grant.h"
#include "helper.h"
#include "json.h"
#include "log.h"
#include "spool_dir.h"
#include "text.h"
#include "uuid.h"
#include "verdict.h"

#define EVENTS_MAX	 1000 /* files that wait; those of ends may go beyond, as many as there are begins */
#define REQUESTER_MAX	 100  /* of one requester's that begin something */
#define BATCH_MAX	 32   /* events in one call: the broker takes no more */
#define BATCH_BYTES	 60000
#define BACKOFF_FIRST_MS 1000
#define BACKOFF_CAP_MS	 60000

struct entry {
	TAILQ_ENTRY(entry) link;
	uint64_t number; /* its place, and its file's name */
	char requester[JIT_NAME_SIZE];
	bool sent; /* in the call under way */
};

struct jh_spool {
	struct jh_helper *helper;
	int dir; /* -1: it could not be used when last tried */
	TAILQ_HEAD(entry_list, entry) entries;
	size_t count;
	uint64_t last; /* number */
	struct jit_fetch_call *call;
	struct jh_alarm again;
	unsigned failures;
	bool settled;	 /* open ends have been looked through */
	bool one_by_one; /* the broker refused several: which of them? */
};

static void name_of(uint64_t number, const char *suffix, char buf[static JH_SPOOL_NAME_MAX])
{
	snprintf(buf, JH_SPOOL_NAME_MAX, "%016llu%s", (unsigned long long)number, suffix);
}

void jh_spool_prepare(const struct jh_conf *conf)
{
	struct jh_folder new = {.mode = 0700};
	char why[JIT_LINE_SIZE];

	if (jh_folder_user(conf->user, &new.uid, &new.gid) < 0)
		return;
	JIT_CLOSE int folder = jh_folder_open(conf->spool_dir, &new, why, sizeof(why));
	(void)folder;
}

static struct entry *remember(struct jh_spool *s, uint64_t number, const char *requester)
{
	struct entry *e = calloc(1, sizeof(*e)), *before;

	if (!e)
		return NULL;
	e->number = number;
	snprintf(e->requester, sizeof(e->requester), "%s", requester);
	for (before = TAILQ_LAST(&s->entries, entry_list); before && before->number > number;)
		before = TAILQ_PREV(before, entry_list, link);
	if (before)
		TAILQ_INSERT_AFTER(&s->entries, before, e, link);
	else
		TAILQ_INSERT_HEAD(&s->entries, e, link);
	s->count++;
	if (number > s->last)
		s->last = number;
	return e;
}

static void forget(struct jh_spool *s, struct entry *e)
{
	TAILQ_REMOVE(&s->entries, e, link);
	s->count--;
	free(e);
}

static const char *text_of(json_object *json, const char *name)
{
	json_object *value;

	return json_object_object_get_ex(json, name, &value) && json_object_is_type(value, json_type_string)
		       ? json_object_get_string(value)
		       : "";
}

/* The event in a file. 0, -EBADMSG where it is none, or another error. */
static int read_event(struct jh_spool *s, const char *name, json_object **ret)
{
	JIT_FREE char *text = NULL;
	size_t len;
	int r = jh_spool_read(s->dir, name, &text, &len);

	if (r < 0)
		return r;
	json_object *json = jh_json_read(text, len);
	if (json_object_is_type(json, json_type_object)) {
		*ret = json;
		return 0;
	}
	json_object_put(json);
	return -EBADMSG;
}

/* Is it the file that is at fault, and not this moment? */
static bool is_hopeless(int error)
{
	return error != -ENOMEM && error != -EMFILE && error != -ENFILE && error != -EINTR;
}

/* What no broker will ever take is kept, out of the way. */
static void set_aside(struct jh_spool *s, uint64_t number, const char *why)
{
	char name[JH_SPOOL_NAME_MAX], aside[JH_SPOOL_NAME_MAX];

	name_of(number, ".event", name);
	name_of(number, ".refused", aside);
	jit_log(LOG_ERR, "an event cannot be delivered and is kept as %s/%s: %s", s->helper->conf->spool_dir, aside,
		why);
	jh_spool_rename(s->dir, name, aside);
}

/* False: it is no file of ours. No number is given twice, or one that is set aside would take another's place. */
static bool number_of(struct jh_spool *s, const char *name, const char *suffix, uint64_t *ret)
{
	char stem[17];

	snprintf(stem, sizeof(stem), "%.16s", name);
	const char *digits = stem + strspn(stem, "0");
	if (strcmp(name + strlen(stem), suffix) != 0 || jit_parse_u64(digits, UINT64_MAX - 1, ret) < 0)
		return false;
	if (*ret > s->last)
		s->last = *ret;
	return true;
}

static void load(void *arg, const char *name)
{
	struct jh_spool *s = arg;
	JIT_JSON json_object *event = NULL;
	uint64_t number;

	if (!number_of(s, name, ".event", &number))
		return;
	int r = read_event(s, name, &event);
	if (r < 0 && is_hopeless(r))
		set_aside(s, number, "it cannot be read");
	else
		remember(s, number, event ? text_of(event, "requester") : "");
}

static void load_refused(void *arg, const char *name)
{
	number_of(arg, name, ".refused", &(uint64_t){0});
}

/* The end that lies prepared in that file becomes an event. */
static void tell_end(struct jh_spool *s, const char *name, const char *because)
{
	JIT_JSON json_object *event = NULL;
	char why[JIT_LINE_SIZE], at[JIT_ISO_SIZE];

	int r = read_event(s, name, &event);
	if (r == -ENOENT) /* told before the restart */
		return;
	if (r < 0) {
		jit_log(LOG_ERR, "%s/%s cannot be read: that end is not reported", s->helper->conf->spool_dir, name);
		return;
	}
	jit_iso_format(jit_wall_s(), at);
	json_object_object_add(event, "at", json_object_new_string(at));
	json_object_object_add(event, "why", json_object_new_string(because));
	if (jh_spool_add(s, event, text_of(event, "requester"), true, why, sizeof(why)) == 0)
		jh_spool_remove(s->dir, name);
	else
		jit_log(LOG_ERR, "an end is not kept for the broker before the next start: %s", why);
}

/* Begun by a helper that has ended: nobody else will report it. */
static void load_open(void *arg, const char *name)
{
	struct jh_spool *s = arg;
	char key[JIT_ID_SIZE];

	snprintf(key, sizeof(key), "%.36s", name);
	if (!jh_grant_by_id(s->helper, key)) /* else it goes on after the restart */
		tell_end(s, name, "jit-helper ended or was restarted");
}

static void settle(struct jh_spool *s)
{
	if (s->settled && s->dir >= 0)
		jh_spool_each(s->dir, ".open", load_open, s);
}

/* Opens the folder, if it was not to be had before. 0, or -errno with a sentence. */
static int use_dir(struct jh_spool *s, char *why, size_t why_size)
{
	if (s->dir >= 0)
		return 0;
	int dir = jh_spool_dir_open(s->helper->conf->spool_dir, why, why_size);
	if (dir < 0)
		return dir;
	s->dir = dir;
	jh_spool_each(dir, ".refused", load_refused, s);
	jh_spool_each(dir, ".event", load, s);
	settle(s);
	return 0;
}

static size_t waiting_of(const struct jh_spool *s, const char *requester)
{
	const struct entry *e;
	size_t n = 0;

	for (e = TAILQ_FIRST(&s->entries); e; e = TAILQ_NEXT(e, link))
		n += strcmp(e->requester, requester) == 0;
	return n;
}

static const char *plain(json_object *json, size_t *ret_len)
{
	return json_object_to_json_string_length(json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
						 ret_len);
}

/* An end that is told twice, since a kill came between, has one id: it was given when it was prepared. */
static int give_id(json_object *event)
{
	char id[JIT_UUID_SIZE], short_id[JIT_SHORT_SIZE];

	if (text_of(event, "id")[0])
		return 0;
	return jit_uuid_new(id, short_id) < 0 ? -EIO : json_object_object_add(event, "id", json_object_new_string(id));
}

static int keep(struct jh_spool *s, const char *name, json_object *event, char *why, size_t why_size)
{
	size_t len;

	if (give_id(event) < 0) {
		snprintf(why, why_size, "jit-helper is out of memory or random numbers");
		return -ENOMEM;
	}
	const char *text = plain(event, &len);
	int r = text ? jh_spool_write(s->dir, name, text, len) : -ENOMEM;

	if (r < 0)
		snprintf(why, why_size, "%s cannot be written: %s", s->helper->conf->spool_dir, strerror(-r));
	return r;
}

int jh_spool_add(struct jh_spool *s, json_object *event, const char *requester, bool closes, char *why, size_t why_size)
{
	char name[JH_SPOOL_NAME_MAX];
	int r = use_dir(s, why, why_size);

	if (r < 0)
		return r;
	if (!closes && (s->count >= EVENTS_MAX || waiting_of(s, requester) >= REQUESTER_MAX)) {
		snprintf(why, why_size, "too many events wait for the broker in %s", s->helper->conf->spool_dir);
		return -EDQUOT;
	}
	name_of(s->last + 1, ".event", name);
	r = keep(s, name, event, why, why_size);
	if (r < 0)
		return r;
	if (!remember(s, s->last + 1, requester)) { /* on the disk, but not to be sent before the next start */
		s->last++;
		jit_log(LOG_ERR, "out of memory: an event is delivered after the next start only");
	}
	return 0;
}

static void open_name(const char *key, char buf[static JH_SPOOL_NAME_MAX])
{
	snprintf(buf, JH_SPOOL_NAME_MAX, "%s.open", key);
}

int jh_spool_open(struct jh_spool *s, const char *key, json_object *end, char *why, size_t why_size)
{
	char name[JH_SPOOL_NAME_MAX];
	int r = use_dir(s, why, why_size);

	open_name(key, name);
	return r < 0 ? r : keep(s, name, end, why, why_size);
}

int jh_spool_is_open(struct jh_spool *s, const char *key)
{
	char name[JH_SPOOL_NAME_MAX];
	int r = use_dir(s, (char[JIT_LINE_SIZE]){0}, JIT_LINE_SIZE);

	if (r < 0)
		return r;
	open_name(key, name);
	if (faccessat(s->dir, name, F_OK, 0) == 0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

void jh_spool_end(struct jh_spool *s, const char *key, const char *why)
{
	char name[JH_SPOOL_NAME_MAX], sentence[JIT_LINE_SIZE];

	open_name(key, name);
	jit_text_clean_str(sentence, sizeof(sentence), why);
	if (use_dir(s, (char[JIT_LINE_SIZE]){0}, JIT_LINE_SIZE) == 0)
		tell_end(s, name, sentence);
}

void jh_spool_forget(struct jh_spool *s, const char *key)
{
	char name[JH_SPOOL_NAME_MAX];

	open_name(key, name);
	if (s->dir >= 0)
		jh_spool_remove(s->dir, name);
}

/* Delivery */

static void deliver(void *arg);

static void try_later(struct jh_spool *s, const char *trouble)
{
	if (s->failures == 0)
		jit_log(LOG_WARNING, "%zu events could not be delivered to the broker: %s; trying again", s->count,
			trouble);
	jh_alarm_in(&s->again, jh_backoff_ms(s->failures++, BACKOFF_FIRST_MS, BACKOFF_CAP_MS));
}

static void drop_sent(struct jh_spool *s, const char *refused)
{
	struct entry *e = TAILQ_FIRST(&s->entries), *next;
	char name[JH_SPOOL_NAME_MAX];
	size_t n = 0;

	for (; e; e = next) {
		next = TAILQ_NEXT(e, link);
		if (!e->sent)
			continue;
		name_of(e->number, ".event", name);
		if (refused)
			set_aside(s, e->number, refused);
		else
			jh_spool_remove(s->dir, name); /* one that comes back is told once more, and known by its id */
		forget(s, e);
		n++;
	}
	jh_spool_sync(s->dir);
	if (!refused)
		jit_log(LOG_NOTICE, "%zu events were delivered to the broker, %zu wait", n, s->count);
	s->failures = 0;
}

static void on_answer(void *arg, const struct jit_fetch_result *result)
{
	struct jh_spool *s = arg;
	char trouble[JIT_LINE_SIZE], code[JH_CODE_SIZE], message[JIT_LINE_SIZE];

	s->call = NULL;
	jh_error_read(result->body, result->body_len, code, message);
	/* The broker's own word for an event that it will never take: a 400 of a proxy is none. */
	bool senseless = result->fault == JIT_FETCH_OK && result->status == 400 && strcmp(code, "request.field") == 0;
	if (result->fault == JIT_FETCH_OK && result->status == 202) {
		drop_sent(s, NULL);
		deliver(s);
		return;
	}
	if (senseless && s->one_by_one) {
		drop_sent(s, message);
		deliver(s);
	} else if (senseless) {
		s->one_by_one = true;
		deliver(s);
	} else {
		jh_trouble(result, jh_broker_url(s->helper->broker), trouble, sizeof(trouble));
		try_later(s, trouble);
	}
}

/* {"events":[…]} of the first that wait; NULL when none does, or out of memory. */
static json_object *make_batch(struct jh_spool *s)
{
	JIT_JSON json_object *list = json_object_new_array();
	json_object *body = json_object_new_object();
	struct entry *e = TAILQ_FIRST(&s->entries), *next;
	size_t n = 0, bytes = 0, len;

	for (; list && e && n < (s->one_by_one ? 1 : BATCH_MAX); e = next) {
		char name[JH_SPOOL_NAME_MAX];

		next = TAILQ_NEXT(e, link);
		name_of(e->number, ".event", name);
		json_object *event = NULL;
		int r = read_event(s, name, &event);
		if (r < 0 && !is_hopeless(r))
			break;
		if (r < 0) {
			set_aside(s, e->number, "it cannot be read");
			forget(s, e);
			continue;
		}
		plain(event, &len);
		if ((n > 0 && bytes + len > BATCH_BYTES) || json_object_array_add(list, event) < 0) {
			json_object_put(event);
			break;
		}
		e->sent = true;
		bytes += len + 1;
		n++;
	}
	if (n > 0 && body && json_object_object_add(body, "events", json_object_get(list)) == 0)
		return body;
	json_object_put(body);
	return NULL;
}

static void deliver(void *arg)
{
	struct jh_spool *s = arg;
	struct entry *e;

	for (e = TAILQ_FIRST(&s->entries); e; e = TAILQ_NEXT(e, link))
		e->sent = false;
	JIT_JSON json_object *body = make_batch(s);
	if (!body) {
		s->one_by_one = false;
		return;
	}
	const struct jh_call call = {.method = "POST", .path = "/events", .body = plain(body, &(size_t){0})};
	s->call = jh_broker_call(s->helper->broker, &call, on_answer, s);
	if (!s->call)
		try_later(s, "out of memory");
}

void jh_spool_deliver(struct jh_spool *s)
{
	if (s->helper->conf->demo) /* it takes no events: they wait here for a broker that does */
		return;
	if (!s->call && !s->again.when_ms && !TAILQ_EMPTY(&s->entries))
		deliver(s);
}

void jh_spool_hurry(struct jh_spool *s)
{
	jh_alarm_clear(&s->again);
	jh_spool_deliver(s);
}

size_t jh_spool_waiting(const struct jh_spool *s)
{
	return s->count;
}

struct jh_spool *jh_spool_new(struct jh_helper *helper)
{
	struct jh_spool *s = calloc(1, sizeof(*s));
	char why[JIT_LINE_SIZE];

	if (!s)
		return NULL;
	s->helper = helper;
	s->dir = -1;
	TAILQ_INIT(&s->entries);
	jh_alarm_init(&s->again, helper->alarms, deliver, s);
	if (use_dir(s, why, sizeof(why)) < 0 && helper->conf->break_glass_group)
		jit_log(LOG_ERR, "nobody can break glass: %s", why);
	return s;
}

void jh_spool_settle(struct jh_spool *s)
{
	s->settled = true;
	settle(s);
}

void jh_spool_free(struct jh_spool *s)
{
	if (!s)
		return;
	jit_fetch_cancel(s->call);
	jh_alarm_clear(&s->again);
	while (!TAILQ_EMPTY(&s->entries))
		forget(s, TAILQ_FIRST(&s->entries));
	if (s->dir >= 0)
		close(s->dir);
	free(s);
}
