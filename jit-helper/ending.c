/* See ending.h. */
#include "ending.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "grant.h"
#include "helper.h"
#include "log.h"
#include "saved.h"
#include "state.h"

#define LOOK_MS	   200
#define HEAR_MS	   300	 /* what was just said on its terminals reaches people through an sshd that is to go too */
#define GIVE_UP_MS 30000 /* after the first SIGKILL */
#define STRUCK_MIN 3	 /* looks in that time, of however many */
#define BLIND_MS   5000	 /* the longest pause while what runs cannot be seen */
#define SEEN_MAX   65536
#define AT_ONCE	   8  /* looks in LOOK_MS: each reads all of /proc, and whoever asks waits for it */
#define WAITS_MAX  64 /* of endings that wait for other grants */

/* What a look at /proc saw. */
struct view {
	struct jh_sight *seen;
	size_t count, room;
	bool failed; /* no memory */
	bool cut;    /* there are more than are looked at */
};

static void on_sight(const struct jh_sight *sight, void *arg)
{
	struct view *v = arg;

	v->cut = v->count == SEEN_MAX;
	if (v->cut)
		return;
	if (v->count == v->room) {
		size_t room = v->room ? v->room * 2 : 256;
		struct jh_sight *more = realloc(v->seen, room * sizeof(*more));
		if (!more) {
			v->failed = true;
			return;
		}
		v->seen = more;
		v->room = room;
	}
	v->seen[v->count++] = *sight;
}

static int by_pid(const void *a, const void *b)
{
	pid_t x = ((const struct jh_sight *)a)->proc.pid, y = ((const struct jh_sight *)b)->proc.pid;

	return (x > y) - (x < y);
}

/* One audit session where the traces name but one, else everything. */
static int look(const struct jh_traces *t, struct view *v)
{
	uint32_t audit = t->count ? t->at[0].audit : JH_NO_AUDIT;

	for (size_t i = 1; i < t->count; i++)
		if (t->at[i].audit != audit)
			audit = JH_NO_AUDIT;
	int r = jh_sight_each(audit, on_sight, v);
	if (v->count)
		qsort(v->seen, v->count, sizeof(*v->seen), by_pid);
	return r < 0 ? r : v->failed ? -ENOMEM : 0;
}

/*
 * Signals exactly what was seen: the number is held by a pidfd, and what it
 * means now is read again under it. 0; -ESRCH: gone meanwhile; -errno.
 */
static int strike(const struct jh_sight *sight, int signo)
{
	struct jh_sight now;
	JIT_CLOSE int fd = jh_pidfd_open(sight->proc.pid);

	if (fd < 0)
		return fd;
	int r = jh_sight_read(sight->proc.pid, &now);
	if (r < 0)
		return r;
	if (now.proc.start != sight->proc.start || now.uid != sight->uid ||
	    now.proc.audit_session != sight->proc.audit_session || !jh_pidfd_alive(fd))
		return -ESRCH;
	return syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0) < 0 ? -errno : 0;
}

/* What a pass sends, one after another. The null signal asks whether it is still there. */
struct volley {
	int signals[2];
	size_t count;
};

static int strike_all(const struct jh_sight *sight, const struct volley *volley)
{
	int r = 0;

	for (size_t i = 0; i < volley->count && r == 0; i++)
		r = strike(sight, volley->signals[i]);
	return r;
}

static void ending_free(struct jh_ending *e)
{
	LIST_REMOVE(e, link);
	jh_alarm_clear(&e->again);
	free(e);
}

static int64_t count_of(const struct jh_helper *h)
{
	const struct jh_ending *e;
	int64_t n = 0;

	for (e = LIST_FIRST(&h->endings); e; e = LIST_NEXT(e, link))
		n++;
	return n;
}

/* Of many each is looked at more rarely. */
static int64_t look_ms(const struct jh_helper *h)
{
	return LOOK_MS * (1 + count_of(h) / AT_ONCE);
}

