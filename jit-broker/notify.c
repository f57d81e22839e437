/*
 * See notify.h. A failure is one of two: the receiver is in trouble (then its
 * channel waits, and one message after the other finds out whether it is back),
 * or it refused this message (then this one waits, and the others go on).
 * Waiting is kept with the row, in the store; how a channel does, in memory alone:
 * a broker that starts tries at once.
 */
#include "notify.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "courier.h"
#include "log.h"
#include "outbox.h"
#include "retry.h"
#include "workflow.h"

#define POLL_MS	       30000  /* another process may have written into the outbox */
#define ORPHANS_MS     600000 /* how often channels that are configured no longer are looked after */
#define RECOVERED_FROM 3      /* failures in a row after which a success sends all that waits on its way */
#define GIVE_UP_BATCH  100
#define TOLD_AGAIN_MS  300000 /* the log hears of a channel's trouble so often at most */
#define CHANNEL_SIZE   96

struct under_way {
	struct under_way *next;
	struct channel *channel;
	struct jb_outbox_row row;
};

struct channel {
	struct channel *next;
	struct jb_notify *notify;
	char name[CHANNEL_SIZE];
	struct jb_courier *courier;
	struct event *timer;
	struct under_way *under_way;
	size_t count;	    /* of those */
	unsigned failures;  /* in a row */
	int64_t not_before; /* on the machine's clock, ms */
	int64_t told;	    /* when the log heard of its trouble last; 0: it is not in trouble */
};

struct jb_notify {
	struct event_base *base;
	const struct jb_conf *conf;
	struct jb_store *store;
	struct channel *channels;
	struct event *kick, *poll;
	int64_t orphans_at;
	struct jb_notify_stats stats; /* but for `failing` */
};

enum jb_notify_kind jb_notify_kind(const char *channel)
{
	if (strcmp(channel, JB_CHANNEL_WORKFLOW) == 0)
		return JB_NOTIFY_WORKFLOW;
	return strcmp(channel, JB_CHANNEL_MAIL) == 0 ? JB_NOTIFY_MAIL : JB_NOTIFY_WEBHOOK;
}

static void count(struct jb_notify *notify, const struct jb_outbox_row *row, enum jb_notify_outcome outcome)
{
	notify->stats.count[jb_notify_kind(row->notice.channel)][outcome]++;
}

static int64_t pause_ms(const struct jb_conf *conf, unsigned failures)
{
	uint32_t random = UINT32_MAX;

	RAND_bytes((unsigned char *)&random, sizeof(random)); /* failed: the longest */
	return jb_retry_ms(failures, conf->notify_retry, conf->notify_retry_max, random);
}

static void look_again(struct channel *c, int64_t ms)
{
	const int64_t wait = ms < 1 ? 1 : ms > POLL_MS ? POLL_MS : ms;
	const struct timeval tv = {.tv_sec = wait / 1000, .tv_usec = wait % 1000 * 1000};

	evtimer_add(c->timer, &tv);
}

static bool is_under_way(const struct channel *c, int64_t seq)
{
	for (const struct under_way *u = c->under_way; u; u = u->next)
		if (u->row.seq == seq)
			return true;
	return false;
}

static void under_way_free(struct under_way *u)
{
	struct under_way **at = &u->channel->under_way;

	while (*at != u)
		at = &(*at)->next;
	*at = u->next;
	u->channel->count--;
	jb_outbox_row_clear(&u->row);
	free(u);
}

static void give_up(struct jb_notify *notify, const struct jb_outbox_row *row, int64_t now)
{
	if (jb_outbox_give_up(notify->store, row, now) < 0) {
		jit_log(LOG_ERR, "cannot give up notification %s: %s", row->notice.id, jb_store_error(notify->store));
		return;
	}
	count(notify, row, JB_NOTIFY_GIVEN_UP);
	jit_log(LOG_ERR, "gave up telling %s of %s (%s, notification %s): %s", row->notice.receiver, row->notice.event,
		row->notice.about, row->notice.id, row->error ? row->error : "it was never tried");
}

