/* See state.h. */
#include "state.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "folder.h"
#include "helper.h"
#include "log.h"
#include "peer.h"
#include "safefile.h"
#include "saved.h"
#include "spool.h"
#include "withdraw.h"

#define FILE_NAME "helper.json"
#define TEMPORARY "helper.json.new"
#define BOOT_FILE "/proc/sys/kernel/random/boot_id"
#define LATER_MS  50
#define AGAIN_MS  1000 /* a write that failed is tried again after that, then twice that, up to the cap */
#define CAP_MS	  30000
#define HEAR_MS	  3000 /* how long the broker has to say what it ended meanwhile; 2 s may go to one that is away */

struct jh_state {
	struct jh_helper *helper;
	struct event *write; /* made active by hand: it comes last in the pass of the loop that touched the state */
	bool due;
	struct jh_alarm later; /* many sessions that end together, or begin and end, are written once */
	struct jh_alarm again; /* set while the last write has failed */
	unsigned failures;     /* how often it was set since a write went well */
	char boot[JH_BOOT_SIZE];
};

int jh_state_prepare(const struct jh_conf *conf, char *why, size_t why_size)
{
	struct jh_folder new = {.mode = 0700};
	struct stat st;

	int r = jh_folder_user(conf->user, &new.uid, &new.gid);
	if (jh_proc_is_shortage(r)) {
		snprintf(why, why_size, "cannot look user %s up: %s", conf->user, strerror(-r));
		return r;
	}
	if (r < 0) {
		snprintf(why, why_size, "there is no user %s: make it with systemd-sysusers", conf->user);
		return r;
	}
	JIT_CLOSE int folder = jh_folder_open(conf->state_dir, &new, why, why_size);
	if (folder < 0 && folder != -EACCES)
		return folder;
	if (folder >= 0 && fstat(folder, &st) == 0 && st.st_uid == new.uid && (st.st_mode & 077) == 0)
		return 0;
	snprintf(why, why_size, "state_dir %s must be a folder of %s with mode 0700: install -d -m 0700 -o %s %s",
		 conf->state_dir, conf->user, conf->user, conf->state_dir);
	return -EPERM;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);
		if (n < 0 && errno != EINTR)
			return -errno;
		text += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* No fsync: it must outlive this process, and a boot makes it worthless. */
static int replace_file(const char *dir, const char *text, size_t len)
{
	static const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	JIT_CLOSE int folder = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (folder < 0)
		return -errno;
	JIT_CLOSE int fd = openat(folder, TEMPORARY, flags, 0600);
	/* Left by a write that was cut off. */
	if (fd < 0 && errno == EEXIST && unlinkat(folder, TEMPORARY, 0) == 0)
		fd = openat(folder, TEMPORARY, flags, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, text, len);
	if (r == 0 && renameat(folder, TEMPORARY, folder, FILE_NAME) < 0)
		r = -errno;
	if (r < 0) /* on a disk that is full it would be in the way of others too */
		unlinkat(folder, TEMPORARY, 0);
	return r;
}

/* Tries that changes make beside it put its time off no further. */
static void have_failed(struct jh_state *s, int error)
{
	if (s->failures == 0)
		jit_log(LOG_ERR,
			"cannot write %s/" FILE_NAME
			": %s; trying again; until then a restart goes on with what was written before, and forgets "
			"what has begun on this host since",
			s->helper->conf->state_dir, strerror(-error));
	if (!s->again.when_ms)
		jh_alarm_in(&s->again, jh_backoff_ms(s->failures++, AGAIN_MS, CAP_MS));
}

static void have_written(struct jh_state *s)
{
	if (s->failures)
		jit_log(LOG_NOTICE, "%s/" FILE_NAME " is written again", s->helper->conf->state_dir);
	s->failures = 0;
	jh_alarm_clear(&s->again);
}

