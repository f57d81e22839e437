/* What waits in the spool goes to the broker: in order, some at a time, until it has said that it has them. */
#include <string.h>

#include "answer.h"
#include "helper.h"
#include "json.h"
#include "log.h"
#include "spool_private.h"
#include "verdict.h"

#define BATCH_MAX   32 /* events in one call: the broker takes no more */
#define BATCH_BYTES 60000

static void try_later(struct jh_spool *s, const char *trouble)
{
	if (s->failures == 0)
		jit_log(LOG_WARNING, "%zu events could not be delivered to the broker: %s; trying again", s->count,
			trouble);
	jh_alarm_in(&s->again, jh_backoff_ms(s->failures++, JH_SPOOL_BACKOFF_FIRST_MS, JH_SPOOL_BACKOFF_CAP_MS));
}

static void drop_sent(struct jh_spool *s, const char *refused)
{
	struct jh_spool_entry *e = TAILQ_FIRST(&s->entries), *next;
	char name[JH_SPOOL_NAME_MAX];
	size_t n = 0;

	for (; e; e = next) {
		next = TAILQ_NEXT(e, link);
		if (!e->sent)
			continue;
		jh_spool_name(e->number, ".event", name);
		if (refused)
			jh_spool_set_aside(s, e->number, refused);
		else
			jh_spool_remove(s->dir, name); /* one that comes back is told once more, and known by its id */
		jh_spool_drop(s, e);
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
		jh_spool_send(s);
		return;
	}
	if (senseless && s->one_by_one) {
		drop_sent(s, message);
		jh_spool_send(s);
	} else if (senseless) {
		s->one_by_one = true;
		jh_spool_send(s);
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
	struct jh_spool_entry *e = TAILQ_FIRST(&s->entries), *next;
	size_t n = 0, bytes = 0, len;

	for (; list && e && n < (s->one_by_one ? 1 : BATCH_MAX); e = next) {
		char name[JH_SPOOL_NAME_MAX];

		next = TAILQ_NEXT(e, link);
		jh_spool_name(e->number, ".event", name);
		json_object *event = NULL;
		int r = jh_spool_event(s, name, &event);
		if (r < 0 && !jh_spool_hopeless(r))
			break;
		if (r < 0) {
			jh_spool_set_aside(s, e->number, "it cannot be read");
			jh_spool_drop(s, e);
			continue;
		}
		if (!jit_json_text(event, &len) || (n > 0 && bytes + len > BATCH_BYTES)) {
			json_object_put(event);
			break;
		}
		if (!jit_json_append(list, event))
			break;
		e->sent = true;
		bytes += len + 1;
		n++;
	}
	if (n > 0 && jit_json_add(body, "events", json_object_get(list)))
		return body;
	json_object_put(body);
	return NULL;
}

void jh_spool_send(void *arg)
{
	struct jh_spool *s = arg;
	struct jh_spool_entry *e;

	for (e = TAILQ_FIRST(&s->entries); e; e = TAILQ_NEXT(e, link))
		e->sent = false;
	JIT_JSON json_object *body = make_batch(s);
	if (!body && TAILQ_EMPTY(&s->entries)) {
		s->one_by_one = false;
		return;
	}
	const struct jh_call call = {.method = "POST", .path = "/events", .body = jit_json_text(body, NULL)};
	s->call = call.body ? jh_broker_call(s->helper->broker, &call, on_answer, s) : NULL;
	if (!s->call)
		try_later(s, "out of memory or descriptors");
}

void jh_spool_deliver(struct jh_spool *s)
{
	if (s->helper->conf->demo) /* it takes no events: they wait here for a broker that does */
		return;
	if (!s->call && !s->again.when_ms && !TAILQ_EMPTY(&s->entries))
		jh_spool_send(s);
}

void jh_spool_hurry(struct jh_spool *s)
{
	jh_alarm_clear(&s->again);
	jh_spool_deliver(s);
}