/* All of that channel that is too old, but what is under way. */
static void give_up_old(struct jb_notify *notify, const char *name, const struct channel *c, const char *why,
			int64_t now)
{
	struct jb_outbox_rows rows;

	if (jb_outbox_old(notify->store, name, now - notify->conf->notify_give_up, GIVE_UP_BATCH, &rows) < 0)
		return;
	for (size_t i = 0; i < rows.count; i++) {
		if (c && is_under_way(c, rows.row[i].seq))
			continue;
		if (why && !rows.row[i].error)
			rows.row[i].error = strdup(why);
		give_up(notify, &rows.row[i], now);
	}
	jb_outbox_rows_clear(&rows);
}

static void succeeded(struct channel *c, const struct jb_outbox_row *row)
{
	struct jb_store *store = c->notify->store;

	count(c->notify, row, JB_NOTIFY_DELIVERED);
	if (jb_outbox_done(store, row) < 0) { /* it will be told twice */
		jit_log(LOG_ERR, "cannot take notification %s out of the outbox: %s", row->notice.id,
			jb_store_error(store));
		c->not_before = jit_boottime_ms() + pause_ms(c->notify->conf, ++c->failures);
		return;
	}
	if (c->failures >= RECOVERED_FROM)
		jb_outbox_hurry(store, c->name, jit_wall_s());
	if (c->told)
		jit_log(LOG_NOTICE, "%s takes notifications again", c->name);
	c->failures = 0;
	c->told = 0;
	c->not_before = 0;
}

static void tell_trouble(struct channel *c, const char *why)
{
	const int64_t now = jit_boottime_ms();

	if (c->told && now - c->told < TOLD_AGAIN_MS)
		return;
	c->told = now;
	jit_log(LOG_WARNING, "%s does not take notifications: %s; they wait, and are tried again", c->name, why);
}

static void failed(struct channel *c, struct jb_outbox_row *row, const struct jb_brought_result *result)
{
	struct jb_notify *notify = c->notify;
	const int64_t now = jit_wall_s();
	const int64_t due = now + (pause_ms(notify->conf, row->tries + 1) + 999) / 1000;

	count(notify, row, result->how == JB_BROUGHT_REFUSED ? JB_NOTIFY_REFUSED : JB_NOTIFY_FAILED);
	jb_outbox_failed(notify->store, row, due, result->why);
	free(row->error);
	row->error = strdup(result->why);
	if (row->notice.at <= now - notify->conf->notify_give_up)
		give_up(notify, row, now);
	if (result->how == JB_BROUGHT_REFUSED) {
		if (row->tries == 0)
			jit_log(LOG_WARNING, "%s refused notification %s of %s: %s", row->notice.receiver,
				row->notice.id, row->notice.about, result->why);
		return;
	}
	int64_t pause = pause_ms(notify->conf, ++c->failures);
	if (pause < (int64_t)result->retry_after * 1000)
		pause = (int64_t)result->retry_after * 1000;
	c->not_before = jit_boottime_ms() + pause;
	tell_trouble(c, result->why);
	give_up_old(notify, c->name, c, result->why, now);
}

static void on_brought(void *arg, const struct jb_brought_result *result)
{
	struct under_way *u = arg;
	struct channel *c = u->channel;

	if (result->how == JB_BROUGHT)
		succeeded(c, &u->row);
	else
		failed(c, &u->row, result);
	under_way_free(u);
	look_again(c, 0);
}

/* Takes the row. False: the channel has to wait. */
static bool begin(struct channel *c, struct jb_outbox_row *row)
{
	struct under_way *u = calloc(1, sizeof(*u));
	struct jb_brought_result result;

	if (!u)
		return false;
	u->channel = c;
	u->row = *row;
	*row = (struct jb_outbox_row){0};
	u->next = c->under_way;
	c->under_way = u;
	c->count++;
	if (jb_courier_send(c->courier, &u->row.notice, jit_wall_s(), on_brought, u, &result))
		return true;
	failed(c, &u->row, &result);
	under_way_free(u);
	return c->failures == 0;
}

