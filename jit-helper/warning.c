/* See warning.h. */
#include "warning.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "elevation.h"
#include "grant.h"
#include "helper.h"
#include "state.h"
#include "terminal.h"
#include "text.h"

size_t jh_warning_first(const struct jh_conf *conf, int64_t duration_s)
{
	size_t i = 0;

	while (i < conf->warning_count && conf->warnings_s[i] >= duration_s)
		i++;
	return i;
}

size_t jh_warning_after(const struct jh_conf *conf, size_t next, int64_t left_ms)
{
	while (next < conf->warning_count && conf->warnings_s[next] * 1000 >= left_ms)
		next++;
	return next;
}

static void say_everywhere(const struct jh_grant *g, const char *what)
{
	struct jh_told told = {.count = 0};
	const struct jh_elevation *e;
	char line[JIT_LINE_SIZE];

	snprintf(line, sizeof(line), "jit: request %s, role %.64s: %s", g->short_id, g->role, what);
	for (e = LIST_FIRST(&g->helper->elevations); e; e = LIST_NEXT(e, link))
		if (e->grant == g && e->stands)
			jh_terminal_say(e, line, &told);
}

static void on_due(void *arg)
{
	struct jh_grant *g = arg;
	int64_t left_ms = g->until_ms - jit_boottime_ms();
	size_t after = jh_warning_after(g->helper->conf, g->warning.next, left_ms);
	char span[32], what[96];

	/* Several that are due at once, as after a suspend, are said once. */
	if (after > g->warning.next && left_ms > 0) {
		jit_format_duration((uint64_t)(left_ms + 500) / 1000, span, sizeof(span));
		snprintf(what, sizeof(what), "%s left%s", span,
			 g->ends ? ", then everything of this session is ended" : "");
		say_everywhere(g, what);
		g->warning.next = after;
		jh_state_touch(g->helper);
	}
	jh_warning_arm(g);
}

void jh_warning_init(struct jh_grant *g)
{
	jh_alarm_init(&g->warning.alarm, g->helper->alarms, on_due, g);
}

void jh_warning_start(struct jh_grant *g)
{
	g->warning.next = jh_warning_first(g->helper->conf, g->duration_s);
}

void jh_warning_arm(struct jh_grant *g)
{
	const struct jh_conf *conf = g->helper->conf;

	jh_alarm_clear(&g->warning.alarm);
	if (g->active && g->warning.next < conf->warning_count)
		jh_alarm_at(&g->warning.alarm, g->until_ms - conf->warnings_s[g->warning.next] * 1000);
}

void jh_warning_stop(struct jh_grant *g)
{
	jh_alarm_clear(&g->warning.alarm);
}

void jh_warning_over(const struct jh_grant *g, const char *why)
{
	char prefix[48], what[JIT_LINE_SIZE];

	if (!g->active)
		return;
	/* A decision's sentence names the request, as the line does already. */
	int len = snprintf(prefix, sizeof(prefix), "request %s: ", g->short_id);
	if (strncmp(why, prefix, (size_t)len) == 0)
		why += len;
	snprintf(what, sizeof(what), "%.320s%s", why, g->ends ? "; everything of this session is ended now" : "");
	say_everywhere(g, what);
}
