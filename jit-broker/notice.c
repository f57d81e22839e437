/* See notice.h. */
#include "notice.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "doc.h"
#include "json_read.h"
#include "policy.h"

const char jb_told_names[] = "filed approved denied expired cancelled revoked failed ended break_glass";

static const char *const names[JB_TOLD_COUNT] = {
	[JB_TOLD_FILED] = "filed",     [JB_TOLD_APPROVED] = "approved",	  [JB_TOLD_DENIED] = "denied",
	[JB_TOLD_EXPIRED] = "expired", [JB_TOLD_CANCELLED] = "cancelled", [JB_TOLD_REVOKED] = "revoked",
	[JB_TOLD_FAILED] = "failed",   [JB_TOLD_ENDED] = "ended",	  [JB_TOLD_BREAK_GLASS] = "break_glass",
};

const char *jb_told_name(enum jb_told told)
{
	return names[told];
}

bool jb_told_of_status(enum jb_status status, enum jb_told *ret)
{
	switch (status) {
	case JB_APPROVED:
		*ret = JB_TOLD_APPROVED;
		return true;
	case JB_DENIED:
		*ret = JB_TOLD_DENIED;
		return true;
	case JB_EXPIRED:
		*ret = JB_TOLD_EXPIRED;
		return true;
	case JB_CANCELLED:
		*ret = JB_TOLD_CANCELLED;
		return true;
	case JB_REVOKED:
		*ret = JB_TOLD_REVOKED;
		return true;
	case JB_FAILED:
		*ret = JB_TOLD_FAILED;
		return true;
	case JB_ENDED:
		*ret = JB_TOLD_ENDED;
		return true;
	case JB_PENDING:
	case JB_ACTIVE:
		break;
	}
	return false;
}

int jb_notice_id(const char *about, const char *receiver, const char *event, char id[static JB_NOTICE_ID_SIZE])
{
	uint8_t hash[32];
	char *text;

	/* Each part ends with a byte that none has inside: no two triples are the same text. */
	const int len = asprintf(&text, "%s\n%s\n%s\n", about, receiver, event);
	if (len < 0)
		return -EIO;
	const int ok = EVP_Digest(text, (size_t)len, hash, NULL, EVP_sha256(), NULL);
	free(text);
	if (ok != 1)
		return -EIO;
	hash[6] = (uint8_t)((hash[6] & 0x0f) | 0x80); /* RFC 9562, version 8: made from what it names */
	hash[8] = (uint8_t)((hash[8] & 0x3f) | 0x80);
	for (size_t i = 0, at = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			id[at++] = '-';
		at += (size_t)snprintf(id + at, 3, "%02x", hash[i]);
	}
	return 0;
}

/* What is being told, while receivers are collected. */
struct telling {
	const struct jb_conf *conf;
	enum jb_told told;
	const char *role; /* NULL: of no role */
	const char *about, *id_of, *event;
	int64_t now;
	struct jb_notices *notices;
	size_t before; /* notices that were there already */
	int r;	       /* the first error */
};

__attribute__((format(printf, 3, 4))) static void tell(struct telling *t, const char *channel, const char *format, ...)
{
	struct jb_notice *grown =
		t->r == 0 ? reallocarray(t->notices->notice, t->notices->count + 1, sizeof(*grown)) : NULL;
	va_list args;

	if (!grown) {
		t->r = t->r ? t->r : -ENOMEM;
		return;
	}
	t->notices->notice = grown;
	struct jb_notice *n = &grown[t->notices->count++];
	*n = (struct jb_notice){.at = t->now};
	va_start(args, format);
	if (vasprintf(&n->receiver, format, args) < 0)
		n->receiver = NULL;
	va_end(args);
	n->channel = strdup(channel ? channel : n->receiver ? n->receiver : "");
	n->about = strdup(t->about);
	n->event = strdup(t->event);
	if (!n->receiver || !n->channel || !n->about || !n->event)
		t->r = -ENOMEM;
	else
		t->r = jb_notice_id(t->id_of, n->receiver, t->event, n->id);
}

static bool is_interested(const struct telling *t, const struct jb_interest *interest)
{
	return (interest->events.count == 0 || jb_words_have(&interest->events, names[t->told])) &&
	       (interest->roles.count == 0 || !t->role || jb_words_have(&interest->roles, t->role));
}

static void tell_everybody(struct telling *t)
{
	for (size_t i = 0; i < t->conf->webhook_count; i++)
		if (is_interested(t, &t->conf->webhooks[i].interest))
			tell(t, NULL, "webhook:%s", t->conf->webhooks[i].name);
	for (size_t i = 0; i < t->conf->mail_list_count; i++) {
		const struct jb_mail_list *list = &t->conf->mail_lists[i];

		for (size_t k = 0; is_interested(t, &list->interest) && k < list->to.count; k++)
			tell(t, JB_CHANNEL_MAIL, "list:%s:%s", list->name, list->to.word[k]);
	}
}

