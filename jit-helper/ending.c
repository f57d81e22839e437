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
#include "state.h"

#define LOOK_MS	   200
#define HEAR_MS	   300	 /* what was just said on its terminals reaches people through an sshd that is to go too */
#define GIVE_UP_MS 30000 /* after the first SIGKILL */
#define SEEN_MAX   65536
#define OTHERS_MAX 1024

/* What a look at /proc saw. */
struct view {
	struct jh_sight *seen;
	size_t count, room;
	bool failed;
};

static void on_sight(const struct jh_sight *sight, void *arg)
{
	struct view *v = arg;

	if (v->count == v->room) {
		size_t room = v->room ? v->room * 2 : 256;
		struct jh_sight *more = room <= SEEN_MAX ? realloc(v->seen, room * sizeof(*more)) : NULL;
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

static size_t others_of(const struct jh_helper *h, const struct jh_traces *others[static OTHERS_MAX])
{
	const struct jh_grant *g;
	size_t n = 0;

	for (g = LIST_FIRST(&h->grants); g && n < OTHERS_MAX; g = LIST_NEXT(g, link))
		if (g->traces.count)
			others[n++] = &g->traces;
	return n;
}

/* One pass: how many are there still that are to go, and is there something that waits for other grants? */
static size_t pass(struct jh_ending *e, const struct view *v, const struct volley *volley, bool *ret_disputed)
{
	const struct jh_traces *others[OTHERS_MAX];
	size_t other_count = others_of(e->helper, others), left = 0;

	for (size_t i = 0; i < v->count; i++) {
		enum jh_fate fate = jh_fate(v->seen, v->count, i, &e->traces, others, other_count);
		*ret_disputed |= fate == JH_DISPUTED;
		if (fate != JH_DOOMED)
			continue;
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
		e->give_up_ms = now + GIVE_UP_MS;
		jh_alarm_in(&e->again, GIVE_UP_MS / 2);
	} else if (now >= e->give_up_ms) {
		jit_log(LOG_ERR, "%s: %zu processes that ran under it could not be ended; giving up", e->short_id,
			left);
		jh_state_touch(e->helper);
		ending_free(e);
	} else {
		int64_t next = now + LOOK_MS;
		jh_alarm_at(&e->again, now < e->kill_ms && e->kill_ms < next ? e->kill_ms : next);
	}
}

static void on_again(void *arg)
{
	static const struct volley polite = {{SIGHUP, SIGCONT}, 2}, harsh = {{SIGKILL}, 1}, none = {{0}, 1};
	struct jh_ending *e = arg;
	struct view v = {0};
	bool disputed = false;
	const struct volley *volley = &none;

	if (e->kill_ms == 0) {
		e->kill_ms = jit_boottime_ms() + e->helper->conf->end_grace_s * 1000;
		e->give_up_ms = e->kill_ms + GIVE_UP_MS;
		volley = &polite;
		jh_state_touch(e->helper);
	} else if (jit_boottime_ms() >= e->kill_ms) {
		volley = &harsh;
	}
	int r = look(&e->traces, &v);
	size_t left = pass(e, &v, volley, &disputed);
	free(v.seen);
	if (r < 0 && !e->complained) {
		jit_log(LOG_ERR, "%s: what runs under it cannot be seen whole: %s", e->short_id, strerror(-r));
		e->complained = true;
	}
	go_on(e, r < 0 && left == 0 ? 1 : left, disputed);
}

void jh_ending_begin(struct jh_helper *helper, const char *short_id, const struct jh_traces *traces, int64_t kill_ms)
{
	struct jh_ending *e = calloc(1, sizeof(*e));
	int64_t now = jit_boottime_ms();

	if (!e) {
		jit_log(LOG_ERR, "%s: out of memory: what runs under it is not ended", short_id);
		return;
	}
	e->helper = helper;
	snprintf(e->short_id, sizeof(e->short_id), "%s", short_id);
	e->traces = *traces;
	e->kill_ms = kill_ms;
	e->give_up_ms = (kill_ms > now ? kill_ms : now) + GIVE_UP_MS;
	jh_alarm_init(&e->again, helper->alarms, on_again, e);
	jh_alarm_in(&e->again, kill_ms ? 0 : HEAR_MS); /* once the elevations have been closed, and others restored */
	LIST_INSERT_HEAD(&helper->endings, e, link);
}

void jh_endings_look(struct jh_helper *helper)
{
	struct jh_ending *e;

	for (e = LIST_FIRST(&helper->endings); e; e = LIST_NEXT(e, link))
		if (e->waits)
			jh_alarm_in(&e->again, 0);
}

void jh_endings_free(struct jh_helper *helper)
{
	while (!LIST_EMPTY(&helper->endings))
		ending_free(LIST_FIRST(&helper->endings));
}