static size_t slots(const struct channel *c)
{
	return c->failures ? 1 : JB_NOTIFY_PARALLEL;
}

/* A clock that was set back must not hold up anything for longer than a pause. */
static bool is_due(const struct channel *c, const struct jb_outbox_row *row, int64_t now)
{
	return row->due <= now || row->due > now + c->notify->conf->notify_retry_max + 1;
}

static void bring(struct channel *c, struct jb_outbox_rows *rows)
{
	const int64_t now = jit_wall_s();

	for (size_t i = 0; i < rows->count && c->count < slots(c); i++) {
		struct jb_outbox_row *row = &rows->row[i];

		if (is_under_way(c, row->seq))
			continue;
		if (!is_due(c, row, now))
			return look_again(c, (row->due - now) * 1000);
		if (!begin(c, row))
			return look_again(c, c->not_before - jit_boottime_ms());
	}
}

static void look(struct channel *c)
{
	struct jb_outbox_rows rows;
	const int64_t now = jit_boottime_ms();

	if (now < c->not_before)
		return look_again(c, c->not_before - now);
	if (c->count >= slots(c)) /* whichever comes back looks again */
		return;
	if (jb_outbox_next(c->notify->store, c->name, 2 * JB_NOTIFY_PARALLEL, &rows) < 0) {
		jit_log(LOG_ERR, "cannot read the outbox: %s", jb_store_error(c->notify->store));
		return look_again(c, POLL_MS);
	}
	bring(c, &rows);
	jb_outbox_rows_clear(&rows);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	look(arg);
}

static void on_kick(evutil_socket_t fd, short what, void *arg)
{
	struct jb_notify *notify = arg;

	(void)fd;
	(void)what;
	for (struct channel *c = notify->channels; c; c = c->next)
		look(c);
}

/* Told from within the transaction's caller: the work is done afterwards. */
static void on_write(void *arg)
{
	struct jb_notify *notify = arg;

	event_active(notify->kick, EV_TIMEOUT, 0);
}

struct orphans {
	struct jb_notify *notify;
	char name[GIVE_UP_BATCH][CHANNEL_SIZE];
	size_t count;
};

static void collect_orphan(void *arg, const char *channel, size_t waiting, int64_t oldest)
{
	struct orphans *o = arg;

	(void)waiting;
	(void)oldest;
	for (const struct channel *c = o->notify->channels; c; c = c->next)
		if (strcmp(c->name, channel) == 0)
			return;
	if (o->count < GIVE_UP_BATCH)
		snprintf(o->name[o->count++], CHANNEL_SIZE, "%s", channel);
}

/* What waits for a channel that was taken out of the configuration: it may come back, until it is too old. */
static void look_after_orphans(struct jb_notify *notify)
{
	struct orphans *o = calloc(1, sizeof(*o));

	if (!o)
		return;
	o->notify = notify;
	if (jb_outbox_channels(notify->store, collect_orphan, o) == 0)
		for (size_t i = 0; i < o->count; i++)
			give_up_old(notify, o->name[i], NULL, "it is not in the configuration any more", jit_wall_s());
	free(o);
}

static void on_poll(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval tv = {.tv_sec = POLL_MS / 1000};
	struct jb_notify *notify = arg;
	const int64_t now = jit_boottime_ms();

	on_kick(fd, what, arg);
	if (now >= notify->orphans_at) {
		notify->orphans_at = now + ORPHANS_MS;
		look_after_orphans(notify);
	}
	evtimer_add(notify->poll, &tv);
}

static void channel_free(struct channel *c)
{
	jb_courier_free(c->courier);
	while (c->under_way)
		under_way_free(c->under_way);
	if (c->timer)
		event_free(c->timer);
	free(c);
}