/* Did persons have to decide it? What the policy approved or denied by itself does not bother them. */
static bool was_asked(const struct jb_request *r)
{
	return !r->decided_by || strcmp(r->decided_by, "policy") != 0 || r->wrong_codes > 0;
}

static void tell_persons(struct telling *t, const struct jb_request *request)
{
	for (size_t i = 0; i < t->conf->person_count; i++) {
		const struct jb_person *person = &t->conf->persons[i];

		if (!person->mail)
			continue;
		if (jb_policy_is_own(t->conf, request, person))
			tell(t, JB_CHANNEL_MAIL, "requester:%s", person->name);
		else if (was_asked(request) && t->told != JB_TOLD_ENDED &&
			 jb_policy_may_decide(t->conf, request, person->name).allowed)
			tell(t, JB_CHANNEL_MAIL, "approver:%s", person->name);
	}
}

/* {"type": …, "timestamp": …, "data": …}; `data` is taken over. NULL: out of memory. */
static char *document(const char *type, int64_t now, json_object *data)
{
	JB_DOC doc = {json_object_new_object()};
	char iso[JIT_ISO_SIZE];

	jit_iso_format(now, iso);
	jb_doc_put(&doc, "data", data);
	jb_doc_text(&doc, "type", type);
	jb_doc_text(&doc, "timestamp", iso);
	return jb_doc_string(&doc);
}

/* Those who are told all read the same; `data` is taken over. */
static int write_documents(struct telling *t, json_object *data)
{
	JIT_FREE char *doc = data ? document(t->event, t->now, data) : NULL;

	if (!doc)
		return -ENOMEM;
	for (size_t i = t->before; i < t->notices->count; i++) {
		t->notices->notice[i].doc = strdup(doc);
		if (!t->notices->notice[i].doc)
			return -ENOMEM;
	}
	return 0;
}

static bool is_told(const struct telling *t)
{
	return t->r == 0 && t->notices->count > t->before;
}

/* What an approver may see, but for what a reader would take for news when it comes late. NULL: out of memory. */
static json_object *data_of(const struct jb_request *request, int64_t now)
{
	json_object *data = jb_request_for_approver(request, now);

	if (data) {
		json_object_object_del(data, "message");
		json_object_object_del(data, "remaining");
	}
	return data;
}

int jb_notices_of_request(const struct jb_conf *conf, const struct jb_request *request, enum jb_told told, int64_t now,
			  struct jb_notices *ret)
{
	char event[32];
	struct telling t = {.conf = conf,
			    .told = told,
			    .role = request->role,
			    .about = request->id,
			    .id_of = request->id,
			    .event = event,
			    .now = now,
			    .notices = ret,
			    .before = ret->count};

	snprintf(event, sizeof(event), "request.%s", names[told]);
	tell_everybody(&t);
	tell_persons(&t, request);
	return is_told(&t) ? write_documents(&t, data_of(request, now)) : t.r;
}

static const char *text_of(json_object *json, const char *name)
{
	json_object *value;

	return json_object_object_get_ex(json, name, &value) ? json_object_get_string(value) : NULL;
}

/* Whose name was used on that host is told, as of a request. */
static void tell_named(struct telling *t, json_object *detail)
{
	const char *const fields[] = {"requester", "loginUser"};
	const struct jb_person *told = NULL;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const struct jb_person *person = jb_conf_person_by_unix(t->conf, text_of(detail, fields[i]));

		if (person && person->mail && person != told)
			tell(t, JB_CHANNEL_MAIL, "requester:%s", person->name);
		told = person ? person : told;
	}
}

int jb_notices_of_event(const struct jb_conf *conf, const char *host, const char *id, const char *action,
			const char *detail, int64_t now, struct jb_notices *ret)
{
	struct telling t = {.conf = conf,
			    .told = JB_TOLD_BREAK_GLASS,
			    .event = action,
			    .now = now,
			    .notices = ret,
			    .before = ret->count};
	JIT_JSON json_object *data = jit_json_of(detail);
	JIT_FREE char *about = NULL;
	JIT_FREE char *id_of = NULL; /* the id is of the host's own making: another's may be the same */

	if (!json_object_is_type(data, json_type_object) || !jit_json_add(data, "host", json_object_new_string(host)) ||
	    asprintf(&about, "host:%s", host) < 0 || asprintf(&id_of, "%s/%s", about, id) < 0)
		return -ENOMEM;
	t.about = about;
	t.id_of = id_of;
	t.role = text_of(data, "role");
	tell_everybody(&t);
	tell_named(&t, data);
	return is_told(&t) ? write_documents(&t, json_object_get(data)) : t.r;
}

void jb_notices_clear(struct jb_notices *notices)
{
	for (size_t i = 0; i < notices->count; i++) {
		free(notices->notice[i].channel);
		free(notices->notice[i].receiver);
		free(notices->notice[i].about);
		free(notices->notice[i].event);
		free(notices->notice[i].doc);
	}
	free(notices->notice);
	*notices = (struct jb_notices){0};
}