static int write_now(struct jh_state *s)
{
	size_t len = 0;
	JIT_FREE char *text = NULL;
	int r = jh_saved_format(s->helper, s->boot, &text, &len);

	if (r == 0)
		r = replace_file(s->helper->conf->state_dir, text, len);
	s->due = false;
	jh_alarm_clear(&s->later);
	if (r < 0)
		have_failed(s, r);
	else
		have_written(s);
	return r;
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
	struct jh_state *s = arg;

	(void)fd;
	(void)what;
	if (s->due)
		write_now(s);
}

static void on_alarm(void *arg)
{
	write_now(arg);
}

static int read_boot(char boot[static JH_BOOT_SIZE])
{
	JIT_CLOSE int fd = open(BOOT_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, boot, JH_BOOT_SIZE - 1) : -1;

	if (n != JH_BOOT_SIZE - 1)
		return -EIO;
	boot[n] = '\0';
	return 0;
}

struct jh_state *jh_state_new(struct jh_helper *helper)
{
	struct jh_state *s = calloc(1, sizeof(*s));

	if (!s || read_boot(s->boot) < 0) {
		free(s);
		return NULL;
	}
	s->helper = helper;
	jh_alarm_init(&s->later, helper->alarms, on_alarm, s);
	jh_alarm_init(&s->again, helper->alarms, on_alarm, s);
	s->write = event_new(helper->base, -1, 0, on_due, s);
	if (s->write)
		return s;
	free(s);
	return NULL;
}

void jh_state_free(struct jh_state *s)
{
	if (!s)
		return;
	event_free(s->write);
	jh_alarm_clear(&s->later);
	jh_alarm_clear(&s->again);
	free(s);
}

void jh_state_touch(struct jh_helper *helper)
{
	struct jh_state *s = helper->state;

	if (!s || s->due)
		return;
	s->due = true;
	event_active(s->write, EV_TIMEOUT, 0);
}

void jh_state_touch_later(struct jh_helper *helper)
{
	struct jh_state *s = helper->state;

	if (s && !s->due && !s->later.when_ms)
		jh_alarm_in(&s->later, LATER_MS);
}

bool jh_state_flush(struct jh_helper *helper)
{
	struct jh_state *s = helper->state;
	int r = s && (s->due || s->later.when_ms || s->again.when_ms) ? write_now(s) : 0;

	if (r < 0)
		jit_log(LOG_ERR,
			"%s/" FILE_NAME
			" could not be written in the end either: %s; the next jit-helper goes on with what was "
			"written before, and asks the broker what is over by now",
			helper->conf->state_dir, strerror(-r));
	return r == 0;
}

/* A grant that the helper before this one left. */
struct taken {
	struct jh_grant *grant;
	int r;	       /* 0; -errno: it does not go on */
	unsigned lost; /* elevations that do not */
	bool recorded; /* one that no broker knows of: its end has been written already */
};

static void note(struct taken *t, int r)
{
	if (t->r == 0)
		t->r = r;
}

static int restore_elevations(struct taken *t, const struct jh_saved *saved)
{
	const struct jh_saved_elevation *e;

	for (e = LIST_FIRST(&saved->elevations); e; e = LIST_NEXT(e, link)) {
		if (strcmp(e->grant, t->grant->id) != 0)
			continue;
		int r = jh_elevation_restore(t->grant, &e->facts, e->pid, e->start);
		if (jh_proc_is_shortage(r))
			return r;
		t->lost += r < 0;
		if (r != -ESRCH) /* privileged, and not to be watched */
			note(t, r);
	}
	return 0;
}

/* Whether it goes on is judged when all that is needed for all of them has been had. 0 or -errno of a shortage. */
static int restore_grant(struct jh_helper *helper, struct jh_grant *g, const struct jh_saved *saved, struct taken *ret)
{
	*ret = (struct taken){.grant = g, .r = jh_grant_restore(helper, g)};
	jh_grant_list(g);
	if (jh_proc_is_shortage(ret->r))
		return ret->r;
	int open = g->local ? jh_spool_is_open(helper->spool, g->id) : 1;
	if (jh_proc_is_shortage(open))
		return open;
	ret->recorded = open <= 0; /* no broker could tell that the state is older */
	return restore_elevations(ret, saved);
}