static void add_channel(struct jb_notify *notify, const char *name)
{
	struct channel *c = calloc(1, sizeof(*c));
	char why[256] = "out of memory";

	if (c) {
		c->notify = notify;
		snprintf(c->name, sizeof(c->name), "%s", name);
		c->timer = evtimer_new(notify->base, on_timer, c);
		c->courier = jb_courier_new(notify->base, notify->conf, name, why, sizeof(why));
	}
	if (!c || !c->timer || !c->courier) {
		jit_log(LOG_ERR, "cannot tell %s anything: %s", name, why);
		if (c)
			channel_free(c);
		return;
	}
	/* What made it fail may be mended: that is what restarts and reloads are for. */
	jb_outbox_hurry(notify->store, name, jit_wall_s());
	c->next = notify->channels;
	notify->channels = c;
}

static void close_channels(struct jb_notify *notify)
{
	while (notify->channels) {
		struct channel *c = notify->channels;

		notify->channels = c->next;
		channel_free(c);
	}
}

void jb_notify_set_conf(struct jb_notify *notify, const struct jb_conf *conf)
{
	char name[CHANNEL_SIZE];

	close_channels(notify);
	notify->conf = conf;
	if (conf->workflow)
		add_channel(notify, JB_CHANNEL_WORKFLOW);
	for (size_t i = 0; i < conf->webhook_count; i++) {
		snprintf(name, sizeof(name), "webhook:%s", conf->webhooks[i].name);
		add_channel(notify, name);
	}
	if (conf->mail_server)
		add_channel(notify, JB_CHANNEL_MAIL);
	event_active(notify->kick, EV_TIMEOUT, 0);
}

void jb_notify_stats(const struct jb_notify *notify, struct jb_notify_stats *ret)
{
	*ret = notify->stats;
	for (const struct channel *c = notify->channels; c; c = c->next)
		ret->failing += c->failures > 0;
}

static bool has_begun(const struct jb_notify *notify)
{
	for (const struct channel *c = notify->channels; c; c = c->next)
		if (c->count)
			return true;
	return false;
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

void jb_notify_flush(struct jb_notify *notify, int64_t until_ms)
{
	const int64_t left_ms = until_ms - jit_boottime_ms();
	const struct timeval tv = {.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000};
	bool is_late = left_ms <= 0;
	struct event *late = evtimer_new(notify->base, on_late, &is_late);

	is_late |= !late || event_add(late, &tv) < 0;
	for (bool begun = true; begun && !is_late;) {
		on_kick(-1, 0, notify);
		begun = has_begun(notify);
		while (has_begun(notify) && !is_late && event_base_loop(notify->base, EVLOOP_ONCE) == 0)
			;
	}
	if (late)
		event_free(late);
}

void jb_notify_try_secrets(struct jb_notify *notify, int64_t until_ms)
{
	char why[512];

	for (struct channel *c = notify->channels; c; c = c->next) {
		switch (jb_courier_try_secret(c->courier, until_ms, why, sizeof(why))) {
		case JB_BROUGHT_REFUSED:
			jit_log(LOG_ERR, "%s: %s; its notifications wait until that is mended", c->name, why);
			break;
		case JB_BROUGHT_TROUBLE:
			jit_log(LOG_WARNING, "%s: %s; its notifications wait", c->name, why);
			break;
		case JB_BROUGHT:
			break;
		}
	}
}

struct jb_notify *jb_notify_new(struct event_base *base, const struct jb_conf *conf, struct jb_store *store)
{
	const struct timeval tv = {.tv_sec = 1};
	struct jb_notify *notify = calloc(1, sizeof(*notify));

	if (!notify)
		return NULL;
	notify->base = base;
	notify->store = store;
	notify->kick = evtimer_new(base, on_kick, notify);
	notify->poll = evtimer_new(base, on_poll, notify);
	if (!notify->kick || !notify->poll || evtimer_add(notify->poll, &tv) < 0) {
		jb_notify_free(notify);
		return NULL;
	}
	jb_outbox_on_write(store, on_write, notify);
	jb_notify_set_conf(notify, conf);
	return notify;
}

void jb_notify_free(struct jb_notify *notify)
{
	if (!notify)
		return;
	jb_outbox_on_write(notify->store, NULL, NULL);
	close_channels(notify);
	if (notify->kick)
		event_free(notify->kick);
	if (notify->poll)
		event_free(notify->poll);
	free(notify);
}
