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
#include "proc.h"
#include "spool_private.h"
#include "uuid.h"

#define EVENTS_MAX    1000 /* files that wait; those of ends may go beyond, as many as there are begins */
#define SHARED_MAX    800  /* of them for whoever comes; the rest is kept for requesters who have few */
#define REQUESTER_MAX 100  /* of one requester's that begin something */
#define FEW	      10

void jh_spool_name(uint64_t number, const char *suffix, char buf[static JH_SPOOL_NAME_MAX])
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

static int remember(struct jh_spool *s, uint64_t number, const char *requester)
{
	struct jh_spool_entry *e = calloc(1, sizeof(*e)), *before;

	if (!e)
		return -ENOMEM;
	e->number = number;
	snprintf(e->requester, sizeof(e->requester), "%s", requester);
	for (before = TAILQ_LAST(&s->entries, jh_spool_list); before && before->number > number;)
		before = TAILQ_PREV(before, jh_spool_list, link);
	if (before)
		TAILQ_INSERT_AFTER(&s->entries, before, e, link);
	else
		TAILQ_INSERT_HEAD(&s->entries, e, link);
	s->count++;
	if (number > s->last)
		s->last = number;
	return 0;
}

void jh_spool_drop(struct jh_spool *s, struct jh_spool_entry *e)
{
	TAILQ_REMOVE(&s->entries, e, link);
	s->count--;
	free(e);
}

static void forget_all(struct jh_spool *s)
{
	while (!TAILQ_EMPTY(&s->entries))
		jh_spool_drop(s, TAILQ_FIRST(&s->entries));
}

static bool is_known(const struct jh_spool *s, uint64_t number)
{
	const struct jh_spool_entry *e = TAILQ_FIRST(&s->entries);

	while (e && e->number != number)
		e = TAILQ_NEXT(e, link);
	return e;
}

/* What lies in the folder and is not known, or not told, is looked for again. */
static void owe(struct jh_spool *s, const char *trouble)
{
	if (s->mend.when_ms)
		return;
	if (s->lacks == 0)
		jit_log(LOG_ERR, "a record of break-glass is not on its way to the broker yet: %s; trying again",
			trouble);
	jh_alarm_in(&s->mend, jh_backoff_ms(s->lacks++, JH_SPOOL_BACKOFF_FIRST_MS, JH_SPOOL_BACKOFF_CAP_MS));
}

static const char *text_of(json_object *json, const char *name)
{
	json_object *value;

	return json_object_object_get_ex(json, name, &value) && json_object_is_type(value, json_type_string)
		       ? json_object_get_string(value)
		       : "";
}

/* The event in a file. 0, -EBADMSG where it is none, or another error. */
int jh_spool_event(struct jh_spool *s, const char *name, json_object **ret)
{
	JIT_FREE char *text = NULL;
	size_t len;
	int r = jh_spool_read(s->dir, name, &text, &len);

	if (r < 0)
		return r;
	errno = 0;
	json_object *json = jh_json_read(text, len);
	const bool lack = errno == ENOMEM;
	if (json_object_is_type(json, json_type_object)) {
		*ret = json;
		return 0;
	}
	json_object_put(json);
	return lack ? -ENOMEM : -EBADMSG;
}

/* Is it the file that is at fault, and not this moment? */
bool jh_spool_hopeless(int error)
{
	return error != -ENOMEM && error != -EMFILE && error != -ENFILE && error != -EINTR;
}