/* What ended it while nobody looked ends it now. */
static void judge_grant(const struct taken *t)
{
	struct jh_grant *g = t->grant;

	jit_log(LOG_NOTICE, "%s: grant of role %s for %s goes on after a restart: %u elevations, %u ended meanwhile",
		g->short_id, g->role, g->requester, jh_elevations_of(g), t->lost);
	if (g->active && jit_boottime_ms() >= g->until_ms)
		jh_grant_end(g, "its time is over", !g->collector.started);
	else if (t->r == -ESRCH)
		jh_grant_end(g, "its login session has ended", true);
	else if (t->r < 0)
		jh_grant_end(g, "jit-helper could not go on with it", true);
	else if (t->recorded)
		jh_grant_end(g, "its end is recorded", false);
	else if (g->active)
		jh_grant_resume(g);
}

/* All or none: whoever was short of anything has ended nothing. */
static int take_over(struct jh_helper *helper, struct jh_saved *saved)
{
	const struct jh_saved_withdrawal *w;
	struct jh_ending *e;
	struct jh_grant *g;
	size_t count = 0, n = 0;
	int r = 0;

	for (g = LIST_FIRST(&saved->grants); g; g = LIST_NEXT(g, link))
		count++;
	JIT_FREE struct taken *taken = calloc(count + 1, sizeof(*taken));
	if (!taken)
		return -ENOMEM;
	for (; r == 0 && n < count; n++) {
		g = LIST_FIRST(&saved->grants);
		LIST_REMOVE(g, link);
		r = restore_grant(helper, g, saved, &taken[n]);
	}
	if (r < 0)
		return r;
	while ((e = LIST_FIRST(&saved->endings))) {
		LIST_REMOVE(e, link);
		jh_ending_begin(helper, e);
	}
	for (w = LIST_FIRST(&saved->withdrawals); w; w = LIST_NEXT(w, link))
		jh_withdraw(helper, w->requester, w->id, w->short_id, w->unheard ? JH_BEGIN_AND_END : JH_END);
	for (size_t i = 0; i < n; i++)
		judge_grant(&taken[i]);
	jh_state_touch(helper);
	return 0;
}

int jh_state_restore(struct jh_helper *helper, char *why, size_t why_size)
{
	static const struct jit_file_rule rule = {.secret = true, .max_size = JH_SAVED_MAX};
	char path[4096], cause[JIT_LINE_SIZE];
	struct jh_saved saved = {0};
	size_t len;
	char *text;

	snprintf(path, sizeof(path), "%s/" FILE_NAME, helper->conf->state_dir);
	int r = jit_file_read(path, &rule, &text, &len, cause, sizeof(cause));
	if (r == -ENOENT)
		return 0;
	if (r == 0) {
		r = jh_saved_parse(text, len, helper->state->boot, jit_boottime_ms(), &saved, cause, sizeof(cause));
		free(text);
	}
	if (r < 0 && !jh_proc_is_shortage(r)) {
		jit_log(LOG_WARNING, "the state in %s is passed over: %s", path, cause);
		return 0;
	}
	if (r == 0)
		r = take_over(helper, &saved);
	jh_saved_clear(&saved);
	if (r < 0) {
		snprintf(why, why_size,
			 "cannot go on with the grants and elevations of this host (%s); they are kept, and the next "
			 "start tries again: see what uses up this host's memory or open files",
			 strerror(-r));
		return r;
	}
	/* Nobody is let in under what may have been revoked meanwhile. After that they go on as in any outage. */
	if (!LIST_EMPTY(&helper->grants))
		jh_listener_hold(helper->pam, HEAR_MS);
	return 0;
}
