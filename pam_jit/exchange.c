/* See exchange.h. */
#include "exchange.h"

#include "channel.h"
#include "clock.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ENV_SIZE 4096  /* bytes of one variable, NUL included */
#define READ_MS	 10000 /* for a helper that is being started, or restarted, to read the question */

struct exchange {
	const struct pj_exchange *how;
	struct pj_answer *answer;
	unsigned frames; /* that came so far */
	int64_t read_by; /* when what was asked has to be read, or INT64_MAX once it is */
};

/* Ends the exchange with an outcome of the module's own. Always false: the loop does not go on. */
static bool settle(struct exchange *x, uint32_t outcome, const char *text)
{
	x->answer->outcome = outcome;
	jit_text_clean_str(x->answer->text, sizeof(x->answer->text), text);
	return false;
}

static bool in_time(const struct exchange *x)
{
	return jit_boottime_ms() < x->how->deadline;
}

static bool out_of_time(struct exchange *x)
{
	return settle(x, JIT_UNAVAILABLE,
		      "jit-helper has not answered in time; try again, or tell this host's operator");
}

/* It was there in time, but the person was at a prompt, or the process stopped (Ctrl-Z). */
static bool too_late(struct exchange *x)
{
	return settle(x, JIT_TIMED_OUT, "the time to wait for a decision is over; try again");
}

static bool broken(struct exchange *x)
{
	return settle(x, JIT_INVALID, "");
}

/* PATH, BASH_ENV and their like would let a helper that has been taken over choose what root runs. */
static bool is_env_name(const char *s, size_t len)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

	return len > 4 && (memcmp(s, "JIT_", 4) == 0 || memcmp(s, "AWS_", 4) == 0) && strspn(s, letters) == len;
}

bool pj_answer_env(const struct pj_answer *answer, unsigned nth, char *buf, size_t size)
{
	const uint8_t *value;
	size_t len;

	if (!jit_frame_get(&answer->frame, JIT_T_ENV, nth, &value, &len) || len >= size)
		return false;
	memcpy(buf, value, len);
	buf[len] = '\0';
	return true;
}

static bool env_is_good(const struct jit_frame *f)
{
	const uint8_t *value;
	size_t len;

	for (unsigned n = 0; jit_frame_get(f, JIT_T_ENV, n, &value, &len); n++) {
		char env[ENV_SIZE], clean[ENV_SIZE];

		if (n >= PJ_ENV_MAX || len >= sizeof(env) || memchr(value, '\0', len))
			return false;
		memcpy(env, value, len);
		env[len] = '\0';
		size_t name_len = strcspn(env, "=");
		jit_text_clean_str(clean, sizeof(clean), env);
		if (env[name_len] != '=' || !is_env_name(env, name_len) || strcmp(clean, env) != 0)
			return false;
	}
	return true;
}

/* What an allowed OPEN must bring along. */
static bool read_elevation(const struct jit_frame *f, struct pj_answer *answer)
{
	const uint8_t *again;
	size_t len, again_len;

	if (!jit_frame_get(f, JIT_T_TOKEN, 0, &answer->token, &len) || len != JIT_TOKEN_LEN ||
	    jit_frame_get(f, JIT_T_TOKEN, 1, &again, &again_len))
		return false;
	if (jit_frame_get_u32(f, JIT_T_REMAINING, &answer->remaining) < 0 || answer->remaining == 0 ||
	    answer->remaining > PJ_GRANT_MAX)
		return false;
	return env_is_good(f);
}

static bool is_grant(const char *s)
{
	return strspn(s, "0123456789abcdefABCDEF-") == JIT_ID_SIZE - 1 && s[JIT_ID_SIZE - 1] == '\0';
}

static bool on_verdict(struct exchange *x)
{
	struct pj_answer *answer = x->answer;
	const struct jit_frame *f = &answer->frame;
	char text[JIT_LINE_SIZE], grant[JIT_ID_SIZE];
	uint32_t outcome;

	if (jit_frame_get_u32(f, JIT_T_OUTCOME, &outcome) < 0 || outcome > JIT_LATER)
		return broken(x);
	if (!in_time(x) && (outcome == JIT_ALLOW || outcome == JIT_IGNORE))
		return too_late(x);
	int r = jit_frame_get_str(f, JIT_T_TEXT, text, sizeof(text));
	int g = jit_frame_get_str(f, JIT_T_GRANT, grant, sizeof(grant));
	if (r == -EPROTO || g == -EPROTO || (g == 0 && !is_grant(grant)))
		return broken(x);
	if (outcome == JIT_ALLOW && x->how->phase == PJ_OPEN && !x->how->bare && !read_elevation(f, answer))
		return broken(x);
	if (g == 0)
		memcpy(answer->grant, grant, sizeof(grant));
	return settle(x, outcome, text);
}

static bool on_say(struct exchange *x)
{
	char text[JIT_LINE_SIZE];
	uint32_t severity;
	const struct jit_frame *f = &x->answer->frame;

	if (jit_frame_get_str(f, JIT_T_TEXT, text, sizeof(text)) < 0 ||
	    jit_frame_get_u32(f, JIT_T_SEVERITY, &severity) < 0)
		return broken(x);
	pj_talk_say(x->how->talk, severity != 0, text);
	return true;
}