/* What no broker will ever take is kept, out of the way. */
void jh_spool_set_aside(struct jh_spool *s, uint64_t number, const char *why)
{
	char name[JH_SPOOL_NAME_MAX], aside[JH_SPOOL_NAME_MAX];

	jh_spool_name(number, ".event", name);
	jh_spool_name(number, ".refused", aside);
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

static int load(void *arg, const char *name)
{
	struct jh_spool *s = arg;
	JIT_JSON json_object *event = NULL;
	uint64_t number;

	if (!number_of(s, name, ".event", &number) || is_known(s, number))
		return 0;
	int r = jh_spool_event(s, name, &event);
	if (r < 0 && jh_spool_hopeless(r)) {
		jh_spool_set_aside(s, number, "it cannot be read");
		return 0;
	}
	return r < 0 ? r : remember(s, number, text_of(event, "requester"));
}

static int load_refused(void *arg, const char *name)
{
	number_of(arg, name, ".refused", &(uint64_t){0});
	return 0;
}

/* What waits in the folder becomes known, if it is not. 0, or -errno with a sentence. */
static int load_all(struct jh_spool *s, char *why, size_t why_size)
{
	int r = jh_spool_each(s->dir, ".refused", load_refused, s);

	if (r == 0)
		r = jh_spool_each(s->dir, ".event", load, s);
	if (r < 0)
		snprintf(why, why_size, "%s cannot be read: %s", s->helper->conf->spool_dir, strerror(-r));
	return r;
}

/* The end that lies prepared in that file becomes an event. */
static void tell_end(struct jh_spool *s, const char *name, const char *because)
{
	JIT_JSON json_object *event = NULL;
	char why[JIT_LINE_SIZE], at[JIT_ISO_SIZE];

	int r = jh_spool_event(s, name, &event);
	if (r == -ENOENT) /* told before the restart */
		return;
	if (r < 0 && jh_spool_hopeless(r)) {
		jit_log(LOG_ERR, "%s/%s cannot be read: that end is not reported", s->helper->conf->spool_dir, name);
		return;
	}
	jit_iso_format(jit_wall_s(), at);
	snprintf(why, sizeof(why), "jit-helper is out of memory or descriptors");
	if (r == 0 && jit_json_add(event, "at", json_object_new_string(at)) &&
	    jit_json_add(event, "why", json_object_new_string(because)) &&
	    jh_spool_add(s, event, text_of(event, "requester"), true, why, sizeof(why)) == 0)
		jh_spool_remove(s->dir, name);
	else
		owe(s, why);
}

/* Begun by a helper that has ended, or ended when that could not be recorded: nobody else will report it. */
static int load_open(void *arg, const char *name)
{
	struct jh_spool *s = arg;
	char key[JIT_ID_SIZE];

	snprintf(key, sizeof(key), "%.36s", name);
	if (!jh_grant_by_id(s->helper, key)) /* else it goes on after the restart */
		tell_end(s, name,
			 s->lacks == 0 ? "jit-helper ended or was restarted"
				       : "it ended before this, when jit-helper did not run or could not record it");
	return 0;
}

static void settle(struct jh_spool *s)
{
	int r = s->settled && s->dir >= 0 ? jh_spool_each(s->dir, ".open", load_open, s) : 0;

	if (r < 0)
		owe(s, strerror(-r));
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
	int r = load_all(s, why, why_size);
	if (r < 0) { /* part of what waits is as good as nothing: numbers would be given twice */
		forget_all(s);
		close(dir);
		s->dir = -1;
		return r;
	}
	settle(s);
	return 0;
}

static void mend(void *arg)
{
	struct jh_spool *s = arg;
	char why[JIT_LINE_SIZE];
	int r = use_dir(s, why, sizeof(why));

	if (r == 0)
		r = load_all(s, why, sizeof(why));
	if (r < 0)
		owe(s, why);
	else
		settle(s);
	if (!s->mend.when_ms)
		s->lacks = 0;
	jh_spool_deliver(s);
}

static size_t waiting_of(const struct jh_spool *s, const char *requester)
{
	const struct jh_spool_entry *e;
	size_t n = 0;

	for (e = TAILQ_FIRST(&s->entries); e; e = TAILQ_NEXT(e, link))
		n += strcmp(e->requester, requester) == 0;
	return n;
}

/* An end that is told twice, since a kill came between, has one id: it was given when it was prepared. */
static int give_id(json_object *event)
{
	char id[JIT_UUID_SIZE], short_id[JIT_SHORT_SIZE];

	if (text_of(event, "id")[0])
		return 0;
	if (jit_uuid_new(id, short_id) < 0)
		return -EIO;
	return jit_json_add(event, "id", json_object_new_string(id)) ? 0 : -ENOMEM;
}

static int keep(struct jh_spool *s, const char *name, json_object *event, char *why, size_t why_size)
{
	size_t len;

	if (give_id(event) < 0) {
		snprintf(why, why_size, "jit-helper is out of memory or random numbers");
		return -ENOMEM;
	}
	const char *text = jit_json_text(event, &len);
	int r = text ? jh_spool_write(s->dir, name, text, len) : -ENOMEM;

	if (r < 0)
		snprintf(why, why_size, "%s cannot be written: %s", s->helper->conf->spool_dir, strerror(-r));
	return r;
}

/* Nobody uses up another's room, nor do some together: what cannot be recorded is refused. */
static bool is_full_for(const struct jh_spool *s, const char *requester)
{
	const size_t theirs = waiting_of(s, requester);

	return s->count >= EVENTS_MAX || theirs >= REQUESTER_MAX || (s->count >= SHARED_MAX && theirs >= FEW);
}

int jh_spool_add(struct jh_spool *s, json_object *event, const char *requester, bool closes, char *why, size_t why_size)
{
	char name[JH_SPOOL_NAME_MAX];
	int r = use_dir(s, why, why_size);

	if (r < 0)
		return r;
	if (!closes && is_full_for(s, requester)) {
		snprintf(why, why_size, "too many events wait for the broker in %s", s->helper->conf->spool_dir);
		return -EDQUOT;
	}
	jh_spool_name(s->last + 1, ".event", name);
	r = keep(s, name, event, why, why_size);
	if (r < 0)
		return r;
	if (remember(s, s->last + 1, requester) < 0) { /* on the disk, where it is found again */
		s->last++;
		owe(s, "jit-helper is out of memory");
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
	char name[JH_SPOOL_NAME_MAX], sentence[JIT_LINE_SIZE], trouble[JIT_LINE_SIZE];

	open_name(key, name);
	jit_text_clean_str(sentence, sizeof(sentence), why);
	if (use_dir(s, trouble, sizeof(trouble)) == 0)
		tell_end(s, name, sentence);
	else
		owe(s, trouble);
}

void jh_spool_forget(struct jh_spool *s, const char *key)
{
	char name[JH_SPOOL_NAME_MAX];

	open_name(key, name);
	if (s->dir >= 0)
		jh_spool_remove(s->dir, name);
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
	jh_alarm_init(&s->again, helper->alarms, jh_spool_send, s);
	jh_alarm_init(&s->mend, helper->alarms, mend, s);
	int r = use_dir(s, why, sizeof(why));
	if (jh_proc_is_shortage(r)) {
		jh_spool_free(s);
		return NULL;
	}
	if (r < 0 && helper->conf->break_glass_group)
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
	jh_alarm_clear(&s->mend);
	forget_all(s);
	if (s->dir >= 0)
		close(s->dir);
	free(s);
}
