/* See glass.h. */
#include "glass.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "filing.h"
#include "grant.h"
#include "helper.h"
#include "json.h"
#include "log.h"
#include "names.h"
#include "request.h"
#include "spool.h"
#include "text.h"
#include "uuid.h"
#include "visit.h"

#define PROMPT                                                                                                         \
	"No broker can be reached. To go on without an approval type \"" JH_GLASS_WORDS                                \
	"\" (it is logged and reported): "
#define REASON_TRIES 3

bool jh_glass_reason(const char *text)
{
	size_t visible = 0;

	/* Of a character of several bytes the first counts. */
	for (; *text; text++)
		visible += *text != ' ' && *text != '?' && ((unsigned char)*text & 0xc0) != 0x80;
	return visible >= JH_GLASS_REASON_MIN;
}

static bool is_asked_for(const struct jh_question *q)
{
	return q->glass && jh_glass_reason(q->reason);
}

static bool can_be_asked(const struct jh_visit *v)
{
	return v->question.can_ask && !v->silent;
}

static bool is_member(const struct jh_visit *v)
{
	const struct jh_question *q = &v->question;
	const char *group = v->helper->conf->break_glass_group;

	return group && q->unattended == JH_UNATTENDED_NO && !q->observe &&
	       jh_names_member(q->requester, q->uid, group);
}

bool jh_glass_may(const struct jh_visit *v)
{
	return (is_asked_for(&v->question) || can_be_asked(v)) && is_member(v);
}

/* The record */

static bool put(json_object *event, const char *name, const char *text)
{
	return !text[0] || jit_json_add(event, name, json_object_new_string(text));
}

static bool put_time(json_object *event, const char *name, int64_t at)
{
	char text[JIT_ISO_SIZE];

	jit_iso_format(at, text);
	return put(event, name, text);
}

/* What the begin and the end both say. */
static json_object *make_event(const struct jh_visit *v, const struct jh_answer *a, const char *type)
{
	const struct jh_question *q = &v->question;
	json_object *event = json_object_new_object();
	char login[JIT_NAME_SIZE] = "";

	if (!jh_question_is_login(q) && jh_peer_look_login(v->peer) == 0)
		jh_login_name(v->peer->proc.login_uid, login, sizeof(login));
	if (event && put(event, "type", type) && put_time(event, "at", jit_wall_s()) && put(event, "grant", a->id) &&
	    put(event, "requester", q->requester) && put(event, "loginUser", login) &&
	    put(event, "service", q->service) && put(event, "target", a->targets) && put(event, "role", q->role) &&
	    put(event, "tty", q->tty) && put(event, "rhost", q->rhost) && put(event, "command", q->command) &&
	    put(event, "reason", q->reason))
		return event;
	json_object_put(event);
	return NULL;
}

/* On the disk when it returns 0: the begin, and the end that is told should we not live to see it. */
static int record(const struct jh_visit *v, const struct jh_answer *a, char *why, size_t size)
{
	JIT_JSON json_object *begin = make_event(v, a, "break_glass.begin");
	JIT_JSON json_object *end = make_event(v, a, "break_glass.end");
	struct jh_spool *spool = v->helper->spool;

	snprintf(why, size, "jit-helper is out of memory");
	if (!begin || !end || !put_time(begin, "until", jit_wall_s() + a->remaining_s) ||
	    !put(begin, "trouble", v->glass.trouble) || jh_spool_open(spool, a->id, end, why, size) < 0)
		return -1;
	if (jh_spool_add(spool, begin, v->question.requester, false, why, size) == 0)
		return 0;
	jh_spool_forget(spool, a->id);
	return -1;
}

/* The grant */

static int describe(const struct jh_visit *v, struct jh_answer *ret)
{
	const struct jh_question *q = &v->question;
	const char *target = jh_question_is_login(q) ? q->requester : q->target[0] ? q->target : "root";
	struct jh_answer a = {.status = JH_APPROVED, .remaining_s = v->helper->conf->break_glass_s, .sent_at = -1};

	if (jit_uuid_new(a.id, a.short_id) < 0)
		return -1;
	snprintf(a.requester, sizeof(a.requester), "%s", q->requester);
	snprintf(a.role, sizeof(a.role), "%s", q->role);
	snprintf(a.services, sizeof(a.services), "%s", q->service);
	snprintf(a.targets, sizeof(a.targets), "%s", target);
	snprintf(a.scope, sizeof(a.scope), "session");
	snprintf(a.on_expiry, sizeof(a.on_expiry), "end");
	*ret = a;
	return 0;
}

static struct jh_grant *make_grant(struct jh_visit *v, const struct jh_answer *a)
{
	EVP_PKEY *key = NULL;
	struct jh_grant *g = jit_key_new(&key) == 0 ? jh_grant_new(v->helper, a, key) : NULL;
	int leader_fd = -1;

	if (!g) {
		EVP_PKEY_free(key);
		return NULL;
	}
	g->local = true;
	if (jh_visit_session(v, &leader_fd) == 0 && jh_grant_bind(g, &v->session, leader_fd) == 0)
		return g;
	jh_grant_free(g);
	return NULL;
}

