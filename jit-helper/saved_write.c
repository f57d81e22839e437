/* See saved.h: the writing of it. */
#include "saved.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "b64.h"
#include "draft.h"
#include "withdraw.h"

#define HASH_TEXT JIT_B64_SIZE(JH_HASH_LEN)

/*
 * Without a tree: hundreds of grants as one would be megabytes. And without stdio: it is written with each
 * session that begins, beside the program that starts in it, and formats of one character are half of that work.
 */
struct writer {
	struct jit_draft out;
	bool first;    /* of its object or list: no comma */
	bool too_many; /* a list is longer than is read */
};

static void put_char(struct writer *w, char c)
{
	jit_draft_char(&w->out, c);
}

static void put_comma(struct writer *w)
{
	if (!w->first)
		put_char(w, ',');
	w->first = false;
}

static void put_name(struct writer *w, const char *name)
{
	put_comma(w);
	put_char(w, '"');
	jit_draft_put(&w->out, name, strlen(name));
	jit_draft_put(&w->out, "\":", 2);
}

static void begin(struct writer *w, char bracket)
{
	put_char(w, bracket);
	w->first = true;
}

static void end(struct writer *w, char bracket)
{
	put_char(w, bracket);
	w->first = false;
}

/* It is clean (text.h), so that no more wants an escape than these two. */
static void put_text(struct writer *w, const char *name, const char *text)
{
	put_name(w, name);
	put_char(w, '"');
	for (size_t len; *text; text += len) {
		len = strcspn(text, "\"\\");
		jit_draft_put(&w->out, text, len);
		if (text[len]) {
			put_char(w, '\\');
			put_char(w, text[len++]);
		}
	}
	put_char(w, '"');
}

static void put_number(struct writer *w, const char *name, int64_t value)
{
	char digits[24];

	put_name(w, name);
	int len = snprintf(digits, sizeof(digits), "%" PRId64, value);
	jit_draft_put(&w->out, digits, (size_t)len);
}

static void put_bool(struct writer *w, const char *name, bool value)
{
	const char *word = value ? "true" : "false";

	put_name(w, name);
	jit_draft_put(&w->out, word, strlen(word));
}

static void put_session(struct writer *w, const struct jh_session *s)
{
	put_name(w, "session");
	begin(w, '{');
	put_bool(w, "known", s->known);
	put_number(w, "uid", s->uid);
	put_number(w, "audit", s->audit);
	put_number(w, "leader", s->leader);
	put_number(w, "leaderStart", (int64_t)s->leader_start);
	put_number(w, "leaderTty", s->leader_tty);
	put_text(w, "place", s->place);
	end(w, '}');
}

static void put_traces(struct writer *w, const struct jh_traces *t)
{
	put_name(w, "traces");
	begin(w, '[');
	for (size_t i = 0; i < t->count; i++) {
		put_comma(w);
		begin(w, '{');
		put_number(w, "audit", t->at[i].audit);
		put_number(w, "uid", t->at[i].uid);
		put_bool(w, "descent", t->at[i].descent);
		put_number(w, "pid", t->at[i].pid);
		put_number(w, "start", (int64_t)t->at[i].start);
		end(w, '}');
	}
	end(w, ']');
}

static void put_grant(struct writer *w, const struct jh_grant *g)
{
	put_comma(w);
	begin(w, '{');
	put_text(w, "id", g->id);
	put_text(w, "shortId", g->short_id);
	put_text(w, "requester", g->requester);
	put_text(w, "role", g->role);
	put_text(w, "approvedBy", g->approved_by);
	put_text(w, "services", g->services);
	put_text(w, "targets", g->targets);
	put_text(w, "region", g->region);
	put_bool(w, "ofUser", g->of_user);
	put_bool(w, "open", g->open);
	put_bool(w, "ahead", g->ahead);
	put_number(w, "claimedUntil", g->claimed_until_ms);
	put_bool(w, "credentials", g->has_arn);
	put_bool(w, "local", g->local);
	put_bool(w, "ends", g->ends);
	put_bool(w, "active", g->active);
	put_bool(w, "started", g->collector.started);
	put_number(w, "duration", g->duration_s);
	put_number(w, "until", g->until_ms);
	put_number(w, "warned", (int64_t)g->warning.next);
	put_session(w, &g->session);
	put_traces(w, &g->traces);
	end(w, '}');
}