static bool on_wait(struct exchange *x)
{
	char text[JIT_LINE_SIZE];
	uint32_t remaining;
	const struct jit_frame *f = &x->answer->frame;

	if (jit_frame_get_str(f, JIT_T_TEXT, text, sizeof(text)) < 0 ||
	    jit_frame_get_u32(f, JIT_T_REMAINING, &remaining) < 0)
		return broken(x);
	pj_talk_wait(x->how->talk, text, jit_boottime_ms() + (int64_t)remaining * 1000);
	return true;
}

/* A helper that has closed already may have left its verdict, which is still to be read: that is no failure here. */
static bool tell(struct exchange *x, const struct jit_frame *f, int passed)
{
	int r = jit_frame_send_fd(x->how->fd, f, passed);

	if (r < 0 && r != -EPIPE && r != -ECONNRESET)
		return settle(x, JIT_UNAVAILABLE, "jit-helper does not take what is sent to it; try again");
	return true;
}

/* `text` is NULL where nobody could be asked. */
static bool reply(struct exchange *x, const char *text)
{
	struct jit_frame f;

	jit_frame_start(&f, JIT_F_REPLY);
	jit_frame_put_str(&f, JIT_T_TEXT, text);
	bool go_on = tell(x, &f, -1);
	jit_frame_wipe(&f);
	return go_on;
}

static bool on_ask(struct exchange *x)
{
	char text[JIT_LINE_SIZE], answer[JIT_LINE_SIZE];
	uint32_t echo;
	const struct jit_frame *f = &x->answer->frame;

	if (jit_frame_get_str(f, JIT_T_TEXT, text, sizeof(text)) < 0 || jit_frame_get_u32(f, JIT_T_ECHO, &echo) < 0)
		return broken(x);
	pj_quiet_pause(x->how->quiet);
	int r = pj_talk_ask(x->how->talk, text, echo == 1, answer, sizeof(answer));
	pj_quiet_resume(x->how->quiet);
	bool go_on = reply(x, r == 0 ? answer : NULL);
	explicit_bzero(answer, sizeof(answer));
	return go_on;
}

static bool on_frame(struct exchange *x)
{
	uint8_t type = jit_frame_type(&x->answer->frame);

	if (type != JIT_F_VERDICT && (x->how->bare || ++x->frames > PJ_FRAMES_MAX))
		return broken(x);
	if (type == JIT_F_ASK && !in_time(x))
		return too_late(x);
	switch (type) {
	case JIT_F_SAY:
		return on_say(x);
	case JIT_F_ASK:
		return on_ask(x);
	case JIT_F_WAIT:
		return on_wait(x);
	case JIT_F_VERDICT:
		return on_verdict(x);
	default:
		return broken(x);
	}
}

/* Takes one frame. True: the exchange goes on. */
static bool receive(struct exchange *x)
{
	int r = jit_frame_recv(x->how->fd, &x->answer->frame);

	if (r == -EAGAIN || r == -EINTR)
		return true;
	/* Told once where the helper closed without reading our last frame; what it sent before still stands to be
	 * read. */
	if (r == -ECONNRESET)
		r = jit_frame_recv(x->how->fd, &x->answer->frame);
	if (r == 0 || r == -ECONNRESET)
		return settle(x, JIT_UNAVAILABLE, "jit-helper went away before it had answered; try again");
	return r < 0 ? broken(x) : on_frame(x);
}

/*
 * A socket that systemd holds takes a question also where the helper cannot be started, or is stopped: without this
 * the person would wait as long as for a decision. Whoever has read it decides in time.
 */
static bool is_heard(struct exchange *x)
{
	if (jit_boottime_ms() < x->read_by)
		return true;
	x->read_by = INT64_MAX;
	return pj_channel_is_read(x->how->fd);
}

/* What ended a wait, or -ETIMEDOUT at the time of the countdown's next drawing. */
static bool on_wake(struct exchange *x, int r)
{
	switch (r) {
	case -EINTR:
		return settle(x, JIT_CANCELLED, "");
	case -ECONNABORTED:
		return settle(x, JIT_CANCELLED, "the client went away");
	case -ETIMEDOUT:
		return (in_time(x) && is_heard(x)) || out_of_time(x);
	case 0:
		/* Also past the deadline: a refusal that came while a prompt stood says why. */
		return receive(x);
	default:
		return settle(x, JIT_UNAVAILABLE, "");
	}
}

void pj_exchange(const struct pj_exchange *how, const struct jit_frame *question, struct pj_answer *ret_answer)
{
	struct exchange x = {how, ret_answer, 0, jit_boottime_ms() + READ_MS};

	settle(&x, JIT_INVALID, "");
	ret_answer->grant[0] = '\0';
	bool go_on = tell(&x, question, how->terminal);
	if (go_on)
		pj_channel_expect(how->fd);
	while (go_on) {
		int64_t tick = pj_talk_tick(how->talk);
		int64_t until = tick < how->deadline ? tick : how->deadline;

		if (x.read_by < until)
			until = x.read_by;
		go_on = on_wake(&x, pj_channel_wait(how->fd, how->client, how->quiet, until));
	}
}