static size_t others_of(const struct jh_helper *h, const struct jh_traces *others[static JH_SAVED_LIST_MAX])
{
	const struct jh_grant *g;
	size_t n = 0;

	for (g = LIST_FIRST(&h->grants); g && n < JH_SAVED_LIST_MAX; g = LIST_NEXT(g, link))
		if (g->traces.count)
			others[n++] = &g->traces;
	return n;
}

/* One pass: how many are there still that are to go, and is there something that waits for other grants? */
static size_t pass(struct jh_ending *e, const struct view *v, const struct volley *volley, bool *ret_disputed)
{
	const struct jh_traces *others[JH_SAVED_LIST_MAX];
	size_t other_count = others_of(e->helper, others), left = 0;

	for (size_t i = 0; i < v->count; i++) {
		enum jh_fate fate = jh_fate(v->seen, v->count, i, &e->traces, others, other_count);
		*ret_disputed |= fate == JH_DISPUTED;
		if (fate != JH_DOOMED && fate != JH_LEFT)
			continue;
		if (fate == JH_LEFT && v->cut) { /* what it descends from may be another's elevation */
			left++;
			continue;
		}
		int r = strike_all(&v->seen[i], volley);
		left += r != -ESRCH;
		if (r < 0 && r != -ESRCH && !e->complained) {
			jit_log(LOG_ERR, "%s: process %d cannot be ended: %s%s", e->short_id, (int)v->seen[i].proc.pid,
				strerror(-r), r == -EPERM ? " (jit-helper needs CAP_KILL)" : "");
			e->complained = true;
		}
	}
	return left;
}

static void go_on(struct jh_ending *e, size_t left, bool disputed)
{
	int64_t now = jit_boottime_ms();

	e->waits = left == 0 && disputed;
	if (left == 0 && !disputed) {
		jit_log(LOG_NOTICE, "%s: everything that ran under it has ended", e->short_id);
		jh_state_touch(e->helper);
		ending_free(e);
	} else if (e->waits) {
		/* Nothing more is to be done until another grant ends; whether it goes by itself is looked at rarely.
		 */
		e->give_up_ms = 0;
		jh_alarm_in(&e->again, GIVE_UP_MS / 2);
	} else if (e->give_up_ms && now >= e->give_up_ms) {
		jit_log(LOG_ERR, "%s: %zu processes that ran under it could not be ended; giving up", e->short_id,
			left);
		jh_state_touch(e->helper);
		ending_free(e);
	} else {
		int64_t pause = look_ms(e->helper), next = now + pause;
		/* In time, where they are few: else all that began together would be looked at together. */
		bool is_near = now < e->kill_ms && e->kill_ms < next && pause == LOOK_MS;
		jh_alarm_at(&e->again, is_near ? e->kill_ms : next);
	}
}

/* What the next pass sends; the first one tells them to go. */
static const struct volley *next_volley(struct jh_ending *e)
{
	static const struct volley polite = {{SIGHUP, SIGCONT}, 2}, harsh = {{SIGKILL}, 1}, none = {{0}, 1};
	const int64_t now = jit_boottime_ms();

	if (e->kill_ms == 0) {
		e->kill_ms = now + e->helper->conf->end_grace_s * 1000;
		jh_state_touch(e->helper);
		return &polite;
	}
	if (now < e->kill_ms)
		return &none;
	/* Not from when it was due: the machine may have slept, or its turn have come late. */
	if (e->give_up_ms == 0) {
		const int64_t looks = STRUCK_MIN * look_ms(e->helper);
		e->give_up_ms = now + (looks > GIVE_UP_MS ? looks : GIVE_UP_MS);
	}
	return &harsh;
}

/*
 * Whoever is not seen may stand between one of mine and what seems left behind: nobody is ended by half a look, and
 * nobody is forgotten for it.
 */