static void put_elevation(struct writer *w, const struct jh_elevation *e)
{
	char hash[HASH_TEXT];

	jit_b64_encode(e->hash, sizeof(e->hash), hash);
	put_comma(w);
	begin(w, '{');
	put_text(w, "grant", e->grant->id);
	put_text(w, "target", e->target);
	put_text(w, "hash", hash);
	put_number(w, "uid", e->target_uid);
	put_number(w, "pid", e->peer->proc.pid);
	put_number(w, "start", (int64_t)e->peer->proc.start);
	put_bool(w, "keyless", e->keyless);
	put_bool(w, "descent", e->descent);
	put_session(w, &e->session);
	end(w, '}');
}

static void put_ending(struct writer *w, const struct jh_ending *e)
{
	put_comma(w);
	begin(w, '{');
	put_text(w, "shortId", e->short_id);
	put_text(w, "requester", e->requester);
	put_number(w, "kill", e->kill_ms);
	put_traces(w, &e->traces);
	end(w, '}');
}

static void put_withdrawal(struct writer *w, const struct jh_withdrawal *d)
{
	put_comma(w);
	begin(w, '{');
	put_text(w, "id", d->id);
	put_text(w, "shortId", d->short_id);
	put_text(w, "requester", d->requester);
	put_bool(w, "unheard", d->verb == JH_BEGIN_AND_END);
	end(w, '}');
}

/* The newest, as many as are read: records, for which no grant may be forgotten. */
static void put_withdrawals(struct writer *w, const struct jh_helper *helper)
{
	const struct jh_withdrawal *d;
	size_t count = 0;

	put_name(w, "withdrawals");
	begin(w, '[');
	for (d = LIST_FIRST(&helper->withdrawals); d && count < JH_SAVED_LIST_MAX; d = LIST_NEXT(d, link))
		if (jh_withdrawal_is_kept(d)) {
			put_withdrawal(w, d);
			count++;
		}
	end(w, ']');
}

/* A list of so many: what is not read is not written either. */
static void end_list(struct writer *w, size_t count)
{
	if (count > JH_SAVED_LIST_MAX)
		w->too_many = true;
	end(w, ']');
}

static void put_all(struct writer *w, const struct jh_helper *helper, const char *boot_id)
{
	const struct jh_elevation *e;
	const struct jh_ending *n;
	const struct jh_grant *g;
	size_t count = 0;

	begin(w, '{');
	put_number(w, "version", JH_SAVED_VERSION);
	put_text(w, "boot", boot_id);
	put_name(w, "grants");
	begin(w, '[');
	for (g = LIST_FIRST(&helper->grants); g; g = LIST_NEXT(g, link))
		if (!g->demo) { /* its credentials would be lost, and nobody could ask for others */
			put_grant(w, g);
			count++;
		}
	end_list(w, count);
	put_name(w, "elevations");
	begin(w, '[');
	count = 0;
	for (e = LIST_FIRST(&helper->elevations); e; e = LIST_NEXT(e, link))
		if (e->stands && !e->grant->demo) {
			put_elevation(w, e);
			count++;
		}
	end_list(w, count);
	put_name(w, "endings");
	begin(w, '[');
	count = 0;
	for (n = LIST_FIRST(&helper->endings); n; n = LIST_NEXT(n, link), count++)
		put_ending(w, n);
	end_list(w, count);
	put_withdrawals(w, helper);
	end(w, '}');
}

int jh_saved_format(const struct jh_helper *helper, const char *boot_id, char **ret, size_t *ret_len)
{
	struct writer w = {.first = true};
	size_t len = 0;

	put_all(&w, helper, boot_id);
	char *text = jit_draft_done(&w.out, &len);
	if (!text)
		return -ENOMEM;
	if (w.too_many || len > JH_SAVED_MAX) {
		free(text);
		return -EFBIG;
	}
	*ret = text;
	*ret_len = len;
	return 0;
}
