/* See trace.h. */
#include "trace.h"

#include <stdlib.h>
#include <string.h>

#define LOOKS 2 /* more than is added, so that what is gone does not gather */

static bool same_place(const struct jh_trace *a, const struct jh_trace *b)
{
	return a->audit == b->audit && a->uid == b->uid && a->descent == b->descent;
}

static bool is_same(const struct jh_trace *a, const struct jh_trace *b)
{
	return a->pid == b->pid && a->start == b->start && same_place(a, b);
}

/* With its process gone nothing is lost with it: it helps by descent alone, or another, older one says as much. */
static bool is_spare(const struct jh_traces *t, size_t i)
{
	if (t->at[i].descent || t->at[i].audit == JH_NO_AUDIT)
		return true;
	for (size_t k = 0; k < t->count; k++)
		if (k != i && same_place(&t->at[k], &t->at[i]) && t->at[k].start <= t->at[i].start)
			return true;
	return false;
}

static void forget(struct jh_traces *t, size_t i)
{
	memmove(&t->at[i], &t->at[i + 1], (t->count - i - 1) * sizeof(t->at[0]));
	t->count--;
}

/* Those of the next `count` that are gone. */
static void tidy(struct jh_traces *t, size_t count, bool (*alive)(const struct jh_trace *trace))
{
	while (count-- > 0 && t->count > 0) {
		const size_t i = t->look++ % t->count;
		if (is_spare(t, i) && !alive(&t->at[i])) {
			forget(t, i);
			t->look = i;
		}
	}
}

bool jh_traces_add(struct jh_traces *t, const struct jh_trace *trace, bool (*alive)(const struct jh_trace *trace))
{
	bool kept = true;

	for (size_t i = t->count; i-- > 0;)
		if (is_same(&t->at[i], trace))
			forget(t, i);
	tidy(t, t->count == JH_TRACES_MAX ? t->count : LOOKS, alive);
	if (t->count == JH_TRACES_MAX) {
		forget(t, 0);
		kept = false;
	}
	t->at[t->count++] = *trace;
	return kept;
}

static int compare_pid(const void *key, const void *item)
{
	pid_t pid = *(const pid_t *)key, other = ((const struct jh_sight *)item)->proc.pid;

	return (pid > other) - (pid < other);
}

/* The parent, if it can be that: no process is older than the one it descends from. */
static const struct jh_sight *parent_of(const struct jh_sight *seen, size_t count, const struct jh_sight *child)
{
	const struct jh_sight *parent = bsearch(&child->proc.parent, seen, count, sizeof(*seen), compare_pid);

	return parent && parent->proc.start <= child->proc.start && parent != child ? parent : NULL;
}

/* The trace whose elevation's process this is. */
static const struct jh_trace *elevation_of(const struct jh_traces *t, const struct jh_sight *p)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->at[i].pid == p->proc.pid && t->at[i].start == p->proc.start)
			return &t->at[i];
	return NULL;
}

static bool is_others(const struct jh_traces *const *others, size_t count, const struct jh_sight *p)
{
	for (size_t i = 0; i < count; i++)
		if (elevation_of(others[i], p))
			return true;
	return false;
}

static bool runs_as(const struct jh_sight *p, const struct jh_trace *t)
{
	return p->uid == t->uid && (t->audit == JH_NO_AUDIT || p->proc.audit_session == t->audit);
}

static bool is_left_by(const struct jh_traces *t, const struct jh_sight *p, bool whenever)
{
	for (size_t i = 0; i < t->count; i++)
		if (!t->at[i].descent && t->at[i].audit != JH_NO_AUDIT && runs_as(p, &t->at[i]) &&
		    (whenever || p->proc.start >= t->at[i].start))
			return true;
	return false;
}

static bool is_above_one_of(const struct jh_traces *t, const struct jh_sight *seen, size_t count,
			    const struct jh_sight *p)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct jh_sight *at = bsearch(&t->at[i].pid, seen, count, sizeof(*seen), compare_pid);
		if (!at || at->proc.start != t->at[i].start)
			continue;
		/* Bounded by what was seen: a ring cannot be, since pids are given anew only to younger processes. */
		for (size_t steps = 0; at && at != p && steps < count; steps++)
			at = parent_of(seen, count, at);
		if (at == p)
			return true;
	}
	return false;
}

enum jh_fate jh_fate(const struct jh_sight *seen, size_t count, size_t i, const struct jh_traces *mine,
		     const struct jh_traces *const *others, size_t other_count)
{
	const struct jh_sight *p = &seen[i], *at = p;

	if (elevation_of(mine, p) || is_others(others, other_count, p))
		return JH_SPARED;
	for (size_t steps = 0; steps < count && (at = parent_of(seen, count, at)); steps++) {
		const struct jh_trace *above = elevation_of(mine, at);
		if (is_others(others, other_count, at))
			return JH_SPARED;
		if (above)
			return runs_as(p, above) ? JH_DOOMED : JH_SPARED;
	}
	if (!is_left_by(mine, p, false) || is_above_one_of(mine, seen, count, p))
		return JH_SPARED;
	for (size_t k = 0; k < other_count; k++)
		if (is_left_by(others[k], p, true))
			return JH_DISPUTED;
	return JH_LEFT;
}