static void look_again(struct jh_ending *e, int error)
{
	const int64_t pause = look_ms(e->helper), longest = pause > BLIND_MS ? pause : BLIND_MS;

	if (e->blind == 0)
		jit_log(LOG_ERR, "%s: what runs under it cannot be seen whole, and nothing of it is ended yet: %s",
			e->short_id, strerror(-error));
	e->give_up_ms = 0;
	jh_alarm_in(&e->again, jh_backoff_ms(e->blind++, pause, longest));
}

static void on_again(void *arg)
{
	struct jh_ending *e = arg;
	struct view v = {0};
	bool disputed = false;

	e->roused = false;
	int r = look(&e->traces, &v);

	if (jh_proc_is_shortage(r)) {
		look_again(e, r);
	} else {
		e->blind = 0;
		if (r < 0 && !e->complained) {
			jit_log(LOG_ERR, "%s: what runs under it cannot be seen: %s", e->short_id, strerror(-r));
			e->complained = true;
		}
		size_t left = pass(e, &v, next_volley(e), &disputed);
		go_on(e, r < 0 && left == 0 ? 1 : left, disputed);
	}
	free(v.seen);
}

static size_t count_of_person(const struct jh_helper *helper, const char *requester, bool waiting)
{
	const struct jh_ending *e;
	size_t n = 0;

	for (e = LIST_FIRST(&helper->endings); e; e = LIST_NEXT(e, link))
		n += (e->waits || !waiting) && strcmp(e->requester, requester) == 0;
	return n;
}

/* The oldest of whoever has most of them (all, or those that wait): nobody loses theirs by what another leaves. */
static struct jh_ending *to_forget(struct jh_helper *helper, bool waiting)
{
	struct jh_ending *e, *found = NULL;
	size_t most = 0;

	for (e = LIST_FIRST(&helper->endings); e; e = LIST_NEXT(e, link)) { /* the latest come first */
		if (waiting && !e->waits)
			continue;
		size_t n = count_of_person(helper, e->requester, waiting);
		if (n >= most) {
			most = n;
			found = e;
		}
	}
	return found;
}

/* Whoever can leave something behind could have the helper look for it all the time, and remember it without an end. */
static void make_room(struct jh_helper *helper)
{
	const struct jh_ending *e;
	size_t all = 0, waiting = 0;

	for (e = LIST_FIRST(&helper->endings); e; e = LIST_NEXT(e, link)) {
		all++;
		waiting += e->waits;
	}
	if (waiting < WAITS_MAX && all < JH_SAVED_LIST_MAX)
		return;
	struct jh_ending *over = to_forget(helper, waiting >= WAITS_MAX);
	jit_log(LOG_WARNING, "%s: too much is to be ended at a time; what this one left is not ended", over->short_id);
	ending_free(over);
}

void jh_ending_begin(struct jh_helper *helper, struct jh_ending *e)
{
	make_room(helper);
	e->helper = helper;
	jh_alarm_init(&e->again, helper->alarms, on_again, e);
	/* Once the elevations have been closed, and others restored, and not all that begin together. */
	jh_alarm_in(&e->again, (e->kill_ms ? 0 : HEAR_MS) + count_of(helper) * LOOK_MS / AT_ONCE);
	LIST_INSERT_HEAD(&helper->endings, e, link);
}

void jh_endings_look(struct jh_helper *helper)
{
	const int64_t step = LOOK_MS / AT_ONCE, now = jit_boottime_ms();
	int64_t delay = 0;
	struct jh_ending *e;

	/* Behind those whose turn is set, which stays: else one grant's end after another put them off for ever. */
	for (e = LIST_FIRST(&helper->endings); e; e = LIST_NEXT(e, link))
		if (e->roused && e->again.when_ms + step - now > delay)
			delay = e->again.when_ms + step - now;
	for (e = LIST_FIRST(&helper->endings); e; e = LIST_NEXT(e, link)) {
		if (!e->waits || e->roused)
			continue;
		e->roused = true;
		jh_alarm_in(&e->again, delay);
		delay += step;
	}
}

void jh_endings_free(struct jh_helper *helper)
{
	while (!LIST_EMPTY(&helper->endings))
		ending_free(LIST_FIRST(&helper->endings));
}