static void refuse(struct jh_visit *v, const char *why)
{
	struct jh_verdict verdict = {.outcome = JIT_UNAVAILABLE};

	snprintf(verdict.text, sizeof(verdict.text), "%.300s%s%.180s", v->glass.trouble, why[0] ? "; " : "", why);
	jh_visit_refuse(v, &verdict);
}

/* Nothing before this line of the log and the record on the disk; then the verdict. */
static void tell_log(const struct jh_visit *v, const struct jh_answer *a, const char *span)
{
	const struct jh_question *q = &v->question;

	jit_log(LOG_ALERT,
		"%s: BREAK-GLASS: %s becomes %s by %s for %s without an approval; reason: %s; command: %s; %s",
		a->short_id, q->requester, a->targets, q->service, span, q->reason, q->command[0] ? q->command : "-",
		v->glass.trouble);
}

static void give(struct jh_visit *v, struct jh_grant *g, const char *span)
{
	char said[JIT_LINE_SIZE];

	snprintf(said, sizeof(said),
		 "break-glass: going on without an approval for %s; it is logged and will be reported", span);
	v->glass.opened = true;
	jh_grant_list(g);
	jh_grant_use(g); /* from now on, as the record says: a session may never be opened */
	if (jh_question_is_login(&v->question))
		jh_grant_claim(g, &v->session);
	jh_visit_say(v, said);
	jh_visit_allow(v, g);
}

static void open_glass(struct jh_visit *v)
{
	const char *limit = jh_request_limit(v->helper, v->question.requester);
	char why[JIT_LINE_SIZE], span[32];
	struct jh_answer a;

	if (limit || !is_member(v) || describe(v, &a) < 0) { /* a member when it was offered, and now */
		refuse(v, limit ? limit : "break-glass is not possible");
		return;
	}
	struct jh_grant *g = make_grant(v, &a);
	if (!g) {
		refuse(v, "break-glass is not possible: jit-helper is out of memory, or your login session is gone");
		return;
	}
	if (record(v, &a, why, sizeof(why)) < 0) {
		jit_log(LOG_ERR, "break-glass of %s by %s refused: %s", v->question.requester, v->question.service,
			why);
		jh_grant_free(g);
		refuse(v, "break-glass is refused, because its record cannot be kept on this host");
		return;
	}
	jit_format_duration((uint64_t)a.remaining_s, span, sizeof(span));
	tell_log(v, &a, span);
	give(v, g, span);
}

/* The talk */

/* Where it cannot be asked for here: where it can. */
static const char *hint(const struct jh_visit *v)
{
	return jh_question_is_login(&v->question) ? "break-glass can be asked for over keyboard-interactive (ssh -o "
						    "PreferredAuthentications=keyboard-interactive) or at the console"
						  : "break-glass needs a terminal, or JIT_BREAK_GLASS=yes with a "
						    "JIT_REASON of at least 8 characters";
}

static void typed_reason(struct jh_visit *v, const char *typed);

static void ask_reason(struct jh_visit *v)
{
	jh_visit_prompt(v, "Reason (at least 8 characters): ", typed_reason);
}

static void typed_reason(struct jh_visit *v, const char *typed)
{
	jit_text_clean_str(v->question.reason, sizeof(v->question.reason), typed);
	if (jh_glass_reason(v->question.reason))
		open_glass(v);
	else if (typed && ++v->glass.tries < REASON_TRIES)
		ask_reason(v);
	else
		refuse(v, typed ? "break-glass needs a reason of at least 8 characters" : hint(v));
}

static void typed_words(struct jh_visit *v, const char *typed)
{
	const char *words = typed ? typed + strspn(typed, " ") : "";
	size_t len = strlen(JH_GLASS_WORDS);

	if (strncmp(words, JH_GLASS_WORDS, len) != 0 || words[len + strspn(words + len, " ")] != '\0')
		refuse(v, typed ? "" : hint(v));
	else if (jh_glass_reason(v->question.reason))
		open_glass(v);
	else
		ask_reason(v);
}

static void ask_words(struct jh_visit *v)
{
	char both[JIT_LINE_SIZE];

	jh_visit_say(v, v->glass.trouble);
	snprintf(both, sizeof(both), "%.300s. " PROMPT, v->glass.trouble);
	jh_visit_prompt(v, v->question.live ? PROMPT : both, typed_words);
}

bool jh_glass_offer(struct jh_visit *v, struct jh_verdict *verdict)
{
	if (!verdict->no_answer || v->glass.offered || !is_member(v))
		return false;
	v->request = NULL;
	v->glass.offered = true;
	snprintf(v->glass.trouble, sizeof(v->glass.trouble), "%s", verdict->text);
	if (is_asked_for(&v->question)) {
		open_glass(v);
	} else if (can_be_asked(v)) {
		ask_words(v);
	} else {
		snprintf(verdict->text, sizeof(verdict->text), "%.320s; %s", v->glass.trouble, hint(v));
		return false;
	}
	return true;
}

void jh_glass_ended(struct jh_grant *g, const char *why)
{
	jh_spool_end(g->helper->spool, g->id, why);
	jh_spool_deliver(g->helper->spool);
}
