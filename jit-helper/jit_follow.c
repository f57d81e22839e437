/* See jit_follow.h. */
#include "jit_follow.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clock.h"
#include "jit.h"
#include "jit_asked.h"
#include "jit_doc.h"
#include "text.h"

#define FOLLOW_S 60 /* seconds that the helper holds an answer at most */
#define LOST_S	 30 /* seconds that a restart of the helper may take */

static const int stops[] = {SIGINT, SIGTERM, SIGHUP};
static volatile sig_atomic_t stopped;

struct state {
	const struct jit_follow *follow;
	sigset_t during; /* the mask while it waits; in between they are blocked */
	int64_t began_ms, until_ms, heard_ms;
	bool shown; /* the live line stands there */
};

static void on_stop(int sig)
{
	(void)sig;
	stopped = 1;
}

void jit_follow_signals(void)
{
	const struct sigaction catch = {.sa_handler = on_stop};

	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
		struct sigaction before;

		/* What was started to outlive a terminal (nohup, a shell's background) goes on doing so. */
		if (sigaction(stops[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
			sigaction(stops[i], &catch, NULL);
	}
}

static size_t count_pending(struct json_object *list)
{
	size_t n = 0;

	for (size_t i = 0; i < json_object_array_length(list); i++)
		n += jit_asked_pending(json_object_array_get_idx(list, i));
	return n;
}

static void clear_line(struct state *s)
{
	if (s->shown)
		fputs("\r\033[K", stderr);
	s->shown = false;
}

/* "2 requests wait for approval, for 1 min 5 s now (Ctrl-C withdraws)" */
static void show_line(void *arg)
{
	struct state *s = arg;
	struct winsize size = {0};
	char since[32], line[160];
	size_t n = count_pending(s->follow->list);

	if (!s->follow->live)
		return;
	jit_format_duration((uint64_t)((jit_boottime_ms() - s->began_ms) / 1000), since, sizeof(since));
	snprintf(line, sizeof(line), "%zu %s for approval, for %s now (Ctrl-C withdraws)", n,
		 n == 1 ? "request waits" : "requests wait", since);
	int columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1 : 79;
	fprintf(stderr, "\r%.*s\033[K", columns, line);
	fflush(stderr);
	s->shown = true;
}

static void on_change(void *arg, struct json_object *request)
{
	struct state *s = arg;

	clear_line(s);
	s->follow->changed(s->follow->arg, request);
}

static void put_pending(const struct jit_follow *follow, struct jit_frame *frame)
{
	char id[JIT_ID_SIZE];

	for (size_t i = 0; i < json_object_array_length(follow->list); i++) {
		struct json_object *request = json_object_array_get_idx(follow->list, i);

		if (jit_asked_pending(request))
			jit_frame_put_str(frame, JIT_T_GRANT, jit_doc_text(request, "requestId", id, sizeof(id)));
	}
}

static enum jit_exit take_news(struct state *s, const struct jit_frame *frame)
{
	struct json_object *doc = jit_doc_read(frame), *news = jit_doc_list(doc, "requests");
	enum jit_exit status = JIT_EXIT_OK;

	if (news)
		jit_asked_update(s->follow->list, news, on_change, s);
	else
		status = doc ? jit_doc_senseless() : JIT_EXIT_INTERNAL;
	json_object_put(doc);
	return status;
}

/* JIT_EXIT_OK: go on, also where a signal came, or the helper is away and may come back. */
static enum jit_exit follow_once(struct state *s, struct jit_frame *frame)
{
	int64_t now = jit_boottime_ms(), left_s = (s->until_ms - now + 999) / 1000;
	const unsigned wait_s = left_s < FOLLOW_S ? (unsigned)left_s : FOLLOW_S;
	const struct jit_patience patience = {wait_s + 5, &s->during, show_line, s};
	const struct timespec pause = {.tv_sec = 1};
	bool reached;

	jit_frame_start(frame, JIT_F_FOLLOW);
	put_pending(s->follow, frame);
	jit_frame_put_u32(frame, JIT_T_WAIT, wait_s);
	int r = jit_ask(s->follow->socket, frame, &patience, &reached);
	if (r == -EINTR)
		return JIT_EXIT_OK;
	if (r < 0 && now - s->heard_ms < 1000 * LOST_S) {
		ppoll(NULL, 0, &pause, &s->during);
		return JIT_EXIT_OK;
	}
	clear_line(s);
	enum jit_exit status = jit_answer(r, reached, frame);
	s->heard_ms = jit_boottime_ms();
	return status == JIT_EXIT_OK ? take_news(s, frame) : status;
}

/* Each by its id; one that could not be told stays pending, and the others are told all the same. */
static enum jit_exit withdraw(struct state *s, struct jit_frame *frame)
{
	struct json_object *list = s->follow->list;
	enum jit_exit status = JIT_EXIT_OK;
	char id[JIT_ID_SIZE];

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *request = json_object_array_get_idx(list, i);

		if (!jit_asked_pending(request))
			continue;
		jit_frame_start(frame, JIT_F_END);
		jit_frame_put_str(frame, JIT_T_GRANT, jit_doc_text(request, "requestId", id, sizeof(id)));
		enum jit_exit told = jit_call(s->follow->socket, frame);
		if (told == JIT_EXIT_OK) {
			json_object_object_add(request, "status", json_object_new_string("CANCELLED"));
			s->follow->changed(s->follow->arg, request);
		}
		if (told == JIT_EXIT_NOTHING)
			told = JIT_EXIT_DENIED; /* over in the same instant, by somebody else */
		status = status == JIT_EXIT_OK ? told : status;
	}
	return status;
}

enum jit_exit jit_follow(const struct jit_follow *follow)
{
	struct state s = {.follow = follow, .began_ms = jit_boottime_ms()};
	enum jit_exit status = JIT_EXIT_OK;
	struct jit_frame frame;
	sigset_t block;

	sigemptyset(&block);
	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++)
		sigaddset(&block, stops[i]);
	sigprocmask(SIG_BLOCK, &block, &s.during);
	s.heard_ms = s.began_ms;
	s.until_ms = s.began_ms + 1000 * (int64_t)follow->seconds;
	while (status == JIT_EXIT_OK && !stopped && jit_boottime_ms() < s.until_ms && count_pending(follow->list)) {
		show_line(&s);
		status = follow_once(&s, &frame);
	}
	clear_line(&s);
	return stopped ? withdraw(&s, &frame) : status;
}
